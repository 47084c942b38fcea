//! The summary: jobs, faults by kind, runners by outcome, waste, violations.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::exemptions::Exemption;
use super::figures::{Figures, JobEnd};
use super::scenario::CallFaultKind;
use crate::system::Port;

/// Every call that a function makes, by port: one that never comes up in many seeds is named.
const CALLS: [(&str, &str, &[&str]); 14] = [
    (
        "webhook",
        "DynamoDB",
        &["GetItem", "TransactWriteItems", "PutItem"],
    ),
    ("webhook", "SQS", &["SendMessage"]),
    ("webhook", "SSM", &["GetParameters"]),
    (
        "scaler",
        "DynamoDB",
        &[
            "GetItem",
            "Query",
            "TransactGetItems",
            "TransactWriteItems",
            "PutItem",
        ],
    ),
    (
        "scaler",
        "ECS",
        &["RunTask", "StopTask", "RegisterTaskDefinition"],
    ),
    ("scaler", "SSM", &["GetParameters"]),
    (
        "registrar",
        "DynamoDB",
        &["GetItem", "Query", "TransactWriteItems", "PutItem"],
    ),
    ("registrar", "ECS", &["DescribeTasks"]),
    ("registrar", "GitHub", &["generate-jitconfig"]),
    (
        "observer",
        "DynamoDB",
        &["GetItem", "TransactWriteItems", "PutItem"],
    ),
    ("observer", "SQS", &["SendMessage"]),
    (
        "sweeper",
        "DynamoDB",
        &["GetItem", "Query", "TransactWriteItems", "PutItem"],
    ),
    (
        "sweeper",
        "ECS",
        &["ListTasks", "DescribeTasks", "StopTask"],
    ),
    ("sweeper", "SQS", &["SendMessage"]),
];

/// Kinds of faults that a port can be struck by as they are named.
fn blows_of(_port: Port) -> [CallFaultKind; 9] {
    CallFaultKind::ALL
}

/// The whole summary.
pub(super) fn summary(figures: &Figures) -> String {
    let mut text = String::new();
    jobs(&mut text, figures);
    faults(&mut text, figures);
    calls(&mut text, figures);
    let _ = writeln!(text, "\nnever: {}", never(figures).join(", "));
    text
}

