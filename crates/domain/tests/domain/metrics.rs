//! The list of metrics, and its table in `docs/METRICS.md`, by which the template's tests go.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::job_timeline::Step;
use mayfly_domain::model::metric::{METRICS, Metric, Sent, Source};
use mayfly_domain::model::story::Reason;
use serde_json::json;

use crate::fixture::builders::NOW;
use crate::fixture::stories::reasons;

const DOCUMENT: &str = include_str!("../../../../docs/METRICS.md");

fn row(metric: &Metric) -> String {
    let source = match metric.source {
        Source::Field(function) => function.to_owned(),
        Source::Filter(log) => format!("filter: {log}"),
    };
    let sent = match metric.sent {
        Sent::Always => "always",
        Sent::Busy => "busy",
        Sent::Trouble => "trouble",
    };
    let mut meaning = metric.meaning.to_owned();
    for name in metric.arc {
        let _ = write!(meaning, "; ARC: `{name}`");
    }
    format!(
        "| `{}` | {} | {} | {} | {source} | {sent} | {meaning} |",
        metric.name,
        metric.unit.word(),
        metric.dimensions.join(", "),
        metric.level.word(),
    )
}

#[test]
fn the_document_has_every_metric_and_no_other() {
    let rows: Vec<String> = METRICS.iter().map(row).collect();
    let table = DOCUMENT
        .lines()
        .skip_while(|line| !line.starts_with("| metric |"))
        .skip(2)
        .take_while(|line| line.starts_with('|'));
    let table: Vec<&str> = table.collect();
    let wanted = rows.join("\n");
    assert_eq!(table, rows, "docs/METRICS.md should have:\n{wanted}\n");
}

#[test]
fn a_metric_is_there_once_and_each_phase_of_a_wait_has_one() {
    let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    let mut waits = 0;
    for step in [
        Step::Received,
        Step::Planned,
        Step::TaskCreated,
        Step::PullStarted,
        Step::PullStopped,
        Step::ContainerStarted,
        Step::Polled,
        Step::Registered,
        Step::Began,
    ] {
        let phase = step.ends().unwrap();
        assert!(phase.is_wait());
        let name = format!("wait_{}_seconds", json!(phase).as_str().unwrap());
        assert!(names.contains(name.as_str()), "{name}");
        waits += 1;
    }
    let known = names.iter().filter(|name| name.starts_with("wait_"));
    assert_eq!(known.count(), waits);
}

const OPERATIONS: &str = include_str!("../../../../docs/OPERATIONS.md");

/// Every code that a section's tables have in their first column.
fn codes(section: &str) -> BTreeSet<String> {
    let (_, rest) = OPERATIONS.split_once(&format!("\n## {section}\n")).unwrap();
    let section = rest.split("\n## ").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split(" | ").next())
        .flat_map(|cell| cell.split(", "))
        .map(|code| code.trim_matches('`').to_owned())
        .collect()
}

#[test]
fn operations_says_what_to_do_about_every_reason() {
    let holds = [
        HoldReason::Job,
        HoldReason::PoolMax(1),
        HoldReason::RepositoryMax(1),
        HoldReason::GithubLimit(NOW),
        HoldReason::FailedStarts(NOW),
        HoldReason::Unverified(1),
        HoldReason::NotAssigned(NOW),
        HoldReason::Refused(NOW),
        HoldReason::NoAnswer,
        HoldReason::ThisRun,
    ];
    let words = holds.map(|hold| hold.word().to_owned());
    assert_eq!(codes("Why a job waits"), BTreeSet::from(words));
    // What a newer version wrote has any kind; it is read as `other`.
    let kind = |reason: &Reason| match reason {
        Reason::Other { .. } => "other".to_owned(),
        reason => json!(reason)["kind"].as_str().unwrap().to_owned(),
    };
    let kinds: BTreeSet<String> = reasons()
        .iter()
        .map(kind)
        .chain(["other".to_owned()])
        .collect();
    assert_eq!(codes("Reason codes"), kinds);
}

/// A value of a dimension is a metric that is paid for: what has no bound is none.
#[test]
fn dimensions_are_few() {
    for metric in METRICS {
        for dimension in metric.dimensions {
            assert!(
                ["pool", "outcome", "reason"].contains(dimension),
                "{}: {dimension}",
                metric.name
            );
        }
    }
}
