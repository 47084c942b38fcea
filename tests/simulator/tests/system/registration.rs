//! The table of answers: who is given what, and who is not.

use std::time::Duration;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::RunnerAddress;
use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::time::Timestamp;
use mayfly_dynamodb_model::{Fault, Operation, What, When};
use mayfly_fargate_model::{Fault as EcsFault, FaultKind};
use mayfly_github_model::faults::Refusal;
use mayfly_github_model::jobs::{Conclusion, NewJob};
use mayfly_simulator::system::{CallFault, Port, PortCall, Reply, Start, System};
use serde_json::{Value, json};

use crate::start::{begin, done, job, pool_with, queue_one, rest, story, until};

const ROLE: &str = "arn:aws:sts::123456789012:assumed-role/mayfly-runner";

/// A request for the registration of a runner.
async fn ask(system: &System, caller: &str, runner: &RunnerAddress) -> Reply {
    let reply = system
        .request(
            caller,
            "/registration",
            &json!({ "runner": runner.to_string() }),
        )
        .await;
    assert!(reply.ours, "every answer carries x-mayfly: {reply:?}");
    reply
}

/// A system whose one runner has its task, which takes its time to start; and who that task would
/// be.
async fn starting(seed: u64) -> (System, Runner, String) {
    starting_in(Start::seeded(seed)).await
}

