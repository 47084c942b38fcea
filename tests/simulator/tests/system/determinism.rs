//! The same seed tells the same story to the last line, whatever goes wrong in it.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_dynamodb_model::DynamoQuirks;
use mayfly_fargate_model::{self as fargate, FaultKind};
use mayfly_github_model::faults::DeliveryFaults;
use mayfly_simulator::system::{CallFault, PlatformRates, PortCall, System};

use crate::start::{begin, in_thread, in_virtual_time, jobs, trace, watch};

/// One call in twelve is struck, by a draw from the seed.
fn storm(seed: u64) -> impl FnMut(&PortCall, Timestamp) -> Option<CallFault> + Send {
    let mut draws = fastrand::Rng::with_seed(seed);
    let strikes = [
        CallFault::FailBefore,
        CallFault::FailAfter,
        CallFault::CrashBefore,
        CallFault::CrashAfter,
        CallFault::HangBefore,
        CallFault::HangAfter,
        CallFault::Throttle,
        CallFault::Conflict,
        CallFault::Slow(Duration::from_secs(5)),
    ];
    move |_, _| (draws.u8(..12) == 0).then(|| strikes[draws.usize(..strikes.len())])
}

fn everything_may_happen(system: &System, seed: u64) {
    system.world.set_fault_injector(Box::new(storm(seed)));
    system.world.set_platform_rates(PlatformRates {
        cold_start: 0.1,
        scaler_late: 0.1,
        two_scalers: 0.2,
        wake_lost: 0.05,
        wake_repeated: 0.1,
        wake_late: 0.1,
        schedule_twice: 0.2,
        schedule_late: 0.2,
        schedule_skipped: 0.1,
        ..PlatformRates::default()
    });
    system.world.table.treat(DynamoQuirks {
        page: Some(3),
        ..DynamoQuirks::default()
    });
    system.world.with_github(|github, _| {
        github.faults.stolen = 0.3;
        github.faults.deliveries = DeliveryFaults {
            repeated: 0.2,
            reordered: 0.3,
            lost: 0.05,
            ..DeliveryFaults::default()
        };
    });
    system.world.with_ecs(|ecs, _| {
        ecs.set_settings(fargate::Settings {
            read_lag_ms: 5_000,
            ..ecs.settings().clone()
        })
    });
    for kind in [
        FaultKind::NoCapacity,
        FaultKind::EventLost,
        FaultKind::EventRepeated,
        FaultKind::EventReordered,
    ] {
        system.fault(fargate::Fault {
            percent: 10,
            ..fargate::Fault::of(kind)
        });
    }
}

fn tell(seed: u64) -> String {
    in_thread(move || {
        in_virtual_time(async move {
            let system = begin(seed);
            let seen = watch(&system);
            everything_may_happen(&system, seed);
            let all = system.queue_jobs(&jobs(15));
            system.cancel(all[3]);
            system.pass(900).await;
            trace(&seen)
        })
    })
}

#[test]
fn the_same_seed_gives_the_same_trace_to_the_last_byte_and_another_seed_another() {
    let first = tell(200);
    let again = tell(200);
    let differs = first
        .lines()
        .zip(again.lines())
        .enumerate()
        .find(|(_, (one, other))| one != other);
    assert_eq!(differs, None);
    assert_eq!(first.len(), again.len());
    // It was a story worth telling.
    for word in [
        "STRUCK: crashed",
        "STRUCK: no answer",
        "crashed\n",
        "container of",
        "registered by registrar",
        "again: ",
    ] {
        assert!(first.contains(word), "{word} in\n{first}");
    }
    let other = tell(201);
    assert!(other != first && !other.is_empty());
}
