//! What an attacker with some rights would try, for real: the image of a pool, and the pools file
//! itself.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use mayfly_domain::model::runner::Outcome;
use mayfly_fargate_model::folder_of_image;
use mayfly_local_stack::events;
use mayfly_local_stack::stack::{Places, invoke};
use serde_json::{Value, json};

use crate::command::person::Person;
use crate::settled::{Stage, each_ran_once};

const LABELS: [&str; 2] = ["self-hosted", "attacked"];

/// A pool that refuses where admission cannot be asked: its runners register at the organization.
const POOL: &str = r#"
[pools.attacked]
labels = ["self-hosted", "attacked"]
scope = "organization"
runner_group = "Default"
repositories = ["acme/app"]
cpu = 1
memory = "2 GiB"
max = 1
"#;

/// An image of the stand-in's, which goes with this.
struct Image(PathBuf);

impl Image {
    /// The stock runner, and a file `.env` beside it.
    fn with_dot_env(name: &str, dot_env: &str) -> Self {
        let places = Places::of_repository().unwrap();
        let stock = mayfly_test_support::repository::repository()
            .unwrap()
            .join("infra/local");
        let folder = places.local().join("fargate").join(folder_of_image(name));
        let _left = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("bin")).unwrap();
        for file in ["run.sh", "bin/Runner.Listener"] {
            fs::copy(stock.join(file), folder.join(file)).unwrap();
        }
        fs::write(folder.join(".env"), dot_env).unwrap();
        Self(folder)
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// The runner sets what `.env` says over its environment: an empty hook there, and a job of another
/// repository that GitHub hands to the runner would run without a question. The container ends
/// before it asks for a registration, so there is no runner to hand a job to.
#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn an_image_that_switches_admission_off_is_refused_before_it_registers() {
    let stage = Stage::enter().await;
    let file = stage.pools().await;
    let image = "registry.test/attacker/runner:1";
    let attack = Image::with_dot_env(image, "LANG=C.UTF-8\nACTIONS_RUNNER_HOOK_JOB_STARTED=\n");
    stage
        .put_pools(&format!("{file}{POOL}image = \"{image}\"\n"))
        .await;
    let stranger =
        json!({ "repository": "acme/other", "labels": LABELS, "seconds": 0.2, "thief": true });
    let stranger = stage.watch.queue(&stranger, 1).await.unwrap()[0];
    let wish = json!({ "repository": "acme/app", "labels": LABELS, "seconds": 0.2 });
    let job = stage.watch.queue(&wish, 1).await.unwrap()[0];

    let of_pool = |ledger: &mayfly_local_stack::inspect::Snapshot| -> Vec<_> {
        ledger
            .closed
            .iter()
            .filter(|runner| runner.pool.as_str() == "attacked")
            .cloned()
            .collect()
    };
    let (jobs, ledger) = stage
        .until(
            "a start that failed",
            Duration::from_secs(90),
            |_, ledger| !of_pool(ledger).is_empty(),
        )
        .await;
    for runner in of_pool(&ledger) {
        let reason = runner
            .reason
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        assert_eq!(
            (
                runner.outcome,
                runner.registration_attempt,
                runner.registered_at
            ),
            (Some(Outcome::FailedStart), 0, None),
            "{runner:#?}"
        );
        assert!(
            reason.contains("exit code 22") && reason.contains(".env sets a variable of Mayfly's"),
            "{reason}"
        );
    }
    assert!(
        jobs.iter()
            .all(|one| one.steps_run == 0 && one.status == "queued"),
        "{jobs:#?}"
    );
    assert!(
        stage.watch.registered().await.unwrap().is_empty(),
        "nothing is registered"
    );
    let printed = Person::viewer(&stage)
        .await
        .runs(&["logs", of_pool(&ledger)[0].id.as_str()])
        .await;
    assert!(
        printed
            .stdout
            .contains(".env sets ACTIONS_RUNNER_HOOK_JOB_STARTED"),
        "{printed:?}"
    );

    // The same pool with an honest image: the job runs, and the stranger's is refused.
    drop(attack);
    stage.put_pools(&format!("{file}{POOL}")).await;
    let (jobs, _) = stage.over(&[job, stranger], Duration::from_secs(240)).await;
    stage.put_pools(&file).await;
    let of = |id: i64| jobs.iter().find(|one| one.id == id).unwrap();
    assert_eq!(
        (of(job).conclusion.as_deref(), of(stranger).steps_run),
        (Some("success"), 0),
        "{jobs:#?}"
    );
}

