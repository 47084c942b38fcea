//! ECS's reads are minutes behind its writes, and some do not know a task that runs: no row may
//! close for it, at any age of its task.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push};
use crate::simulation::scenario::{FaultProfile, Scenario};
use mayfly_fargate_model::{Fault, FaultKind};

pub(super) const SITUATION: Situation = Situation {
    name: "late-reads",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = vec![push(1, 1.0, chance.count(4, 8), chance.seconds(420, 900))];
    acts.extend((2..=chance.count(3, 5)).map(|id| {
        push(
            id,
            chance.seconds(30, 900),
            chance.count(3, 8),
            chance.seconds(60, 300),
        )
    }));
    // Below the five minutes after which ECS is believed; and never as long as the minute that lies
    // between two questions.
    let lag = Fault {
        percent: 70,
        milliseconds: Some(chance.between(100_000, 270_000)),
        ..Fault::of(FaultKind::ReadLag)
    };
    let behind = Fault {
        percent: 30,
        milliseconds: Some(chance.between(20_000, 55_000)),
        ..Fault::of(FaultKind::LeftOut)
    };
    acts.push(afterwards(chance, 1_300.0));
    Scenario {
        start_seconds: chance.between(20, 60),
        pools: one_pool(chance.count(4, 8)),
        acts,
        faults: FaultProfile {
            ecs: vec![lag, behind],
            ..FaultProfile::default()
        },
        calm_at: 2_400,
        ..Scenario::default()
    }
}
