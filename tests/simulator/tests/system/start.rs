//! How a story begins and what is said of it when it goes wrong.

use std::sync::{Arc, Mutex};

use mayfly_domain::model::id::{JobId, PoolName};
use mayfly_domain::model::runner::Outcome;
use mayfly_domain::model::time::Timestamp;
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{CallFault, Event, PortCall, Start, System};

pub(crate) const LABELS: [&str; 4] = ["self-hosted", "linux", "x64", "mayfly"];

pub(crate) fn linux() -> PoolName {
    "linux".parse().unwrap()
}

pub(crate) fn begin(seed: u64) -> System {
    Start::seeded(seed).begin().unwrap()
}

/// One pool with these lines besides its labels and size.
pub(crate) fn pool_with(lines: &str) -> String {
    format!(
        r#"
        [github]
        accounts = ["acme"]
        [pools.linux]
        labels = ["self-hosted", "linux", "x64", "mayfly"]
        cpu = 2
        memory = "8 GiB"
        {lines}
        "#
    )
}

/// A job of `acme/app` that runs for 20 s.
pub(crate) fn job() -> NewJob {
    NewJob {
        labels: LABELS.map(str::to_owned).to_vec(),
        seconds: 20.0,
        ..NewJob::default()
    }
}

pub(crate) fn jobs(count: u32) -> NewJob {
    NewJob { count, ..job() }
}

pub(crate) fn queue_one(system: &System) -> JobId {
    system.queue_jobs(&job())[0]
}

/// As many jobs as the API lets in at once, and the next ones two seconds later: more than
/// it lets in are another story.
pub(crate) async fn queue_in_waves(system: &System, wish: &NewJob) -> Vec<JobId> {
    const AT_ONCE: u32 = 400;
    let (mut queued, mut left) = (Vec::new(), wish.count);
    while left > 0 {
        let count = left.min(AT_ONCE);
        queued.extend(system.queue_jobs(&NewJob {
            count,
            ..wish.clone()
        }));
        system.pass(2).await;
        left -= count;
    }
    queued
}

/// Runs a story in a runtime of its own, whose clock jumps.
pub(crate) fn in_virtual_time<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(story)
}

/// Everything that a reader of a failed test wants to know.
pub(crate) fn story(system: &System) -> String {
    let mut lines = vec![format!(
        "after {:?}, left over: {:#?}",
        system.world.clock.elapsed(),
        system.left_over()
    )];
    for job in system.waiting() {
        lines.push(format!("{job:?}"));
    }
    for runner in system
        .runners()
        .into_iter()
        .chain(system.closed_runners())
        .take(12)
    {
        lines.push(format!(
            "runner {} {:?} {:?} {:?}",
            runner.id, runner.state, runner.outcome, runner.reason
        ));
        lines.extend(
            runner
                .story
                .iter()
                .map(|note| format!("    {} {}", note.at.millis() % 100_000_000, note.event)),
        );
    }
    let answers = system.world.answers();
    lines.push(format!(
        "{:?}",
        &answers[answers.len().saturating_sub(30)..]
    ));
    lines.join("\n")
}

/// Lets time pass until it holds.
pub(crate) async fn until(
    system: &System,
    seconds: u64,
    what: &str,
    holds: impl Fn(&System) -> bool,
) {
    let held = system.until(seconds, holds).await;
    assert!(held, "not within {seconds} s: {what}\n{}", story(system));
}

/// Lets time pass until these jobs are done.
pub(crate) async fn done(system: &System, seconds: u64, jobs: &[JobId]) {
    until(system, seconds, "the jobs are done", |system| {
        system.all_done(jobs)
    })
    .await;
}

/// Lets time pass until nothing is left.
pub(crate) async fn rest(system: &System, seconds: u64) {
    until(system, seconds, "nothing is left over", System::is_at_rest).await;
}

/// How the closed runners ended, in the order in which they were requested.
pub(crate) fn outcomes(system: &System) -> Vec<Outcome> {
    system
        .closed_runners()
        .into_iter()
        .filter_map(|runner| runner.outcome)
        .collect()
}

/// What holds for every story without faults: never above `max`, one task for each row, one row for
/// each of so many jobs. Which job a row was requested for says nothing: GitHub hands a runner
/// whatever it likes, and the next one is requested for the job that was left over.
pub(crate) fn check_counts(system: &System, max: usize, jobs: usize) {
    let (launched, most_live) = system.launched_and_most_live();
    assert!(
        most_live <= max && system.world.most_rows(&linux()) <= max,
        "{most_live} tasks, {} rows",
        system.world.most_rows(&linux())
    );
    let rows = system.runners().len() + system.closed_runners().len();
    assert_eq!(
        (launched, rows),
        (jobs as u64, jobs),
        "tasks and rows\n{}",
        story(system)
    );
}

/// Runs something on a thread of its own: the functions' draws are a thread's.
pub(crate) fn in_thread<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(run).join().unwrap()
}

/// What was seen so far.
pub(crate) type Seen = Arc<Mutex<Vec<(Timestamp, Event)>>>;

/// Has everything written down.
pub(crate) fn watch(system: &System) -> Seen {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    system
        .world
        .set_listener(Box::new(move |at: Timestamp, happening: &Event| {
            notes.lock().unwrap().push((at, happening.clone()))
        }));
    seen
}

/// What was seen, one line each.
pub(crate) fn trace(seen: &Seen) -> String {
    seen.lock()
        .unwrap()
        .iter()
        .map(|(at, happening)| format!("{} {happening}\n", at.millis()))
        .collect()
}

/// Lines at level `ERROR`, which ring the alarm `action-required`, of all functions of this thread.
#[derive(Clone, Default)]
pub(crate) struct Errors(Arc<Mutex<Vec<String>>>);

impl Errors {
    /// Listens until the guard goes.
    pub(crate) fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let errors = Self::default();
        let guard = mayfly_test_support::log::listen(errors.clone());
        (errors, guard)
    }

    /// What was heard so far.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

impl tracing::Subscriber for Errors {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() == tracing::Level::ERROR
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{}={value:?} ", field.name()));
            }
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

/// One call is struck: the first of this operation of this function.
pub(crate) fn inject(
    system: &System,
    who: &'static str,
    operation: &'static str,
    call_fault: CallFault,
) {
    system
        .world
        .set_fault_injector(Box::new(move |call: &PortCall, _: Timestamp| {
            (call.who == who && call.operation == operation && call.nth == 0).then_some(call_fault)
        }));
}
