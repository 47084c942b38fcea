//! Many jobs at once.

use mayfly_domain::runner::Outcome;

use crate::told::{begin, check_counts, done, jobs, linux, outcomes, rest};

#[tokio::test(start_paused = true)]
async fn two_hundred_jobs_at_once_on_twenty_runners() {
    let system = begin(20);
    let jobs = system.queue_jobs(&jobs(200));
    done(&system, 3_600, &jobs).await;
    rest(&system, 120).await;
    check_counts(&system, 20, 200);
    assert_eq!(outcomes(&system), vec![Outcome::Ran; 200]);
    // The limit was used, too.
    assert_eq!(system.world.most_rows(&linux()), 20);
}

#[tokio::test(start_paused = true)]
async fn two_hundred_jobs_that_steal_from_each_other_are_all_done() {
    let system = begin(21);
    system.world.with_github(|github, _| github.faults.stolen = 0.5);
    let jobs = system.queue_jobs(&jobs(200));
    done(&system, 3_600, &jobs).await;
    rest(&system, 120).await;
    check_counts(&system, 20, 200);
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_is_cancelled_half_way_leaves_nothing() {
    let system = begin(22);
    let jobs = system.queue_jobs(&jobs(60));
    system.pass(50).await;
    for job in jobs.iter().skip(1).step_by(2) {
        system.cancel(*job);
    }
    let kept: Vec<_> = jobs.iter().copied().step_by(2).collect();
    done(&system, 1_200, &kept).await;
    rest(&system, 600).await;
    assert!(system.launched_and_most_live().1 <= 20 && system.world.most_rows(&linux()) <= 20);
}
