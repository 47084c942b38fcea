//! A pool at organization scope that serves one repository, and jobs of another one with the same
//! labels: GitHub gives them to its runners, and none may run.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{REPOSITORY, afterwards, push, push_to};
use crate::simulation::scenario::{Act, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "foreign-jobs",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut pools = one_pool(chance.count(3, 7));
    for pool in &mut pools.pools {
        pool.group = Some("Default".to_owned());
        pool.repositories = vec![REPOSITORY.to_owned()];
    }
    let mut acts: Vec<Act> = (1..=4)
        .map(|id| {
            push(
                id,
                chance.seconds(1, 400),
                chance.count(3, 8),
                chance.seconds(20, 120),
            )
        })
        .collect();
    acts.extend((5..=7).map(|id| {
        push_to(
            "acme/lib",
            (id, chance.seconds(1, 400)),
            (chance.count(1, 3), chance.seconds(20, 120)),
        )
    }));
    acts.push(afterwards(chance, 500.0));
    Scenario {
        start_seconds: chance.between(15, 45),
        pools,
        acts,
        calm_at: 1_200,
        ..Scenario::default()
    }
}
