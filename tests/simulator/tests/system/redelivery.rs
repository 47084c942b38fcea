//! Deliveries that fail are asked for until they succeed, and none is asked for again after that.

use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_domain::transitions::redelivery::{ListPass, ListProgress};
use mayfly_dynamodb_model::{Fault, Operation, What, When};
use mayfly_github::DeliveryCursor;
use mayfly_github_model::jobs::{Action, JobDeliveries, NewJob, Status};
use mayfly_ledger::Versioned;
use mayfly_ledger::outbox::Cursor;
use mayfly_simulator::system::{Start, System};

use crate::start::{begin, done, job, jobs, pool_with, queue_one, rest, story, until};

/// How often sweeper asked GitHub this.
fn asked(system: &System, what: &str) -> u64 {
    system
        .world
        .calls()
        .get(&("sweeper".to_owned(), format!("GitHub {what}")))
        .copied()
        .unwrap_or_default()
}

/// Items of the ledger whose key begins so.
fn items(system: &System, prefix: &str) -> Vec<String> {
    system
        .world
        .table
        .dump()
        .into_keys()
        .filter(|key| key.starts_with(prefix))
        .collect()
}

fn redeliveries(system: &System) -> usize {
    items(system, "outbox redeliver_webhook#").len()
}

/// The attempts at the events of a job, by action: how many, and how many of them succeeded.
fn attempts(system: &System, job: JobId, action: &str) -> (usize, usize) {
    system.world.with_github(|github, _| {
        let matching: Vec<_> = github
            .deliveries()
            .filter(|one| one.action.as_deref() == Some(action) && one.job.is_some_and(|id| id.0 == job.0))
            .map(|one| matches!(&one.stage, mayfly_github_model::deliveries::Stage::Over(outcome) if outcome.is_success()))
            .collect();
        (matching.len(), matching.iter().filter(|success| **success).count())
    })
}

/// The ledger does not answer webhook: it answers 503, to redeliveries as well.
fn webhook_fails(system: &System, deliveries: u32) {
    system.world.table.add_fault(
        Fault::once(When::Before, What::Fails)
            .of("webhook")
            .times(deliveries),
    );
}

/// Deliveries that are about no job.
fn pings(system: &System, count: u32) {
    for _ in 0..count {
        system.world.with_github(|github, now| github.ping(now));
    }
}

/// A job that no runner can take.
fn nobodys(wish: NewJob) -> NewJob {
    NewJob {
        labels: vec!["self-hosted".to_owned(), "nobodys".to_owned()],
        ..wish
    }
}

