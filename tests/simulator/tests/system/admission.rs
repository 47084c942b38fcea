//! The job that GitHub hands to a runner is not always one that may run there.

use mayfly_domain::model::runner::Outcome;
use mayfly_github_model::jobs::{Action, Conclusion, JobDeliveries, NewJob, Status};
use mayfly_simulator::system::{BadImage, Start, System};

use crate::start::{done, job, outcomes, pool_with, queue_one, rest, story, until};

const ORGANIZATION: &str = r#"
[github]
accounts = ["acme"]
[pools.linux]
labels = ["self-hosted", "linux", "x64", "mayfly"]
scope = "organization"
runner_group = "Default"
repositories = ["acme/app"]
cpu = 2
memory = "8 GiB"
max = 20
"#;

#[tokio::test(start_paused = true)]
async fn a_refused_job_ends_the_container_before_its_first_step_and_the_accepted_one_gets_the_next_runner()
 {
    let system = Start::seeded(30).pools(ORGANIZATION).begin().unwrap();
    // Older, of the same labels, and of a repository that the pool does not list: GitHub hands it
    // to the first runner that waits.
    let stranger = system.queue_jobs(&NewJob {
        repository: "acme/secret".to_owned(),
        ..job()
    })[0];
    let accepted = queue_one(&system);
    done(&system, 300, &[accepted]).await;
    until(&system, 120, "GitHub gives the stranger up", |system| {
        system.at_github(stranger) == Some((Status::Completed, Some(Conclusion::Failure)))
    })
    .await;
    rest(&system, 300).await;
    assert_eq!(
        (system.steps_run(stranger), system.steps_run(accepted)),
        (0, 3)
    );
    assert_eq!(
        outcomes(&system),
        [Outcome::Refused, Outcome::Ran],
        "{}",
        story(&system)
    );
    assert_eq!(system.closed_runners()[0].exit_code, Some(137));
}

#[tokio::test(start_paused = true)]
async fn a_public_repository_is_refused_at_admission() {
    let everything = ORGANIZATION.replace("repositories = [\"acme/app\"]\n", "");
    let system = Start::seeded(31).pools(&everything).begin().unwrap();
    system.world.with_github(|github, now| {
        let group = github
            .accounts()
            .account_by_login("acme")
            .map(|account| account.id)
            .unwrap();
        github.accounts_mut().add_group(
            group,
            "open",
            mayfly_github_model::accounts::Visibility::All,
            true,
        );
        let _ = now;
    });
    system
        .world
        .parameters
        .put_pools(&everything.replace("\"Default\"", "\"open\""));
    let stranger = system.queue_jobs(&NewJob {
        repository: "acme/public".to_owned(),
        private: Some(false),
        ..job()
    })[0];
    let accepted = queue_one(&system);
    done(&system, 300, &[accepted]).await;
    rest(&system, 300).await;
    assert_eq!(system.steps_run(stranger), 0, "{}", story(&system));
    assert!(outcomes(&system).contains(&Outcome::Refused));
}

#[tokio::test(start_paused = true)]
async fn a_runner_of_a_repository_cannot_be_handed_anothers_job() {
    let system = crate::start::begin(32);
    let stranger = system.queue_jobs(&NewJob {
        repository: "globex/app".to_owned(),
        ..job()
    })[0];
    let accepted = queue_one(&system);
    done(&system, 300, &[accepted]).await;
    rest(&system, 300).await;
    assert_eq!(
        (
            system.at_github(stranger).map(|(status, _)| status),
            outcomes(&system)
        ),
        (Some(Status::Queued), vec![Outcome::Ran])
    );
}

/// A pool that fails closed, and an older job of a repository that it does not list, on an image
/// that takes the hook away.
fn unguarded(seed: u64, seconds: f64) -> (System, mayfly_domain::model::id::JobId) {
    let system = Start::seeded(seed).pools(ORGANIZATION).begin().unwrap();
    system.world.image_is(Some(BadImage::TakesTheHookAway));
    let stranger = system.queue_jobs(&NewJob {
        repository: "acme/secret".to_owned(),
        seconds,
        ..job()
    })[0];
    (system, stranger)
}

