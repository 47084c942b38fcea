//! The witness: keeps the mirror, holds what it can against the invariants at once, and counts.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use tokio::sync::Notify;

use super::budget::Budget;
use super::files::Files;
use super::invariants;
use super::mirror::Mirror;
use super::pace::Pace;
use super::quiet::Quiet;
use super::scenario::{Blow, Strike};
use super::violation::{Invariant, Violation};
use crate::system::{self, Fate, Happening, Port, PortCall, Witness};

/// Most violations that are kept of one story: the first ones say enough.
const MOST_VIOLATIONS: usize = 20;

/// A call's name: who, to whom, what.
pub type CallName = (String, String, String);

/// How often a call was made, and what befell it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// All.
    pub made: u64,
    /// Struck, by kind.
    pub struck: BTreeMap<Blow, u64>,
}

/// How much is kept of a story.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Every happening.
    pub trace: bool,
    /// A number that two equal traces share.
    pub hash: bool,
}

/// What the witness knows.
pub(super) struct Watch {
    pub(super) began: Timestamp,
    pub(super) mirror: Mirror,
    pub(super) files: Files,
    pub(super) pace: Pace,
    pub(super) quiet: Quiet,
    budget: Budget,
    pub(super) violations: Vec<Violation>,
    pub(super) calls: BTreeMap<CallName, Calls>,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) strikes: Vec<Strike>,
    pub(super) trace: Vec<(Timestamp, Happening)>,
    pub(super) happened: u64,
    /// What strangers were answered.
    pub(super) replies: Vec<String>,
    keep: Keep,
    hasher: DefaultHasher,
    /// Somebody waits for the next happening of a kind.
    pub(super) news: Arc<Notify>,
}

/// The witness, shared with whoever tells the story.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Watch>>);

impl Shared {
    pub(super) fn new(began: Timestamp, keep: Keep) -> Self {
        Self(Arc::new(Mutex::new(Watch {
            began,
            mirror: Mirror::default(),
            files: Files::default(),
            pace: Pace::default(),
            quiet: Quiet::default(),
            budget: Budget::default(),
            violations: Vec::new(),
            calls: BTreeMap::new(),
            kinds: BTreeMap::new(),
            strikes: Vec::new(),
            trace: Vec::new(),
            happened: 0,
            replies: Vec::new(),
            keep,
            hasher: DefaultHasher::new(),
            news: Arc::default(),
        })))
    }

    pub(super) fn get(&self) -> MutexGuard<'_, Watch> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Witness for Shared {
    fn saw(&mut self, at: Timestamp, happening: &Happening) {
        self.get().saw(at, happening);
    }
}

impl Watch {
    /// A promise was broken.
    pub(super) fn broken(&mut self, invariant: Invariant, at: Timestamp, about: &[&str], words: String) {
        let about = about.iter().map(|id| (*id).to_owned()).collect();
        let found = Violation { invariant, at: self.since(at), about, words };
        if self.violations.len() < MOST_VIOLATIONS && !self.violations.iter().any(|known| known.words == found.words) {
            self.violations.push(found);
        }
    }

    /// A time since the story began.
    pub(super) fn since(&self, at: Timestamp) -> Duration {
        at.since(self.began)
    }

    /// What the trace comes to.
    pub(super) fn hash(&self) -> Option<u64> {
        self.keep.hash.then(|| self.hasher.finish())
    }

