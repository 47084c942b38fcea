//! The state of GitHub and everything that changes it, without time, network or chance of its own.
//!
//! Every method takes `now`; it must not go backwards. [`Model::advance`] carries out what time
//! alone brings about; [`Model::next_deadline`] says when that will be.

mod assignment;
mod deadlines;
mod gates;
mod journal;
mod lifecycle;
mod outbox;
mod registry;
mod sessions;
mod tokens;
mod workshop;

pub use journal::{Change, Journal};
pub use outbox::HandMade;
pub use registry::{Deletion, JitConfigError, JitConfigRequest};
pub use sessions::{Interrupted, OpenError};
pub use tokens::Caller;
pub(crate) use workshop::Draft;
pub use workshop::Workshop;

use self::deadlines::Deadlines;
use super::accounts::Accounts;
use super::app::App;
use super::calls::Calls;
use super::chance::Chance;
use super::deliveries::{Deliveries, Delivery, Outcome, Outgoing};
use super::exchanges::Exchanges;
use super::faults::Faults;
use super::hook::{ContentType, EXAMPLE_SECRET, Hook};
use super::id::{DeliveryId, JobId, RunId, RunnerId, SessionId};
use super::jobs::{Job, Jobs};
use super::key::KeyPair;
use super::limits::Limits;
use super::runners::{Runner, Runners};
use super::settings::Settings;
use super::shape::Urls;
use super::tokens::Tokens;
use jiff::Timestamp;

/// GitHub.
#[derive(Debug, Clone)]
pub struct Model {
    /// Times and limits in force.
    pub settings: Settings,
    /// Faults in force.
    pub faults: Faults,
    /// The App's webhook.
    pub hook: Hook,
    pub(crate) app: App,
    pub(crate) workshop: Workshop,
    pub(crate) urls: Urls,
    pub(crate) accounts: Accounts,
    pub(crate) tokens: Tokens,
    pub(crate) runners: Runners,
    pub(crate) jobs: Jobs,
    pub(crate) deliveries: Deliveries,
    pub(crate) limits: Limits,
    pub(crate) calls: Calls,
    pub(crate) exchanges: Exchanges,
    pub(crate) chance: Chance,
    /// How many jobs were given to runners.
    assignments: u64,
    /// How many runners were removed.
    removals: u64,
    deadlines: Deadlines,
    /// What happened, if someone wants to know.
    pub journal: Journal,
    /// Up to when everything was carried out.
    clock: Timestamp,
}

impl Model {
    /// GitHub at `url`, with an App that has this key, and nothing going on.
    #[must_use]
    pub fn new(url: &str, key: &KeyPair, seed: u64, now: Timestamp) -> Self {
        let chance = Chance::new(seed);
        Self {
            settings: Settings::default(),
            faults: Faults::default(),
            hook: Hook {
                url: None,
                secret: EXAMPLE_SECRET.to_owned(),
                content_type: ContentType::Json,
            },
            app: App::first(key, now),
            workshop: Workshop::default(),
            urls: Urls::new(url),
            accounts: Accounts::new(now),
            tokens: Tokens::default(),
            runners: Runners::default(),
            jobs: Jobs::default(),
            deliveries: Deliveries::default(),
            limits: Limits::default(),
            calls: Calls::default(),
            exchanges: Exchanges::default(),
            chance,
            assignments: 0,
            removals: 0,
            deadlines: Deadlines::default(),
            journal: Journal::default(),
            clock: now,
        }
    }

    /// Forgets jobs, runners, deliveries, calls, limits, faults and settings; the App, its webhook
    /// and the ids that were given stay, so that leftovers from before can be told.
    pub fn reset(&mut self, now: Timestamp) {
        self.settings = Settings::default();
        self.faults = Faults::default();
        self.limits = Limits::default();
        self.calls = Calls::default();
        self.exchanges = Exchanges::default();
        self.jobs = self.jobs.cleared();
        self.runners = self.runners.cleared();
        self.deadlines = Deadlines::default();
        self.deliveries = self.deliveries.cleared();
        self.accounts.restore(now);
    }

    /// How many jobs were ever given to runners.
    #[must_use]
    pub fn assignments(&self) -> u64 {
        self.assignments
    }

    /// Changes whenever a runner is given a job, or is removed: what a runner that waits at its
    /// long poll hears of.
    #[must_use]
    pub fn news_to_runners(&self) -> u64 {
        self.assignments + self.removals
    }

    /// True if a runner that waits at its long poll is told something.
    #[must_use]
    pub fn has_news_for(&self, session: &SessionId) -> bool {
        let runner = self
            .runners
            .of_session(session)
            .and_then(|id| self.runners.get(id));
        runner.is_none_or(|runner| runner.job.is_some() || runner.removed.is_some())
    }

    /// A job.
    #[must_use]
    pub fn job(&self, id: JobId) -> Option<&Job> {
        self.jobs.get(id)
    }

    /// Jobs that are not over, oldest first.
    pub fn open_jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.open()
    }

    /// All jobs, oldest first.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.all()
    }

    /// A run's id that no job has yet, for jobs that are to be of one run.
    pub fn next_run_id(&mut self) -> RunId {
        self.jobs.next_run_id()
    }

    /// A runner, registered or removed.
    #[must_use]
    pub fn runner(&self, id: RunnerId) -> Option<&Runner> {
        self.runners.get(id)
    }

    /// The registered runners, oldest first.
    pub fn registered(&self) -> impl Iterator<Item = &Runner> {
        self.runners.live()
    }

    /// All runners, the removed ones, too.
    pub fn runners(&self) -> impl Iterator<Item = &Runner> {
        self.runners.all()
    }

    /// All deliveries, oldest first.
    pub fn deliveries(&self) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.deliveries.all()
    }

    /// How often each operation was called.
    #[must_use]
    pub fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The first calls of each kind, with their answers.
    #[must_use]
    pub fn exchanges(&self) -> &Exchanges {
        &self.exchanges
    }

    /// Accounts, repositories and groups, to change.
    pub fn accounts_mut(&mut self) -> &mut Accounts {
        &mut self.accounts
    }

    /// Accounts, repositories and groups.
    #[must_use]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// The App.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Requests that have to be made now, each to be answered for with [`Model::settle`].
    pub fn take_due(&mut self, now: Timestamp) -> Vec<Outgoing> {
        self.deliveries
            .take_due(&self.hook, self.app.id, &mut self.journal, now)
    }

    /// What came back for a request.
    pub fn settle(&mut self, id: DeliveryId, outcome: Outcome) {
        self.deliveries.settle(id, outcome, &mut self.journal);
    }

    /// Carries out what time alone brings about.
    pub fn advance(&mut self, now: Timestamp) {
        self.clock = now;
        self.deliveries.list(self.settings.listed_late, now);
        self.cancel_in_time(now);
        self.advance_sessions(now);
        self.advance_hosted(now);
        self.assign(now);
    }
}
