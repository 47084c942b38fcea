//! Registered runners.

use super::id::{AccountId, GroupId, JobId, RepositoryId, RunnerId, SessionId};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// Where a runner is registered, and so whose jobs it may get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// One repository.
    Repository(RepositoryId),
    /// An organization, through a runner group.
    Organization(AccountId),
}

/// Whether its program is connected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It never was.
    Never,
    /// It is.
    Online {
        /// Its last sign of life.
        seen: Timestamp,
        /// When it last became free.
        idle_since: Timestamp,
    },
    /// It was.
    Offline {
        /// Since then.
        since: Timestamp,
    },
}

/// Why a runner is no longer registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// Its one job is over.
    JobDone,
    /// Someone deleted it.
    Deleted,
    /// It fell silent while it ran a job.
    Lost,
    /// GitHub removed it because it waited too long for a job.
    Forgotten,
    /// It was offline for a day.
    Expired,
}

impl Removal {
    /// A word for the test's table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::JobDone => "job_done",
            Self::Deleted => "deleted",
            Self::Lost => "lost",
            Self::Forgotten => "forgotten",
            Self::Expired => "expired",
        }
    }
}

/// A runner, registered or removed.
#[derive(Debug, Clone)]
pub struct Runner {
    /// Never given twice.
    pub id: RunnerId,
    /// Unique among the registered runners of its scope.
    pub name: String,
    /// Where.
    pub scope: Scope,
    /// Its group.
    pub group: GroupId,
    /// Its labels as they were asked for: none is added.
    pub labels: Vec<String>,
    /// Its registration, as handed out.
    pub registration: String,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Whether it is connected.
    pub presence: Presence,
    /// Its connection. A registration makes one, ever.
    pub session: Option<SessionId>,
    /// GitHub takes its program for too old: it gets no job, and no one says why.
    pub too_old: bool,
    /// The job it was given.
    pub job: Option<JobId>,
    /// When and why it was removed.
    pub removed: Option<(Timestamp, Removal)>,
}

impl Runner {
    /// Connected, without a job, and fit for one.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.removed.is_none()
            && self.job.is_none()
            && !self.too_old
            && matches!(self.presence, Presence::Online { .. })
    }

    /// Whether it has every one of these labels, compared without case (GitHub docs, using labels).
    /// No labels at all are covered by no one: such a job names a group.
    #[must_use]
    pub fn covers(&self, labels: &[String]) -> bool {
        labels.iter().all(|label| {
            self.labels
                .iter()
                .any(|own| own.to_lowercase() == label.to_lowercase())
        })
    }
}

/// A line of a list of runners, maybe an old one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The runner.
    pub id: RunnerId,
    /// Whether it was connected.
    pub online: bool,
    /// Whether it had a job.
    pub busy: bool,
}

/// All runners.
#[derive(Debug, Clone, Default)]
pub struct Runners {
    all: BTreeMap<RunnerId, Runner>,
    live: BTreeSet<RunnerId>,
    /// Those whose deadlines may be others than they were.
    pub(super) touched: BTreeSet<RunnerId>,
    /// Those that are fit for a job, but for what has changed since.
    idle: BTreeSet<RunnerId>,
    changed: BTreeSet<RunnerId>,
    sessions: BTreeMap<SessionId, RunnerId>,
    cached: BTreeMap<Scope, (Timestamp, Vec<Listed>)>,
    last: i64,
}

impl Runners {
    /// None of them, but the ids go on.
    #[must_use]
    pub fn cleared(&self) -> Self {
        Self {
            last: self.last,
            ..Self::default()
        }
    }

    /// An id no one had before.
    pub fn next_id(&mut self) -> RunnerId {
        self.last += 1;
        RunnerId(9_000 + self.last)
    }

    /// Adds a runner.
    pub fn insert(&mut self, runner: Runner) {
        self.touch(runner.id);
        self.live.insert(runner.id);
        self.all.insert(runner.id, runner);
    }

    /// A runner, registered or removed.
    #[must_use]
    pub fn get(&self, id: RunnerId) -> Option<&Runner> {
        self.all.get(&id)
    }

    /// A runner, registered or removed, to change.
    pub fn get_mut(&mut self, id: RunnerId) -> Option<&mut Runner> {
        self.touch(id);
        self.all.get_mut(&id)
    }

    fn touch(&mut self, id: RunnerId) {
        self.touched.insert(id);
        self.changed.insert(id);
    }

    /// One of the registered ones.
    #[must_use]
    pub fn get_live(&self, id: RunnerId) -> Option<&Runner> {
        self.all.get(&id).filter(|_| self.live.contains(&id))
    }

    /// Those that are connected, without a job, and fit for one, oldest first.
    pub fn idle(&mut self) -> Vec<RunnerId> {
        for id in std::mem::take(&mut self.changed) {
            if self.all.get(&id).is_some_and(Runner::is_idle) {
                self.idle.insert(id);
            } else {
                self.idle.remove(&id);
            }
        }
        self.idle.iter().copied().collect()
    }

    /// The registered ones, oldest first.
    pub fn live(&self) -> impl Iterator<Item = &Runner> {
        self.live.iter().filter_map(|id| self.all.get(id))
    }

    /// Every one there ever was, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Runner> {
        self.all.values()
    }

    /// The registered runner of this name in this scope; names are compared without case.
    #[must_use]
    pub fn named(&self, scope: Scope, name: &str) -> Option<&Runner> {
        self.live()
            .find(|runner| runner.scope == scope && runner.name.eq_ignore_ascii_case(name))
    }

    /// The runner behind a session.
    #[must_use]
    pub fn of_session(&self, session: &SessionId) -> Option<RunnerId> {
        self.sessions.get(session).copied()
    }

    /// Connects a runner.
    pub fn connect(&mut self, id: RunnerId, session: SessionId, now: Timestamp) {
        self.touch(id);
        if let Some(runner) = self.all.get_mut(&id) {
            runner.session = Some(session.clone());
            runner.presence = Presence::Online {
                seen: now,
                idle_since: now,
            };
            self.sessions.insert(session, id);
        }
    }

    /// Removes a runner's registration; its story stays.
    pub fn remove(&mut self, id: RunnerId, why: Removal, now: Timestamp) {
        self.touch(id);
        if let Some(runner) = self
            .all
            .get_mut(&id)
            .filter(|runner| runner.removed.is_none())
        {
            runner.removed = Some((now, why));
            runner.presence = Presence::Offline { since: now };
            self.live.remove(&id);
        }
    }

    /// What a list of this scope shows: up to `age` seconds old.
    pub fn listed(&mut self, scope: Scope, age: f64, now: Timestamp) -> Vec<Listed> {
        if let Some((made, lines)) = self.cached.get(&scope)
            && now < super::settings::after(*made, age)
        {
            return lines.clone();
        }
        let lines: Vec<_> = self
            .live()
            .filter(|runner| runner.scope == scope)
            .map(|runner| Listed {
                id: runner.id,
                online: matches!(runner.presence, Presence::Online { .. }),
                busy: runner.job.is_some(),
            })
            .collect();
        self.cached.insert(scope, (now, lines.clone()));
        lines
    }
}
