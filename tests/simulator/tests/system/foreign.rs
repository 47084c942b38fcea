//! Jobs that no pool takes: some are meant for one, and a later pools file has them; most are
//! another fleet's.

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_github_model::jobs::{Action, JobDeliveries, NewJob};
use mayfly_simulator::system::{Start, System};

use crate::start::{done, job, pool_with, queue_in_waves, queue_one, rest, story};

fn follow_ups(system: &System, kind: &str) -> usize {
    system
        .world
        .table
        .dump()
        .keys()
        .filter(|key| key.starts_with(&format!("outbox {kind}#")))
        .count()
}

fn asked(system: &System, what: &str) -> u64 {
    system
        .world
        .calls()
        .get(&("sweeper".to_owned(), format!("GitHub {what}")))
        .copied()
        .unwrap_or_default()
}

/// Jobs of a fleet that is not Mayfly's.
fn theirs(count: u32) -> NewJob {
    NewJob {
        labels: vec!["self-hosted".into(), "gpu".into()],
        count,
        ..job()
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_of_a_repository_that_no_pool_listed_runs_once_one_does() {
    let system = Start::seeded(901)
        .pools(&pool_with("max = 5\nrepositories = [\"acme/lib\"]"))
        .begin()
        .unwrap();
    let job = queue_one(&system);
    system.pass(120).await;
    let record = system.job(job).unwrap();
    assert!(
        record
            .reason
            .is_some_and(|why| why.to_string().contains("repository not allowed")),
        "{}",
        story(&system)
    );
    system.put_pools(&pool_with("max = 5\nrepositories = [\"acme/*\"]"));
    done(&system, 600, &[job]).await;
    rest(&system, 120).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_of_a_public_repository_runs_once_its_pool_says_so_and_a_day_later_no_more() {
    let system = Start::seeded(902)
        .pools(&pool_with("max = 5"))
        .begin()
        .unwrap();
    let public = NewJob {
        private: Some(false),
        ..job()
    };
    let old = system.queue_jobs(&public)[0];
    system.pass(26 * 3_600).await;
    assert_eq!(follow_ups(&system, "match_job"), 0, "{}", story(&system));
    let job = system.queue_jobs(&public)[0];
    system.pass(23 * 3_600).await;
    assert_eq!(system.job(job).unwrap().story.len(), 1);
    system.put_pools(&pool_with("max = 5\npublic = true"));
    done(&system, 900, &[job]).await;
    rest(&system, 120).await;
    assert_eq!(
        system.launched_and_most_live().0,
        1,
        "none for the old one\n{}",
        story(&system)
    );
    assert!(
        system
            .job(old)
            .is_some_and(|record| record.state != JobState::Queued)
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_of_an_account_that_was_not_served_runs_once_it_is_and_until_then_costs_no_call() {
    let accounts = |accounts: &str| {
        pool_with("max = 5").replace(
            r#"accounts = ["acme"]"#,
            &format!("accounts = [{accounts}]"),
        )
    };
    let system = Start::seeded(906)
        .pools(&accounts(r#""acme""#))
        .begin()
        .unwrap();
    let of = |repository: &str| {
        system.queue_jobs(&NewJob {
            repository: repository.to_owned(),
            ..job()
        })[0]
    };
    let jobs = [of("globex/one"), of("globex/two"), of("GLOBEX/two")];
    system.pass(3_600).await;
    assert!(
        jobs.iter().all(|job| system.job(*job).is_none()),
        "a stranger's job leaves no record"
    );
    let left = || {
        system
            .world
            .table
            .dump()
            .into_keys()
            .filter(|key| key.starts_with("unserved#globex "))
            .count()
    };
    assert_eq!(
        (left(), asked(&system, "list-runs")),
        (2, 0),
        "one item for each repository, and nobody asks about it"
    );
    system.put_pools(&accounts(r#""acme", "Globex""#));
    done(&system, 300, &jobs).await;
    rest(&system, 120).await;
    assert_eq!(left(), 0);
}

#[tokio::test(start_paused = true)]
async fn jobs_of_another_fleet_leave_nothing_to_be_seen_to_once_they_are_over() {
    let system = Start::seeded(903).begin().unwrap();
    let theirs = system.queue_jobs(&theirs(50));
    system.pass(60).await;
    assert_eq!(follow_ups(&system, "match_job"), 50);
    for job in &theirs {
        system.cancel(*job);
    }
    system.pass(60).await;
    assert_eq!(follow_ups(&system, "match_job"), 0);
}

#[tokio::test(start_paused = true)]
async fn thousands_of_jobs_of_another_fleet_keep_no_lost_delivery_waiting() {
    let system = Start::seeded(905).begin().unwrap();
    queue_in_waves(&system, &theirs(4_000)).await;
    system.pass(600).await;
    let lost = |_| {
        let deliveries = JobDeliveries {
            lost: vec![Action::Queued],
            ..JobDeliveries::default()
        };
        system.queue_jobs(&NewJob {
            deliveries,
            ..job()
        })[0]
    };
    let jobs: Vec<JobId> = (0..3).map(lost).collect();
    // A reading that goes through these 4,000 takes five sweeps: only those that may still miss
    // some of them do.
    done(&system, 200, &jobs).await;
    // Another pools file has all of them matched, and that keeps nothing waiting either.
    system.put_pools(&pool_with("max = 40"));
    system.pass(90).await;
    let jobs: Vec<JobId> = (0..3).map(lost).collect();
    done(&system, 240, &jobs).await;
}