fn lost(actions: &[Action]) -> NewJob {
    NewJob {
        deliveries: JobDeliveries {
            lost: actions.to_vec(),
            ..JobDeliveries::default()
        },
        ..job()
    }
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_did_not_arrive_is_asked_for_in_the_next_sweep() {
    let system = begin(300);
    let job = system.queue_jobs(&lost(&[Action::Queued]))[0];
    done(&system, 150, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(
        (
            asked(&system, "redeliver"),
            attempts(&system, job, "queued")
        ),
        (1, (2, 1))
    );
    // Its success is seen in the next sweeps, and nothing is asked for again.
    system.pass(600).await;
    assert_eq!((asked(&system, "redeliver"), redeliveries(&system)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn every_kind_of_delivery_that_did_not_arrive_is_made_up_for() {
    let system = begin(301);
    let all = [Action::Queued, Action::InProgress, Action::Completed];
    let jobs = system.queue_jobs(&NewJob {
        count: 8,
        ..lost(&all)
    });
    done(&system, 300, &jobs).await;
    rest(&system, 300).await;
    until(&system, 300, "the ledger knows the end of each", |system| {
        jobs.iter().all(|job| {
            system
                .job(*job)
                .is_some_and(|job| job.state == JobState::Closed)
        })
    })
    .await;
    until(&system, 120, "nothing is left to ask for", |system| {
        redeliveries(system) == 0
    })
    .await;
    for job in jobs {
        for action in ["queued", "in_progress", "completed"] {
            assert_eq!(
                attempts(&system, job, action).1,
                1,
                "{action} of job {job}\n{}",
                story(&system)
            );
        }
    }
}

/// How many deliveries API Gateway turned away by its limits of the webhook's route
/// (`infra/template.yaml`).
fn refused_at_the_door(system: &System) -> u64 {
    system
        .world
        .turned_away()
        .get("/webhook")
        .copied()
        .unwrap_or_default()
}

/// Minutes until it holds, looked at once a minute.
async fn minutes_until(
    system: &System,
    most: u32,
    what: &str,
    holds: impl Fn(&System) -> bool,
) -> u32 {
    for minute in 1..=most {
        system.pass(60).await;
        if holds(system) {
            return minute;
        }
    }
    unreachable!("not within {most} minutes: {what}\n{}", story(system))
}

/// True if GitHub told a caller to wait.
fn limited(system: &System) -> bool {
    let calls = system
        .world
        .with_github(|github, _| serde_json::to_value(github.calls()).unwrap());
    calls
        .as_object()
        .unwrap()
        .values()
        .any(|count| !count["answers"]["403"].is_null() || !count["answers"]["429"].is_null())
}

/// GitHub tries none again by itself, and each is an event of its own. Nothing else tells of these
/// jobs: no pool takes them.
#[tokio::test(start_paused = true)]
async fn a_burst_of_which_the_front_door_refuses_most_is_known_within_minutes() {
    let system = begin(303);
    let jobs = system.queue_jobs(&nobodys(NewJob {
        count: 1_500,
        ..job()
    }));
    let known = |system: &System| jobs.iter().all(|job| system.job(*job).is_some());
    let minutes = minutes_until(&system, 9, "each job is known", known).await;
    let refused = refused_at_the_door(&system);
    assert!(refused >= 800, "{refused} of 1,500");
    minutes_until(&system, 5, "nothing is left to ask for", |system| {
        redeliveries(system) == 0
    })
    .await;
    let asked = asked(&system, "redeliver");
    assert!(asked <= refused + 50, "{asked} calls for {refused} events");
    assert!(
        !limited(&system),
        "what was asked for in {minutes} minutes is more than GitHub allows"
    );
}

/// GitHub's own runners take a third of the push: GitHub tells of those jobs, too, and first.
#[tokio::test(start_paused = true)]
async fn a_push_of_a_thousand_jobs_most_of_which_the_front_door_refuses_is_served_within_minutes() {
    let system = Start::seeded(304)
        .pools(&pool_with("max = 300"))
        .begin()
        .unwrap();
    done(&system, 300, &[queue_one(&system)]).await;
    let deliveries = JobDeliveries {
        never_made: vec![Action::InProgress, Action::Completed],
        ..JobDeliveries::default()
    };
    system.queue_jobs(&NewJob {
        labels: vec!["ubuntu-latest".to_owned()],
        count: 500,
        deliveries,
        ..job()
    });
    let jobs = system.queue_jobs(&jobs(1_000));
    system.pass(5).await;
    let refused = refused_at_the_door(&system);
    assert!(refused > 500, "{refused} of 1,500");
    let minutes = minutes_until(&system, 8, "all jobs are done", |system| {
        system.all_done(&jobs)
    })
    .await;
    println!("1,000 jobs, {refused} deliveries refused: all done within {minutes} minutes");
}

#[tokio::test(start_paused = true)]
async fn deliveries_to_a_webhook_that_was_down_for_minutes_all_come_in_the_end() {
    let system = begin(302);
    webhook_fails(&system, 1_000_000);
    let jobs = system.queue_jobs(&jobs(15));
    system.pass(400).await;
    assert_eq!(
        (system.launched_and_most_live().0, redeliveries(&system)),
        (0, 15)
    );
    // At 0, 1, 3 and 7 minutes, counted from when each was found; not at every sweep.
    let so_far = asked(&system, "redeliver");
    assert!((30..=60).contains(&so_far), "asked {so_far} times for 15");
    system.world.table.clear_faults();
    done(&system, 700, &jobs).await;
    rest(&system, 120).await;
    until(&system, 120, "nothing is left to ask for", |system| {
        redeliveries(system) == 0
    })
    .await;
    for job in jobs {
        assert_eq!(
            attempts(&system, job, "queued").1,
            1,
            "one success each, none after it"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_asked_for_a_bounded_number_of_times_in_a_sweep() {
    let system = begin(303);
    let mut all = Vec::new();
    for _ in 0..6 {
        all.extend(system.queue_jobs(&NewJob {
            count: 40,
            ..nobodys(lost(&[Action::Queued]))
        }));
        system.pass(1).await;
    }
    system.pass(56).await;
    assert_eq!(asked(&system, "redeliver"), 150);
    let firsts = all
        .iter()
        .take(120)
        .filter(|job| attempts(&system, **job, "queued").1 == 1)
        .count();
    assert_eq!(firsts, 120, "the oldest first");
    until(&system, 300, "all have arrived", |system| {
        all.iter().all(|job| system.job(*job).is_some())
    })
    .await;
    assert_eq!(asked(&system, "redeliver"), 240);
}

#[tokio::test(start_paused = true)]
async fn a_list_longer_than_one_sweep_can_read_is_read_on_in_the_next() {
    let system = begin(304);
    system.pass(60).await;
    let oldest = system.queue_jobs(&lost(&[Action::Queued]))[0];
    pings(&system, 2_400);
    // Time for all to be answered, then what came while the list was read.
    system.pass(65).await;
    let newest = system.queue_jobs(&lost(&[Action::Queued]))[0];
    assert_eq!(
        redeliveries(&system),
        0,
        "the failure is further down than one sweep reads"
    );
    done(&system, 420, &[oldest, newest]).await;
    rest(&system, 60).await;
    assert_eq!(
        (
            asked(&system, "redeliver"),
            attempts(&system, oldest, "queued"),
            attempts(&system, newest, "queued")
        ),
        (2, (2, 1), (2, 1))
    );
}

/// The place in the list that the last sweep wrote down means nothing to GitHub any more: the next
/// one begins at the top, and comes as far.
#[tokio::test(start_paused = true)]
async fn a_cursor_that_github_refuses_costs_one_sweep() {
    let system = begin(307);
    system.pass(60).await;
    let missed = system.queue_jobs(&lost(&[Action::Queued]))[0];
    pings(&system, 1_400);
    system.pass(65).await;
    assert_eq!(
        redeliveries(&system),
        0,
        "the failure is further down than one sweep reads"
    );
    system
        .world
        .with_github(|github, _| github.faults.cursor_form = 1);
    done(&system, 420, &[missed]).await;
    assert_eq!(attempts(&system, missed, "queued"), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_sweeper_that_is_killed_between_pages_misses_nothing() {
    for (seed, after) in (310..).zip(0..4) {
        crate::start::in_thread(move || {
            crate::start::in_virtual_time(async move {
                let system = begin(seed);
                let jobs = system.queue_jobs(&NewJob {
                    count: 30,
                    ..nobodys(lost(&[Action::Queued]))
                });
                pings(&system, 250);
                // Killed, over and over, when it would write where it is, or what failed.
                let dies = Fault::once(When::Before, What::Hangs).of("sweeper");
                system.world.table.add_fault(
                    dies.clone()
                        .about("cursor#deliveries")
                        .on(Operation::PutItem)
                        .after(after)
                        .times(2),
                );
                system.world.table.add_fault(
                    dies.about("outbox redeliver_webhook#")
                        .on(Operation::PutItem)
                        .after(7)
                        .times(2),
                );
                until(&system, 1_200, "all have arrived", |system| {
                    jobs.iter().all(|job| system.job(*job).is_some())
                })
                .await;
                system.pass(300).await;
                assert!(
                    !system.world.table.clear_faults(),
                    "seed {seed}: not all faults struck"
                );
                until(&system, 600, "nothing is left to ask for", |system| {
                    redeliveries(system) == 0
                })
                .await;
            });
        });
    }
}

/// GitHub forgets deliveries, and with them the places that name them: kept, such a place would end
/// all reading.
#[tokio::test(start_paused = true)]
async fn where_github_knows_a_place_in_the_list_no_more_the_list_is_read_from_its_head() {
    let system = begin(327);
    system.pass(120).await;
    let (ledger, now) = (system.world.table.ledger("test"), system.world.clock.now());
    let place: Versioned<Cursor<ListProgress<DeliveryCursor>>> =
        ledger.cursor("deliveries").await.unwrap();
    let passage = ListPass {
        began: now,
        top: None,
        shown_at: None,
        down_to: now.minus(Duration::from_secs(600)),
        next: Some("v1_1".parse().unwrap()),
    };
    assert!(
        ledger
            .move_cursor(
                &place,
                ListProgress {
                    pass: Some(passage),
                    ..place.at.clone()
                }
            )
            .await
            .unwrap()
            .is_some()
    );
    let job = system.queue_jobs(&lost(&[Action::Queued]))[0];
    done(&system, 300, &[job]).await;
    assert_eq!(
        attempts(&system, job, "queued"),
        (2, 1),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_the_app_pauses_only_this_duty_and_for_as_long_as_github_says() {
    let system = begin(320);
    system.world.with_github(|github, _| {
        github.faults.api.secondary_limit = 1.0;
        github.faults.api.retry_after = 600;
        github.faults.api.operations = vec!["apps/list-webhook-deliveries".to_owned()];
        github.faults.api.budget = Some(1);
    });
    let missed = system.queue_jobs(&nobodys(lost(&[Action::Queued])))[0];
    let told = queue_one(&system);
    done(&system, 150, &[told]).await;
    rest(&system, 60).await;
    system.pass(400).await;
    assert_eq!(
        (asked(&system, "list-deliveries"), system.job(missed)),
        (1, None)
    );
    until(&system, 300, "its delivery has come", |system| {
        system.job(missed).is_some()
    })
    .await;
    assert_eq!(
        items(&system, "limits "),
        Vec::<String>::new(),
        "no installation was told to wait"
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_was_cancelled_before_its_delivery_came_starts_no_runner() {
    let system = begin(321);
    let job = system.queue_jobs(&NewJob {
        cancel_after: Some(2.0),
        ..lost(&[Action::Queued])
    })[0];
    until(&system, 120, "its delivery was made again", |system| {
        attempts(system, job, "queued").1 == 1
    })
    .await;
    system.pass(120).await;
    assert_eq!(
        (
            system.launched_and_most_live().0,
            system.job(job).unwrap().state
        ),
        (0, JobState::Closed)
    );
    assert!(system.is_at_rest());
}

#[tokio::test(start_paused = true)]
async fn a_job_told_of_more_than_a_day_late_is_asked_about_before_a_runner_is_started() {
    let system = begin(322);
    let deliveries = JobDeliveries {
        late_seconds: 25.0 * 3_600.0,
        never_made: vec![Action::Completed],
        ..JobDeliveries::default()
    };
    let job = system.queue_jobs(&NewJob {
        deliveries,
        ..job()
    })[0];
    system.pass(25 * 3_600 - 30).await;
    assert_eq!(
        (
            system.at_github(job).map(|(status, _)| status),
            system.job(job)
        ),
        (Some(Status::Completed), None)
    );
    until(&system, 300, "the ledger knows that it is over", |system| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Closed)
    })
    .await;
    let record = system.job(job).unwrap();
    assert!(
        record.story.iter().any(|note| note
            .event
            .to_string()
            .contains("queued more than a day ago")),
        "{:?}",
        record.story
    );
    assert_eq!(system.launched_and_most_live().0, 0);
    rest(&system, 10).await;
}

#[tokio::test(start_paused = true)]
async fn what_github_will_not_deliver_again_is_given_up() {
    let system = begin(323);
    system
        .world
        .with_github(|github, _| github.settings.redelivery_limit = 600.0);
    webhook_fails(&system, 1_000_000);
    system.queue_jobs(&job());
    until(&system, 2_400, "given up", |system| {
        redeliveries(system) == 0 && system.world.clock.elapsed().as_secs() > 600
    })
    .await;
    let (so_far, kept) = (
        asked(&system, "redeliver"),
        items(&system, "sweeper delivery#").len(),
    );
    assert!((4..=6).contains(&so_far), "asked {so_far} times");
    assert_eq!(kept, 1, "it is remembered that it is over");
    system.pass(3_600).await;
    assert_eq!(
        (asked(&system, "redeliver"), redeliveries(&system)),
        (so_far, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_delivery_without_its_job_is_not_asked_for_again_and_the_job_is_found_where_the_delivery_says()
 {
    let system = begin(325);
    let deliveries = JobDeliveries {
        without_job: vec![Action::Queued],
        ..JobDeliveries::default()
    };
    let job = system.queue_jobs(&NewJob {
        deliveries,
        ..job()
    })[0];
    done(&system, 900, &[job]).await;
    assert_eq!(
        (
            asked(&system, "redeliver"),
            attempts(&system, job, "queued")
        ),
        (0, (1, 1)),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_nobody_can_read_is_asked_for_three_times_and_the_job_is_found_where_it_says()
 {
    let system = begin(326);
    let deliveries = JobDeliveries {
        unreadable: vec![Action::Queued],
        ..JobDeliveries::default()
    };
    let job = system.queue_jobs(&NewJob {
        deliveries,
        ..job()
    })[0];
    done(&system, 900, &[job]).await;
    system.pass(3 * 3_600).await;
    assert_eq!(
        (
            asked(&system, "redeliver"),
            attempts(&system, job, "queued")
        ),
        (3, (4, 0)),
        "{}",
        story(&system)
    );
    assert_eq!(redeliveries(&system), 0);
}

#[tokio::test(start_paused = true)]
async fn a_quiet_hour_costs_one_call_a_minute() {
    let system = begin(324);
    system.pass(3_600).await;
    assert_eq!(
        (
            asked(&system, "list-deliveries"),
            asked(&system, "redeliver")
        ),
        (60, 0)
    );
}

/// The first job of its repository: no round over those that are known would find it.
#[tokio::test(start_paused = true)]
async fn the_place_in_the_list_stays_until_what_failed_is_written_down() {
    let system = begin(311);
    system.pass(60).await;
    let job = system.queue_jobs(&lost(&[Action::Queued]))[0];
    let refused = Fault::once(When::Before, What::Fails)
        .of("sweeper")
        .on(Operation::PutItem)
        .about("redeliver_webhook#");
    system.world.table.add_fault(refused.times(u32::MAX));
    // More than a page of others comes after it, and later than one reading goes back beyond the
    // one before.
    for _ in 0..2 {
        system.pass(300).await;
        pings(&system, 150);
    }
    system.pass(120).await;
    assert_eq!((asked(&system, "redeliver"), redeliveries(&system)), (0, 0));
    assert!(
        system.world.table.clear_faults(),
        "the fault is there to the end"
    );
    done(&system, 200, &[job]).await;
    rest(&system, 120).await;
}
