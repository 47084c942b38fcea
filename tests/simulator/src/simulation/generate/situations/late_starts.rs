//! Tasks that ask for their registration when `start_timeout` (10 min) is just over, while sweeper
//! marks some of them: none may be stopped with a job.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push};
use crate::simulation::scenario::{CallFaultKind, FaultProfile, Rate, Scenario};
use crate::system::Port;
use mayfly_fargate_model::{Fault, FaultKind};

pub(super) const SITUATION: Situation = Situation {
    name: "late-starts",
    draw,
};

/// Seconds that a task takes to start; its container asks a moment before.
const START: u64 = 20;

fn draw(chance: &mut Chance) -> Scenario {
    // A quick start shows that the image is good: before that at most five starts are under way.
    let mut acts = vec![push(1, 1.0, 1, 15.0)];
    // Ten minutes after a launch at the beginning of a minute sweeper has just begun its own.
    acts.extend((2..=chance.count(4, 5)).map(|id| {
        let at = f64::from(60 * chance.count(2, 8)) + chance.seconds(0, 9);
        push(id, at, chance.count(5, 9), chance.seconds(120, 300))
    }));
    // A container starts at 957 thousandths of its task's start, and asks at once.
    let late = (0..10).map(|which| {
        let asks = chance.between(604_000, 640_000);
        let milliseconds = Some(asks * 1000 / 957 - START * 1000);
        Fault {
            after: u32::from(which == 0),
            times: Some(chance.count(2, 4)),
            milliseconds,
            ..Fault::of(FaultKind::SlowStart)
        }
    });
    let ecs = late.collect();
    // Sweeper is slow between reading the rows and marking one of them.
    let rates = vec![
        Rate::of(Port::Table, CallFaultKind::Slow, 0.7)
            .by("sweeper")
            .on("PutItem")
            .up_to(9_000),
        Rate::of(Port::Ecs, CallFaultKind::Slow, 0.7)
            .by("sweeper")
            .on("StopTask"),
    ];
    acts.push(afterwards(chance, 1_700.0));
    Scenario {
        start_seconds: START,
        pools: one_pool(36),
        acts,
        faults: FaultProfile {
            rates,
            ecs,
            ..FaultProfile::default()
        },
        calm_at: 3_000,
        ..Scenario::default()
    }
}
