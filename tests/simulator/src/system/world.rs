//! Everything outside of the functions, shared by all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mayfly_domain::model::id::{PoolName, RunnerId};
use mayfly_domain::model::time::Timestamp;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::archive::Objects;
use super::calls::Sky;
use super::capacity::{Capacity, InUse};
use super::clock::Clock;
use super::container::StopSignal;
use super::event::{Event, EventListener};
use super::parameters::Parameters;
use super::platform_rates::PlatformRates;
use super::queue::Queue;
use mayfly_dynamodb_model::Model as Table;
use mayfly_fargate_model::{Effect, Fargate, Moment, TaskId};
use mayfly_github_model::deliveries::Outgoing;
use mayfly_github_model::id::SessionId;
use mayfly_github_model::model::Model as Github;

/// The models, the clock, and what is counted.
pub struct World {
    /// What time it is.
    pub clock: Clock,
    /// The ledger's table.
    pub table: Table,
    /// The wake queue.
    pub queue: Queue,
    /// The settings.
    pub parameters: Parameters,
    /// The archive's bucket, where there is one.
    pub(super) archive: Option<Mutex<Objects>>,
    pub(super) ecs: Mutex<Fargate>,
    pub(super) github: Mutex<Github>,
    /// When GitHub has something to do by itself; not known after something was done there.
    pub(super) github_due: Mutex<Option<Option<Timestamp>>>,
    pub(super) draws: Mutex<fastrand::Rng>,
    pub(super) calls: Mutex<BTreeMap<(&'static str, String), u64>>,
    pub(super) answers: Mutex<Vec<(String, u16)>>,
    pub(super) last_runner: Mutex<u128>,
    pub(super) containers: Mutex<BTreeMap<TaskId, (AbortHandle, Arc<StopSignal>)>>,
    pub(super) changed: Notify,
    /// Some runner was given a job, or removed.
    pub(super) runners_news: Notify,
    /// Most milliseconds that a call takes to reach anyone.
    pub(super) latency: u64,
    pub(super) sweeps: bool,
    pub(super) hang: AtomicBool,
    pub(super) image: Mutex<Option<BadImage>>,
    pub(super) sky: Mutex<Sky>,
    pub(super) listener: Mutex<Option<Box<dyn EventListener>>>,
    pub(super) witnessed: AtomicBool,
    pub(super) chances: Mutex<PlatformRates>,
    pub(super) habits: Mutex<ContainerBehavior>,
    pub(super) in_use: Mutex<InUse>,
    pub(super) numbers: AtomicU64,
    /// Draws of what Lambda, SQS and EventBridge do: apart, so that they change nothing while all
    /// chances are 0.
    pub(super) dice: Mutex<fastrand::Rng>,
}

/// How clocks and containers behave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerBehavior {
    /// Milliseconds by which functions' clocks differ from the world's.
    pub clocks: BTreeMap<String, i64>,
    /// After an answer that says no time, containers wait for as long as the entry script does.
    pub waits: bool,
}

