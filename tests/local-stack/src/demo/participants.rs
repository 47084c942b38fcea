//! Who plays: the jobs, what is done to them, and how each should end.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use serde_json::{Value, json};

use crate::inspect::Watch;

/// What is special about a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing.
    Plain,
    /// Its pool takes only four at a time.
    OverMax,
    /// Every delivery comes three times.
    Repeated,
    /// GitHub gives it the runner of an older job.
    Thief,
    /// An environment holds it back until someone approves.
    Gated,
    /// Cancelled before a runner is there.
    Cancelled,
    /// No pool takes it.
    Unmatched,
    /// Its repository is public, or not among those that the pool serves.
    Refused,
}

impl Kind {
    /// In a word.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::OverMax => "over max",
            Self::Repeated => "repeated",
            Self::Thief => "stolen",
            Self::Gated => "gated",
            Self::Cancelled => "cancelled",
            Self::Unmatched => "no pool",
            Self::Refused => "refused",
        }
    }

    /// True if it must end with `success`.
    pub(super) fn runs(self) -> bool {
        !matches!(self, Self::Cancelled | Self::Unmatched | Self::Refused)
    }

    /// True if Mayfly must leave it alone.
    pub(super) fn is_foreign(self) -> bool {
        matches!(self, Self::Unmatched | Self::Refused)
    }
}

/// One job.
#[derive(Debug)]
pub(super) struct Part {
    /// GitHub's id.
    pub(super) job: i64,
    /// What is special about it.
    pub(super) kind: Kind,
    /// Someone has approved it.
    approved: AtomicBool,
}

const LINUX: [&str; 4] = ["self-hosted", "linux", "x64", "mayfly"];
const SMALL: [&str; 2] = ["self-hosted", "mayfly-small"];
const ARM: [&str; 3] = ["self-hosted", "arm64", "mayfly-arm"];

/// The jobs in the order in which they are queued: thirty.
fn cast() -> Vec<(Kind, u32, Value)> {
    let job = |labels: &[&str], seconds: f64| json!({ "repository": "acme/app", "labels": labels, "seconds": seconds });
    let with = |mut job: Value, name: &str, value: Value| {
        job[name] = value;
        job
    };
    vec![
        (Kind::Plain, 7, job(&LINUX, 2.0)),
        (Kind::OverMax, 7, job(&SMALL, 1.0)),
        (Kind::Plain, 2, job(&ARM, 1.0)),
        (
            Kind::Repeated,
            3,
            with(job(&LINUX, 1.0), "deliveries", json!({ "repeat": 3 })),
        ),
        (Kind::Gated, 2, with(job(&LINUX, 1.0), "gate", json!(true))),
        (
            Kind::Cancelled,
            2,
            with(job(&LINUX, 1.0), "cancel_after", json!(0.2)),
        ),
        (Kind::Thief, 3, with(job(&LINUX, 1.0), "thief", json!(true))),
        (Kind::Unmatched, 1, job(&["ubuntu-latest"], 1.0)),
        (Kind::Unmatched, 1, job(&["self-hosted", "gpu"], 1.0)),
        (
            Kind::Refused,
            1,
            with(
                with(job(&LINUX, 1.0), "repository", json!("acme/site")),
                "private",
                json!(false),
            ),
        ),
        (
            Kind::Refused,
            1,
            with(job(&LINUX, 1.0), "repository", json!("acme/other")),
        ),
    ]
}

/// Queues all jobs.
pub(super) async fn play(watch: &Watch) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    for (kind, count, wish) in cast() {
        let jobs = watch.queue(&wish, count).await?;
        parts.extend(jobs.into_iter().map(|job| Part {
            job,
            kind,
            approved: AtomicBool::new(false),
        }));
    }
    Ok(parts)
}

/// Does what someone has to do meanwhile: approves what waits at a gate.
pub(super) async fn prompt(watch: &Watch, parts: &[Part]) -> Result<()> {
    for part in parts
        .iter()
        .filter(|part| part.kind == Kind::Gated && !part.approved.load(Ordering::Relaxed))
    {
        if watch.approve(part.job).await? {
            part.approved.store(true, Ordering::Relaxed);
        }
    }
    Ok(())
}
