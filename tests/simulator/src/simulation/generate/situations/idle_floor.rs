//! Runners of the idle floor die while they have nothing to do, and jobs come in the next moment:
//! that says nothing about starts, and no one waits for it.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{jobs, queue};
use crate::simulation::scenario::{Act, Action, PoolSpec, PoolsFile, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "idle-floor",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut pools = one_pool(12);
    let min_idle = chance.count(1, 2);
    pools = PoolsFile {
        pools: pools
            .pools
            .drain(..)
            .map(|pool| PoolSpec { min_idle, ..pool })
            .collect(),
        ..pools
    };
    let mut acts = Vec::new();
    let mut at = 60.0;
    for id in 1..=chance.count(6, 9) {
        at += chance.seconds(160, 240);
        acts.push(Act {
            at,
            action: Action::Kill,
        });
        // Its task has stopped by then, and its place in the floor is not filled yet.
        let soon = at + chance.seconds(4, 9);
        acts.push(queue(
            soon,
            jobs(
                id,
                "acme/app",
                min_idle + chance.count(1, 5),
                chance.seconds(20, 50),
            ),
        ));
    }
    Scenario {
        start_seconds: chance.between(8, 12),
        pools,
        acts,
        calm_at: 3_000,
        ..Scenario::default()
    }
}
