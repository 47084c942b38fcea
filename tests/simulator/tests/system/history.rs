//! How long what closed stays.

use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_simulator::system::{Start, System};

use crate::start::{done, pool_with, queue_one, rest, until};

/// A pools file whose records are kept for so many days.
fn kept_for(days: u32) -> String {
    format!("{}\n[history]\nkeep = \"{days}d\"", pool_with("max = 2"))
}

/// A day, and what DynamoDB's TTL may take longer than it was told.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TTL_MAY_TAKE: Duration = Duration::from_secs(2 * 24 * 60 * 60);

/// The job is over, and on record as such: its last delivery must not be one that leaps a month.
async fn over(system: &System, job: JobId) {
    done(system, 300, &[job]).await;
    rest(system, 180).await;
    until(system, 180, "its end is on record", |system| {
        system.job(job).is_some_and(|job| job.closed_at.is_some())
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_longer_keep_holds_for_new_records_and_the_earlier_ones_go_in_their_time() {
    let system = Start::seeded(640).pools(&kept_for(30)).begin().unwrap();
    let first = queue_one(&system);
    over(&system, first).await;
    system.put_pools(&kept_for(60));
    system.pass(180).await;
    let second = queue_one(&system);
    over(&system, second).await;
    let there = || (system.job(first).is_some(), system.job(second).is_some());
    let runners = system.closed_runners();
    assert_eq!(runners.len(), 2);
    let days = |runner: &mayfly_domain::model::runner::Runner| {
        let kept = runner.expires_at.unwrap() - runner.closed_at.unwrap().seconds();
        kept / 86_400
    };
    assert_eq!(runners.iter().map(days).collect::<Vec<_>>(), [30, 60]);

    // Each time a sweep lets the table drop what its time is up for.
    tokio::time::advance(29 * DAY).await;
    system.pass(120).await;
    assert_eq!(there(), (true, true), "a month is not over");
    tokio::time::advance(DAY + TTL_MAY_TAKE).await;
    system.pass(120).await;
    assert_eq!(there(), (false, true));
    assert_eq!(system.closed_runners(), runners[1..]);
    tokio::time::advance(30 * DAY).await;
    system.pass(120).await;
    assert_eq!(there(), (false, false));
    assert_eq!(system.closed_runners(), []);
    // What was forgotten is not taken for new: nothing was started for it.
    assert_eq!(system.launched_and_most_live(), (2, 1));
    rest(&system, 0).await;
}
