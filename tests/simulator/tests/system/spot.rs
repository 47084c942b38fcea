//! Spot capacity that AWS takes back while a job runs.

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::price::{BasisPoints, OwnPrices, Price, PriceList};
use mayfly_domain::model::runner::Outcome;
use mayfly_domain::model::size::{Architecture, Capacity, Size};
use mayfly_dynamodb_model as table;
use mayfly_dynamodb_model::{What, When};
use mayfly_fargate_model::{Fault, FaultKind, TaskId};
use mayfly_github_model::accounts::{ACME, Level};
use mayfly_github_model::id;
use mayfly_github_model::jobs::{Conclusion, JobDeliveries, NewJob, Status};
use mayfly_simulator::system::{CallFault, PortCall, Start, System};

use crate::start::{done, job, outcomes, pool_with, queue_one, rest, story, until};

/// The owner allows the App to run jobs again.
fn allow_reruns(system: &System) {
    system.world.with_github(|github, _| {
        let acme = github.accounts().installation_on(ACME).unwrap().id;
        github
            .accounts_mut()
            .installation_mut(acme)
            .unwrap()
            .permissions
            .insert("actions".to_owned(), Level::Write)
    });
}

/// A pool on Spot, and a job whose runner is taken back while it works.
async fn interrupted(seed: u64, lines: &str) -> (System, JobId) {
    let system = Start::seeded(seed)
        .pools(&pool_with(&format!(
            "max = 4\ncapacity = \"spot\"\n{lines}"
        )))
        .begin()
        .unwrap();
    allow_reruns(&system);
    system.fault(Fault {
        milliseconds: Some(20_000),
        ..Fault::of(FaultKind::SpotInterruption).times(1)
    });
    let job = system.queue_jobs(&NewJob {
        seconds: 200.0,
        ..job()
    })[0];
    let over = |system: &System| {
        system
            .at_github(job)
            .is_some_and(|(status, _)| status == Status::Completed)
    };
    until(&system, 1_200, "the job is over", over).await;
    (system, job)
}

#[tokio::test(start_paused = true)]
async fn it_is_told_in_the_runners_and_in_the_jobs_story() {
    let (system, job) = interrupted(230, "").await;
    rest(&system, 900).await;
    system.pass(3_600).await;
    let runner = system.closed_runners().remove(0);
    assert_eq!(
        (outcomes(&system), runner.interrupted),
        (vec![Outcome::Ran], true),
        "{}",
        story(&system)
    );
    let reason = runner.reason.unwrap().to_string();
    assert!(
        reason.contains("AWS reclaimed its Spot capacity"),
        "{reason}"
    );
    let told = system.job(job).unwrap().story;
    assert!(
        told.iter().any(|note| note
            .event
            .to_string()
            .contains("AWS reclaimed its Spot capacity")),
        "{told:?}"
    );
    assert_eq!(
        system.launched_and_most_live().0,
        1,
        "GitHub has failed the job: nobody asked for another try"
    );
}

/// The jobs of the run's second attempt, as the ledger has them.
fn second_attempt(system: &System) -> Vec<JobRecord> {
    let rows = system.world.table.with(|table| {
        let items = table
            .settled()
            .filter(|(key, _)| key.pk.starts_with("job#"))
            .map(|(_, item)| item.clone());
        items
            .filter_map(|item| serde_dynamo::from_item::<_, JobRecord>(item).ok())
            .collect::<Vec<_>>()
    });
    rows.into_iter().filter(|job| job.attempt > 1).collect()
}

