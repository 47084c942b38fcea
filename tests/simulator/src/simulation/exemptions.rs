//! Why a job may wait for ever: only what the scenario made impossible is an excuse.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::hold::HoldReason as RowHeld;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::runner::{Outcome, Runner};
use mayfly_domain::model::story::StoryEvent;
use mayfly_domain::model::time::Timestamp;

use super::final_checks::{FinalState, JobAtGithub};
use super::liveness::Held;
use mayfly_github_model::jobs::Status;

/// A job that waits in a repository of which the ledger knows is found, and has a runner, within this
/// time of the App's return: the round over repositories takes ten minutes, a start a few more.
const FOUND_WITHIN: Duration = Duration::from_secs(30 * 60);

/// Why a job may wait for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exemption {
    /// GitHub holds it back.
    Gated,
    /// No pool takes it, and the ledger knows it.
    NotTaken,
    /// When it came no pool had its labels or its account was not served, so it was not written
    /// down; and its repository is not known, so it is not looked for.
    NotOurs,
    /// GitHub refuses its runners.
    Refused,
    /// It is public, and the runner group of a pool that takes it lets no public repository in.
    /// GitHub says so to no one.
    Group,
    /// The App is not there.
    NoApp,
    /// Nothing of its repository ever reached Mayfly.
    Unheard,
}

impl Exemption {
    /// All of them.
    pub(super) const ALL: [Self; 7] = [
        Self::Gated,
        Self::NotTaken,
        Self::NotOurs,
        Self::Refused,
        Self::Group,
        Self::NoApp,
        Self::Unheard,
    ];

    /// In words, for the summary.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Gated => "held back by GitHub",
            Self::NotTaken => "no pool takes it any more",
            Self::NotOurs => "nobody's when it came",
            Self::Refused => "GitHub refuses its runners",
            Self::Group => "its runner group lets no public repository in",
            Self::NoApp => "the App is away",
            Self::Unheard => "nothing of its repository ever came",
        }
    }

    /// True if the ledger must say why the job waits. What the group keeps out is found out by
    /// trying, one job after the other: some may not have had their turn.
    pub(super) fn needs_words(self) -> bool {
        matches!(self, Self::NotTaken | Self::Refused)
    }
}

/// Since when the ledger has known that the job waits: since its first delivery, or, if that told of a
/// gate and GitHub never told of its opening, since sweeper found it open.
fn known_since(record: &JobRecord) -> Timestamp {
    let found = record
        .story
        .iter()
        .rev()
        .find(|note| note.event == StoryEvent::FoundQueued);
    found.map_or(record.received_at, |note| note.at)
}

