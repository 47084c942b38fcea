//! `mayfly` itself on the deployed stack: the program that people run, over HTTP, with credentials
//! that may do no more than the template's policies say.

pub(crate) mod person;

use std::time::Duration;

use mayfly_domain::model::runner::RunnerState;
use mayfly_ledger::requests::{ApplyEnd, FileHash};
use mayfly_ledger::{Dynamo, Ledger};
use serde_json::json;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::settled::Stage;
use person::{Person, Ran};

const EXTRA: &str = r#"
[pools.extra]
labels = ["self-hosted", "extra"]
cpu = 0.25
memory = "512 MiB"
max = 2
min_idle = 1
"#;

/// Someone checks, plans, applies, looks, stops, retries and reads logs; a viewer may only look.
#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn a_person_changes_the_pools_stops_a_runner_retries_a_job_and_reads_its_log() {
    let stage = Stage::enter().await;
    let file = stage.pools().await;
    let (operator, viewer) = (Person::operator(&stage).await, Person::viewer(&stage).await);

    let printed = viewer.runs(&["pools", "--file"]).await;
    assert_eq!(printed.stdout, file, "to the byte");
    let more = operator.file("more.toml", &format!("{file}{EXTRA}"));
    assert_eq!(operator.runs(&["check", &more]).await.code, 0);
    let plan = viewer.runs(&["plan", &more]).await;
    assert!(
        plan.stdout.contains("+ [pools.extra]")
            && plan
                .stdout
                .contains("plan: 1 to add, 0 to change, 0 to remove"),
        "{plan:?}"
    );
    let before = version(&viewer).await;
    refused_applies(&stage, (&operator, &viewer), &more).await;
    assert_eq!(version(&viewer).await, before, "nothing was changed");
    let applied = operator.runs(&["apply", "--yes", &more]).await;
    assert!(
        applied.code == 0
            && applied
                .stdout
                .contains(&format!("version {} is active", before + 1)),
        "{applied:?}"
    );
    assert_eq!(version(&viewer).await, before + 1);

    stopped(&stage, &operator).await;
    retried(&stage, &operator, &file).await;
    logged(&stage, &viewer).await;

    let back = operator.file("back.toml", &file);
    assert_eq!(operator.runs(&["apply", "--yes", &back]).await.code, 0);
    assert!(
        operator
            .runs(&["apply", "--yes", &back])
            .await
            .stdout
            .contains("this file is already active")
    );
    stage
        .until(
            "the pool to drain",
            Duration::from_secs(150),
            |_, ledger| ledger.open.is_empty() && ledger.waiting.is_empty(),
        )
        .await;
    reported(&viewer).await;
    shown(&stage, &viewer).await;
}

/// What ended is in every form of the reports.
async fn reported(viewer: &Person) {
    let cost = viewer
        .runs(&["cost", "--since", "1h", "--json"])
        .await
        .json();
    let jobs = cost["total"]["jobs"].as_u64().unwrap();
    assert!(jobs > 0, "{cost}");
    let report = viewer
        .runs(&["report", "--since", "1h", "--json"])
        .await
        .json();
    assert!(report["jobs"].as_u64().unwrap() > 0, "{report}");
    let csv = viewer
        .runs(&["report", "--since", "1h", "--format", "csv"])
        .await;
    assert!(csv.stdout.starts_with("job,repository,"), "{csv:?}");
    assert!(csv.stdout.contains(",acme/app,"), "{csv:?}");
    let page = viewer
        .runs(&["report", "--since", "1h", "--format", "html"])
        .await;
    assert!(page.stdout.starts_with("<!DOCTYPE html>"), "{page:?}");
    let both = viewer.runs(&["report", "--json", "--format", "csv"]).await;
    assert_eq!(both.code, 1, "{both:?}");
}

/// The page on loopback shows a job to the browser that opened the printed address.
async fn shown(stage: &Stage, viewer: &Person) {
    let mut dashboard = viewer.starts(&["dashboard", "--no-browser"]);
    let mut lines = BufReader::new(dashboard.stdout.take().unwrap()).lines();
    let address = lines.next_line().await.unwrap().expect("the address");
    let origin = address.split("/open/").next().unwrap();
    let alone = stage.client.get(origin).send().await.unwrap();
    assert_eq!(alone.status().as_u16(), 403);
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let opened = client.get(&address).send().await.unwrap();
    let cookie = opened.headers()["set-cookie"].clone();
    let began = std::time::Instant::now();
    let page = client
        .get(origin)
        .header("cookie", cookie)
        .send()
        .await
        .unwrap();
    assert_eq!(page.status().as_u16(), 200);
    let page = page.text().await.unwrap();
    println!("the page took {} ms", began.elapsed().as_millis());
    assert!(page.contains("href=\"/job/"), "{page}");
}

async fn version(person: &Person) -> u64 {
    let answer = person.runs(&["pools", "--json"]).await;
    answer.json()["version"].as_u64().expect("a version")
}

