//! The wake queue: FIFO by group, one batch of a group at a time, unless a test breaks that
//! promise.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_queue::{NotSent, Wake, Wakes};
use serde_json::{Value, json};

use super::calls::{Made, SILENCE};
use super::event::{CallOutcome, Event};
use super::faults::{CallFault, Port};
use super::world::World;

/// Most messages that Lambda gets at once from a FIFO queue. Source: Lambda developer guide, SQS
/// event source mappings.
const BATCH: usize = 10;

/// `MessageRetentionPeriod` in the template.
const RETENTION: Duration = Duration::from_secs(300);

/// After so many invocations in one chain Lambda stops the next, unless the function may loop.
/// Source: Lambda developer guide, "Use Lambda recursive loop detection": the SDK hands the count
/// on with each message. <https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html>
const LOOP: u32 = 16;

tokio::task_local! {
    /// How many invocations of scaler led to this one, itself included.
    static CHAIN: u32;
}

#[derive(Clone, Debug)]
struct Message {
    id: String,
    body: String,
    sent_at: Timestamp,
    /// No one gets it before.
    visible_at: Timestamp,
    /// How many invocations of scaler led to it.
    chain: u32,
}

#[derive(Debug, Default)]
struct Group {
    waiting: VecDeque<Message>,
    /// The receipt of the batch in flight, and when its messages come back unless they are deleted.
    in_flight: Option<(u64, Timestamp)>,
}

impl Group {
    /// Those that may be handed out, in their order: one that is late holds up those behind it.
    fn visible(&self, now: Timestamp) -> impl Iterator<Item = &Message> {
        self.waiting
            .iter()
            .take_while(move |message| message.visible_at <= now)
    }

    /// When there is something to hand out.
    fn next(&self) -> Option<Timestamp> {
        let first = self.waiting.front()?.visible_at;
        Some(self.in_flight.map_or(first, |(_, until)| until.max(first)))
    }
}

#[derive(Debug, Default)]
struct State {
    groups: BTreeMap<PoolName, Group>,
    last: u64,
    receipts: u64,
    batches: u64,
    lose: u32,
}

/// Messages handed to a scaler.
#[derive(Clone, Debug)]
pub struct Batch {
    receipt: u64,
    messages: Vec<(PoolName, Message)>,
}

impl Batch {
    /// The longest chain that one of its messages is the end of. How Lambda counts a batch of
    /// several chains is not documented: the worst is taken.
    fn chain(&self) -> u32 {
        self.messages
            .iter()
            .map(|(_, message)| message.chain)
            .max()
            .unwrap_or_default()
    }

    /// Works on it as the next invocation of its chain.
    pub(super) async fn scope<T>(&self, work: impl Future<Output = T>) -> T {
        CHAIN.scope(self.chain() + 1, work).await
    }

    /// The event that Lambda gets.
    #[must_use]
    pub fn event(&self) -> Value {
        let record = |(_, message): &(PoolName, Message)| json!({ "messageId": message.id, "body": message.body, "attributes": { "SentTimestamp": message.sent_at.millis().to_string() } });
        json!({ "Records": self.messages.iter().map(record).collect::<Vec<_>>() })
    }
}

/// Its pools, and how many messages of each.
impl fmt::Display for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pools: BTreeMap<&PoolName, usize> = BTreeMap::new();
        for (pool, _) in &self.messages {
            *pools.entry(pool).or_default() += 1;
        }
        pools
            .into_iter()
            .try_for_each(|(pool, count)| write!(f, "{count} for {pool} "))
    }
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    planners: AtomicUsize,
    may_loop: AtomicBool,
    stopped: AtomicU64,
}

/// What the template says of scaler: `RecursiveLoop: Allow`, or nothing, which is Lambda's
/// `Terminate`.
fn template_lets_scaler_loop() -> bool {
    let template = include_str!("../../../../infra/template.yaml");
    let scaler = template
        .split("\n  Scaler:\n")
        .nth(1)
        .and_then(|rest| rest.split("\n\n").next());
    scaler.is_some_and(|scaler| {
        scaler
            .lines()
            .any(|line| line == "      RecursiveLoop: Allow")
    })
}