#[tokio::test(start_paused = true)]
async fn a_job_that_runs_unadmitted_where_none_may_is_ended_and_its_runner_refused() {
    let (system, stranger) = unguarded(33, 7_200.0);
    queue_one(&system);
    until(&system, 300, "the stranger runs", |system| {
        system.at_github(stranger) == Some((Status::InProgress, None))
    })
    .await;
    system.pass(14 * 60).await;
    // The pool's own job, which was short, succeeded unasked on such a runner meanwhile.
    assert_eq!(outcomes(&system), [Outcome::Refused], "{}", story(&system));
    until(&system, 600, "it is ended", |system| {
        outcomes(system) == [Outcome::Refused; 2]
    })
    .await;
    assert!(system.closed_runners().iter().all(|runner| {
        runner
            .reason
            .as_ref()
            .is_some_and(|reason| reason.to_string().contains("without being admitted"))
    }));
    until(&system, 900, "GitHub gives the job up", |system| {
        system.at_github(stranger) == Some((Status::Completed, Some(Conclusion::Failure)))
    })
    .await;
    rest(&system, 300).await;
}

#[tokio::test(start_paused = true)]
async fn a_job_that_succeeds_unadmitted_where_none_may_is_told_as_refused() {
    let (system, stranger) = unguarded(34, 20.0);
    queue_one(&system);
    until(&system, 300, "the stranger is over", |system| {
        system.at_github(stranger) == Some((Status::Completed, Some(Conclusion::Success)))
    })
    .await;
    rest(&system, 300).await;
    assert_eq!(
        outcomes(&system),
        [Outcome::Refused, Outcome::Refused],
        "{}",
        story(&system)
    );
}

#[tokio::test(start_paused = true)]
async fn a_job_that_runs_unasked_where_that_is_allowed_is_let_be() {
    let system = crate::start::begin(35);
    system.world.image_is(Some(BadImage::TakesTheHookAway));
    let long = system.queue_jobs(&NewJob {
        seconds: 3_000.0,
        ..job()
    });
    done(&system, 3_600, &long).await;
    rest(&system, 300).await;
    assert_eq!(outcomes(&system), [Outcome::Ran], "{}", story(&system));
}

#[tokio::test(start_paused = true)]
async fn an_admitted_job_is_never_ended_however_long_it_runs() {
    let system = Start::seeded(36).pools(ORGANIZATION).begin().unwrap();
    let long = system.queue_jobs(&NewJob {
        seconds: 7_200.0,
        ..job()
    });
    done(&system, 9_000, &long).await;
    rest(&system, 300).await;
    assert_eq!(outcomes(&system), [Outcome::Ran], "{}", story(&system));
}

/// A job of which GitHub makes no delivery.
fn untold(wish: NewJob) -> NewJob {
    let never_made = vec![Action::Queued, Action::InProgress, Action::Completed];
    NewJob {
        deliveries: JobDeliveries {
            never_made,
            ..JobDeliveries::default()
        },
        ..wish
    }
}

/// A pool that registrar's copy of the pools file does not have yet is no pool that is gone.
#[tokio::test(start_paused = true)]
async fn the_first_jobs_of_a_new_pool_of_an_organization_may_change_places() {
    let other = pool_with("max = 4")
        .replace("linux]", "other]")
        .replace("\"mayfly\"", "\"other\"");
    let system = Start::seeded(37)
        .pools(&other)
        .tasks_start_in(5)
        .begin()
        .unwrap();
    // Registrar reads the file that does not have the new pool.
    let first = system.queue_jobs(&NewJob {
        labels: vec!["self-hosted".to_owned(), "other".to_owned()],
        seconds: 1.0,
        ..job()
    });
    done(&system, 60, &first).await;
    let new = ORGANIZATION.replace("[\"acme/app\"]", "[\"acme/app\", \"acme/lib\"]");
    system.put_pools(&format!(
        "{new}{}",
        &other[other.find("[pools.other]").unwrap()..]
    ));
    let meant = queue_one(&system);
    until(&system, 20, "a runner is started for it", |system| {
        !system.runners().is_empty()
    })
    .await;
    // No one tells of the other one, so that no second runner asks meanwhile.
    let handed = system.queue_jobs(&untold(NewJob {
        repository: "acme/lib".to_owned(),
        thief: true,
        ..job()
    }))[0];
    done(&system, 120, &[meant, handed]).await;
    rest(&system, 60).await;
    let swapped = system
        .closed_runners()
        .into_iter()
        .find(|runner| runner.intended == Some(meant))
        .unwrap();
    assert_eq!(
        system
            .job(meant)
            .unwrap()
            .runner
            .as_ref()
            .map(|runner| *runner == swapped.id),
        Some(false),
        "they changed places"
    );
    assert_eq!(outcomes(&system), [Outcome::Ran; 3], "{}", story(&system));
}

