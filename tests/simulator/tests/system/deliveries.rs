//! Deliveries come twice, late and in any order: jobs end the same.

use std::collections::BTreeMap;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_github_model::faults::DeliveryFaults;
use mayfly_github_model::id;
use mayfly_github_model::jobs::{Gate, NewJob};
use mayfly_simulator::system::System;
use serde_json::{Value, json};

use crate::start::{begin, in_thread, in_virtual_time, job, story};

/// What must be the same whatever happens to deliveries; times, runners' ids and the order of notes
/// are not.
fn normalised(system: &System, jobs: &[JobId]) -> BTreeMap<JobId, Value> {
    let record = |id: &JobId| {
        let Some(job) = system.job(*id) else {
            return (*id, Value::Null);
        };
        // Of a closed job, what said that it waits is no news any more.
        let open = job.state != JobState::Closed;
        let value = json!({
            "state": job.state, "conclusion": job.conclusion, "pool": job.pool, "size": job.size, "target": job.target,
            "queued": job.queued.len() * usize::from(open), "blocking": job.blocking.len() * usize::from(open), "reason": job.reason,
            "ran": job.runner_name.is_some(), "labels": job.labels, "epoch": job.epoch,
        });
        (*id, value)
    };
    jobs.iter().map(record).collect()
}

/// Jobs of all kinds, told about with these faults, until nothing more happens.
fn told_with(seed: u64, faults: DeliveryFaults) -> BTreeMap<JobId, Value> {
    in_thread(move || {
        in_virtual_time(async move {
            let system = begin(seed);
            system
                .world
                .with_github(|github, _| github.faults.deliveries = faults);
            let mut jobs = system.queue_jobs(&NewJob { count: 3, ..job() });
            let gated = system.queue_jobs(&NewJob {
                gate: Some(Gate::Environment),
                ..job()
            });
            let held = system.queue_jobs(&NewJob {
                gate: Some(Gate::Concurrency),
                ..job()
            });
            // Long before a runner could have it.
            jobs.extend(system.queue_jobs(&NewJob {
                cancel_after: Some(5.0),
                ..job()
            }));
            jobs.extend(system.queue_jobs(&NewJob {
                labels: vec!["self-hosted".into(), "gpu".into()],
                ..job()
            }));
            jobs.extend(system.queue_jobs(&NewJob {
                labels: vec!["ubuntu-latest".into()],
                ..job()
            }));
            system.pass(100).await;
            for job in gated.iter().chain(&held) {
                assert!(
                    system
                        .world
                        .with_github(|github, now| github.approve(id::JobId(job.0), now))
                );
            }
            jobs.extend(gated.into_iter().chain(held));
            let settled = |system: &System| {
                let open = |job: &JobId| {
                    system.job(*job).is_some_and(|job| {
                        !matches!(job.state, JobState::Closed | JobState::Unplaced)
                    })
                };
                system.is_at_rest() && !jobs.iter().any(open)
            };
            system.pass(60).await;
            assert!(
                system.until(900, settled).await,
                "seed {seed}\n{}",
                story(&system)
            );
            // Whatever is still under way arrives.
            system.pass(120).await;
            assert!(settled(&system));
            normalised(&system, &jobs)
        })
    })
}

#[test]
fn every_delivery_three_times_and_shuffled_gives_the_same_ledger() {
    let expected = told_with(90, DeliveryFaults::default());
    for seed in 91..111 {
        let faults = DeliveryFaults {
            repeated: 1.0,
            times: 3,
            reordered: 1.0,
            window: 45.0,
            ..DeliveryFaults::default()
        };
        let told = told_with(seed, faults);
        for (job, expected) in &expected {
            assert_eq!(told.get(job), Some(expected), "job {job}, seed {seed}");
        }
    }
}
