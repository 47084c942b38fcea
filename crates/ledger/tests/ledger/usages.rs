//! What a container reports of its use: kept with the runner, and with its record.

use mayfly_domain::model::id::RunId;
use mayfly_domain::model::runner::{Runner, RunnerState, Work};
use mayfly_domain::model::task::TaskStatus;
use mayfly_domain::model::usage::Usage;
use mayfly_domain::transitions::usage::{UsageRefusal, UsageReport};
use mayfly_ledger::{Ledger, Store};

use crate::fixture::{ARN, at, registered, task};

/// A runner at work.
async fn busy<S: Store>(ledger: &Ledger<S>) -> Runner {
    let runner = registered(ledger, 1, 1).await;
    let at_work = |row: &Runner| {
        Some(Runner {
            state: RunnerState::Busy,
            work: Some(Work {
                run: RunId(1001),
                attempt: 1,
                job: None,
                since: at(5),
            }),
            ..row.clone()
        })
    };
    ledger
        .change_runner(&runner.address(), at_work)
        .await
        .unwrap();
    runner.into_inner()
}

fn report(runner: &Runner, mib: u64, cpu_milliseconds: u64) -> UsageReport {
    UsageReport {
        runner: runner.address().to_string(),
        memory_peak_bytes: mib * 1024 * 1024,
        cpu_milliseconds,
        memory_kills: 0,
    }
}

async fn reported<S: Store>(
    ledger: &Ledger<S>,
    runner: &Runner,
    (mib, cpu_milliseconds): (u64, u64),
) -> Option<Result<(), UsageRefusal>> {
    let read = ledger.runner(&runner.address()).await.unwrap().unwrap();
    let report = report(runner, mib, cpu_milliseconds);
    ledger.usage_reported(&read, &report, at(60)).await.unwrap()
}

async fn the_first_report_stands_and_is_in_the_record<S: Store>(ledger: Ledger<S>) {
    let runner = busy(&ledger).await;
    let before = ledger.runner(&runner.address()).await.unwrap().unwrap();
    assert_eq!(reported(&ledger, &runner, (300, 1_500)).await, Some(Ok(())));
    let row = ledger.runner(&runner.address()).await.unwrap().unwrap();
    assert_eq!(reported(&ledger, &runner, (400, 0)).await, Some(Ok(())));
    assert_eq!(
        ledger.runner(&runner.address()).await.unwrap(),
        Some(row),
        "nothing is written again"
    );
    ledger
        .task_seen(&task(&runner, ARN, 9, TaskStatus::Stopped), at(70))
        .await
        .unwrap();
    let record = ledger.runner_record(&runner.id).await.unwrap().unwrap();
    let usage = Usage {
        memory_peak_mib: 300,
        cpu_seconds: 2,
        memory_kills: 0,
    };
    assert_eq!(record.usage, Some(usage));
    let late = report(&runner, 300, 0);
    assert_eq!(
        ledger.usage_reported(&before, &late, at(80)).await.unwrap(),
        None,
        "it was closed since the caller read it"
    );
}

async fn a_row_that_has_changed_since_it_was_read_is_read_again<S: Store>(ledger: Ledger<S>) {
    let runner = busy(&ledger).await;
    let read = ledger.runner(&runner.address()).await.unwrap().unwrap();
    let done = |row: &Runner| {
        Some(Runner {
            done_at: Some(at(50)),
            ..row.clone()
        })
    };
    ledger.change_runner(&runner.address(), done).await.unwrap();
    let first = report(&runner, 300, 1_500);
    assert_eq!(
        ledger.usage_reported(&read, &first, at(60)).await.unwrap(),
        Some(Ok(()))
    );
    let row = ledger.runner(&runner.address()).await.unwrap().unwrap();
    assert_eq!(row.done_at, Some(at(50)));
    assert!(row.usage.is_some());
}

async fn a_lie_leaves_everything_as_it_is<S: Store>(ledger: Ledger<S>) {
    let runner = busy(&ledger).await;
    let before = ledger.runner(&runner.address()).await.unwrap();
    for lie in [(1_000_000, 0), (1, u64::MAX), (0, 0)] {
        assert!(matches!(
            reported(&ledger, &runner, lie).await,
            Some(Err(_))
        ));
    }
    assert_eq!(ledger.runner(&runner.address()).await.unwrap(), before);
}

async fn a_runner_without_a_job_reports_nothing<S: Store>(ledger: Ledger<S>) {
    let idle = registered(&ledger, 1, 1).await;
    assert_eq!(
        reported(&ledger, &idle, (1, 0)).await,
        Some(Err(UsageRefusal::NoJob))
    );
}

on_both! {
    the_first_report_stands_and_is_in_the_record
    a_lie_leaves_everything_as_it_is
    a_row_that_has_changed_since_it_was_read_is_read_again
    a_runner_without_a_job_reports_nothing
}
