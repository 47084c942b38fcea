//! A job that its pool does not admit, handed by GitHub to a runner of that pool.

use std::time::Duration;

use mayfly_domain::model::runner::Outcome;
use serde_json::json;

use crate::settled::Stage;

const LABELS: [&str; 2] = ["self-hosted", "mayfly-org"];

/// The pool registers at the organization and lists one repository. GitHub knows nothing of that
/// list: it gives the waiting runner the job of another repository. No step of that job may run,
/// and the job that the runner was meant for gets the next one.
#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn refused_job_runs_no_step_and_the_accepted_one_gets_the_next_runner() {
    let stage = Stage::enter().await;
    let file = stage.pools().await;
    let pool = r#"
[pools.org]
labels = ["self-hosted", "mayfly-org"]
scope = "organization"
runner_group = "Default"
repositories = ["acme/app"]
cpu = 1
memory = "2 GiB"
max = 2
"#;
    stage.put_pools(&format!("{file}{pool}")).await;

    // The stranger's job is there first and preferred, so GitHub gives it the first runner that
    // registers.
    let stranger = json!({ "repository": "acme/other", "labels": LABELS, "seconds": 0.2, "steps": 3, "always_steps": 1, "thief": true });
    let refused = stage.watch.queue(&stranger, 1).await.unwrap();
    let wish = json!({ "repository": "acme/app", "labels": LABELS, "seconds": 0.2 });
    let accepted = stage.watch.queue(&wish, 1).await.unwrap();
    let all = [refused[0], accepted[0]];
    let (jobs, ledger) = stage.over(&all, Duration::from_secs(150)).await;
    stage.put_pools(&file).await;

    let job = |id: i64| jobs.iter().find(|job| job.id == id).unwrap();
    assert_eq!(job(refused[0]).steps_run, 0, "{:?}", job(refused[0]));
    assert_eq!(job(refused[0]).conclusion.as_deref(), Some("failure"));
    assert_eq!(job(accepted[0]).conclusion.as_deref(), Some("success"));
    let of_pool = ledger
        .closed
        .iter()
        .filter(|runner| runner.pool.as_str() == "org");
    let mut outcomes: Vec<Outcome> = of_pool.filter_map(|runner| runner.outcome).collect();
    outcomes.sort();
    assert_eq!(outcomes, [Outcome::Ran, Outcome::Refused]);
}
