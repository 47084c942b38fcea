//! What became of everything, and what of it is wrong.

use std::collections::BTreeMap;

use anyhow::Result;

use super::participants::{Kind, Part};
use crate::inspect::{Forged, GithubJob, Snapshot, Watch};

/// Something that must not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A job that did not end as it should have.
    Lost(i64),
    /// So many runners more than there was need for.
    TooMany(usize),
    /// Something that nothing needs any more.
    Left(String),
}

/// One line of the table.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) kind: Kind,
    pub(super) job: GithubJob,
    pub(super) pool: Option<String>,
    /// Mayfly's reason, for a job that it does not take.
    pub(super) reason: Option<String>,
}

/// How things stand.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) lines: Vec<Line>,
    pub(super) wrong: Vec<Wrong>,
    pub(super) tasks: usize,
    pub(super) forgery_seen: bool,
}

impl Outcome {
    /// Looks at all sides.
    pub(super) async fn look(watch: &Watch, parts: &[Part], forged: &Forged) -> Result<Self> {
        let (jobs, registered, tasks, ledger) = tokio::try_join!(
            watch.jobs(),
            watch.registered(),
            watch.tasks(),
            watch.ledger.snapshot()
        )?;
        let lines = lines(parts, jobs, &ledger);
        let live: Vec<&String> = tasks
            .iter()
            .filter(|(_, status)| status != "STOPPED")
            .map(|(task, _)| task)
            .collect();
        let forgery_seen = ledger.job(forged.job).is_some();
        let mut wrong: Vec<Wrong> = lines
            .iter()
            .filter(|line| !line.ended_well())
            .map(|line| Wrong::Lost(line.job.id))
            .collect();
        wrong.extend(
            Some(too_many(&ledger))
                .filter(|runners| *runners > 0)
                .map(Wrong::TooMany),
        );
        wrong.extend(
            registered
                .iter()
                .map(|runner| Wrong::Left(format!("registration {} at GitHub", runner.name))),
        );
        wrong.extend(live.iter().map(|task| Wrong::Left(format!("task {task}"))));
        wrong.extend(
            ledger
                .open
                .iter()
                .map(|runner| Wrong::Left(format!("row of runner {}", runner.id))),
        );
        wrong.extend(
            ledger
                .waiting
                .iter()
                .map(|job| Wrong::Left(format!("waiting row of job {}", job.id))),
        );
        if forgery_seen || forged.status != 401 {
            wrong.push(Wrong::Left(format!(
                "the forged job {}, answered {}",
                forged.job, forged.status
            )));
        }
        Ok(Self {
            lines,
            wrong,
            tasks: tasks.len(),
            forgery_seen,
        })
    }

    /// Nothing more will happen.
    pub(super) fn settled(&self) -> bool {
        !self
            .wrong
            .iter()
            .any(|wrong| matches!(wrong, Wrong::Lost(_) | Wrong::Left(_)))
    }

    /// Nothing is wrong.
    pub(super) fn good(&self) -> bool {
        self.wrong.is_empty()
    }

    /// How many jobs ran to their end.
    pub(super) fn ran(&self) -> usize {
        self.lines
            .iter()
            .filter(|line| line.kind.runs() && line.job.conclusion.as_deref() == Some("success"))
            .count()
    }

    /// The counts.
    pub(super) fn last_line(&self) -> String {
        let count =
            |wanted: fn(&Wrong) -> bool| self.wrong.iter().filter(|wrong| wanted(wrong)).count();
        format!(
            "{} jobs, {} done, {} cancelled, {} not for Mayfly, {} lost, {} duplicate runners, {} left over",
            self.lines.len(),
            self.ran(),
            self.lines
                .iter()
                .filter(|line| line.job.conclusion.as_deref() == Some("cancelled"))
                .count(),
            self.lines
                .iter()
                .filter(|line| line.kind.is_foreign())
                .count(),
            count(|wrong| matches!(wrong, Wrong::Lost(_))),
            self.wrong
                .iter()
                .map(|wrong| if let Wrong::TooMany(runners) = wrong {
                    *runners
                } else {
                    0
                })
                .sum::<usize>(),
            count(|wrong| matches!(wrong, Wrong::Left(_))),
        )
    }
}

impl Line {
    /// True if the job is where it belongs, as far as GitHub can tell.
    fn ended_well(&self) -> bool {
        let conclusion = self.job.conclusion.as_deref();
        if self.kind.runs() {
            return conclusion == Some("success") && self.job.runner_name.is_some();
        }
        // A job that Mayfly does not take must not get a runner of its own: GitHub runs it
        // elsewhere, or keeps it waiting.
        let ours = self
            .job
            .runner_name
            .as_ref()
            .is_some_and(|name| name.starts_with("mayfly-"));
        !ours && (self.kind.is_foreign() || conclusion == Some("cancelled"))
    }
}

fn lines(parts: &[Part], jobs: Vec<GithubJob>, ledger: &Snapshot) -> Vec<Line> {
    let mut jobs: BTreeMap<i64, GithubJob> = jobs.into_iter().map(|job| (job.id, job)).collect();
    let line = |part: &Part| {
        let record = ledger.job(part.job);
        Some(Line {
            kind: part.kind,
            job: jobs.remove(&part.job)?,
            pool: record
                .and_then(|record| record.pool.as_ref())
                .map(ToString::to_string),
            reason: record
                .and_then(|record| record.reason.as_ref())
                .map(ToString::to_string),
        })
    };
    parts.iter().filter_map(line).collect()
}

/// How many runners were started beyond one for each time that a job began to wait. Runners are
/// interchangeable, so only their number tells; a gated job begins to wait twice, and each time
/// GitHub says so under a GUID of its own.
fn too_many(ledger: &Snapshot) -> usize {
    let waits: usize = ledger
        .jobs
        .iter()
        .filter(|job| job.pool.is_some())
        .map(|job| job.queued.len())
        .sum();
    (ledger.open.len() + ledger.closed.len()).saturating_sub(waits)
}
