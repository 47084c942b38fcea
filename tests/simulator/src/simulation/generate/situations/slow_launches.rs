//! Zones are short of capacity: RunTask takes 3 to 12 seconds, and here and there finds no place.
//! Who waits for the answer goes on to the next zone.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{jobs, queue};
use crate::simulation::scenario::{FaultProfile, Scenario};
use mayfly_fargate_model::{Fault, FaultKind};

pub(super) const SITUATION: Situation = Situation {
    name: "slow-launches",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let acts = (1..=chance.count(2, 4)).map(|id| {
        let at = if id == 1 { 2.0 } else { chance.seconds(1, 900) };
        queue(
            at,
            jobs(id, "acme/app", chance.count(5, 25), chance.seconds(30, 120)),
        )
    });
    let acts = acts.collect();
    let slow = |percent, milliseconds| Fault {
        percent,
        milliseconds: Some(milliseconds),
        ..Fault::of(FaultKind::SlowAnswer)
    };
    let ecs = vec![
        slow(40, chance.between(3_000, 9_000)),
        slow(10, chance.between(9_000, 12_000)),
        Fault {
            percent: 25,
            times: Some(chance.count(3, 12)),
            ..Fault::of(FaultKind::NoCapacity)
        },
    ];
    let trouble = FaultProfile {
        ecs,
        ..FaultProfile::default()
    };
    Scenario {
        start_seconds: chance.between(10, 50),
        pools: one_pool(20),
        acts,
        faults: trouble,
        calm_at: 1_200,
        ..Scenario::default()
    }
}
