//! How a story begins and what is said of it when it goes wrong.

use mayfly_domain::id::{JobId, PoolName};
use mayfly_tests::github::jobs::NewJob;
use mayfly_tests::system::{Start, System};

pub(crate) const LABELS: [&str; 4] = ["self-hosted", "linux", "x64", "mayfly"];

pub(crate) fn linux() -> PoolName {
    "linux".parse().unwrap()
}

pub(crate) fn begin(seed: u64) -> System {
    Start::seeded(seed).begin().unwrap()
}

/// A job of `acme/app` that runs for 20 s.
pub(crate) fn job() -> NewJob {
    NewJob { labels: LABELS.map(str::to_owned).to_vec(), seconds: 20.0, ..NewJob::default() }
}

pub(crate) fn queue_one(system: &System) -> JobId {
    system.queue_jobs(&job())[0]
}

/// Everything that a reader of a failed test wants to know.
pub(crate) fn story(system: &System) -> String {
    let mut lines = vec![format!("after {:?}, left over: {:#?}", system.world.clock.elapsed(), system.left_over())];
    for runner in system.runners().into_iter().chain(system.closed_runners()) {
        lines.push(format!("runner {} {:?} {:?} {:?}", runner.id, runner.state, runner.outcome, runner.reason));
        lines.extend(runner.story.iter().map(|note| format!("    {} {}", note.at.millis(), note.text)));
    }
    lines.push(format!("{:?}", system.world.answers()));
    lines.join("\n")
}

/// Lets time pass until it holds.
pub(crate) async fn until(system: &System, seconds: u64, what: &str, holds: impl Fn(&System) -> bool) {
    let held = system.until(seconds, holds).await;
    assert!(held, "not within {seconds} s: {what}\n{}", story(system));
}

/// Lets time pass until nothing is left.
pub(crate) async fn rest(system: &System, seconds: u64) {
    until(system, seconds, "nothing is left over", System::is_at_rest).await;
}
