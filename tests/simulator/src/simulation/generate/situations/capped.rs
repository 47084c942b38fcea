//! A pool that limits each repository, with idle runners on hand, and more jobs of a repository
//! than the limit: whether scaler starts a runner or registrar gives an idle one the job, no
//! repository has more runners than that.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push, push_to};
use crate::simulation::scenario::{PoolSpec, PoolsFile, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "capped",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = Vec::new();
    for id in 0..chance.count(2, 4) {
        let (at, seconds) = (chance.seconds(60, 600), chance.seconds(60, 300));
        acts.push(push(id, at, chance.count(4, 10), seconds));
    }
    for id in 100..100 + chance.count(1, 3) {
        let (at, seconds) = (chance.seconds(60, 600), chance.seconds(20, 120));
        acts.push(push_to(
            &format!("acme/lib-{id}"),
            (id, at),
            (chance.count(1, 4), seconds),
        ));
    }
    acts.push(afterwards(chance, 900.0));
    let mut file = one_pool(chance.count(8, 12));
    let most = chance.count(1, 3);
    let pool = PoolSpec {
        max_per_repository: Some(most),
        min_idle: most + chance.count(1, 3),
        ..file.pools.remove(0)
    };
    let file = PoolsFile {
        pools: vec![pool],
        ..file
    };
    Scenario {
        start_seconds: chance.between(10, 40),
        pools: file,
        acts,
        calm_at: 1_200,
        ..Scenario::default()
    }
}
