//! Asking for the commands, and what of their answers is compared.

use mayfly_cli::commands::explain::report::{self, JobReport};
use mayfly_cli::commands::{explain, jobs, runners, status};
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_dynamodb_model::Handle;
use mayfly_ledger::Ledger;
use mayfly_simulator::system::System;
use serde::Serialize;

/// What stands for what differs from one story to the next.
const FILTERS: [(&str, &str); 12] = [
    (r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?", "<time>"),
    (r"\b\d\d:\d\d:\d\d\b", "<time>"),
    (r"\b\d\d:\d\d UTC\b", "<time> UTC"),
    (r"\$\d+\.\d{4}", "<cost>"),
    (r#"_nanodollars": [1-9]\d*"#, r#"_nanodollars": "<cost>""#),
    (r#""(start_up|work|unused)": [1-9]\d*"#, r#""$1": "<cost>""#),
    (r#"seconds": \d+\.\d+"#, r#"seconds": "<seconds>""#),
    (r"\b\d+ %", "<share>"),
    (r"\b(\d+\.\ds|\d+s|\d+m\d\ds|\d+h\d\dm)\b", "<span>"),
    (r"\b[0-9a-f]{32}\b", "<task>"),
    (r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "<guid>"),
    // Columns are as wide as what was left out; how they are aligned is tested where tables are.
    (r"(\S) {2,}", "$1  "),
];

/// The ledger, as someone with the CLI has it.
pub(crate) fn ledger(system: &System) -> Ledger<Handle> {
    system.world.table.ledger("mayfly")
}

/// The active pools.
pub(crate) fn pools(system: &System) -> Pools {
    let (text, version) = system.world.parameters.pools().unwrap();
    mayfly_config::pools_file::parse(&text, version).unwrap()
}

pub(crate) fn now(system: &System) -> Timestamp {
    system.world.clock.now()
}

pub(crate) async fn explained(system: &System, job: JobId) -> JobReport {
    let report = report::gather(
        &ledger(system),
        Some(&pools(system)),
        job,
        "https://github.com",
        now(system),
    )
    .await
    .unwrap();
    report.unwrap_or_else(|| panic!("the ledger does not know job {job}"))
}

pub(crate) async fn status(system: &System) -> status::report::StatusReport {
    status::report::gather(&ledger(system), Some(&pools(system)), now(system))
        .await
        .unwrap()
}

/// Everything of the last hour.
pub(crate) fn all_jobs(system: &System) -> jobs::report::Filter {
    let since = now(system).minus(std::time::Duration::from_secs(3_600));
    jobs::report::Filter {
        repository: None,
        pool: None,
        state: None,
        since,
        limit: 100,
    }
}

pub(crate) async fn jobs(
    system: &System,
    filter: &jobs::report::Filter,
) -> jobs::report::JobsReport {
    jobs::report::gather(&ledger(system), Some(&pools(system)), filter, now(system))
        .await
        .unwrap()
}

pub(crate) async fn runners(
    system: &System,
    filter: &runners::report::Filter,
) -> runners::report::RunnersReport {
    runners::report::gather(&ledger(system), Some(&pools(system)), filter, now(system))
        .await
        .unwrap()
}

pub(crate) fn text(report: &JobReport) -> String {
    explain::text::text(report, None)
}

/// Without colour, and with runners told apart by the order in which they were asked for.
fn named(system: &System, text: &str) -> String {
    let mut text = anstream::adapter::strip_str(text).to_string();
    let mut ids: Vec<_> = system
        .runners()
        .into_iter()
        .chain(system.closed_runners())
        .map(|runner| runner.id)
        .collect();
    ids.sort();
    for (number, id) in ids.iter().enumerate() {
        text = text.replace(id.as_str(), &format!("<runner {number}>"));
        text = text.replace(&id.as_str()[20..], &format!("<{number}>"));
    }
    text
}

/// Holds a text against what it was.
#[track_caller]
pub(crate) fn holds(system: &System, name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_filters(FILTERS);
    settings.set_omit_expression(true);
    settings.set_prepend_module_to_snapshot(false);
    settings.bind(|| insta::assert_snapshot!(name.to_owned(), named(system, text)));
}

/// The same of an answer as JSON.
#[track_caller]
pub(crate) fn holds_json(system: &System, name: &str, answer: &impl Serialize) {
    holds(system, name, &serde_json::to_string_pretty(answer).unwrap());
}
