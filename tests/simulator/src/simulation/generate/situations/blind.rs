//! ECS denies tasks that run for longer than anyone can see through: their rows close, as they
//! must. A runner that has a job keeps its task all the same.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push};
use crate::simulation::scenario::{FaultProfile, Scenario};
use mayfly_fargate_model::{Fault, FaultKind};

pub(super) const SITUATION: Situation = Situation {
    name: "blind",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts: Vec<_> = (1..=2)
        .map(|id| {
            push(
                id,
                chance.seconds(1, 200),
                chance.count(4, 8),
                chance.seconds(600, 840),
            )
        })
        .collect();
    acts.push(push(
        3,
        chance.seconds(200, 500),
        chance.count(6, 14),
        chance.seconds(30, 120),
    ));
    let denied = Fault {
        percent: 30,
        milliseconds: Some(chance.between(130_000, 220_000)),
        ..Fault::of(FaultKind::LeftOut)
    };
    acts.push(afterwards(chance, 1_100.0));
    Scenario {
        start_seconds: chance.between(20, 45),
        pools: one_pool(chance.count(8, 14)),
        acts,
        faults: FaultProfile {
            ecs: vec![denied],
            ..FaultProfile::default()
        },
        calm_at: 1_800,
        ..Scenario::default()
    }
}
