//! Closed records of days that are over, in the archive.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_dynamodb_model::DynamoQuirks;
use mayfly_simulator::system::{CallFault, Port, PortCall, Start, System};
use serde_json::Value;

use crate::start::{done, in_virtual_time, jobs, rest, until};

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Three jobs that are over, a few minutes after a story's beginning at 14:00.
async fn three_jobs() -> System {
    let system = Start::seeded(650).with_archive().begin().unwrap();
    let all = system.queue_jobs(&jobs(3));
    done(&system, 300, &all).await;
    rest(&system, 180).await;
    until(&system, 180, "their ends are on record", |system| {
        let closed = |job: &JobId| system.job(*job).is_some_and(|job| job.closed_at.is_some());
        all.iter().all(closed)
    })
    .await;
    system
}

/// Until 01:20 of the next day, when that before has settled.
async fn night() {
    tokio::time::advance(11 * HOUR + Duration::from_secs(20 * 60)).await;
}

/// Ids in the archive, by kind: of each, how often it is there.
fn ids(archived: &BTreeMap<String, String>) -> BTreeMap<(String, String), usize> {
    let mut ids = BTreeMap::new();
    for (key, text) in archived {
        let kind = key.split('/').nth(1).unwrap().to_owned();
        for line in text.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            assert!(line["closed_at"].is_number(), "{line}");
            *ids.entry((kind.clone(), line["id"].to_string()))
                .or_default() += 1;
        }
    }
    ids
}

/// What must be in it: every job and runner, once.
fn all_of(system: &System) -> BTreeMap<(String, String), usize> {
    let runners = system.closed_runners();
    let jobs: BTreeSet<String> = runners
        .iter()
        .filter_map(|runner| runner.work.as_ref()?.job)
        .map(|job| job.to_string())
        .collect();
    assert_eq!((jobs.len(), runners.len()), (3, 3));
    let jobs = jobs.into_iter().map(|id| ("jobs".to_owned(), id));
    let runners = runners
        .iter()
        .map(|runner| ("runners".to_owned(), format!("\"{}\"", runner.id)));
    jobs.chain(runners).map(|id| (id, 1)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_day_is_archived_once_it_is_over_and_nothing_before() {
    let system = three_jobs().await;
    system.pass(300).await;
    assert_eq!(system.archived(), BTreeMap::new());
    night().await;
    system.pass(180).await;
    let archived = system.archived();
    let keys: Vec<&str> = archived.keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        [
            "mayfly/jobs/day=2026-11-22/part-00000.jsonl",
            "mayfly/runners/day=2026-11-22/part-00000.jsonl"
        ]
    );
    assert_eq!(ids(&archived), all_of(&system));
    for text in archived.values() {
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        let own: Vec<&str> = ["pk", "sk", "rev", "day"]
            .into_iter()
            .filter(|name| line.get(name).is_some())
            .collect();
        assert_eq!(own, Vec::<&str>::new(), "of the table alone");
    }
}

#[tokio::test(start_paused = true)]
async fn small_parts_have_all_of_a_day_between_them() {
    let system = three_jobs().await;
    system.world.table.treat(DynamoQuirks {
        page: Some(1),
        ..DynamoQuirks::default()
    });
    night().await;
    system.pass(300).await;
    let archived = system.archived();
    assert_eq!(archived.len(), 6);
    assert_eq!(ids(&archived), all_of(&system));
}

/// Each fault at each of sweeper's calls for the archive, once and for ten minutes: in the end the
/// archive has everything once, and no sweep failed for it.
#[test]
fn whatever_befalls_a_call_for_the_archive_nothing_is_missing_in_the_end() {
    let faults = [
        CallFault::FailBefore,
        CallFault::FailAfter,
        CallFault::CrashBefore,
        CallFault::CrashAfter,
        CallFault::HangBefore,
        CallFault::HangAfter,
        CallFault::Throttle,
        CallFault::Slow(Duration::from_secs(7)),
    ];
    let of_the_archive = |call: &PortCall| {
        call.who == "sweeper"
            && (call.port == Port::Archive
                || call.about.contains("cursor#archive")
                || call.about.contains("closed-by-day 2026-11-22"))
    };
    for fault in faults {
        for struck in 0..6 {
            in_virtual_time(async {
                let system = three_jobs().await;
                let mut met = 0;
                let injector = move |call: &PortCall, _| {
                    if !of_the_archive(call) {
                        return None;
                    }
                    met += 1;
                    (met - 1 == struck || (met > struck && met < struck + 4 && struck % 2 == 1))
                        .then_some(fault)
                };
                night().await;
                system.world.set_fault_injector(Box::new(injector));
                system.pass(900).await;
                assert_eq!(
                    ids(&system.archived()),
                    all_of(&system),
                    "{fault} at {struck}"
                );
            });
        }
    }
}

/// S3 takes nothing for a night: sweeps go on, and what was late is there once S3 is back.
#[tokio::test(start_paused = true)]
async fn an_s3_that_never_answers_costs_a_sweep_five_seconds_and_no_record() {
    let system = three_jobs().await;
    night().await;
    let silent = |call: &PortCall, _| (call.port == Port::Archive).then_some(CallFault::HangBefore);
    system.world.set_fault_injector(Box::new(silent));
    system.pass(600).await;
    assert_eq!(system.archived(), BTreeMap::new());
    let late = system.queue_jobs(&jobs(1));
    done(&system, 300, &late).await;
    system.world.clear_fault_injector();
    system.pass(180).await;
    let expected = all_of_first_day(&system);
    assert_eq!(ids(&system.archived()), expected);
}

/// As [`all_of`], for a story that has gone on since.
fn all_of_first_day(system: &System) -> BTreeMap<(String, String), usize> {
    let archived = ids(&system.archived());
    let runners = system.closed_runners();
    let midnight = 10 * 60 * 60 * 1000 + 1_795_356_000_000;
    let of_the_day = runners
        .iter()
        .filter(|runner| runner.closed_at.unwrap().millis() < midnight);
    let of_the_day: Vec<_> = of_the_day.collect();
    assert_eq!(of_the_day.len(), 3);
    let mut expected: BTreeMap<(String, String), usize> = of_the_day
        .iter()
        .map(|runner| (("runners".to_owned(), format!("\"{}\"", runner.id)), 1))
        .collect();
    let jobs = of_the_day
        .iter()
        .filter_map(|runner| runner.work.as_ref()?.job)
        .map(|job| (("jobs".to_owned(), job.to_string()), 1));
    expected.extend(jobs);
    assert_eq!(archived.len(), 6);
    expected
}
