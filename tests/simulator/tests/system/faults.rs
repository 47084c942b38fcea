//! The harness itself: what strikes a call really does what it says, at every port.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_simulator::system::{
    CallFault, CallOutcome, End, Event, PlatformRates, Port, PortCall, Start, System,
};

use crate::start::{
    Seen, begin, done, in_virtual_time, inject, pool_with, queue_one, rest, story, trace, until,
    watch,
};

const EVERY: [CallFault; 9] = [
    CallFault::FailBefore,
    CallFault::FailAfter,
    CallFault::CrashBefore,
    CallFault::CrashAfter,
    CallFault::HangBefore,
    CallFault::HangAfter,
    CallFault::Throttle,
    CallFault::Conflict,
    CallFault::Slow(Duration::from_secs(2)),
];

/// No one heals anything, and what crashes before it arrives never does.
fn alone(seed: u64) -> System {
    let system = Start::seeded(seed).without_sweeps().begin().unwrap();
    system.world.set_platform_rates(PlatformRates {
        arrives_after_crash: 0.0,
        ..PlatformRates::default()
    });
    system
}

/// The first happening that this finds something in.
fn find<T>(seen: &Seen, wanted: impl Fn(Timestamp, &Event) -> Option<T>) -> Option<T> {
    seen.lock()
        .unwrap()
        .iter()
        .find_map(|(at, happening)| wanted(*at, happening))
}

/// How a call was struck, when, and what its caller saw of it.
fn struck(seen: &Seen, port: Port) -> Option<(Timestamp, CallFault, &'static str)> {
    find(seen, |at, happening| match happening {
        Event::Called {
            call,
            handling: CallOutcome::Faulted(call_fault, saw),
            ..
        } if call.port == port => Some((at, *call_fault, *saw)),
        _ => None,
    })
}

/// How the first invocation of a function ended, and when.
fn first_end(seen: &Seen, function: &str) -> Option<(Timestamp, End)> {
    find(seen, |at, happening| match happening {
        Event::Ended { who, end, .. } if *who == function => Some((at, end.clone())),
        _ => None,
    })
}

/// What GitHub noted for the first delivery.
fn delivered(seen: &Seen) -> Option<u16> {
    find(seen, |_, happening| match happening {
        Event::DeliveryAnswered { status, .. } => Some(*status),
        _ => None,
    })
}

#[test]
fn a_struck_transaction_is_done_or_not_as_the_strike_says() {
    for (seed, call_fault) in (300..).zip(EVERY) {
        let (recorded, status, seen) = in_virtual_time(async move {
            let system = alone(seed);
            let seen = watch(&system);
            inject(&system, "webhook", "TransactWriteItems", call_fault);
            let job = queue_one(&system);
            system.pass(20).await;
            (system.job(job).is_some(), delivered(&seen).unwrap(), seen)
        });
        let expected: (bool, &[u16]) = match call_fault {
            CallFault::FailBefore | CallFault::Throttle => (false, &[503]),
            CallFault::FailAfter => (true, &[503]),
            CallFault::CrashBefore => (false, &[500]),
            CallFault::CrashAfter => (true, &[500]),
            // The SDK's time and webhook's own are nearly the same.
            CallFault::HangBefore => (false, &[0, 503]),
            CallFault::HangAfter => (true, &[0, 503]),
            // Lost races are tried again.
            CallFault::Conflict | CallFault::Slow(_) => (true, &[202]),
        };
        assert!(
            recorded == expected.0 && expected.1.contains(&status),
            "{call_fault:?}: {recorded} {status}\n{}",
            trace(&seen)
        );
        assert_eq!(
            struck(&seen, Port::Table).map(|(_, how, _)| how),
            Some(call_fault),
            "{}",
            trace(&seen)
        );
    }
}