impl Default for Queue {
    fn default() -> Self {
        let may_loop = AtomicBool::new(template_lets_scaler_loop());
        Self {
            state: Mutex::default(),
            planners: AtomicUsize::new(1),
            may_loop,
            stopped: AtomicU64::new(0),
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every batch is handed to so many scalers at once: more than one breaks the
    /// queue's promise.
    pub fn hand_to(&self, planners: usize) {
        self.planners.store(planners.max(1), Ordering::Relaxed);
    }

    /// How many scalers get each batch.
    #[must_use]
    pub fn planners(&self) -> usize {
        self.planners.load(Ordering::Relaxed)
    }

    /// From now on Lambda stops scaler when it seems to loop, whatever the template says.
    pub fn stop_loops(&self) {
        self.may_loop.store(false, Ordering::Relaxed);
    }

    /// True if Lambda stops the chain here: the messages are gone, and scaler does not see them.
    pub(super) fn is_stopped(&self, batch: &Batch) -> bool {
        let stopped = batch.chain() >= LOOP && !self.may_loop.load(Ordering::Relaxed);
        self.stopped
            .fetch_add(u64::from(stopped), Ordering::Relaxed);
        stopped
    }

    /// How many batches Lambda stopped.
    #[must_use]
    pub fn stopped(&self) -> u64 {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The next wakes cannot be sent.
    pub fn refuse(&self, times: u32) {
        self.state().lose = times;
    }

    fn send(&self, pool: &PoolName, copies: u32, now: Timestamp, visible_at: Timestamp) -> bool {
        let chain = CHAIN.try_with(|chain| *chain).unwrap_or_default();
        let mut state = self.state();
        if state.lose > 0 {
            state.lose -= 1;
            return false;
        }
        for _ in 0..copies {
            state.last += 1;
            let (id, body) = (
                format!("m-{}", state.last),
                Wake { pool: pool.clone() }.to_body(),
            );
            let message = Message {
                id,
                body,
                sent_at: now,
                visible_at,
                chain,
            };
            state
                .groups
                .entry(pool.clone())
                .or_default()
                .waiting
                .push_back(message);
        }
        true
    }

    /// The next batch, if any group has something and is not in flight: of several groups, if there
    /// is room.
    pub(super) fn receive(&self, now: Timestamp) -> Option<Batch> {
        let mut state = self.state();
        state.receipts += 1;
        let receipt = state.receipts;
        let mut messages = Vec::new();
        for (pool, group) in &mut state.groups {
            if group.in_flight.is_some_and(|(_, until)| until <= now) {
                group.in_flight = None;
            }
            group
                .waiting
                .retain(|message| now.since(message.sent_at) < RETENTION);
            if group.in_flight.is_none()
                && group.visible(now).next().is_some()
                && messages.len() < BATCH
            {
                let room = BATCH - messages.len();
                messages.extend(
                    group
                        .visible(now)
                        .take(room)
                        .map(|message| (pool.clone(), message.clone())),
                );
                group.in_flight = Some((receipt, now.plus(timeouts::WAKE_VISIBILITY)));
            }
        }
        (!messages.is_empty()).then(|| {
            state.batches += 1;
            Batch { receipt, messages }
        })
    }

    /// How many batches were handed out.
    #[must_use]
    pub fn batches(&self) -> u64 {
        self.state().batches
    }

    /// A scaler is done with a batch: all but these messages are deleted; `None`: it failed as a
    /// whole.
    pub(super) fn done(&self, batch: &Batch, failed: Option<&[String]>) {
        let Some(failed) = failed else { return };
        let mut state = self.state();
        let mut clear: BTreeMap<&PoolName, bool> = BTreeMap::new();
        for (pool, message) in &batch.messages {
            let Some(group) = state.groups.get_mut(pool) else {
                continue;
            };
            // Too late: the messages are visible again, or someone else's.
            if group
                .in_flight
                .is_none_or(|(receipt, _)| receipt != batch.receipt)
            {
                continue;
            }
            let is_failed = failed.contains(&message.id);
            if !is_failed {
                group.waiting.retain(|waiting| waiting.id != message.id);
            }
            let clear = clear.entry(pool).or_insert(true);
            *clear &= !is_failed;
        }
        for (pool, _) in clear.into_iter().filter(|(_, clear)| *clear) {
            if let Some(group) = state.groups.get_mut(pool) {
                group.in_flight = None;
            }
        }
    }

    /// When a message may be handed out next, if nothing happens before.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let state = self.state();
        state.groups.values().filter_map(Group::next).min()
    }

    /// True if no message waits or is in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state()
            .groups
            .values()
            .all(|group| group.waiting.is_empty())
    }
}

/// The queue as one function sends to it.
pub(super) struct Sender {
    pub(super) world: Arc<World>,
    pub(super) who: &'static str,
}

#[async_trait]
impl Wakes for Sender {
    async fn wake(&self, pool: &PoolName) -> Result<(), NotSent> {
        self.world.count(self.who, "SQS SendMessage");
        let leaving = self
            .world
            .leaves(self.who, Port::Queue, "SendMessage", || pool.to_string());
        let (world, who, woken) = (Arc::clone(&self.world), self.who, pool.clone());
        let work = async move {
            world.travel().await;
            world.enqueue(who, &woken)
        };
        let (call_fault, seen) = match leaving.make(work).await {
            Made::Well(true) => {
                leaving.note(|| {
                    leaving.call_fault.map_or(CallOutcome::Done, |call_fault| {
                        CallOutcome::Faulted(call_fault, "sent")
                    })
                });
                return Ok(());
            }
            Made::Well(false) => {
                leaving.note(|| CallOutcome::Refused("a fault of the model".to_owned()));
                return Err(NotSent {
                    pool: pool.clone(),
                    reason: "a fault of the model".to_owned(),
                });
            }
            Made::Not(call_fault) => (call_fault, "not sent"),
            Made::Unheard(call_fault, _) => (call_fault, "not known to be sent"),
        };
        leaving.note(|| CallOutcome::Faulted(call_fault, seen));
        if matches!(call_fault, CallFault::HangBefore | CallFault::HangAfter) {
            tokio::time::sleep(SILENCE).await;
        }
        Err(NotSent {
            pool: pool.clone(),
            reason: "InternalError (faults)".to_owned(),
        })
    }
}

impl World {
    /// A wake reaches the queue; false if it is not taken.
    pub(super) fn enqueue(&self, who: &'static str, pool: &PoolName) -> bool {
        let chances = self.platform_rates();
        let now = self.clock.now();
        let visible = if self.chance(chances.wake_late) {
            now.plus(chances.wake_late_by.mul_f64(self.share()))
        } else {
            now
        };
        let lost = self.chance(chances.wake_lost);
        let copies = if lost {
            0
        } else {
            1 + u32::from(self.chance(chances.wake_repeated))
        };
        let sent = self.queue.send(pool, copies, now, visible);
        self.tell(|| Event::WakeSent {
            pool: pool.to_string(),
            by: who,
        });
        self.changed.notify_one();
        sent
    }
}