    fn saw(&mut self, at: Timestamp, happening: &Happening) {
        self.happened += 1;
        if self.keep.hash {
            self.hasher.write(format!("{} {happening}\n", at.millis()).as_bytes());
        }
        if self.keep.trace {
            self.trace.push((at, happening.clone()));
        }
        *self.kinds.entry(kind(happening)).or_default() += 1;
        self.pace.saw(at, happening);
        self.quiet.saw(at, happening);
        self.mirror.saw(at, happening);
        match happening {
            Happening::Called { call, fate, invocation } => {
                self.called(at, call, fate);
                if let Some(words) = self.budget.called(call, *invocation) {
                    self.broken(Invariant::I9, at, &[], words);
                }
            }
            Happening::TaskStarted { started_by, .. } => {
                self.pace.unasked(at, self.mirror.unasked());
                invariants::i2_never_above_max(self, at, started_by);
            }
            Happening::StopAsked { task, started_by, by, .. } => {
                invariants::i3_no_busy_runner_is_stopped(self, at, (task, started_by), by);
            }
            Happening::Answered { task, runner, handed_out: true, .. } => {
                invariants::i4_one_registration(self, at, task, runner);
                invariants::i2_never_above_max_per_repository(self, at, runner);
            }
            _ => {}
        }
        if matches!(
            happening,
            Happening::TaskStarted { .. }
                | Happening::RunnerRegistered { .. }
                | Happening::JobAssigned { .. }
                | Happening::JobChanged { .. }
        ) {
            self.news.notify_one();
        }
    }

    fn called(&mut self, at: Timestamp, call: &PortCall, fate: &Fate) {
        let name = (call.who.to_owned(), call.port.to_string(), call.operation.to_owned());
        let calls = self.calls.entry(name).or_default();
        calls.made += 1;
        if let Fate::Struck(strike, _) = fate {
            let blow = Blow::of(*strike);
            *calls.struck.entry(blow).or_default() += 1;
            let (who, port) = (call.who.to_owned(), call.port.to_string());
            let slow_by = match strike {
                system::Strike::Slow(by) => u64::try_from(by.as_millis()).ok(),
                _ => None,
            };
            self.strikes.push(Strike { who, port, operation: call.operation.to_owned(), nth: call.nth, blow, slow_by });
        }
        // What a strike made of a write is not known for sure: those that went well are enough.
        if *fate == Fate::Done
            && let Some(address) = closed_row(call)
        {
            self.mirror.closed.insert(address.clone(), at);
            invariants::i5_no_row_closes_before_its_task(self, at, &address);
        }
        if call.port == Port::Parameters && *fate != Fate::Done {
            self.files.unreadable(at);
        }
    }
}

/// The runner whose row became its record with this write.
fn closed_row(call: &PortCall) -> Option<String> {
    (call.port == Port::Table && call.operation == "TransactWriteItems").then_some(())?;
    let keys: Vec<&str> = call.about.split(", ").collect();
    let record = keys.iter().find_map(|key| key.strip_prefix("runner#")?.strip_suffix(" record"))?;
    let row = |key: &&str| {
        let (pool, runner) = key.strip_prefix("pool#")?.split_once(" runner#")?;
        (runner == record).then(|| format!("{pool}/{runner}"))
    };
    keys.iter().find_map(row)
}

/// The kind of a happening, for counts.
pub(super) fn kind(happening: &Happening) -> &'static str {
    match happening {
        Happening::Began { .. } => "invocations",
        Happening::Ended { .. } => "invocations ended",
        Happening::Called { .. } => "calls",
        Happening::TaskStarted { .. } => "tasks started",
        Happening::StopAsked { .. } => "stops asked for",
        Happening::TaskLeftOut { .. } => "tasks left out of reads",
        Happening::TaskChanged { .. } => "task changes",
        Happening::ContainerExited { .. } => "containers ended",
        Happening::Answered { .. } => "answers to containers",
        Happening::RunnerRegistered { .. } => "registrations",
        Happening::RunnerRemoved { .. } => "registrations removed",
        Happening::JobAssigned { .. } => "assignments",
        Happening::JobChanged { .. } => "job changes",
        Happening::DeliverySent { .. } => "deliveries",
        Happening::DeliveryAnswered { .. } => "deliveries answered",
        Happening::WakeSent { .. } => "wakes",
        Happening::SettingsChanged { .. } => "settings changed",
    }
}
