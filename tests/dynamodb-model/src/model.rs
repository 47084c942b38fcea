//! The table with everything around it that a test may turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mayfly_ledger::Ledger;
use mayfly_ledger::key::Key;
use tokio::sync::Notify;

use super::counts::Counts;
use super::dump;
use super::fault::Fault;
use super::pace::{Pace, at_once};
use super::store::Handle;
use super::table::Table;
use super::throughput::{Now, Partitions, Throughput};

/// How the table treats its callers, within what DynamoDB allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DynamoQuirks {
    /// Most items on a page of a query.
    pub page: Option<usize>,
    /// `get`, too, sees a transaction item by item. More than DynamoDB's guide allows it to do;
    /// shows what rests on that promise.
    pub gets_item_by_item: bool,
    /// Whose transactions let so many steps pass from one item that they show to the next, besides
    /// the one that there always is.
    pub lingers: Option<(&'static str, u32)>,
}

/// What a held transaction shows to queries until it is released.
type Shows = Box<dyn Fn(&Key) -> bool + Send>;

pub(super) struct State {
    pub(super) table: Table,
    pub(super) counts: Counts,
    pub(super) faults: Vec<Fault>,
    pub(super) unkindness: DynamoQuirks,
    /// The next transaction of this caller (or anyone) stops half-way.
    pub(super) hold: Option<(Option<String>, Shows)>,
    pub(super) draws: fastrand::Rng,
    /// None: partitions give whatever is asked of them, and nothing expires.
    pub(super) partitions: Option<Partitions>,
    now: Option<Now>,
}

impl State {
    /// Drops what has expired for long enough.
    pub(super) fn drop_expired(&mut self) {
        if let Some(now) = &self.now {
            let now = now().seconds();
            self.table.drop_expired(now);
        }
    }
}

/// The table, shared by all who use it.
#[derive(Clone)]
pub struct Model {
    state: Arc<Mutex<State>>,
    pub(super) pace: Pace,
    pub(super) released: Arc<Notify>,
    pub(super) reached: Arc<Notify>,
}

impl Model {
    /// An empty table whose steps take no time.
    #[must_use]
    pub fn new() -> Self {
        Self::paced(0, at_once())
    }

    /// An empty table. In which order and how fast the items of a transaction become visible is
    /// drawn from `seed`.
    #[must_use]
    pub fn paced(seed: u64, pace: Pace) -> Self {
        let state = State {
            table: Table::default(),
            counts: Counts::default(),
            faults: Vec::new(),
            unkindness: DynamoQuirks::default(),
            hold: None,
            draws: fastrand::Rng::with_seed(seed),
            partitions: None,
            now: None,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            pace,
            released: Arc::default(),
            reached: Arc::default(),
        }
    }

    /// Waits as long as one step takes.
    pub(super) async fn step(&self) {
        let draw = self.state().draws.u64(..);
        (self.pace)(draw).await;
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The ledger over this table, as a caller of this name has it.
    #[must_use]
    pub fn ledger(&self, who: &str) -> Ledger<Handle> {
        Ledger::new(Handle::new(self.clone(), who))
    }

    /// Does something with the table itself.
    pub fn with<T>(&self, act: impl FnOnce(&mut Table) -> T) -> T {
        act(&mut self.state().table)
    }

    /// Changes how callers are treated.
    pub fn treat(&self, unkindness: DynamoQuirks) {
        self.state().unkindness = unkindness;
    }

    /// From now on a partition key gives no more than this a second, and what has expired is
    /// dropped some time later, by this clock.
    pub fn gives(&self, throughput: Throughput, now: Now) {
        let mut state = self.state();
        state.partitions = Some(Partitions::new(throughput, Now::clone(&now)));
        state.now = Some(now);
    }

    /// From now on partition keys give this, if there is a limit at all.
    pub fn gives_now(&self, throughput: Throughput) {
        if let Some(partitions) = &mut self.state().partitions {
            partitions.throughput = throughput;
        }
    }

    /// How often a partition gave no more.
    #[must_use]
    pub fn throttled(&self) -> u64 {
        self.state()
            .partitions
            .as_ref()
            .map_or(0, |partitions| partitions.throttled)
    }

    /// Puts a fault in force.
    pub fn add_fault(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Takes all faults back. True if one had not struck yet: then the test did not test what it
    /// meant to.
    pub fn clear_faults(&self) -> bool {
        !std::mem::take(&mut self.state().faults).is_empty()
    }

    /// The next transaction (of `who`, if named) stops when it is decided: queries see those of its
    /// items for which `shows` holds, and no more until [`Model::release`]. [`Model::held`] tells
    /// when it is there.
    pub fn hold(&self, who: Option<&str>, shows: impl Fn(&Key) -> bool + Send + 'static) {
        self.state().hold = Some((who.map(str::to_owned), Box::new(shows)));
    }

    /// Waits until a transaction stops as [`Model::hold`] said.
    pub async fn held(&self) {
        self.reached.notified().await;
    }

    /// Lets the transaction go on.
    pub fn release(&self) {
        self.released.notify_one();
    }

    /// Calls so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.state().counts.clone()
    }

    /// Begins to count again.
    pub fn forget_counts(&self) {
        self.state().counts = Counts::default();
    }

    /// Every item as JSON, as it will be once all transactions under way are over.
    #[must_use]
    pub fn dump(&self) -> BTreeMap<String, serde_json::Value> {
        dump::of(&self.state().table)
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Model {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Model").finish_non_exhaustive()
    }
}