fn listed<K: std::fmt::Display>(counts: impl IntoIterator<Item = (K, u64)>) -> String {
    counts
        .into_iter()
        .map(|(name, count)| format!("{count} {name}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn end(end: JobEnd) -> &'static str {
    match end {
        JobEnd::Done => "done",
        JobEnd::Failed => "failed",
        JobEnd::Cancelled => "cancelled",
        JobEnd::Waits => "waiting with a reason",
        JobEnd::Unserved => "UNSERVED",
    }
}

fn jobs(text: &mut String, figures: &Figures) {
    let of = |kind: &str| figures.happenings.get(kind).copied().unwrap_or_default();
    let minutes = figures.lasted.as_secs() / 60;
    let _ = writeln!(
        text,
        "seeds     {} ({} with a violation), {} h of virtual time",
        figures.seeds,
        figures.failed,
        minutes / 60
    );
    let situations = figures
        .situations
        .iter()
        .map(|(name, stories)| (name, *stories));
    let _ = writeln!(text, "          situations: {}", listed(situations));
    let _ = writeln!(
        text,
        "jobs      {}: {}",
        figures.all_jobs(),
        listed(
            figures
                .jobs
                .iter()
                .map(|(kind, count)| (end(*kind), *count))
        )
    );
    let count = |exemption: Exemption| {
        figures
            .waiting
            .get(exemption.words())
            .copied()
            .unwrap_or_default()
    };
    let excuses = Exemption::ALL.map(|exemption| (exemption.words(), count(exemption)));
    let _ = writeln!(text, "          waiting because: {}", listed(excuses));
    let _ = writeln!(
        text,
        "runners   {}",
        listed(figures.runners.iter().map(|(name, count)| (name, *count)))
    );
    let _ = writeln!(
        text,
        "tasks     {} started, {} stops asked for; {:.1} % of {} h paid for ran no job",
        of("tasks started"),
        of("stops asked for"),
        100.0 * figures.waste(),
        figures.paid.as_secs() / 3600
    );
    let github: u64 = figures
        .calls
        .iter()
        .filter(|((_, port, _), _)| port == "GitHub")
        .map(|(_, calls)| calls.made)
        .sum();
    let ecs: u64 = figures
        .calls
        .iter()
        .filter(|((_, port, _), _)| port == "ECS")
        .map(|(_, calls)| calls.made)
        .sum();
    let _ = writeln!(
        text,
        "calls     {github} to GitHub, {ecs} to ECS; in one minute at most {} looks at pools, {} RunTask",
        figures.most_looks, figures.most_requests
    );
    let turned_away = figures
        .turned_away
        .iter()
        .map(|(place, count)| (place, *count));
    let _ = writeln!(text, "turned away by load: {}", listed(turned_away));
    let _ = writeln!(
        text,
        "happened  {}",
        listed(
            figures
                .happenings
                .iter()
                .map(|(kind, count)| (kind, *count))
        )
    );
}

fn faults(text: &mut String, figures: &Figures) {
    let mut by: BTreeMap<&str, BTreeMap<CallFaultKind, u64>> = BTreeMap::new();
    for ((_, port, _), calls) in &figures.calls {
        for (kind, count) in &calls.struck {
            *by.entry(port).or_default().entry(*kind).or_default() += count;
        }
    }
    let _ = writeln!(text, "\nfaults by port");
    for port in Port::ALL {
        let struck = by
            .get(port.to_string().as_str())
            .cloned()
            .unwrap_or_default();
        let counts = blows_of(port)
            .map(|kind| (kind.word(), struck.get(&kind).copied().unwrap_or_default()));
        let _ = writeln!(text, "  {:<9} {}", port.to_string(), listed(counts));
    }
}

fn calls(text: &mut String, figures: &Figures) {
    let _ = writeln!(text, "\ncalls, and how many of them were struck");
    for ((who, port, operation), calls) in &figures.calls {
        let struck: u64 = calls.struck.values().sum();
        let _ = writeln!(
            text,
            "  {who:<9} {port:<9} {operation:<26} {:>9} {struck:>7}",
            calls.made
        );
    }
}

/// The figures as JSON, for other programs.
pub(super) fn json(figures: &Figures) -> serde_json::Value {
    let calls = figures.calls.iter().map(|((who, port, operation), calls)| {
        let struck: BTreeMap<&str, u64> = calls.struck.iter().map(|(kind, count)| (kind.word(), *count)).collect();
        serde_json::json!({ "who": who, "port": port, "operation": operation, "made": calls.made, "struck": struck })
    });
    serde_json::json!({
        "seeds": figures.seeds,
        "failed": figures.failed,
        "situations": figures.situations,
        "turned_away": figures.turned_away,
        "jobs": figures.jobs.iter().map(|(kind, count)| (end(*kind), *count)).collect::<BTreeMap<_, _>>(),
        "waiting": figures.waiting,
        "runners": figures.runners,
        "happenings": figures.happenings,
        "waste": figures.waste(),
        "virtual_seconds": figures.lasted.as_secs(),
        "calls": calls.collect::<Vec<_>>(),
    })
}

/// Calls that never came up, or were never struck, and faults that never struck a port.
pub(super) fn never(figures: &Figures) -> Vec<String> {
    let mut never = Vec::new();
    for (who, port, operations) in CALLS {
        for operation in operations {
            match figures
                .calls
                .get(&(who.to_owned(), port.to_owned(), (*operation).to_owned()))
            {
                None => never.push(format!("{who} {port} {operation} never called")),
                Some(calls) if calls.struck.is_empty() => {
                    never.push(format!("{who} {port} {operation} never struck"))
                }
                Some(_) => {}
            }
        }
    }
    for port in Port::ALL {
        let of_port = || {
            figures
                .calls
                .iter()
                .filter(|((_, its, _), _)| *its == port.to_string())
        };
        for kind in blows_of(port)
            .into_iter()
            .filter(|kind| of_port().all(|(_, calls)| !calls.struck.contains_key(kind)))
        {
            never.push(format!("{port} never struck: {}", kind.word()));
        }
    }
    if never.is_empty() {
        never.push("nothing: every call and every fault came up".to_owned());
    }
    never
}