/// Without a terminal, without the right, while someone else applies, and with a file that cannot
/// be used.
async fn refused_applies(stage: &Stage, (operator, viewer): (&Person, &Person), more: &str) {
    let asked = operator.runs(&["apply", more]).await;
    assert!(
        asked.code == 1 && asked.stderr.contains("pass --yes"),
        "{asked:?}"
    );
    let may_not = viewer.runs(&["apply", "--yes", more]).await;
    assert!(
        may_not.code == 1 && may_not.stderr.contains("the stack's outputs name policies"),
        "{may_not:?}"
    );
    let broken = operator.file("broken.toml", "[pools.linux]\nlabels = 7\n");
    assert_eq!(operator.runs(&["apply", "--yes", &broken]).await.code, 1);
    // Who applies does not choose who receives what the App's key signs.
    let elsewhere = operator.file(
        "elsewhere.toml",
        &stage
            .pools()
            .await
            .replace("[github]", "[github]\nurl = \"http://127.0.0.1:9\""),
    );
    let refused = operator.runs(&["apply", "--yes", &elsewhere]).await;
    assert!(
        refused.code == 1
            && refused
                .stderr
                .contains("GitHub's address belongs to the App's key"),
        "{refused:?}"
    );
    let ledger = Ledger::new(Dynamo::new(
        stage.watch.ledger.client().clone(),
        &stage.stack.table,
    ));
    let now = mayfly_config::store::system_clock();
    let other = ledger
        .acquire_apply_lock("user/bob", &FileHash::of("his"), now)
        .await
        .unwrap()
        .unwrap();
    let second = operator.runs(&["apply", "--yes", more]).await;
    assert!(
        second.code == 1
            && second
                .stderr
                .contains("user/bob has been applying a pools file since 20"),
        "{second:?}"
    );
    ledger
        .release_apply_lock(&other, ApplyEnd::NotWritten)
        .await
        .unwrap();
}

/// The idle floor's runner is stopped by the beginning of its id, and another one takes its place.
async fn stopped(stage: &Stage, operator: &Person) {
    let parked = |runner: &mayfly_domain::model::runner::Runner| {
        runner.pool.as_str() == "extra" && runner.state == RunnerState::Parked
    };
    let (_, ledger) = stage
        .until("a parked runner", Duration::from_secs(60), |_, ledger| {
            ledger.open.iter().any(parked)
        })
        .await;
    let first = ledger
        .open
        .into_iter()
        .find(|runner| parked(runner))
        .unwrap();
    let stopped = operator.runs(&["stop", &first.id.as_str()[..22]]).await;
    assert!(
        stopped.code == 0
            && stopped
                .stdout
                .starts_with(&format!("stopped: runner {}", first.id)),
        "{stopped:?}"
    );
    let again = operator.runs(&["stop", "--json", first.id.as_str()]).await;
    assert_eq!(
        (again.code, again.json()["outcome"].as_str()),
        (0, Some("gone"))
    );
    assert_eq!(operator.runs(&["stop", "nobody"]).await.code, 3);
    let other =
        |runner: &mayfly_domain::model::runner::Runner| parked(runner) && runner.id != first.id;
    stage
        .until(
            "another parked runner",
            Duration::from_secs(90),
            |_, ledger| ledger.open.iter().any(other),
        )
        .await;
    let printed = operator.runs(&["logs", first.id.as_str()]).await;
    assert!(matches!(printed.code, 0 | 3), "{printed:?}");
}

/// A job that no pool takes, and then one does.
async fn retried(stage: &Stage, operator: &Person, file: &str) {
    let wish =
        json!({ "repository": "acme/app", "labels": ["self-hosted", "later"], "seconds": 0.2 });
    let job = stage.watch.queue(&wish, 1).await.unwrap()[0];
    stage
        .until("the job's record", Duration::from_secs(30), |_, ledger| {
            ledger.job(job).is_some()
        })
        .await;
    let refused = operator.runs(&["retry", &job.to_string()]).await;
    assert!(
        refused.code == 1 && refused.stderr.contains("does not offer later"),
        "{refused:?}"
    );
    let later = operator.file(
        "later.toml",
        &format!(
            "{file}{}",
            EXTRA.replace("\"extra\"]", "\"extra\", \"later\"]")
        ),
    );
    assert_eq!(operator.runs(&["apply", "--yes", &later]).await.code, 0);
    let url = format!(
        "{}/acme/app/actions/runs/1/job/{job}",
        stage.stack.github_url
    );
    let placed = operator.runs(&["retry", &url]).await;
    assert!(
        placed.code == 0 && placed.stdout.contains("goes to pool extra now"),
        "{placed:?}"
    );
    let over = |jobs: &[mayfly_local_stack::inspect::GithubJob]| {
        jobs.iter()
            .any(|its| its.id == job && its.status == "completed")
    };
    stage
        .until("the end of the job", Duration::from_secs(120), |jobs, _| {
            over(jobs)
        })
        .await;
    stage
        .until("its record closed", Duration::from_secs(30), |_, ledger| {
            ledger.job(job).is_some_and(|its| its.closed_at.is_some())
        })
        .await;
    assert_eq!(
        operator.runs(&["retry", &job.to_string()]).await.code,
        1,
        "it is over"
    );
    assert_eq!(operator.runs(&["retry", "1"]).await.code, 3);
}

/// A job's log, followed from before its runner is there to that one's end.
async fn logged(stage: &Stage, viewer: &Person) {
    let wish = json!({ "repository": "acme/app", "labels": ["self-hosted", "linux", "x64", "mayfly"], "seconds": 3.0 });
    let job = stage.watch.queue(&wish, 1).await.unwrap()[0];
    stage
        .until("the job's record", Duration::from_secs(30), |_, ledger| {
            ledger.job(job).is_some()
        })
        .await;
    let followed: Ran = viewer.runs(&["logs", "--follow", &job.to_string()]).await;
    assert!(
        followed.code == 0 && followed.stdout.contains(&format!("({job})")),
        "{followed:?}"
    );
    let lines: Vec<&str> = followed.stdout.lines().collect();
    let place = |text: &str| {
        lines
            .iter()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{text}: {followed:?}"))
    };
    assert!(
        place("Listening for Jobs") < place("Running job")
            && place("Running job") < place("completed with result")
    );
    let later = viewer.runs(&["logs", "--json", &job.to_string()]).await;
    assert_eq!(
        later.stdout.lines().count(),
        lines.len(),
        "each line once: {later:?}"
    );
    assert_eq!(viewer.runs(&["logs", "1"]).await.code, 3);
}
