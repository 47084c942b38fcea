//! Every function ends in its own time, whatever hangs: one that Lambda ends leaves neither an
//! answer nor a line in the log, and loses what its process knew.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_github_model::jobs::NewJob;
use mayfly_simulator::system::{CallFault, End, Event, Port, PortCall};

use crate::start::{begin, done, in_thread, in_virtual_time, job, rest, story, trace, watch};

/// Ten minutes in which every call of a function to a port is struck so. Jobs come before,
/// meanwhile and at the end, and are all done afterwards.
fn nobody_is_ended_by_lambda(
    seed: u64,
    who: &'static str,
    ports: &'static [Port],
    call_fault: CallFault,
) {
    in_thread(move || {
        in_virtual_time(async move {
            let system = begin(seed);
            let seen = watch(&system);
            let mut jobs = system.queue_jobs(&NewJob {
                count: 8,
                seconds: 90.0,
                ..job()
            });
            system.pass(20).await;
            let struck = move |call: &PortCall, _: Timestamp| {
                (call.who == who && ports.contains(&call.port)).then_some(call_fault)
            };
            system.world.set_fault_injector(Box::new(struck));
            for _ in 0..5 {
                jobs.extend(system.queue_jobs(&NewJob { count: 3, ..job() }));
                system.pass(120).await;
            }
            system
                .world
                .set_fault_injector(Box::new(|_: &PortCall, _: Timestamp| None));
            let ended = |end: &End| matches!(end, End::TimedOut | End::Crashed);
            let ended = |happening: &Event| matches!(happening, Event::Ended { who: whose, end, .. } if *whose == who && ended(end));
            let count = seen
                .lock()
                .unwrap()
                .iter()
                .filter(|(_, happening)| ended(happening))
                .count();
            assert_eq!(count, 0, "{who} {ports:?} {call_fault:?}\n{}", trace(&seen));
            let worked = |happening: &Event| matches!(happening, Event::Ended { who: whose, .. } if *whose == who);
            assert!(
                seen.lock()
                    .unwrap()
                    .iter()
                    .any(|(_, happening)| worked(happening)),
                "{who} did nothing at all"
            );
            done(&system, 1_800, &jobs).await;
            rest(&system, 900).await;
            assert!(system.is_at_rest(), "{}", story(&system));
        });
    });
}

/// No answer at all; and answers that each come within the time of a call, one after another.
const BLOWS: [CallFault; 4] = [
    CallFault::HangBefore,
    CallFault::Slow(Duration::from_secs(2)),
    CallFault::Slow(Duration::from_secs(4)),
    CallFault::Slow(Duration::from_secs(8)),
];

/// Each port alone gives no answer; all of them together are struck by every blow.
fn under_every_blow(seed: u64, who: &'static str, ports: &'static [Port]) {
    for (port, number) in ports.chunks(1).zip(0..) {
        nobody_is_ended_by_lambda(seed + number, who, port, CallFault::HangBefore);
    }
    for (call_fault, number) in BLOWS.into_iter().zip(10..) {
        nobody_is_ended_by_lambda(seed + number, who, ports, call_fault);
    }
}

#[test]
fn registrar_answers_before_lambda_ends_it() {
    under_every_blow(
        1_000,
        "registrar",
        &[Port::Table, Port::Github, Port::Parameters, Port::Queue],
    );
}

#[test]
fn scaler_gives_its_pools_up_before_lambda_ends_it() {
    under_every_blow(
        1_100,
        "scaler",
        &[Port::Table, Port::Ecs, Port::Parameters, Port::Queue],
    );
}

#[test]
fn sweeper_gives_its_sweep_up_before_lambda_ends_it() {
    under_every_blow(
        1_200,
        "sweeper",
        &[
            Port::Table,
            Port::Github,
            Port::Ecs,
            Port::Parameters,
            Port::Queue,
        ],
    );
}

#[test]
fn webhook_answers_before_lambda_ends_it() {
    under_every_blow(
        1_300,
        "webhook",
        &[Port::Table, Port::Parameters, Port::Queue],
    );
}