#[test]
fn a_write_whose_answer_is_lost_meets_itself_or_is_lost_for_good() {
    let mut saw = std::collections::BTreeSet::new();
    for seed in 320..336 {
        saw.extend(in_virtual_time(async move {
            let system = begin(seed);
            let seen = watch(&system);
            inject(&system, "scaler", "PutItem", CallFault::FailAfter);
            let job = queue_one(&system);
            done(&system, 400, &[job]).await;
            struck(&seen, Port::Table).map(|(_, _, saw)| saw)
        }));
    }
    assert_eq!(Vec::from_iter(saw), ["a conflict with itself", "an error"]);
}

#[tokio::test(start_paused = true)]
async fn reads_that_know_no_conflict_fail_instead() {
    let system = begin(340);
    let seen = watch(&system);
    inject(&system, "scaler", "Query", CallFault::Conflict);
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    assert_eq!(
        struck(&seen, Port::Table).map(|(_, how, saw)| (how, saw)),
        Some((CallFault::FailBefore, "an error"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_crash_ends_the_invocation_and_its_process_at_once() {
    let system = begin(341);
    let seen = watch(&system);
    inject(
        &system,
        "scaler",
        "TransactWriteItems",
        CallFault::CrashAfter,
    );
    let job = queue_one(&system);
    done(&system, 300, &[job]).await;
    let (at, how, _) = struck(&seen, Port::Table).unwrap();
    assert_eq!(how, CallFault::CrashAfter);
    let crashed = find(&seen, |at, happening| match happening {
        Event::Ended {
            who: "scaler",
            invocation,
            end: End::Crashed,
        } => Some((at, *invocation)),
        _ => None,
    });
    let (ended, invocation) = crashed.unwrap_or_else(|| panic!("{}", trace(&seen)));
    assert_eq!(ended, at, "not a moment later");
    let processes = |wanted: fn(u64, u64) -> bool| {
        let seen = seen.lock().unwrap();
        let began = seen.iter().filter_map(|(_, happening)| match happening {
            Event::Began {
                who: "scaler",
                invocation: number,
                process,
                ..
            } if wanted(*number, invocation) => Some(*process),
            _ => None,
        });
        began.collect::<Vec<_>>()
    };
    let dead = processes(|number, crashed| number == crashed);
    let later = processes(|number, crashed| number > crashed);
    assert!(
        !later.is_empty() && !later.contains(&dead[0]),
        "{dead:?} {later:?}"
    );
    // Nothing of the dead invocation goes on: it sends nothing.
    let sent = find(&seen, |_, happening| match happening {
        Event::Called {
            call,
            invocation: Some(number),
            ..
        } if *number == invocation && call.operation == "RunTask" => Some(()),
        _ => None,
    });
    assert_eq!(sent, None);
}

#[tokio::test(start_paused = true)]
async fn what_had_left_before_a_crash_arrives_later() {
    let system = Start::seeded(342).without_sweeps().begin().unwrap();
    system.world.set_platform_rates(PlatformRates {
        arrives_after_crash: 1.0,
        ..PlatformRates::default()
    });
    let seen = watch(&system);
    inject(
        &system,
        "webhook",
        "TransactWriteItems",
        CallFault::CrashBefore,
    );
    let job = queue_one(&system);
    until(&system, 5, "webhook is dead", |_| {
        first_end(&seen, "webhook").is_some()
    })
    .await;
    assert_eq!(
        (system.job(job).is_some(), delivered(&seen)),
        (false, Some(500))
    );
    until(&system, 15, "the transaction arrives", |system| {
        system.job(job).is_some()
    })
    .await;
    assert_eq!(system.waiting().len(), 1);
}

/// A transaction that is half visible when its caller gives it up becomes visible all the same,
/// item by item.
#[tokio::test(start_paused = true)]
async fn a_transaction_goes_on_when_its_caller_gives_it_up_in_the_middle_of_it() {
    let system = Start::seeded(343).without_sweeps().begin().unwrap();
    let seen = watch(&system);
    system
        .world
        .table
        .hold(Some("webhook"), |key| key.sk == "record");
    let job = queue_one(&system);
    system.world.table.held().await;
    until(
        &system,
        9,
        "webhook's own time is up, before Lambda's",
        |_| first_end(&seen, "webhook").is_some(),
    )
    .await;
    assert_eq!(delivered(&seen), Some(503));
    let settled = |system: &System| system.world.table.with(|table| table.is_settled());
    assert!(!settled(&system), "nobody finished it in its place");
    system.world.table.release();
    until(&system, 1, "it is over", settled).await;
    assert!(system.job(job).is_some() && system.waiting().len() == 1);
}

#[test]
fn a_struck_launch_is_one_task() {
    let slow = [4, 9, 11].map(|seconds| CallFault::Slow(Duration::from_secs(seconds)));
    for (seed, call_fault) in (350..).zip(EVERY.into_iter().chain(slow)) {
        in_virtual_time(async move {
            let system = begin(seed);
            system.world.set_platform_rates(PlatformRates {
                arrives_after_crash: 1.0,
                ..PlatformRates::default()
            });
            let seen = watch(&system);
            inject(&system, "scaler", "RunTask", call_fault);
            let job = queue_one(&system);
            done(&system, 400, &[job]).await;
            rest(&system, 120).await;
            assert_eq!(
                system.launched_and_most_live().0,
                1,
                "{call_fault:?}\n{}",
                story(&system)
            );
            let calls = system.world.calls()[&("scaler".to_owned(), "ECS RunTask".to_owned())];
            match call_fault {
                CallFault::FailBefore
                | CallFault::FailAfter
                | CallFault::HangBefore
                | CallFault::Throttle
                | CallFault::Conflict => {
                    assert!(calls > 1, "{call_fault:?} is tried again\n{}", trace(&seen));
                }
                CallFault::Slow(by) if by < timeouts::RUN_TASK => {
                    assert_eq!(calls, 1, "{}", trace(&seen))
                }
                // The task may tell its ARN before scaler looks again.
                _ => {}
            }
        });
    }
}

#[test]
fn a_struck_registration_exists_or_not_as_the_strike_says() {
    for (seed, call_fault) in (370..).zip(EVERY) {
        let (made, seen) = in_virtual_time(async move {
            let system = alone(seed);
            let seen = watch(&system);
            inject(&system, "registrar", "generate-jitconfig", call_fault);
            queue_one(&system);
            until(&system, 120, "it is struck", |_| {
                struck(&seen, Port::Github).is_some()
            })
            .await;
            let made = find(&seen, |_, happening| {
                matches!(happening, Event::RunnerRegistered { .. }).then_some(())
            });
            (made.is_some(), seen)
        });
        let wanted = matches!(
            call_fault,
            CallFault::FailAfter
                | CallFault::CrashAfter
                | CallFault::HangAfter
                | CallFault::Slow(_)
        );
        assert_eq!(made, wanted, "{call_fault:?}\n{}", trace(&seen));
    }
}

#[test]
fn a_job_whose_registration_is_struck_runs_all_the_same() {
    for (seed, call_fault) in (380..).zip(EVERY) {
        in_virtual_time(async move {
            let system = begin(seed);
            inject(&system, "registrar", "generate-jitconfig", call_fault);
            let job = queue_one(&system);
            done(&system, 900, &[job]).await;
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_github_that_is_silent_is_silent_until_the_callers_time_is_up() {
    let system = begin(390);
    let seen = watch(&system);
    inject(
        &system,
        "registrar",
        "generate-jitconfig",
        CallFault::HangBefore,
    );
    let job = queue_one(&system);
    done(&system, 300, &[job]).await;
    let (at, ..) = struck(&seen, Port::Github).unwrap();
    let answered = find(&seen, |then, happening| match happening {
        Event::Answered {
            status: 503,
            ours: true,
            ..
        } if then >= at => Some(then),
        _ => None,
    });
    let waited = answered
        .unwrap_or_else(|| panic!("{}", trace(&seen)))
        .since(at)
        .as_secs();
    assert!((10..=20).contains(&waited), "{waited} s");
}

#[test]
fn a_struck_wake_is_in_the_queue_or_not_as_the_strike_says() {
    for (seed, call_fault) in (400..).zip(EVERY) {
        let (woken, seen) = in_virtual_time(async move {
            let system = alone(seed);
            let seen = watch(&system);
            inject(&system, "webhook", "SendMessage", call_fault);
            let job = queue_one(&system);
            system.pass(20).await;
            assert!(system.job(job).is_some());
            (system.world.queue.batches() > 0, seen)
        });
        let wanted = matches!(
            call_fault,
            CallFault::FailAfter
                | CallFault::CrashAfter
                | CallFault::HangAfter
                | CallFault::Slow(_)
        );
        assert_eq!(woken, wanted, "{call_fault:?}\n{}", trace(&seen));
    }
}

#[test]
fn settings_that_cannot_be_read_are_asked_for_again() {
    for (seed, call_fault) in (410..).zip(EVERY) {
        in_virtual_time(async move {
            let system = begin(seed);
            let seen = watch(&system);
            inject(&system, "registrar", "GetParameters", call_fault);
            let job = queue_one(&system);
            done(&system, 400, &[job]).await;
            assert!(
                struck(&seen, Port::Parameters).is_some(),
                "{}",
                trace(&seen)
            );
            let well = matches!(call_fault, CallFault::Slow(_));
            let refused = find(&seen, |_, happening| match happening {
                Event::Answered {
                    status: 500 | 503, ..
                } => Some(()),
                _ => None,
            });
            assert_eq!(refused.is_none(), well, "{call_fault:?}\n{}", trace(&seen));
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_registrar_that_crashes_is_a_500_of_api_gateway() {
    let system = begin(420);
    let seen = watch(&system);
    inject(&system, "registrar", "GetItem", CallFault::CrashAfter);
    let job = queue_one(&system);
    done(&system, 300, &[job]).await;
    let first = find(&seen, |_, happening| match happening {
        Event::Answered { status, ours, .. } => Some((*status, *ours)),
        _ => None,
    });
    assert_eq!(first, Some((500, false)));
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_crashes_is_invoked_again() {
    let system = begin(421);
    let seen = watch(&system);
    inject(
        &system,
        "observer",
        "TransactWriteItems",
        CallFault::CrashBefore,
    );
    let job = queue_one(&system);
    done(&system, 300, &[job]).await;
    rest(&system, 120).await;
    let ends: Vec<End> = seen
        .lock()
        .unwrap()
        .iter()
        .filter_map(|(_, happening)| match happening {
            Event::Ended {
                who: "observer",
                end,
                ..
            } => Some(end.clone()),
            _ => None,
        })
        .collect();
    assert!(
        ends.contains(&End::Crashed) && ends.iter().any(|end| *end != End::Crashed),
        "{ends:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn two_scalers_that_get_the_same_batch_work_in_two_processes() {
    let system = begin(422);
    system.world.set_platform_rates(PlatformRates {
        two_scalers: 1.0,
        ..PlatformRates::default()
    });
    let seen = watch(&system);
    let job = queue_one(&system);
    done(&system, 240, &[job]).await;
    rest(&system, 60).await;
    assert_eq!(system.launched_and_most_live().0, 1);
    let began: Vec<(Timestamp, u64)> = seen
        .lock()
        .unwrap()
        .iter()
        .filter_map(|(at, happening)| match happening {
            Event::Began {
                who: "scaler",
                process,
                ..
            } => Some((*at, *process)),
            _ => None,
        })
        .collect();
    assert!(
        began
            .chunks(2)
            .all(|pair| matches!(pair, [one, other] if one.0 == other.0 && one.1 != other.1)),
        "{began:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn wakes_may_be_lost_and_late_and_the_tick_makes_up_for_them() {
    let chances = [
        PlatformRates {
            wake_lost: 0.7,
            ..PlatformRates::default()
        },
        PlatformRates {
            wake_late: 0.7,
            ..PlatformRates::default()
        },
        PlatformRates {
            wake_repeated: 1.0,
            ..PlatformRates::default()
        },
        PlatformRates {
            scaler_late: 0.7,
            ..PlatformRates::default()
        },
    ];
    for (seed, chances) in (430..).zip(chances) {
        let system = begin(seed);
        system.world.set_platform_rates(chances.clone());
        let job = queue_one(&system);
        until(&system, 900, "the job is done", |system| {
            system.all_done(&[job])
        })
        .await;
        rest(&system, 400).await;
        assert_eq!(
            system.launched_and_most_live().0,
            1,
            "{chances:?}\n{}",
            story(&system)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn two_sweepers_at_once_are_one_sweep() {
    let system = begin(440);
    system.world.set_platform_rates(PlatformRates {
        schedule_twice: 1.0,
        ..PlatformRates::default()
    });
    let seen = watch(&system);
    system.pass(300).await;
    let owners: Vec<String> = seen
        .lock()
        .unwrap()
        .iter()
        .filter_map(|(_, happening)| match happening {
            Event::Began {
                who: "sweeper",
                about,
                ..
            } => Some(about.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(
        owners[..4],
        ["sweep-1", "sweep-1-again", "sweep-2", "sweep-2-again"]
    );
    let settings = seen
        .lock()
        .unwrap()
        .iter()
        .filter(|(_, happening)| matches!(happening, Event::Called { call, .. } if call.who == "sweeper" && call.port == Port::Parameters))
        .count();
    assert!(
        settings <= owners.len() / 2 + 1,
        "{settings} sweeps went on: {owners:?}"
    );
}

/// Nothing that tasks do is told, and the table takes two seconds to answer sweeper.
#[tokio::test(start_paused = true)]
async fn a_sweep_ends_in_its_time_and_gets_to_github_however_slow_the_table_is() {
    let system = Start::seeded(390)
        .pools(&pool_with("max = 60\nmin_idle = 60"))
        .begin()
        .unwrap();
    let seen = watch(&system);
    system.fault(Fault {
        percent: 100,
        ..Fault::of(FaultKind::EventLost)
    });
    let slow = |call: &PortCall| call.who == "sweeper" && call.port == Port::Table;
    system
        .world
        .set_fault_injector(Box::new(move |call: &PortCall, _: Timestamp| {
            slow(call).then_some(CallFault::Slow(Duration::from_secs(2)))
        }));
    until(&system, 400, "sixty tasks run", |system| {
        system.launched_and_most_live().0 == 60
    })
    .await;
    let began = seen.lock().unwrap().len();
    let known = |system: &System| {
        system
            .runners()
            .iter()
            .all(|runner| runner.timeline.started.is_some())
    };
    // At 2 s a call a sweep gets to three runners or so in the time that it has for them.
    until(&system, 1_800, "each task had its turn", known).await;
    seen.lock().unwrap().drain(..began);
    let sweeps = |happening: &Event| matches!(happening, Event::Ended { who: "sweeper", .. });
    let asks = |happening: &Event| matches!(happening, Event::Called { call, .. } if call.operation == "list-deliveries");
    let in_vain = |happening: &Event| {
        matches!(
            happening,
            Event::Ended {
                who: "sweeper",
                end: End::TimedOut | End::Crashed,
                ..
            }
        )
    };
    let count = |wanted: &dyn Fn(&Event) -> bool| {
        seen.lock()
            .unwrap()
            .iter()
            .filter(|(_, happening)| wanted(happening))
            .count()
    };
    assert_eq!(count(&in_vain), 0, "{}", trace(&seen));
    assert!(
        count(&sweeps) >= 3 && count(&asks) + 1 >= count(&sweeps),
        "{} sweeps, {} readings",
        count(&sweeps),
        count(&asks)
    );
}
