//! What a runner's container used: reported at its end, believed within bounds.

use mayfly_domain::model::runner::RunnerState;
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::Start;
use serde_json::{Value, json};

use crate::start::{done, job, pool_with, queue_one, rest, story, until};

#[tokio::test(start_paused = true)]
async fn the_runners_own_report_is_in_the_record_of_its_job() {
    let system = Start::seeded(610)
        .pools(&pool_with("max = 20"))
        .begin()
        .unwrap();
    let jobs: Vec<_> = (0..20).map(|_| queue_one(&system)).collect();
    done(&system, 600, &jobs).await;
    rest(&system, 300).await;
    let closed = system.closed_runners();
    let mut told = 0;
    for job in jobs {
        let record = system.job(job).unwrap();
        let runner = closed
            .iter()
            .find(|runner| record.runner.as_ref() == Some(&runner.id))
            .unwrap();
        assert_eq!(
            record.usage.map(|it| (it.usage, it.size)),
            runner.usage.map(|usage| (usage, runner.size)),
            "{}",
            story(&system)
        );
        if let Some(usage) = runner.usage {
            assert!(usage.memory_peak_mib <= runner.size.memory_mib);
            told += 1;
        }
    }
    // One in ten says nothing, or what cannot be true.
    assert!(told >= 12, "{told} of 20 runners reported");
}

#[tokio::test(start_paused = true)]
async fn a_job_that_lies_about_its_use_harms_no_more_than_its_own_figure() {
    let system = Start::seeded(611)
        .pools(&pool_with("max = 2"))
        .begin()
        .unwrap();
    let own = system.queue_jobs(&NewJob {
        seconds: 600.0,
        ..job()
    })[0];
    until(&system, 120, "it runs", |system| {
        let runners = system.runners();
        runners
            .iter()
            .any(|runner| runner.state == RunnerState::Busy)
    })
    .await;
    system.pass(30).await;
    let runner = system.runners().remove(0);
    let role = "arn:aws:sts::123456789012:assumed-role/mayfly-runner";
    let caller = format!("{role}/{}", runner.arn.as_ref().unwrap().task_id());
    let stranger = format!("{role}/0123456789abcdef0123456789abcdef");
    let said = |memory: u64, cpu: u64| json!({ "runner": runner.address().to_string(), "memory_peak_bytes": memory, "cpu_milliseconds": cpu });
    let ask = async |caller: &str, body: &Value| {
        let reply = system.request(caller, "/usage", body).await;
        let body: Value = serde_json::from_str(&reply.body).unwrap();
        (
            reply.status,
            body["reason"].as_str().unwrap_or_default().to_owned(),
        )
    };
    let mut nested = said(1, 1);
    nested["memory_peak_bytes"] = json!({ "$gt": 0 });
    let mut more = said(1, 1);
    more["size"] = json!("16384/122880");
    for (caller, body, status, words) in [
        (&stranger, said(1, 1), 403, "not this runner's task"),
        (&caller, said(u64::MAX, 1), 422, "the task has"),
        (&caller, said(1, u64::MAX), 422, "since it was requested"),
        (&caller, said(0, 1), 422, "no container runs without memory"),
        (&caller, json!([]), 400, "malformed"),
        (&caller, nested, 400, "malformed"),
        (&caller, more, 400, "unknown field"),
        (
            &caller,
            json!({ "runner": "x", "memory_peak_bytes": 1, "cpu_milliseconds": 1 }),
            400,
            "runner",
        ),
    ] {
        let (got, reason) = ask(caller, &body).await;
        assert_eq!(got, status, "{body}: {reason}");
        assert!(reason.contains(words), "{body}: {reason}");
    }
    let untouched = system.runners().remove(0);
    assert_eq!(untouched, runner);
    // What it says first stands, and no one else hears of it.
    let mib = 1024 * 1024;
    assert_eq!(ask(&caller, &said(7 * mib, 1)).await.0, 200);
    system.world.forget_calls();
    for again in 0..5 {
        assert_eq!(ask(&caller, &said(again * mib, again)).await.0, 200);
    }
    let calls = system.world.calls();
    assert_eq!(
        calls.get(&("registrar".to_owned(), "DynamoDB GetItem".to_owned())),
        Some(&5),
        "{calls:?}"
    );
    assert!(
        !calls
            .keys()
            .any(|(who, what)| who == "registrar" && what != "DynamoDB GetItem"),
        "{calls:?}"
    );
    done(&system, 900, &[own]).await;
    rest(&system, 300).await;
    let record = system.job(own).unwrap();
    assert_eq!(
        record.usage.map(|it| it.usage.memory_peak_mib),
        Some(7),
        "{}",
        story(&system)
    );
    assert_eq!(record.conclusion.as_deref(), Some("success"));
    assert_eq!(ask(&caller, &said(1, 1)).await.0, 403, "it is closed");
}
