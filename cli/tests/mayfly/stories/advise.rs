//! `mayfly advise`.

use std::time::Duration;

use mayfly_cli::commands::advise::report::{AdviceReport, Filter, Known, gather};
use mayfly_cli::commands::advise::text::text;
use mayfly_config::pools_file::parse;
use mayfly_domain::model::price::PriceList;
use mayfly_domain::model::right_size::Verdict;
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{Start, System};

use crate::stories::fixture::{holds, holds_json, ledger, now, pools};
use crate::stories::told::{done, job, pool_with, rest};

async fn advice(system: &System, filter: &Filter) -> AdviceReport {
    let pools = pools(system);
    let (file, _) = system.world.parameters.pools().unwrap();
    let known = Known {
        pools: &pools,
        file: Some(&file),
        prices: PriceList {
            region: "us-east-1",
            own: &pools.prices,
            public_ip: false,
        },
    };
    gather(&ledger(system), &known, filter, now(system))
        .await
        .unwrap()
}

fn all(system: &System) -> Filter {
    Filter {
        pool: None,
        since: now(system).minus(Duration::from_secs(24 * 3600)),
        least_runs: 20,
    }
}

/// So many jobs, one after the other, each with a report of less than 500 MiB.
async fn ran(seed: u64, jobs: usize) -> System {
    let system = Start::seeded(seed)
        .pools(&pool_with("max = 10"))
        .begin()
        .unwrap();
    for _ in 0..jobs.div_ceil(10) {
        let count = i64::try_from(jobs.min(10)).unwrap();
        let queued: Vec<_> = (0..count)
            .flat_map(|_| {
                system.queue_jobs(&NewJob {
                    seconds: 60.0,
                    ..job()
                })
            })
            .collect();
        done(&system, 1_200, &queued).await;
    }
    rest(&system, 3_600).await;
    system
}

/// A story in which no container lies about processes that were killed: one in a hundred does.
async fn honest(jobs: usize) -> System {
    let lied = |system: &System| {
        let runners = system.closed_runners();
        let usages = runners.iter().filter_map(|runner| runner.usage);
        usages.into_iter().any(|usage| usage.memory_kills > 0)
    };
    for seed in 620..640 {
        let system = ran(seed, jobs).await;
        if !lied(&system) {
            return system;
        }
    }
    panic!("every story has a lie in it");
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_too_large_gets_a_change_of_the_pools_file_that_is_valid() {
    let system = honest(30).await;
    let report = advice(&system, &all(&system)).await;
    let pool = &report.pools[0];
    assert!(
        matches!(pool.verdict, Verdict::Smaller { .. }),
        "{report:?}"
    );
    let evidence = pool.evidence;
    let reported = system
        .closed_runners()
        .iter()
        .filter_map(|runner| Some(runner.usage?.memory_peak_mib))
        .collect::<Vec<_>>();
    assert_eq!(
        (evidence.runs, Some(&evidence.memory_max_mib)),
        (reported.len(), reported.iter().max())
    );
    assert_eq!(pool.silent_runs, 30 - evidence.runs);
    assert!(pool.money.unwrap().saved_nanodollars > 0);
    let (file, version) = system.world.parameters.pools().unwrap();
    let diff = report.diff.as_ref().unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("pools.toml"), &file).unwrap();
    std::fs::write(folder.path().join("it.patch"), diff).unwrap();
    let applied = std::process::Command::new("git")
        .args(["apply", "it.patch"])
        .current_dir(folder.path())
        .status()
        .unwrap();
    assert!(applied.success(), "{diff}");
    let after = std::fs::read_to_string(folder.path().join("pools.toml")).unwrap();
    let size = parse(&after, version).unwrap().pools[0].size;
    let proposed = pool.proposed().unwrap();
    assert_eq!(
        (size.cpu, size.memory_mib),
        (proposed.cpu, proposed.memory_mib)
    );
    holds(&system, "advise", &text(&report, None));
    holds_json(&system, "advise_json", &report);
}

#[tokio::test(start_paused = true)]
async fn too_few_runs_or_none_propose_nothing_and_say_so() {
    let system = ran(621, 5).await;
    let report = advice(&system, &all(&system)).await;
    assert_eq!(report.pools[0].verdict, Verdict::TooFewRuns);
    assert_eq!((report.diff.as_deref(), report.no_diff), (None, false));
    let later = Filter {
        since: now(&system),
        ..all(&system)
    };
    let none = advice(&system, &later).await;
    assert_eq!(none.pools[0].evidence.runs, 0);
    let said = text(&none, None);
    assert!(said.contains("there is nothing to propose from"), "{said}");
}
