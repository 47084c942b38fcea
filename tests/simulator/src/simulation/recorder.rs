//! The listener: keeps the shadow model, holds what it can against the invariants at once, and
//! counts.

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
use super::last_fault::LastFault;
use super::pace::Pace;
use super::scenario::{CallFaultKind, NthCallFault};
use super::shadow_model::ShadowModel;
use super::violation::{Invariant, Violation};
use crate::system::{self, CallOutcome, Event, EventListener, Port, PortCall};

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
    pub struck: BTreeMap<CallFaultKind, u64>,
}

/// How much is kept of a story.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Every happening.
    pub trace: bool,
    /// A number that two equal traces share.
    pub hash: bool,
}

/// What the listener knows.
pub(super) struct Recorder {
    pub(super) began: Timestamp,
    pub(super) shadow: ShadowModel,
    pub(super) files: Files,
    pub(super) pace: Pace,
    pub(super) quiet: LastFault,
    budget: Budget,
    pub(super) violations: Vec<Violation>,
    pub(super) calls: BTreeMap<CallName, Calls>,
    pub(super) kinds: BTreeMap<&'static str, u64>,
    pub(super) strikes: Vec<NthCallFault>,
    pub(super) trace: Vec<(Timestamp, Event)>,
    pub(super) happened: u64,
    /// What strangers were answered.
    pub(super) replies: Vec<String>,
    keep: Keep,
    hasher: DefaultHasher,
    /// Someone waits for the next happening of a kind.
    pub(super) news: Arc<Notify>,
}

/// The listener, shared with anyone who tells the story.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Recorder>>);

impl Shared {
    pub(super) fn new(began: Timestamp, keep: Keep) -> Self {
        Self(Arc::new(Mutex::new(Recorder {
            began,
            shadow: ShadowModel::default(),
            files: Files::default(),
            pace: Pace::default(),
            quiet: LastFault::default(),
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

    pub(super) fn get(&self) -> MutexGuard<'_, Recorder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl EventListener for Shared {
    fn saw(&mut self, at: Timestamp, event: &Event) {
        self.get().saw(at, event);
    }
}

impl Recorder {
    /// A promise was broken.
    pub(super) fn broken(
        &mut self,
        invariant: Invariant,
        at: Timestamp,
        about: &[&str],
        words: String,
    ) {
        let about = about.iter().map(|id| (*id).to_owned()).collect();
        let found = Violation {
            invariant,
            at: self.since(at),
            about,
            words,
        };
        if self.violations.len() < MOST_VIOLATIONS
            && !self
                .violations
                .iter()
                .any(|known| known.words == found.words)
        {
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

    fn saw(&mut self, at: Timestamp, event: &Event) {
        self.happened += 1;
        if self.keep.hash {
            self.hasher
                .write(format!("{} {event}\n", at.millis()).as_bytes());
        }
        if self.keep.trace {
            self.trace.push((at, event.clone()));
        }
        *self.kinds.entry(kind(event)).or_default() += 1;
        self.pace.saw(at, event);
        self.quiet.saw(at, event);
        self.shadow.saw(at, event);
        match event {
            Event::Called {
                call,
                handling,
                invocation,
            } => {
                self.called(at, call, handling);
                if let Some(words) = self.budget.called(call, *invocation) {
                    self.broken(Invariant::I9, at, &[], words);
                }
            }
            Event::TaskStarted { started_by, .. } => {
                self.pace.unasked(at, self.shadow.unasked());
                invariants::i2_never_above_max(self, at, started_by);
            }
            Event::StopAsked {
                task,
                started_by,
                by,
                ..
            } => {
                invariants::i3_no_busy_runner_is_stopped(self, at, (task, started_by), by);
            }
            Event::Answered {
                task,
                runner,
                handed_out: true,
                ..
            } => {
                invariants::i4_one_registration(self, at, task, runner);
                invariants::i2_never_above_max_per_repository(self, at, runner);
            }
            _ => {}
        }
        if matches!(
            event,
            Event::TaskStarted { .. }
                | Event::RunnerRegistered { .. }
                | Event::JobAssigned { .. }
                | Event::JobChanged { .. }
        ) {
            self.news.notify_one();
        }
    }

    fn called(&mut self, at: Timestamp, call: &PortCall, handling: &CallOutcome) {
        let name = (
            call.who.to_owned(),
            call.port.to_string(),
            call.operation.to_owned(),
        );
        let calls = self.calls.entry(name).or_default();
        calls.made += 1;
        if let CallOutcome::Faulted(call_fault, _) = handling {
            let kind = CallFaultKind::of(*call_fault);
            *calls.struck.entry(kind).or_default() += 1;
            let (who, port) = (call.who.to_owned(), call.port.to_string());
            let slow_by = match call_fault {
                system::CallFault::Slow(by) => u64::try_from(by.as_millis()).ok(),
                _ => None,
            };
            self.strikes.push(NthCallFault {
                who,
                port,
                operation: call.operation.to_owned(),
                nth: call.nth,
                kind,
                slow_by,
            });
        }
        // What a strike made of a write is not known for sure: those that went well are enough.
        if *handling == CallOutcome::Done
            && let Some(address) = closed_row(call)
        {
            self.shadow.closed.insert(address.clone(), at);
            invariants::i5_no_row_closes_before_its_task(self, at, &address);
        }
        if call.port == Port::Parameters && *handling != CallOutcome::Done {
            self.files.unreadable(at);
        }
    }
}

/// The runner whose row became its record with this write.
fn closed_row(call: &PortCall) -> Option<String> {
    (call.port == Port::Table && call.operation == "TransactWriteItems").then_some(())?;
    let keys: Vec<&str> = call.about.split(", ").collect();
    let record = keys
        .iter()
        .find_map(|key| key.strip_prefix("runner#")?.strip_suffix(" record"))?;
    let row = |key: &&str| {
        let (pool, runner) = key.strip_prefix("pool#")?.split_once(" runner#")?;
        (runner == record).then(|| format!("{pool}/{runner}"))
    };
    keys.iter().find_map(row)
}

/// The kind of a happening, for counts.
pub(super) fn kind(event: &Event) -> &'static str {
    match event {
        Event::Began { .. } => "invocations",
        Event::Ended { .. } => "invocations ended",
        Event::Called { .. } => "calls",
        Event::TaskStarted { .. } => "tasks started",
        Event::StopAsked { .. } => "stops asked for",
        Event::TaskLeftOut { .. } => "tasks left out of reads",
        Event::TaskChanged { .. } => "task changes",
        Event::ContainerExited { .. } => "containers ended",
        Event::Answered { .. } => "answers to containers",
        Event::RunnerRegistered { .. } => "registrations",
        Event::RunnerRemoved { .. } => "registrations removed",
        Event::JobAssigned { .. } => "assignments",
        Event::JobChanged { .. } => "job changes",
        Event::DeliverySent { .. } => "deliveries",
        Event::DeliveryAnswered { .. } => "deliveries answered",
        Event::WakeSent { .. } => "wakes",
        Event::SettingsChanged { .. } => "settings changed",
    }
}
