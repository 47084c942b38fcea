//! Everything outside gives too little for what is asked of it: GitHub, the API, Lambda, the
//! table. What is turned away is turned away by load.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push};
use crate::simulation::scenario::{Scenario, Tight};

pub(super) const SITUATION: Situation = Situation {
    name: "tight",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = vec![push(1, 1.0, 1, 20.0)];
    for id in 2..chance.count(4, 7) {
        acts.push(push(
            id,
            chance.seconds(60, 400),
            chance.count(10, 40),
            chance.seconds(30, 240),
        ));
    }
    acts.push(afterwards(chance, 900.0));
    let tight = Tight {
        invocations: usize::try_from(chance.between(4, 10)).unwrap_or(10),
        narrower: chance.count(20, 100),
        reads: chance.count(60, 200),
        writes: chance.count(25, 80),
        points: chance.count(60, 180),
        requests: chance.count(150, 600),
    };
    Scenario {
        start_seconds: chance.between(20, 50),
        pools: one_pool(chance.count(20, 60)),
        acts,
        tight: Some(tight),
        calm_at: 1_200,
        ..Scenario::default()
    }
}