async fn starting_in(start: Start) -> (System, Runner, String) {
    let system = start.tasks_start_in(300).begin().unwrap();
    queue_one(&system);
    until(&system, 20, "its task is known", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    let runner = system.runners().remove(0);
    let caller = format!("{ROLE}/{}", runner.arn.as_ref().unwrap().task_id());
    (system, runner, caller)
}

#[tokio::test(start_paused = true)]
async fn whoever_is_not_the_runners_task_gets_nothing_and_changes_nothing() {
    let (system, runner, caller) = starting(110).await;
    let before = system.world.table.dump();
    let strangers = [
        caller.replace("123456789012", "999999999999"),
        caller.replace("mayfly-runner", "admin"),
        format!("{ROLE}/0123456789abcdef0123456789abcdef"),
        caller.replace(":assumed-role/", ":federated-user/"),
        "arn:aws:iam::123456789012:user/somebody".to_owned(),
        format!("{caller}/more"),
        String::new(),
    ];
    for stranger in strangers {
        let reply = ask(&system, &stranger, &runner.address()).await;
        assert_eq!(reply.status, 403, "{stranger}");
    }
    assert!(system.world.table.dump() == before);
}

#[tokio::test(start_paused = true)]
async fn a_runner_without_a_row_is_refused() {
    let (system, runner, caller) = starting(111).await;
    let nobody = RunnerAddress {
        runner: "01jd0000000000000000000000".parse().unwrap(),
        ..runner.address()
    };
    assert_eq!(ask(&system, &caller, &nobody).await.status, 403);
}

#[tokio::test(start_paused = true)]
async fn a_registration_is_handed_out_once_and_a_second_request_costs_one_read() {
    let (system, runner, caller) = starting(112).await;
    let first = ask(&system, &caller, &runner.address()).await;
    assert!(first.status == 200 && first.body.len() > 100, "{first:?}");
    system.world.forget_calls();
    assert_eq!(ask(&system, &caller, &runner.address()).await.status, 409);
    let calls: Vec<_> = system
        .world
        .calls()
        .into_iter()
        .filter(|((who, _), _)| who == "registrar")
        .collect();
    assert_eq!(
        calls,
        [(("registrar".to_owned(), "DynamoDB GetItem".to_owned()), 1)]
    );
    assert!(
        !format!("{:?}", system.world.table.dump()).contains(&first.body),
        "the registration is in the ledger"
    );
}

#[tokio::test(start_paused = true)]
async fn a_runner_with_nothing_to_do_is_parked_and_told_when_to_ask_again() {
    let (system, runner, caller) = starting(113).await;
    // GitHub refuses the only job there is.
    let held = system.waiting().remove(0);
    system.world.with_github(|github, _| {
        github.faults.refused.insert(
            "acme/app".to_owned(),
            Refusal {
                status: 422,
                message: None,
            },
        )
    });
    let reply = ask(&system, &caller, &runner.address()).await;
    assert_eq!(
        (reply.status, reply.retry_after),
        (202, Some(5)),
        "{reply:?}"
    );
    let row = system
        .runners()
        .into_iter()
        .find(|one| one.id == runner.id)
        .unwrap();
    assert_eq!((row.state, row.target), (RunnerState::Parked, None));
    assert!(
        system
            .waiting()
            .iter()
            .any(|job| job.id == held.id && job.not_before.is_some())
    );
}

#[tokio::test(start_paused = true)]
async fn a_marked_runner_is_told_to_end() {
    let (system, runner, caller) = starting(114).await;
    // Its task does not hear of it: StopTask fails.
    system.fault(EcsFault {
        operations: vec![mayfly_fargate_model::Operation::StopTask],
        ..EcsFault::of(FaultKind::ServerErrorBefore)
    });
    system.cancel(runner.intended.unwrap());
    until(&system, 20, "it is marked", |system| {
        system.runners().iter().all(|runner| runner.stop.is_some())
    })
    .await;
    let reply = ask(&system, &caller, &runner.address()).await;
    assert_eq!((reply.status, reply.body.as_str()), (204, ""));
}

#[tokio::test(start_paused = true)]
async fn a_row_without_a_task_is_not_taken_by_the_task_of_another_runner() {
    let system = Start::seeded(115).tasks_start_in(300).begin().unwrap();
    queue_one(&system);
    until(&system, 20, "its task is known", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    let other = format!(
        "{ROLE}/{}",
        system.runners()[0].arn.as_ref().unwrap().task_id()
    );
    // The second runner's task is started, and scaler killed before it writes which.
    system.world.table.add_fault(
        Fault::once(When::Before, What::Hangs)
            .of("scaler")
            .on(Operation::PutItem),
    );
    queue_one(&system);
    until(&system, 20, "it has its task", |system| {
        system.live_tasks().len() == 2
    })
    .await;
    let unknown = system
        .runners()
        .into_iter()
        .find(|runner| runner.arn.is_none())
        .unwrap();
    let reply = ask(&system, &other, &unknown.address()).await;
    assert_eq!((reply.status, reply.retry_after.is_some()), (503, true));
    assert!(system.runners().iter().any(|runner| runner.arn.is_none()));
    let own = system
        .live_tasks()
        .into_iter()
        .find(|task| task["startedBy"] == unknown.address().to_string())
        .unwrap();
    let own = format!(
        "{ROLE}/{}",
        own["taskArn"].as_str().unwrap().rsplit('/').next().unwrap()
    );
    assert_eq!(
        ask(&system, &own, &unknown.address()).await.status,
        200,
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn after_three_refusals_for_good_the_runner_is_told_to_come_again() {
    let system = Start::seeded(116)
        .pools(&pool_with("max = 1"))
        .tasks_start_in(300)
        .begin()
        .unwrap();
    for number in 0..5 {
        let repository = format!("acme/archived-{number}");
        system.world.with_github(|github, _| {
            github.faults.refused.insert(
                repository.clone(),
                Refusal {
                    status: 404,
                    message: None,
                },
            )
        });
        system.queue_jobs(&NewJob {
            repository,
            ..job()
        });
    }
    until(&system, 20, "its task is known", |system| {
        system.runners().iter().any(|runner| runner.arn.is_some())
    })
    .await;
    let runner = system.runners().remove(0);
    let caller = format!("{ROLE}/{}", runner.arn.as_ref().unwrap().task_id());
    // Its own job alone first, then the choice of all others.
    let mut refused = Vec::new();
    for _ in 0..3 {
        let reply = ask(&system, &caller, &runner.address()).await;
        refused.push(
            system
                .waiting()
                .iter()
                .filter(|job| job.not_before.is_some())
                .count(),
        );
        if reply.status == 202 {
            break;
        }
        assert_eq!((reply.status, reply.retry_after), (503, Some(1)));
    }
    assert!(
        refused.first().is_some_and(|first| *first <= 3) && refused.last() == Some(&5),
        "{refused:?}"
    );
}

/// Forty jobs of a repository that GitHub does not show to the App any more: each of them tried by
/// itself, some job would always be due, and runners would wait for it all the while.
#[tokio::test(start_paused = true)]
async fn a_repository_that_github_refuses_costs_one_runner_now_and_then_and_goes_on_by_itself() {
    refusals_cost_little_and_pass(404).await;
}

/// The same where the repository is shown, and the group that runners register in is full (422).
#[tokio::test(start_paused = true)]
async fn a_group_that_is_full_costs_one_runner_now_and_then_and_goes_on_by_itself() {
    refusals_cost_little_and_pass(422).await;
}

async fn refusals_cost_little_and_pass(status: u16) {
    let system = Start::seeded(119)
        .pools(&pool_with("max = 10"))
        .begin()
        .unwrap();
    system.world.with_github(|github, _| {
        github.faults.refused.insert(
            "acme/app".to_owned(),
            Refusal {
                status,
                message: None,
            },
        )
    });
    let jobs = system.queue_jobs(&NewJob { count: 40, ..job() });
    until(&system, 200, "GitHub refuses", |system| {
        system.waiting().iter().any(|job| job.refused.is_some())
    })
    .await;
    until(
        &system,
        120,
        "no runner waits for the others' turn",
        |system| system.runners().is_empty(),
    )
    .await;
    system.world.forget_calls();
    let launched = system.launched_and_most_live().0;
    system.pass(3_600).await;
    let asked: u64 = system
        .world
        .calls()
        .iter()
        .filter(|((_, what), _)| what == "GitHub generate-jitconfig")
        .map(|(_, count)| count)
        .sum();
    // After 1, 2, 4, 8, 15, 15, 15 min.
    assert!(
        (5..=8).contains(&asked),
        "{asked} registrations in an hour\n{}",
        story(&system)
    );
    assert!(
        system.launched_and_most_live().0 - launched <= 8,
        "{}",
        story(&system)
    );
    let untried = system
        .waiting()
        .into_iter()
        .filter(|job| job.refused.is_none());
    assert!(
        untried
            .map(|job| job.hold)
            .all(|held| matches!(held, Some(HoldReason::Refused(_)))),
        "{}",
        story(&system)
    );
    system
        .world
        .with_github(|github, _| github.faults.refused.clear());
    done(&system, 15 * 60 + 600, &jobs).await;
    rest(&system, 200).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_no_request_of_ours_is_said_so() {
    let (system, runner, caller) = starting(117).await;
    for body in [
        json!({}),
        json!({ "runner": "x" }),
        json!({ "runner": runner.address().to_string(), "more": 1 }),
        Value::Null,
    ] {
        assert_eq!(
            system.request(&caller, "/registration", &body).await.status,
            400,
            "{body}"
        );
        assert_eq!(
            system.request(&caller, "/admission", &body).await.status,
            400,
            "{body}"
        );
    }
    assert_eq!(
        system.request(&caller, "/secrets", &json!({})).await.status,
        404
    );
}

#[tokio::test(start_paused = true)]
async fn admission_is_for_the_runners_own_task() {
    let system = begin(118);
    let served = system.queue_jobs(&NewJob {
        seconds: 300.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        system.steps_run(served) > 0 || system.runner_at_github(served).is_some()
    })
    .await;
    let runner = system.runners().remove(0);
    let body = json!({
        "runner": runner.address().to_string(), "run_id": 1, "run_attempt": 1, "repository": "acme/secret", "repository_id": 5,
        "workflow_ref": "", "ref": "", "event": "push",
    });
    let stranger = system
        .request(
            &format!("{ROLE}/0123456789abcdef0123456789abcdef"),
            "/admission",
            &body,
        )
        .await;
    assert_eq!(stranger.status, 403);
    assert_eq!(
        system.runners()[0].refused,
        None,
        "a stranger's question refuses nobody's job"
    );
    done(&system, 600, &[served]).await;
    rest(&system, 60).await;
}

#[tokio::test(start_paused = true)]
async fn a_github_that_says_nothing_is_asked_again_under_a_new_name() {
    let system = begin(119);
    system.world.with_github(|github, _| {
        github.faults.api.answer_lost = 1.0;
        github.faults.api.operations =
            vec!["actions/generate-runner-jitconfig-for-repo".to_owned()];
        github.faults.api.budget = Some(2);
    });
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    let runner = system
        .closed_runners()
        .into_iter()
        .chain(system.runners())
        .next()
        .unwrap();
    assert_eq!(
        (runner.registration_attempt, runner.attempt_outcome_unknown),
        (3, true),
        "{}",
        story(&system)
    );
}

/// I3: a runner whose first registration came to nothing asks again just when sweeper takes that
/// one away.
#[tokio::test(start_paused = true)]
async fn a_runner_that_asks_again_while_its_lost_registration_is_taken_away_keeps_its_job() {
    let system = begin(120);
    let jobs = system.queue_jobs(&NewJob {
        count: 3,
        seconds: 120.0,
        ..job()
    });
    // Registrar's first registration is lost, and then it reaches no table until sweeper is about
    // to stop the runner, which takes sweeper long.
    let (mut minted, mut taken) = (false, false);
    system
        .world
        .set_fault_injector(Box::new(move |call: &PortCall, _: Timestamp| {
            match (call.who, call.port) {
                ("registrar", Port::Github) if call.operation == "generate-jitconfig" => {
                    let first = !std::mem::replace(&mut minted, true);
                    first.then_some(CallFault::FailAfter)
                }
                ("registrar", Port::Table) if minted && !taken => Some(CallFault::FailBefore),
                ("sweeper", Port::Github) if call.operation == "delete-runner" => {
                    taken = true;
                    Some(CallFault::Slow(Duration::from_secs(7)))
                }
                ("sweeper", Port::Table) if taken => Some(CallFault::Slow(Duration::from_secs(6))),
                _ => None,
            }
        }));
    until(&system, 600, "it is taken away", |system| {
        system
            .world
            .calls()
            .contains_key(&("sweeper".into(), "GitHub delete-runner".into()))
    })
    .await;
    system.pass(60).await;
    system.world.clear_fault_injector();
    done(&system, 900, &jobs).await;
    for job in jobs {
        assert_eq!(
            system.at_github(job).unwrap().1,
            Some(Conclusion::Success),
            "{}",
            story(&system)
        );
    }
    rest(&system, 200).await;
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_of_github_ends_no_runner_however_long_the_name_of_its_pool_is() {
    let name = "a".repeat(28);
    let system = Start::seeded(905)
        .pools(&pool_with("max = 10").replace("pools.linux]", &format!("pools.{name}]")))
        .begin()
        .unwrap();
    let until_then = system.world.clock.now().plus(Duration::from_secs(720));
    system
        .world
        .set_fault_injector(Box::new(move |call: &PortCall, now: Timestamp| {
            (call.operation == "generate-jitconfig" && now < until_then)
                .then_some(CallFault::FailBefore)
        }));
    let jobs = system.queue_jobs(&NewJob { count: 5, ..job() });
    done(&system, 900, &jobs).await;
    assert_eq!(system.launched_and_most_live().0, 5, "{}", story(&system));
    rest(&system, 300).await;
}

fn refuse(system: &System, repository: &str) {
    let refusal = Refusal {
        status: 404,
        message: None,
    };
    system
        .world
        .with_github(|github, _| github.faults.refused.insert(repository.to_owned(), refusal));
}

fn calls(system: &System, who: &str, what: &str) -> u64 {
    let key = (who.to_owned(), what.to_owned());
    system.world.calls().get(&key).copied().unwrap_or_default()
}

/// Queues jobs of a repository, and waits until they are in the ledger.
async fn queue_at(system: &System, repository: &str, count: u32) {
    let before = system.waiting().len();
    system.queue_jobs(&NewJob {
        repository: repository.to_owned(),
        count,
        ..job()
    });
    until(system, 20, "they are known", |system| {
        system.waiting().len() == before + count as usize
    })
    .await;
}

/// I4: handed out without its mark, a registration could be made, and used, a second time.
#[tokio::test(start_paused = true)]
async fn a_registration_is_not_handed_out_while_its_mark_cannot_be_written() {
    let (system, runner, caller) = starting(121).await;
    system.world.table.add_fault(
        Fault::once(When::Before, What::Fails)
            .of("registrar")
            .on(Operation::PutItem),
    );
    let reply = ask(&system, &caller, &runner.address()).await;
    assert!(!system.world.table.clear_faults(), "nothing was struck");
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(ask(&system, &caller, &runner.address()).await.status, 200);
    assert_eq!(ask(&system, &caller, &runner.address()).await.status, 409);
}

/// Of two requests of one runner the second is done first: what the first has made since is no one's.
#[tokio::test(start_paused = true)]
async fn of_two_registrations_that_are_made_at_once_for_one_runner_one_is_handed_out() {
    let (system, runner, caller) = starting(122).await;
    system
        .world
        .set_fault_injector(Box::new(|call: &PortCall, _: Timestamp| {
            (call.operation == "generate-jitconfig" && call.nth == 0)
                .then_some(CallFault::Slow(Duration::from_secs(6)))
        }));
    let address = runner.address();
    let second = async {
        system.pass(1).await;
        ask(&system, &caller, &address).await
    };
    let (first, second) = futures::join!(ask(&system, &caller, &address), second);
    assert_eq!(calls(&system, "registrar", "GitHub generate-jitconfig"), 2);
    assert_eq!((first.status, second.status), (503, 200));
}

/// Its job is for others to take, and the runner covers no job while it has to wait.
#[tokio::test(start_paused = true)]
async fn a_runner_that_githubs_limit_refuses_gives_its_job_back() {
    let (system, runner, caller) = starting(123).await;
    system.world.with_github(|github, _| {
        github.faults.api.primary_limit = 1.0;
        github.faults.api.primary_reset = 600;
        github.faults.api.operations =
            vec!["actions/generate-runner-jitconfig-for-repo".to_owned()];
    });
    let reply = ask(&system, &caller, &runner.address()).await;
    assert_eq!(reply.status, 503);
    let row = system.runners().remove(0);
    assert_eq!(
        (row.state, row.reserved, row.target),
        (RunnerState::Parked, None, None)
    );
    // Until the limit is over, its requests do not look at all jobs of the pool each time.
    system.world.forget_calls();
    for _ in 0..10 {
        system.pass(2).await;
        let reply = ask(&system, &caller, &runner.address()).await;
        assert_eq!(reply.status, 503);
    }
    let looks = calls(&system, "registrar", "DynamoDB Query");
    assert!(looks <= 3, "{looks} looks at the pool's jobs in 20 s");
}

/// That its first request shows that its size starts is written with its own job. Written a second
/// time it would meet its own write, and the next job would count as lost.
#[tokio::test(start_paused = true)]
async fn a_first_request_whose_own_job_is_refused_is_given_another_one() {
    let (system, runner, caller) = starting(124).await;
    refuse(&system, "acme/app");
    queue_at(&system, "acme/lib", 1).await;
    let reply = ask(&system, &caller, &runner.address()).await;
    assert_eq!(reply.status, 200, "{reply:?}\n{}", story(&system));
}

#[tokio::test(start_paused = true)]
async fn one_request_asks_github_once_for_a_repository_that_it_refuses() {
    let (system, runner, caller) = starting(125).await;
    for repository in ["acme/app", "acme/gone"] {
        refuse(&system, repository);
    }
    queue_at(&system, "acme/gone", 2).await;
    let reply = ask(&system, &caller, &runner.address()).await;
    assert_eq!(
        (
            reply.status,
            calls(&system, "registrar", "GitHub generate-jitconfig")
        ),
        (202, 2),
        "{}",
        story(&system)
    );
}

/// The job that was tried stays in the ledger until a delivery says that it runs, and others wait
/// for it as long as it counts as refused.
#[tokio::test(start_paused = true)]
async fn a_repository_that_takes_runners_again_does_so_for_all_of_its_jobs_at_once() {
    // One that is kept though no job may be tried for a while.
    let start = Start::seeded(126).pools(&pool_with("max = 1\nmin_idle = 1"));
    let (system, runner, caller) = starting_in(start).await;
    refuse(&system, "acme/app");
    let reply = ask(&system, &caller, &runner.address()).await;
    assert_eq!(reply.status, 202);
    assert!(system.waiting()[0].refused.is_some());
    system
        .world
        .with_github(|github, _| github.faults.refused.clear());
    let mut status = 0;
    for _ in 0..20 {
        system.pass(5).await;
        status = ask(&system, &caller, &runner.address()).await.status;
        if status == 200 {
            break;
        }
    }
    let refused: Vec<_> = system.waiting().iter().map(|job| job.refused).collect();
    assert_eq!((status, refused), (200, vec![None]), "{}", story(&system));
}
