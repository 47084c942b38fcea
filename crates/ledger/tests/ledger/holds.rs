//! Why nothing happens, as scaler writes it down.

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobAction, JobEvent};
use mayfly_domain::model::size::Capacity;
use mayfly_domain::model::story::Reason;
use mayfly_ledger::holds::FailedDefinition;
use mayfly_ledger::registrations::ReservationWrites;
use mayfly_ledger::{Ledger, Store, key};

use crate::fixture::{at, attribute, event, linux, pools, queue, registering, size, waiting};

async fn a_reason_is_written_into_the_row_that_was_looked_at_and_into_no_other<S: Store>(
    ledger: Ledger<S>,
) {
    queue(&ledger, 1, 0).await;
    let row = waiting(&ledger, 1).await.unwrap();
    assert!(
        ledger
            .record_hold(&row, Some(HoldReason::PoolMax(20)))
            .await
            .unwrap()
    );
    assert_eq!(
        attribute(&ledger, &key::waiting(&linux(), JobId(1)), "w")
            .await
            .as_deref(),
        Some("m20")
    );
    // The row has changed since that look.
    assert!(!ledger.record_hold(&row, None).await.unwrap());
    let row = waiting(&ledger, 1).await.unwrap();
    assert_eq!(row.hold, Some(HoldReason::PoolMax(20)));
    assert!(ledger.record_hold(&row, None).await.unwrap());
    assert_eq!(
        attribute(&ledger, &key::waiting(&linux(), JobId(1)), "w").await,
        None
    );
}

async fn a_job_that_is_over_gets_no_row_back<S: Store>(ledger: Ledger<S>) {
    queue(&ledger, 1, 0).await;
    let row = waiting(&ledger, 1).await.unwrap();
    ledger
        .apply_delivery(&event(JobAction::Completed, 1, 9), &pools())
        .await
        .unwrap();
    assert!(
        !ledger
            .record_hold(&row, Some(HoldReason::NoAnswer))
            .await
            .unwrap()
    );
    assert_eq!(waiting(&ledger, 1).await, None);
}

async fn a_reservation_clears_the_reason<S: Store>(ledger: Ledger<S>) {
    let reservation = registering(&ledger, 1, 1).await;
    assert_eq!(reservation.waiting.hold, None);
    let row = waiting(&ledger, 1).await.unwrap();
    assert!(
        ledger
            .record_hold(&row, Some(HoldReason::NoAnswer))
            .await
            .unwrap()
    );
    let row = waiting(&ledger, 1).await.unwrap();
    let again = ledger
        .reserve(
            &reservation.runner,
            &row,
            ReservationWrites::default(),
            at(9),
        )
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again.waiting.hold, None);
}

async fn what_cannot_be_launched_counts_as_a_failed_start_of_its_size<S: Store>(ledger: Ledger<S>) {
    let size = size();
    let launch = FailedDefinition {
        size: &size,
        definition: "d",
        message: "Role is not valid",
    };
    let first = ledger
        .record_failed_definition(&linux(), launch, at(10))
        .await
        .unwrap();
    assert!(
        first.health.breaker_open()
            && first.opened_breaker
            && first.health.not_before == Some(at(70))
    );
    // Another planner at the same moment: one wait.
    let same = ledger
        .record_failed_definition(&linux(), launch, at(10))
        .await
        .unwrap();
    assert_eq!(
        (
            same.health.failures,
            same.health.not_before,
            same.opened_breaker
        ),
        (1, Some(at(70)), false)
    );
    let second = ledger
        .record_failed_definition(&linux(), launch, at(71))
        .await
        .unwrap();
    assert_eq!(
        (
            second.health.failures,
            second.health.not_before,
            second.opened_breaker
        ),
        (2, Some(at(191)), false)
    );
    let health = ledger
        .pool_snapshot(&linux())
        .await
        .unwrap()
        .health
        .of(&size);
    assert_eq!(
        (health.reason, health.failed_definition.as_deref()),
        (
            Some(Reason::NoTaskDefinition {
                message: "Role is not valid".to_owned()
            }),
            Some("d")
        )
    );
}

async fn a_later_attempt_of_an_interrupted_run_goes_on_demand<S: Store>(ledger: Ledger<S>) {
    let text = r#"
        [github]
        accounts = ["acme"]
        [pools.linux]
        labels = ["self-hosted", "linux", "mayfly"]
        capacity = "spot"
        cpu = 2
        memory = "8 GiB"
        max = 10
    "#;
    let spot = mayfly_config::pools_file::parse(text, 7).unwrap();
    let of = |job, attempt| {
        let first = event(JobAction::Queued, job, 0);
        JobEvent {
            attempt,
            run: mayfly_domain::model::id::RunId(77),
            ..first
        }
    };
    ledger.apply_delivery(&of(1, 1), &spot).await.unwrap();
    ledger.apply_delivery(&of(2, 2), &spot).await.unwrap();
    assert!(
        ledger
            .ask_to_rerun(mayfly_domain::model::id::RunId(77), JobId(1), at(5))
            .await
            .unwrap()
    );
    ledger.apply_delivery(&of(3, 2), &spot).await.unwrap();
    for (job, capacity) in [
        (1, Capacity::Spot),
        (2, Capacity::Spot),
        (3, Capacity::OnDemand),
    ] {
        let row = waiting(&ledger, job).await.unwrap();
        let record = ledger.job(JobId(job)).await.unwrap().unwrap();
        assert_eq!(
            (row.size.capacity, record.size.unwrap().capacity),
            (capacity, capacity),
            "{job}"
        );
    }
}

on_both! {
    a_reason_is_written_into_the_row_that_was_looked_at_and_into_no_other
    a_job_that_is_over_gets_no_row_back
    a_reservation_clears_the_reason
    what_cannot_be_launched_counts_as_a_failed_start_of_its_size
    a_later_attempt_of_an_interrupted_run_goes_on_demand
}
