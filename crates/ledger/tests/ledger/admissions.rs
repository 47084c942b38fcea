//! Admission: written down before it is told.

use mayfly_domain::model::id::RunId;
use mayfly_domain::model::runner::{Outcome, Runner, RunnerState};
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::transitions::admission::{Admission, AdmissionRequest};
use mayfly_ledger::runners::AdmissionDecision;
use mayfly_ledger::{Ledger, Store};

use crate::fixture::{ARN, at, linux, pools, registered, row, task};

fn request(run_id: i64, repository_id: i64) -> AdmissionRequest {
    let (workflow_ref, reference, event) = (
        "w".to_owned(),
        "refs/heads/main".to_owned(),
        "push".to_owned(),
    );
    let repository = if repository_id == 710_000_001 {
        "acme/app"
    } else {
        "acme/other"
    }
    .to_owned();
    AdmissionRequest {
        runner: String::new(),
        run_id,
        run_attempt: 1,
        repository,
        repository_id,
        workflow_ref,
        r#ref: reference,
        event,
    }
}

async fn admit<S: Store>(
    ledger: &Ledger<S>,
    runner: &Runner,
    request: &AdmissionRequest,
) -> Option<AdmissionDecision> {
    let pools = pools();
    ledger
        .admit(
            &runner.address(),
            pools.get(&linux()),
            request,
            Some(true),
            at(9),
        )
        .await
        .unwrap()
}

async fn an_admitted_run_makes_the_runner_busy_before_any_delivery<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    assert!(matches!(
        admit(&ledger, &runner, &request(1001, 710_000_001)).await,
        Some(AdmissionDecision {
            admission: Admission::Admitted,
            is_new: true
        })
    ));
    let row = ledger.runner(&runner.address()).await.unwrap().unwrap();
    let work = row.work.clone().unwrap();
    assert_eq!(
        (row.state, work.run, work.job),
        (RunnerState::Busy, RunId(1001), None)
    );
    // The answer got lost, the hook asks again.
    assert!(matches!(
        admit(&ledger, &runner, &request(1001, 710_000_001)).await,
        Some(AdmissionDecision {
            admission: Admission::Admitted,
            is_new: false
        })
    ));
    assert_eq!(ledger.runner(&runner.address()).await.unwrap(), Some(row));
}

async fn a_second_run_is_refused<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    admit(&ledger, &runner, &request(1001, 710_000_001)).await;
    assert!(matches!(
        admit(&ledger, &runner, &request(1002, 710_000_001)).await,
        Some(AdmissionDecision {
            admission: Admission::Refused(_),
            ..
        })
    ));
}

async fn a_refusal_is_written_down_and_told_by_the_record<S: Store>(ledger: Ledger<S>) {
    let runner = registered(&ledger, 1, 1).await;
    assert!(matches!(
        admit(&ledger, &runner, &request(1001, 1)).await,
        Some(AdmissionDecision {
            admission: Admission::Refused(_),
            ..
        })
    ));
    assert!(matches!(
        admit(&ledger, &runner, &request(1001, 1)).await,
        Some(AdmissionDecision {
            admission: Admission::Refused(_),
            ..
        })
    ));
    assert!(
        ledger
            .runner(&runner.address())
            .await
            .unwrap()
            .unwrap()
            .refused
            .is_some()
    );
    ledger
        .task_seen(&task(&runner, ARN, 9, TaskStatus::Stopped), at(20))
        .await
        .unwrap();
    assert_eq!(
        ledger
            .runner_record(&runner.id)
            .await
            .unwrap()
            .unwrap()
            .outcome,
        Some(Outcome::Refused)
    );
}

async fn a_runner_without_a_row_is_not_admitted<S: Store>(ledger: Ledger<S>) {
    assert_eq!(
        admit(&ledger, &row(5), &request(1001, 710_000_001)).await,
        None
    );
}

on_both! {
    an_admitted_run_makes_the_runner_busy_before_any_delivery
    a_second_run_is_refused
    a_refusal_is_written_down_and_told_by_the_record
    a_runner_without_a_row_is_not_admitted
}