impl FinalState<'_> {
    /// What may make a job wait that could be served; none if it may wait for ever.
    pub(super) fn held(&self, id: JobId) -> Option<Held> {
        let job = self.jobs.iter().find(|job| job.id == id)?;
        if self.exemption(job).is_some() {
            return None;
        }
        let row = self.system.waiting().into_iter().find(|row| row.id == id);
        let record = self.system.job(id);
        let known = record.as_ref().map(known_since).filter(|_| row.is_some());
        let pool = record.and_then(|record| record.pool);
        let failed = |runner: &Runner| {
            runner.outcome == Some(Outcome::FailedStart) && pool.as_ref() == Some(&runner.pool)
        };
        Some(Held {
            known_for: known.map(|at| self.now.since(at)),
            tried: row.as_ref().is_some_and(|row| {
                row.attempts > 0 || row.needs_check || matches!(row.hold, Some(RowHeld::Refused(_)))
            }),
            failed_starts: self.system.closed_runners().iter().any(failed),
        })
    }

    /// Why a job may wait for ever; none if it may not.
    pub(super) fn exemption(&self, job: &JobAtGithub) -> Option<Exemption> {
        if matches!(job.status, Status::Waiting | Status::Pending) {
            return Some(Exemption::Gated);
        }
        let recorded = self.system.job(job.id);
        // Or it was not there until GitHub gave the job up, but for too short a time.
        if !job.app || (job.given_up && job.with_app < FOUND_WITHIN) {
            return Some(Exemption::NoApp);
        }
        // Before what the file says: a job stays in its pool, whatever labels that has by now.
        if !job.private && self.group_alone_takes(job, recorded.as_ref()) {
            return Some(Exemption::Group);
        }
        if !self.file.takes(job.asked()) {
            return if recorded.is_some() {
                Some(Exemption::NotTaken)
            } else {
                (!self.had_to_be_written(job)).then_some(Exemption::NotOurs)
            };
        }
        if job.refused {
            return Some(Exemption::Refused);
        }
        // What waits in a repository that is known is found there, whatever was told of it.
        if recorded.is_some() || self.heard_of(job) || self.is_known(job) {
            return None;
        }
        Some(if self.was_ours(job) {
            Exemption::Unheard
        } else {
            Exemption::NotOurs
        })
    }

    /// Whether a delivery about it was taken, and each pools file since it came, and the one
    /// before, says that it is to be written down.
    fn had_to_be_written(&self, job: &JobAtGithub) -> bool {
        let before = self
            .files
            .iter()
            .rposition(|(at, _)| *at <= job.queued)
            .unwrap_or(0);
        job.delivered
            && self
                .files
                .iter()
                .skip(before.saturating_sub(1))
                .all(|(_, file)| file.knows(job.asked()))
    }

    /// Whether its repository is written down, for whatever reason: then sweeper looks for what
    /// waits there.
    fn is_known(&self, job: &JobAtGithub) -> bool {
        let id = job.repository_id.to_string();
        self.system.world.table.with(|table| {
            table
                .settled_in("repositories")
                .any(|(key, _)| key.sk == id)
        })
    }

    /// Jobs that the runner group of their pool keeps out, whatever else they wait for: as long as
    /// they wait in it they are tried.
    pub(super) fn kept_out(&self) -> BTreeSet<JobId> {
        let kept_out = |job: &&JobAtGithub| {
            !job.private && job.app && self.group_alone_takes(job, self.system.job(job.id).as_ref())
        };
        self.open_jobs()
            .filter(kept_out)
            .map(|job| job.id)
            .collect()
    }

    /// True if the pool that the job is in registers its runners in a group: which no other pool
    /// makes up for. Before the job is in one, any may be it.
    fn group_alone_takes(&self, job: &JobAtGithub, recorded: Option<&JobRecord>) -> bool {
        let its = recorded
            .and_then(|record| record.pool.as_ref())
            .and_then(|pool| self.file.get(pool.as_str()));
        match its {
            Some(pool) => pool.group.is_some(),
            None => self
                .file
                .pools
                .iter()
                .any(|pool| pool.group.is_some() && pool.takes(job.asked())),
        }
    }

    /// Whether any delivery was taken about a job of the same repository that was to be written
    /// down. What is no one's leaves no trace, and so its repository is not looked into.
    fn heard_of(&self, job: &JobAtGithub) -> bool {
        self.jobs.iter().any(|other| {
            other.repository_id == job.repository_id
                && other.delivered
                && !other.hosted
                && self.was_ours(other)
        })
    }

    /// Whether a pools file at the time when the job came had to have it written down.
    fn was_ours(&self, job: &JobAtGithub) -> bool {
        let after = |at: Timestamp| at.millis() > job.queued.millis() + 600_000;
        let before = self
            .files
            .iter()
            .rposition(|(at, _)| *at <= job.queued)
            .unwrap_or(0);
        // Functions may have gone by the file before, for a minute.
        let from = before.saturating_sub(1);
        self.files
            .iter()
            .skip(from)
            .take_while(|(at, _)| !after(*at))
            .all(|(_, file)| file.takes(job.asked()))
    }
}