fn asked(system: &System) -> u64 {
    system
        .world
        .calls()
        .get(&("sweeper".to_owned(), "GitHub rerun-job".to_owned()))
        .copied()
        .unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_wants_it_has_the_job_run_again_once_and_on_demand() {
    let (system, job) = interrupted(231, "rerun_interrupted = true").await;
    until(&system, 600, "there is a second attempt", |system| {
        !second_attempt(system).is_empty()
    })
    .await;
    let again = second_attempt(&system).remove(0);
    assert_eq!(
        again.size.unwrap().capacity,
        Capacity::OnDemand,
        "{:?}",
        again.story
    );
    done(&system, 600, &[again.id]).await;
    rest(&system, 900).await;
    system.pass(3_600).await;
    assert_eq!(
        (
            asked(&system),
            second_attempt(&system).len(),
            system.launched_and_most_live().0
        ),
        (1, 1, 2)
    );
    let told = system.job(job).unwrap().story;
    assert!(
        told.iter()
            .any(|note| note.event.to_string().contains("run it again, on demand")),
        "{told:?}"
    );
    let capacities: Vec<Capacity> = system
        .closed_runners()
        .iter()
        .map(|runner| runner.size.capacity)
        .collect();
    assert_eq!(capacities, [Capacity::Spot, Capacity::OnDemand]);
}

/// GitHub gave the runner another job of the run than the one that it was registered for, and the
/// deliveries that say so come after its end.
#[tokio::test(start_paused = true)]
async fn a_job_of_which_nothing_told_before_its_runner_was_taken_back_is_run_again() {
    let system = Start::seeded(237)
        .pools(&pool_with(
            "max = 1\ncapacity = \"spot\"\nrerun_interrupted = true",
        ))
        .begin()
        .unwrap();
    allow_reruns(&system);
    system.fault(Fault {
        milliseconds: Some(20_000),
        ..Fault::of(FaultKind::SpotInterruption).times(1)
    });
    let run_id = Some(id::RunId(19_000_000_777));
    let own = system.queue_jobs(&NewJob {
        seconds: 200.0,
        run_id,
        ..job()
    })[0];
    until(&system, 60, "its runner starts", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    let deliveries = JobDeliveries {
        late_seconds: 1_500.0,
        ..JobDeliveries::default()
    };
    let other = system.queue_jobs(&NewJob {
        seconds: 200.0,
        run_id,
        thief: true,
        deliveries,
        ..job()
    })[0];
    until(&system, 1_200, "AWS has taken it back", |system| {
        system
            .closed_runners()
            .iter()
            .any(|runner| runner.interrupted)
    })
    .await;
    let closed = system
        .closed_runners()
        .into_iter()
        .find(|runner| runner.interrupted)
        .unwrap();
    assert_eq!(
        (
            closed.reserved,
            closed.work.as_ref().and_then(|work| work.job)
        ),
        (Some(own), None),
        "{}",
        story(&system)
    );
    assert!(system.job(other).is_none(), "{}", story(&system));
    until(&system, 3_600, "there is a second attempt", |system| {
        !second_attempt(system).is_empty()
    })
    .await;
    assert_eq!(asked(&system), 1, "{}", story(&system));
}

#[tokio::test(start_paused = true)]
async fn a_job_whose_host_aws_takes_away_is_run_again_on_demand_too() {
    for (seed, kind) in [
        (234, FaultKind::HostRetired),
        (235, FaultKind::HostUnhealthy),
    ] {
        let system = Start::seeded(seed)
            .pools(&pool_with("max = 4\nrerun_interrupted = true"))
            .begin()
            .unwrap();
        allow_reruns(&system);
        system.fault(Fault {
            milliseconds: Some(20_000),
            ..Fault::of(kind).times(1)
        });
        let job = system.queue_jobs(&NewJob {
            seconds: 200.0,
            ..job()
        })[0];
        until(&system, 1_200, "there is a second attempt", |system| {
            !second_attempt(system).is_empty()
        })
        .await;
        let runner = system.closed_runners().remove(0);
        let reason = runner.reason.as_ref().unwrap().to_string();
        assert!(
            runner.interrupted && reason.starts_with("AWS reclaimed it: the host under it is"),
            "{reason}"
        );
        let told = system.job(job).unwrap().story;
        assert!(
            told.iter()
                .any(|note| note.event.to_string().contains("the host under it is")),
            "{told:?}"
        );
        done(&system, 600, &[second_attempt(&system).remove(0).id]).await;
        assert_eq!((asked(&system), system.launched_and_most_live().0), (1, 2));
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_by_itself_is_not_run_again() {
    let system = Start::seeded(232)
        .pools(&pool_with(
            "max = 4\ncapacity = \"spot\"\nrerun_interrupted = true",
        ))
        .begin()
        .unwrap();
    let job = system.queue_jobs(&job())[0];
    until(&system, 200, "the job is over", |system| {
        system.all_done(&[job])
    })
    .await;
    rest(&system, 120).await;
    system.pass(600).await;
    assert_eq!((asked(&system), second_attempt(&system).len()), (0, 0));
}

/// What failed on the runner that GitHub gave it next failed by itself.
#[tokio::test(start_paused = true)]
async fn a_job_that_was_interrupted_and_then_failed_on_another_runner_is_not_run_again() {
    let lines = "max = 4\ncapacity = \"spot\"\nrerun_interrupted = true";
    let system = Start::seeded(236).pools(&pool_with(lines)).begin().unwrap();
    allow_reruns(&system);
    let job = system.queue_jobs(&NewJob {
        seconds: 200.0,
        conclusion: Conclusion::Failure,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system
            .job(job)
            .is_some_and(|job| job.state == JobState::Running)
    })
    .await;
    assert!(
        system
            .world
            .with_github(|github, now| github.queue_again(id::JobId(job.0), now))
    );
    let task = TaskId::of(&system.runners()[0].arn.as_ref().unwrap().0);
    system.world.with_ecs(|ecs, at| ecs.interrupt(&task, at));
    let over = |system: &System| {
        system
            .at_github(job)
            .is_some_and(|(status, _)| status == Status::Completed)
    };
    until(&system, 1_800, "the job is over", over).await;
    system.pass(1_200).await;
    let interrupted: Vec<bool> = system
        .closed_runners()
        .iter()
        .map(|runner| runner.interrupted)
        .collect();
    assert_eq!(
        (interrupted, asked(&system), second_attempt(&system).len()),
        (vec![true, false], 0, 0),
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn no_answer_to_the_request_is_not_a_reason_to_ask_again() {
    let (system, job) = interrupted(233, "rerun_interrupted = true").await;
    system.world.with_github(|github, _| {
        github.faults.api.answer_lost = 1.0;
        github.faults.api.operations = vec!["actions/re-run-job-for-workflow-run".to_owned()];
    });
    until(&system, 900, "it was asked for", |system| asked(system) > 0).await;
    system.pass(3_600).await;
    assert_eq!(
        (asked(&system), second_attempt(&system).len()),
        (1, 1),
        "{:?}",
        system.job(job).unwrap().story
    );
    rest(&system, 900).await;
}

/// A job that is taken back, and another one of its run that works for so long.
async fn interrupted_beside_another(seed: u64, seconds: f64) -> System {
    let lines = "max = 4\ncapacity = \"spot\"\nrerun_interrupted = true";
    let system = Start::seeded(seed)
        .pools(&pool_with(lines))
        .begin()
        .unwrap();
    allow_reruns(&system);
    system.fault(Fault {
        milliseconds: Some(20_000),
        ..Fault::of(FaultKind::SpotInterruption).times(1)
    });
    let run_id = Some(id::RunId(19_000_000_778));
    system.queue_jobs(&NewJob {
        seconds: 200.0,
        run_id,
        ..job()
    });
    until(&system, 60, "its runner starts", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    system.queue_jobs(&NewJob {
        seconds,
        run_id,
        ..job()
    });
    system
}

/// GitHub refuses while the run's other job goes on, and sweeper cannot write that down: its note
/// that it asked stays.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_could_not_be_written_down_keeps_no_job_from_running_again() {
    let system = interrupted_beside_another(238, 2_400.0).await;
    system.world.table.add_fault(
        table::Fault::once(When::Before, What::Fails)
            .of("sweeper")
            .on(table::Operation::DeleteItem)
            .about("reruns "),
    );
    until(&system, 2_400, "GitHub refused", |system| asked(system) > 0).await;
    until(&system, 7_200, "there is a second attempt", |system| {
        !second_attempt(system).is_empty()
    })
    .await;
    assert!(
        !system.world.table.clear_faults(),
        "the refusal was written down"
    );
    let again = second_attempt(&system).remove(0);
    done(&system, 600, &[again.id]).await;
    system.pass(2 * 3_600).await;
    assert_eq!(second_attempt(&system).len(), 1, "{}", story(&system));
    rest(&system, 900).await;
}

/// The request never arrives, and sweeper cannot tell.
#[tokio::test(start_paused = true)]
async fn a_request_that_got_lost_is_made_again() {
    let (system, job) = interrupted(239, "rerun_interrupted = true").await;
    let lost = std::sync::atomic::AtomicBool::new(false);
    system
        .world
        .set_fault_injector(Box::new(move |call: &PortCall, _| {
            (call.operation == "rerun-job" && !lost.swap(true, std::sync::atomic::Ordering::SeqCst))
                .then_some(CallFault::HangBefore)
        }));
    until(&system, 3_600, "there is a second attempt", |system| {
        !second_attempt(system).is_empty()
    })
    .await;
    let again = second_attempt(&system).remove(0);
    done(&system, 600, &[again.id]).await;
    system.pass(2 * 3_600).await;
    assert_eq!(
        second_attempt(&system).len(),
        1,
        "{:?}",
        system.job(job).unwrap().story
    );
}

/// What an hour of the runner of one job costs that asks for Spot, and whether its record says the
/// same of the time that ECS tells.
async fn priced(seed: u64, rest_of_file: &str, no_spot: bool) -> Price {
    let pool = pool_with("max = 4\ncapacity = \"spot\"");
    let system = Start::seeded(seed)
        .pools(&format!("{pool}\n{rest_of_file}"))
        .begin()
        .unwrap();
    if no_spot {
        system.fault(Fault {
            capacity_provider: Some("FARGATE_SPOT".to_owned()),
            ..Fault::of(FaultKind::NoCapacity)
        });
    }
    let job = queue_one(&system);
    done(&system, 900, &[job]).await;
    rest(&system, 120).await;
    let runner = system.closed_runners().remove(0);
    assert_eq!(runner.size.capacity, Capacity::Spot);
    let price = runner.price.unwrap();
    let (began, ended) = (runner.timeline.pull_started, runner.timeline.stopped);
    let cost = match price {
        Price::Hour(price) => Some(price.cost(ended.unwrap().since(began.unwrap()))),
        Price::Unknown(_) => None,
    };
    assert_eq!(runner.cost, cost, "{}", story(&system));
    price
}

#[tokio::test(start_paused = true)]
async fn a_spot_runner_that_was_started_on_demand_is_priced_on_demand() {
    let own = OwnPrices {
        discount: BasisPoints(2_000),
        ..OwnPrices::default()
    };
    let price = |own: &OwnPrices, capacity| {
        let list = PriceList {
            region: "us-east-1",
            own,
            public_ip: true,
        };
        let size = Size {
            cpu: 2048,
            memory_mib: 8192,
            disk_gib: 20,
            architecture: Architecture::X64,
            capacity,
        };
        list.price(&size)
    };
    let list = OwnPrices::default();
    assert_eq!(priced(236, "", false).await, price(&list, Capacity::Spot));
    assert_eq!(
        priced(237, "", true).await,
        price(&list, Capacity::OnDemand)
    );
    let discount = "[prices]\ndiscount = \"20%\"";
    assert_eq!(
        priced(238, discount, true).await,
        price(&own, Capacity::OnDemand)
    );
}