/// Neither a delivery nor the tick says that the runner works on another job than the one that it
/// was started for: what it asks itself does.
#[tokio::test(start_paused = true)]
async fn a_runner_that_asks_for_another_job_than_its_own_has_the_next_one_started_at_once() {
    let system = Start::seeded(38).without_sweeps().begin().unwrap();
    let meant = queue_one(&system);
    until(&system, 20, "a runner is started for it", |system| {
        !system.runners().is_empty()
    })
    .await;
    let handed = system.queue_jobs(&untold(NewJob {
        thief: true,
        seconds: 3_000.0,
        ..job()
    }))[0];
    done(&system, 200, &[meant]).await;
    assert_eq!(
        system.at_github(handed).map(|(status, _)| status),
        Some(Status::InProgress),
        "{}",
        story(&system)
    );
}

/// Whatever a job does with its runner's right to ask: what is decided costs one read, and another
/// repository's job no call to GitHub.
#[tokio::test(start_paused = true)]
async fn what_was_decided_for_a_runner_costs_little_however_often_it_asks() {
    let system = Start::seeded(38).pools(ORGANIZATION).begin().unwrap();
    let admitted = system.queue_jobs(&NewJob {
        seconds: 600.0,
        ..job()
    })[0];
    until(&system, 120, "it is admitted", |system| {
        let runners = system.runners();
        runners.iter().any(|runner| runner.admitted_at.is_some())
    })
    .await;
    system.pass(5).await;
    let runner = system.runners().remove(0);
    let (work, record) = (runner.work.clone().unwrap(), system.job(admitted).unwrap());
    let role = "arn:aws:sts::123456789012:assumed-role/mayfly-runner";
    let caller = format!("{role}/{}", runner.arn.as_ref().unwrap().task_id());
    let question = |run: i64, repository: i64, name: &str| {
        serde_json::json!({
            "runner": runner.address().to_string(), "run_id": run, "run_attempt": work.attempt,
            "repository": name, "repository_id": repository, "workflow_ref": "", "ref": "", "event": "push",
        })
    };
    let own = question(work.run.0, record.repository.id.0, "acme/app");
    let second = question(work.run.0 + 1, record.repository.id.0 + 1, "acme/secret");
    let asked = async |body: &serde_json::Value| {
        system.world.forget_calls();
        let status = system.request(&caller, "/admission", body).await.status;
        let calls: Vec<_> = system
            .world
            .calls()
            .into_iter()
            .filter(|((who, _), _)| who == "registrar")
            .map(|((_, what), count)| (what, count))
            .collect();
        (status, calls)
    };
    let one_read = vec![("DynamoDB GetItem".to_owned(), 1)];
    assert_eq!(asked(&own).await, (200, one_read.clone()));
    let (status, calls) = asked(&second).await;
    assert_eq!(status, 403);
    assert!(
        calls.iter().all(|(what, _)| !what.starts_with("GitHub")),
        "{calls:?}"
    );
    assert!(
        calls.iter().any(|(what, _)| what == "SQS SendMessage"),
        "the job that it was refused needs another runner: {calls:?}"
    );
    assert_eq!(asked(&second).await, (403, one_read));
}
