//! `mayfly cost`.

use std::time::Duration;

use mayfly_cli::commands::cost;
use mayfly_cli::commands::cost::report::{By, CostReport, Filter};
use mayfly_domain::model::pool::RepositoryPattern;
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{Start, System};

use crate::stories::fixture::{holds, holds_json, ledger, now, pools};
use crate::stories::told::{done, job, pool_with, rest};

async fn costs(system: &System, filter: &Filter) -> CostReport {
    cost::report::gather(&ledger(system), Some(&pools(system)), filter, now(system))
        .await
        .unwrap()
}

fn all(system: &System, by: By) -> Filter {
    Filter {
        pool: None,
        repository: None,
        since: now(system).minus(Duration::from_secs(24 * 3600)),
        by,
    }
}

/// Two repositories' jobs, one of them after an hour, and an idle floor that ran out.
pub(crate) async fn a_day(seed: u64) -> System {
    let system = Start::seeded(seed)
        .pools(&pool_with("max = 4"))
        .begin()
        .unwrap();
    for (repository, seconds) in [("acme/app", 90.0), ("acme/web", 600.0), ("acme/app", 30.0)] {
        let queued = system.queue_jobs(&NewJob {
            repository: repository.to_owned(),
            seconds,
            ..job()
        });
        done(&system, 1_200, &queued).await;
        rest(&system, 3_600).await;
    }
    system
}

#[tokio::test(start_paused = true)]
async fn every_runners_cost_is_in_every_sum_once() {
    let system = a_day(360).await;
    let runners = system.closed_runners();
    let spent: u64 = runners
        .iter()
        .map(|runner| runner.cost.expect("its price is known").0)
        .sum();
    assert!(spent > 0);
    for by in [By::Repository, By::Pool, By::Workflow, By::Job, By::Day] {
        let report = costs(&system, &all(&system, by)).await;
        assert_eq!(report.total.cost_nanodollars.0, spent, "{by:?}");
        let of_lines =
            |of: fn(&cost::report::CostLine) -> u64| -> u64 { report.lines.iter().map(of).sum() };
        assert_eq!(of_lines(|line| line.cost_nanodollars.0), spent, "{by:?}");
        assert_eq!(
            of_lines(|line| line.hosted_nanodollars.0),
            report.total.hosted_nanodollars.0,
            "{by:?}"
        );
        assert_eq!(
            report.lines.iter().map(|line| line.runners).sum::<usize>(),
            runners.len(),
            "{by:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn costs_by_repository_are_a_table_and_json() {
    let system = a_day(361).await;
    let report = costs(&system, &all(&system, By::Repository)).await;
    holds(&system, "cost", &cost::text::text(&report, 50, None));
    holds_json(&system, "cost_json", &report);
    holds(&system, "cost_cut", &cost::text::text(&report, 1, None));
}

#[tokio::test(start_paused = true)]
async fn filters_leave_out_all_others_and_a_time_without_runners_is_empty() {
    let system = a_day(362).await;
    let web = Filter {
        repository: Some(RepositoryPattern("ACME/w*".to_owned())),
        ..all(&system, By::Repository)
    };
    let report = costs(&system, &web).await;
    assert_eq!(report.lines.len(), 1);
    assert_eq!(
        (report.lines[0].what.as_str(), report.total.jobs),
        ("acme/web", 1)
    );
    let other = Filter {
        pool: Some("other".parse().unwrap()),
        ..all(&system, By::Repository)
    };
    assert!(costs(&system, &other).await.lines.is_empty());
    let later = Filter {
        since: now(&system),
        ..all(&system, By::Repository)
    };
    assert!(costs(&system, &later).await.lines.is_empty());
}
