//! The wake queue: FIFO by group, one batch of a group at a time, unless a test breaks that promise.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_domain::id::PoolName;
use mayfly_domain::time::Timestamp;
use mayfly_domain::times;
use mayfly_queue::{NotSent, Wake, Wakes};
use serde_json::{Value, json};

use super::world::World;

/// Most messages that Lambda gets at once from a FIFO queue. Source: Lambda developer guide, SQS event source mappings.
const BATCH: usize = 10;

/// `MessageRetentionPeriod` in the template.
const RETENTION: Duration = Duration::from_secs(300);

#[derive(Clone, Debug)]
struct Message {
    id: String,
    body: String,
    sent_at: Timestamp,
}

#[derive(Debug, Default)]
struct Group {
    waiting: VecDeque<Message>,
    /// The receipt of the batch in flight, and when its messages come back unless they are deleted.
    in_flight: Option<(u64, Timestamp)>,
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
    /// The event that Lambda gets.
    #[must_use]
    pub fn event(&self) -> Value {
        let record = |(_, message): &(PoolName, Message)| json!({ "messageId": message.id, "body": message.body, "attributes": { "SentTimestamp": message.sent_at.millis().to_string() } });
        json!({ "Records": self.messages.iter().map(record).collect::<Vec<_>>() })
    }
}

/// The queue.
#[derive(Debug)]
pub struct Queue {
    state: Mutex<State>,
    planners: AtomicUsize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { state: Mutex::default(), planners: AtomicUsize::new(1) }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on every batch is handed to so many scalers at once: more than one breaks the queue's promise.
    pub fn hand_to(&self, planners: usize) {
        self.planners.store(planners.max(1), Ordering::Relaxed);
    }

    /// How many scalers get each batch.
    #[must_use]
    pub fn planners(&self) -> usize {
        self.planners.load(Ordering::Relaxed)
    }

    /// The next wakes cannot be sent.
    pub fn refuse(&self, times: u32) {
        self.state().lose = times;
    }

    fn send(&self, pool: &PoolName, now: Timestamp) -> bool {
        let mut state = self.state();
        if state.lose > 0 {
            state.lose -= 1;
            return false;
        }
        state.last += 1;
        let message = Message { id: format!("m-{}", state.last), body: Wake { pool: pool.clone() }.to_body(), sent_at: now };
        state.groups.entry(pool.clone()).or_default().waiting.push_back(message);
        true
    }

    /// The next batch, if any group has something and is not in flight: of several groups, if there is room.
    pub(super) fn receive(&self, now: Timestamp) -> Option<Batch> {
        let mut state = self.state();
        state.receipts += 1;
        let receipt = state.receipts;
        let mut messages = Vec::new();
        for (pool, group) in &mut state.groups {
            if group.in_flight.is_some_and(|(_, until)| until <= now) {
                group.in_flight = None;
            }
            group.waiting.retain(|message| now.since(message.sent_at) < RETENTION);
            if group.in_flight.is_none() && !group.waiting.is_empty() && messages.len() < BATCH {
                messages.extend(group.waiting.iter().take(BATCH - messages.len()).map(|message| (pool.clone(), message.clone())));
                group.in_flight = Some((receipt, now.plus(times::WAKE_VISIBILITY)));
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

    /// A scaler is done with a batch: all but these messages are deleted; `None`: it failed as a whole.
    pub(super) fn done(&self, batch: &Batch, failed: Option<&[String]>) {
        let Some(failed) = failed else { return };
        let mut state = self.state();
        let mut clear: BTreeMap<&PoolName, bool> = BTreeMap::new();
        for (pool, message) in &batch.messages {
            let Some(group) = state.groups.get_mut(pool) else { continue };
            // Too late: the messages are visible again, or somebody else's.
            if group.in_flight.is_none_or(|(receipt, _)| receipt != batch.receipt) {
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

    /// When a message comes back by itself.
    pub(super) fn next(&self) -> Option<Timestamp> {
        let state = self.state();
        let waiting = state.groups.values().filter(|group| !group.waiting.is_empty());
        waiting.filter_map(|group| group.in_flight.map(|(_, until)| until)).min()
    }

    /// True if no message waits or is in flight.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.state().groups.values().all(|group| group.waiting.is_empty())
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
        self.world.travel().await;
        let sent = self.world.queue.send(pool, self.world.clock.now());
        self.world.changed.notify_one();
        if sent { Ok(()) } else { Err(NotSent { pool: pool.clone(), reason: "a fault of the model".to_owned() }) }
    }
}
