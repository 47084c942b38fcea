//! The jobs of a report as CSV, a line each: for spreadsheets.

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::price::NanoDollars;
use mayfly_domain::model::time::Timestamp;

use super::summary::{jobs_since, runners_by_job};
use crate::deployment::ended::{Ended, EndedJob, EndedRunner};
use crate::failure::Failure;
use crate::terminal::time_format::{Rfc3339, seconds};

/// The columns.
const HEAD: [&str; 13] = [
    "job",
    "repository",
    "private",
    "workflow",
    "name",
    "pool",
    "conclusion",
    "queued_at",
    "closed_at",
    "waited_seconds",
    "ran_seconds",
    "cost_usd",
    "start_up_usd",
];

/// The jobs that ended since then.
///
/// # Errors
///
/// If they cannot be written.
pub fn csv(ended: &Ended, since: Timestamp) -> Result<String, Failure> {
    let failed = |error: &dyn std::fmt::Display| {
        Failure::new(format!("could not write the report as CSV: {error}"), "")
    };
    let runners = runners_by_job(ended);
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(HEAD).map_err(|error| failed(&error))?;
    for (id, job) in jobs_since(ended, since) {
        writer
            .write_record(row(id, job, runners.get(&id).copied()))
            .map_err(|error| failed(&error))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(&error))?;
    String::from_utf8(bytes).map_err(|error| failed(&error))
}

fn row(id: JobId, job: &EndedJob, runner: Option<&EndedRunner>) -> [String; 13] {
    let spend = runner.and_then(|runner| runner.spend);
    let number = |number: Option<std::time::Duration>| {
        number.map_or_else(String::new, |span| seconds(span).to_string())
    };
    let money = |money: Option<NanoDollars>| money.map_or_else(String::new, usd);
    [
        id.to_string(),
        harmless(&job.repository_name),
        job.private.to_string(),
        harmless(job.workflow.as_deref().unwrap_or_default()),
        harmless(&job.name),
        job.pool
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        harmless(job.conclusion.as_deref().unwrap_or_default()),
        Rfc3339(job.queued_at).to_string(),
        Rfc3339(job.closed_at).to_string(),
        number(job.waited),
        number(job.ran),
        money(spend.map(mayfly_domain::model::spend::Spend::total)),
        money(spend.map(|spend| spend.start_up)),
    ]
}

/// Dollars with all nine digits.
fn usd(money: NanoDollars) -> String {
    format!("{}.{:09}", money.0 / 1_000_000_000, money.0 % 1_000_000_000)
}

/// A text that no spreadsheet takes for a formula: the author of a pull request chooses a job's name.
/// Source: OWASP, "CSV Injection" (<https://owasp.org/www-community/attacks/CSV_Injection>).
fn harmless(text: &str) -> String {
    match text.chars().next() {
        Some('=' | '+' | '-' | '@' | '\t' | '\r') => format!("'{text}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_has_all_its_digits() {
        assert_eq!(usd(NanoDollars(1_000_000_001)), "1.000000001");
        assert_eq!(usd(NanoDollars(42)), "0.000000042");
    }

    #[test]
    fn no_name_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"] {
            assert_eq!(harmless(text), format!("'{text}"));
        }
        assert_eq!(harmless("build (1, 2)"), "build (1, 2)");
    }
}