/// The operator's right reaches the parameter, past every check of the command. The App's key stays
/// where it belongs all the same: no function asks another server than the key's own, and what was
/// in force stays active.
#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn an_operator_who_names_another_github_is_sent_nothing() {
    let stage = Stage::enter().await;
    let operator = Person::operator(&stage).await;
    let file = stage.pools().await;
    let (url, heard) = attacker().await;
    let theirs = file.replace("[github]", &format!("[github]\nurl = \"{url}\""));
    assert_ne!(theirs, file);
    let body = json!({ "Name": stage.stack.pools_parameter, "Value": theirs, "Type": "String", "Overwrite": true });
    operator.file("attack.json", &body.to_string());
    let put = operator.types(PUT_PARAMETER).await;
    assert_eq!(put.code, 0, "{put:?}");
    assert_eq!(stage.pools().await, theirs, "the attack is in place");

    // Both functions that use the key work until each has read the file, and after: registrations,
    // the list of deliveries.
    let wish = json!({ "repository": "acme/app", "labels": ["self-hosted", "linux", "x64", "mayfly"], "seconds": 0.2 });
    let mut refused = false;
    for round in 0.. {
        let job = stage.watch.queue(&wish, 1).await.unwrap()[0];
        let (done, ledger) = stage.over(&[job], Duration::from_secs(120)).await;
        each_ran_once(&done, &ledger);
        sweep().await;
        if refused {
            break;
        }
        refused = refuses(&stage, "registrar").await && refuses(&stage, "sweeper").await;
        assert!(
            round < ROUNDS,
            "after {ROUNDS} jobs and sweeps a function has not refused the file"
        );
    }
    let told = operator.runs(&["pools"]).await;
    stage.put_pools(&file).await;
    assert!(told.stdout.contains("is broken: version"), "{told:?}");
    assert_eq!(*heard.lock().unwrap(), [""; 0], "the attacker's server");
}

/// What the operator types in place of `mayfly apply`: any client that signs will do.
const PUT_PARAMETER: &str = r#"curl -sS --noproxy '*' --fail-with-body --aws-sigv4 "aws:amz:$AWS_REGION:ssm" \
  --user "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" -H "x-amz-security-token: $AWS_SESSION_TOKEN" -H "x-amz-target: AmazonSSM.PutParameter" \
  -H "content-type: application/x-amz-json-1.1" --data-binary @attack.json "$AWS_ENDPOINT_URL""#;

/// Jobs and sweeps, a few seconds each, until functions have read a parameter again: they believe
/// it for half a minute.
const ROUNDS: usize = 60;

async fn sweep() {
    let event = events::folder().unwrap().join("sweeper/tick.json");
    let (answer, failed) = invoke(&Places::of_repository().unwrap(), "sweeper", &event)
        .await
        .unwrap();
    assert!(!failed, "{answer}");
}

/// True if the function's log says that it does not take the file.
async fn refuses(stage: &Stage, function: &str) -> bool {
    let mut next = Value::Null;
    loop {
        let mut body =
            json!({ "logGroupName": format!("/aws/lambda/{}-{function}", stage.stack.stack) });
        if !next.is_null() {
            body["nextToken"] = next;
        }
        let mut answer = stage
            .aws("logs", "Logs_20140328.FilterLogEvents", &body)
            .await;
        let says = |event: &Value| {
            event["message"]
                .as_str()
                .is_some_and(|line| line.contains("GitHub's address belongs to the App's key"))
        };
        if answer["events"]
            .as_array()
            .is_some_and(|events| events.iter().any(says))
        {
            return true;
        }
        next = answer["nextToken"].take();
        if next.is_null() {
            return false;
        }
    }
}

/// A server of the attacker's, and what it is asked: nothing, or the attack has worked.
async fn attacker() -> (String, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heard);
    let hear = move |request: Request| {
        kept.lock().unwrap().push(format!(
            "{} {} {:?}",
            request.method(),
            request.uri(),
            request.headers().get("authorization")
        ));
        async { "{}" }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(hear)).await });
    (url, heard)
}