/// What may be wrong with the runners' image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadImage {
    /// It takes Mayfly's job-started hook away.
    TakesTheHookAway,
    /// Its runner ends with this code as soon as it has its registration.
    Ends(i32),
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// Does something with ECS.
    pub fn with_ecs<T>(&self, act: impl FnOnce(&mut Fargate, &mut Moment<'_>) -> T) -> T {
        self.with_ecs_by("nobody", act)
    }

    /// The same, as a function of this name.
    pub(super) fn with_ecs_by<T>(
        &self,
        who: &'static str,
        act: impl FnOnce(&mut Fargate, &mut Moment<'_>) -> T,
    ) -> T {
        let result = self.at_ecs(who, act);
        self.changed.notify_one();
        result
    }

    pub(super) fn lock_ecs<T>(&self, act: impl FnOnce(&mut Fargate, &mut Moment<'_>) -> T) -> T {
        let mut draw = || lock(&self.draws).u128(..);
        let now = self.clock.model_time();
        act(
            &mut lock(&self.ecs),
            &mut Moment {
                now,
                draws: &mut draw,
            },
        )
    }

    /// What ECS wants done by now.
    pub(super) fn advance_ecs(&self) -> Vec<Effect> {
        self.at_ecs("nobody", |ecs, at| {
            ecs.advance(at);
            ecs.take_effects()
        })
    }

    /// What GitHub wants delivered by now.
    pub(super) fn advance_github(&self) -> Vec<Outgoing> {
        let now = self.clock.now();
        let idle = matches!(*lock(&self.github_due), Some(due) if due.is_none_or(|due| due > now));
        if idle {
            return Vec::new();
        }
        *lock(&self.github_due) = None;
        self.at_github("GitHub", |github, now| {
            github.advance(now);
            github.take_due(now)
        })
    }

    /// When a model has something to do next.
    pub(super) fn due(&self) -> Option<Timestamp> {
        // Rounded up: a moment too early is a moment of spinning.
        let rounded = |at: jiff::Timestamp| Timestamp::from_millis(at.as_millisecond() + 1);
        let ecs = lock(&self.ecs).due().map(rounded);
        let github = *lock(&self.github_due)
            .get_or_insert_with(|| lock(&self.github).look_ahead().map(rounded));
        [ecs, github, self.queue.next()].into_iter().flatten().min()
    }

    /// The containers that run.
    pub(super) fn containers(
        &self,
    ) -> MutexGuard<'_, BTreeMap<TaskId, (AbortHandle, Arc<StopSignal>)>> {
        lock(&self.containers)
    }

    /// Does something with GitHub.
    pub fn with_github<T>(&self, act: impl FnOnce(&mut Github, jiff::Timestamp) -> T) -> T {
        self.with_github_by("GitHub", act)
    }

    /// The same, as a function of this name.
    pub(super) fn with_github_by<T>(
        &self,
        who: &'static str,
        act: impl FnOnce(&mut Github, jiff::Timestamp) -> T,
    ) -> T {
        let result = self.at_github(who, act);
        *lock(&self.github_due) = None;
        self.changed.notify_one();
        result
    }

    /// The same, where nothing comes of it for anyone else.
    pub(super) fn ask_github<T>(&self, act: impl FnOnce(&mut Github, jiff::Timestamp) -> T) -> T {
        let (result, given) = self.at_github("GitHub", |github, now| {
            let before = github.assignments();
            (act(github, now), github.assignments() > before)
        });
        if given {
            *lock(&self.github_due) = None;
        }
        result
    }

    pub(super) fn lock_github<T>(&self, act: impl FnOnce(&mut Github, jiff::Timestamp) -> T) -> T {
        let mut github = lock(&self.github);
        let before = github.news_to_runners();
        let result = act(&mut github, self.clock.model_time());
        if github.news_to_runners() != before {
            self.runners_news.notify_waiters();
        }
        result
    }

    /// GitHub as it is, for those who only look.
    pub fn see_github<T>(&self, look: impl FnOnce(&Github, jiff::Timestamp) -> T) -> T {
        look(&lock(&self.github), self.clock.model_time())
    }

    /// ECS as it is, for those who only look.
    pub fn see_ecs<T>(&self, look: impl FnOnce(&Fargate) -> T) -> T {
        look(&lock(&self.ecs))
    }

    /// Waits until GitHub tells this runner at its long poll that it has a job, or is no more.
    pub(super) async fn news_for(&self, session: &SessionId) {
        while !self.see_github(|github, _| github.has_news_for(session)) {
            self.runners_news.notified().await;
        }
        self.travel().await;
    }

    pub(super) fn sky(&self) -> MutexGuard<'_, Sky> {
        lock(&self.sky)
    }

    pub(super) fn put_witness(&self, listener: Box<dyn EventListener>) {
        *lock(&self.listener) = Some(listener);
        self.witnessed.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_witnessed(&self) -> bool {
        self.witnessed.load(Ordering::Relaxed)
    }

    /// Tells the listener, if there is one.
    pub(super) fn tell(&self, event: impl FnOnce() -> Event) {
        self.tell_at(self.clock.now(), event);
    }

    /// The same of something that happened then.
    pub(super) fn tell_at(&self, at: Timestamp, event: impl FnOnce() -> Event) {
        if self.is_witnessed()
            && let Some(listener) = lock(&self.listener).as_mut()
        {
            listener.saw(at, &event());
        }
    }

    /// What Lambda, SQS and EventBridge do from now on.
    pub fn set_platform_rates(&self, chances: PlatformRates) {
        *lock(&self.chances) = chances;
    }

    /// What the world outside gives from now on.
    pub fn gives(&self, capacity: Capacity) {
        self.in_use().capacity = capacity;
        self.table.gives_now(capacity.table);
    }

    pub(super) fn in_use(&self) -> MutexGuard<'_, InUse> {
        lock(&self.in_use)
    }

    /// How often something was turned away for want of capacity: by route of the API, by
    /// function, and at the table.
    #[must_use]
    pub fn turned_away(&self) -> BTreeMap<&'static str, u64> {
        let mut turned_away = self.in_use().turned_away.clone();
        let at_the_table = self.table.throttled();
        if at_the_table > 0 {
            turned_away.insert("table", at_the_table);
        }
        turned_away
    }

    /// The chances in force.
    #[must_use]
    pub fn platform_rates(&self) -> PlatformRates {
        lock(&self.chances).clone()
    }

    /// How clocks and containers behave from now on.
    pub fn set_container_behavior(&self, habits: ContainerBehavior) {
        *lock(&self.habits) = habits;
    }

    /// True if containers wait for as long as the entry script does.
    pub(super) fn containers_wait(&self) -> bool {
        lock(&self.habits).waits
    }

    /// What time it is by a function's clock.
    pub(super) fn now_by(&self, who: &str) -> Timestamp {
        let now = self.clock.now();
        lock(&self.habits).clocks.get(who).map_or(now, |differs| {
            Timestamp::from_millis(now.millis() + differs)
        })
    }

    /// A function's clock.
    pub(super) fn clock_of(
        self: &Arc<Self>,
        who: &'static str,
    ) -> Box<dyn Fn() -> Timestamp + Send + Sync> {
        let world = Arc::clone(self);
        Box::new(move || world.now_by(who))
    }

    /// A number for an invocation or a process.
    pub(super) fn next_number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether something happens that happens in this share of all cases.
    pub(super) fn chance(&self, share: f64) -> bool {
        share > 0.0 && lock(&self.dice).f64() < share
    }

    /// A share, 0 to 1.
    pub(super) fn share(&self) -> f64 {
        lock(&self.dice).f64()
    }

    /// A draw below a number.
    pub fn below(&self, bound: u64) -> u64 {
        lock(&self.draws).u64(..bound.max(1))
    }

    /// The way to someone and the work there: a drawn time.
    pub async fn travel(&self) {
        let millis = 1 + self.below(self.latency);
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }

    /// Counts a call of a function.
    pub(super) fn count(&self, who: &'static str, what: &str) {
        *lock(&self.calls).entry((who, what.to_owned())).or_default() += 1;
    }

    /// A new runner's id: they sort by the time they are made.
    pub(super) fn new_runner(&self) -> RunnerId {
        let mut last = lock(&self.last_runner);
        let millis = u128::from(self.clock.now().millis().unsigned_abs());
        let fresh = (millis << 80) | (lock(&self.draws).u128(..) >> 48);
        *last = fresh.max(*last + 1);
        RunnerId::from_ulid(*last)
    }

    /// An answer that a container got.
    pub(super) fn answered(&self, path: &str, status: u16) {
        lock(&self.answers).push((path.to_owned(), status));
    }

    /// The most runner rows that the pool ever had.
    #[must_use]
    pub fn most_rows(&self, pool: &PoolName) -> usize {
        self.table.with(|table| {
            table
                .tally()
                .of(&mayfly_ledger::key::pool(pool))
                .most_runners
        })
    }

    /// Calls so far, by function and what was called: the table's among them.
    #[must_use]
    pub fn calls(&self) -> BTreeMap<(String, String), u64> {
        let table = self.table.counts();
        let table = table.iter().map(|(who, operation, count)| {
            (
                (who.to_owned(), format!("DynamoDB {operation}")),
                count.calls,
            )
        });
        let others = lock(&self.calls)
            .clone()
            .into_iter()
            .map(|((who, what), count)| ((who.to_owned(), what), count));
        table.chain(others).collect()
    }

    /// Begins to count again.
    pub fn forget_calls(&self) {
        self.table.forget_counts();
        lock(&self.calls).clear();
    }

    /// From now on the runners' image is wrong in this way, or right again.
    pub fn image_is(&self, bad: Option<BadImage>) {
        *lock(&self.image) = bad;
    }

    pub(super) fn image(&self) -> Option<BadImage> {
        *lock(&self.image)
    }

    /// From now on containers stay when their job is over.
    pub fn let_containers_hang(&self) {
        self.hang.store(true, Ordering::Relaxed);
    }

    /// From now on they end again with their job.
    pub fn let_containers_end(&self) {
        self.hang.store(false, Ordering::Relaxed);
    }

    /// What containers were answered: path and status, in order.
    #[must_use]
    pub fn answers(&self) -> Vec<(String, u16)> {
        lock(&self.answers).clone()
    }
}
