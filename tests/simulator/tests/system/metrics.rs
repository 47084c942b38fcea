//! What the functions log in numbers is what happened: once each, whatever is delivered twice.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use mayfly_domain::model::metric::{METRICS, Source, named};
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::faults::DeliveryFaults;
use mayfly_github_model::jobs::{Action, JobDeliveries, NewJob};
use mayfly_simulator::system::Start;
use mayfly_test_support::repository::repository;
use tracing::field::{Field, Visit};

use crate::start::{done, in_virtual_time, job, jobs, outcomes, pool_with, rest};

/// The values of every metric that a line of this thread's has had, in their order.
#[derive(Clone, Default)]
struct Values(Arc<Mutex<BTreeMap<&'static str, Vec<f64>>>>);

impl Values {
    fn listen() -> (Self, tracing::subscriber::DefaultGuard) {
        let values = Self::default();
        let guard = mayfly_test_support::log::listen(values.clone());
        (values, guard)
    }

    fn of(&self, name: &'static str) -> Vec<f64> {
        assert!(named(name).is_some(), "{name}");
        let all = self.0.lock().unwrap();
        all.get(name).cloned().unwrap_or_default()
    }

    fn sum(&self, name: &'static str) -> f64 {
        self.of(name).iter().sum()
    }
}

impl Visit for Values {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let Some(metric) = named(field.name()) else {
            return;
        };
        let value = format!("{value:?}").parse().unwrap();
        let mut all = self.0.lock().unwrap();
        all.entry(metric.name).or_default().push(value);
    }
}

impl tracing::Subscriber for Values {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

fn near(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-6
}

#[test]
fn a_job_s_wait_run_and_cost_are_told_once_though_each_delivery_comes_three_times() {
    for seed in 300..304 {
        in_virtual_time(async move {
            let (values, _guard) = Values::listen();
            let system = Start::seeded(seed)
                .pools(&pool_with("max = 20"))
                .begin()
                .unwrap();
            system.world.with_github(|github, _| {
                github.faults.deliveries = DeliveryFaults {
                    repeated: 1.0,
                    times: 3,
                    reordered: 1.0,
                    window: 10.0,
                    ..DeliveryFaults::default()
                };
            });
            let queued = system.queue_jobs(&jobs(6));
            done(&system, 600, &queued).await;
            rest(&system, 300).await;
            system.pass(120).await;
            let waits = values.of("gha_job_startup_duration_seconds");
            let waited: f64 = queued
                .iter()
                .map(|job| system.job(*job).unwrap())
                .map(|record| record.running_at.unwrap().since(record.queued_at))
                .map(|wait| wait.as_secs_f64())
                .sum();
            assert_eq!(waits.len(), 6, "{waits:?}");
            assert!(near(waits.iter().sum(), waited), "{waits:?}, {waited}");
            let phases: f64 = METRICS
                .iter()
                .filter(|metric| metric.name.starts_with("wait_"))
                .map(|metric| values.sum(metric.name))
                .sum();
            assert!(near(phases, waited), "{phases}, {waited}");
            let closed = system.closed_runners();
            assert!(near(values.sum("ended_runners"), closed.len() as f64));
            let cost: u64 = closed.iter().map(|one| one.cost.unwrap().0).sum();
            assert!(near(values.sum("runner_cost_dollars"), cost as f64 / 1e9));
            assert!(values.sum("runner_waste_dollars") < values.sum("runner_cost_dollars"));
            let ran = values.of("gha_job_execution_duration_seconds");
            let outcomes = outcomes(&system);
            let worked = outcomes
                .iter()
                .filter(|outcome| outcome.word() == "ran")
                .count();
            assert_eq!(ran.len(), worked);
            assert!(
                ran.iter().all(|took| (19.0..40.0).contains(took)),
                "{ran:?}"
            );
            assert_eq!(values.of("open_breakers"), Vec::<f64>::new());
            assert_eq!(values.of("failed_starts"), Vec::<f64>::new());
        });
    }
}

/// An image that cannot be pulled is told of for as long as it lasts, not once: its alarm must not
/// fall silent while nothing starts.
#[tokio::test(start_paused = true)]
async fn a_breaker_is_told_of_every_minute_until_it_closes() {
    let (values, _guard) = Values::listen();
    let system = Start::seeded(304)
        .pools(&pool_with("max = 20"))
        .begin()
        .unwrap();
    system.fault(Fault {
        reason: Some("CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref ghcr.io/acme/runner:gone: not found".to_owned()),
        ..Fault::of(FaultKind::PullFailure)
    });
    let queued = system.queue_jobs(&jobs(3));
    system.pass(900).await;
    let told = values.of("open_breakers").len();
    system.pass(600).await;
    let later = values.of("open_breakers").len();
    assert!(told >= 8 && later >= told + 8, "{told}, {later}");
    assert!(values.sum("failed_starts") >= 2.0);
    let oldest = values.of("oldest_waiting_job_seconds");
    assert!(oldest.iter().any(|age| *age > 1_300.0), "{oldest:?}");
    system.world.with_ecs(|ecs, _| ecs.clear_faults());
    done(&system, 3_600, &queued).await;
    rest(&system, 300).await;
    let closed = values.of("open_breakers").len();
    system.pass(600).await;
    assert_eq!(values.of("open_breakers").len(), closed);
}

#[tokio::test(start_paused = true)]
async fn what_was_lost_and_found_is_counted() {
    let (values, _guard) = Values::listen();
    let system = Start::seeded(305)
        .pools(&pool_with("max = 20"))
        .begin()
        .unwrap();
    let first = system.queue_jobs(&jobs(1));
    done(&system, 300, &first).await;
    let never_told = NewJob {
        deliveries: JobDeliveries {
            never_made: vec![Action::Queued],
            ..JobDeliveries::default()
        },
        ..job()
    };
    let lost = NewJob {
        deliveries: JobDeliveries {
            lost: vec![Action::Queued],
            ..JobDeliveries::default()
        },
        ..job()
    };
    // One after the other: a runner that is started for one would take the other.
    for wish in [never_told, lost] {
        let queued = system.queue_jobs(&wish);
        done(&system, 3_600, &queued).await;
    }
    assert!(values.sum("recovered_jobs") >= 1.0);
    assert!(values.sum("redelivered_deliveries") >= 1.0);
}

/// What no line of any function has cannot be a field of one: a metric that nothing logs would be
/// empty on the dashboard, and its alarm silent.
#[test]
fn every_metric_of_a_line_is_a_field_somewhere() {
    let root = repository().unwrap();
    let mut sources = String::new();
    let mut folders = vec![root.join("crates"), root.join("functions")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.to_string_lossy().contains("/tests/")
                && !path.ends_with("telemetry/src/log.rs")
            {
                sources.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    for metric in METRICS {
        if matches!(metric.source, Source::Field(_)) {
            let field = format!("{} = ", metric.name);
            assert!(sources.contains(&field), "nothing logs {}", metric.name);
        }
    }
}
