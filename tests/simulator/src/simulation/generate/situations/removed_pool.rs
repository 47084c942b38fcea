//! Of two pools that take the same jobs the preferred one, which is small, leaves the pools file
//! while many jobs wait in it: they move to the other.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use crate::simulation::scenario::{Act, Action, Batch, PoolSpec, PoolsFile, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "removed-pool",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let PoolsFile { accounts, pools } = one_pool(10);
    let preferred = PoolSpec {
        name: "first".to_owned(),
        max: 2,
        priority: 1,
        ..pools[0].clone()
    };
    let (rest, both) = (
        PoolsFile {
            accounts: accounts.clone(),
            pools: pools.clone(),
        },
        [pools, vec![preferred]].concat(),
    );
    let mut acts: Vec<Act> = (1..=chance.count(3, 5))
        .map(|id| {
            let batch = Batch {
                id,
                repository: format!("acme/{}", chance.pick(&["app", "lib"])),
                labels: vec!["self-hosted".to_owned(), "mayfly".to_owned()],
                count: chance.count(8, 20),
                seconds: chance.seconds(20, 200),
                ..Batch::default()
            };
            Act {
                at: chance.seconds(1, 120),
                action: Action::Queue(batch),
            }
        })
        .collect();
    acts.push(Act {
        at: chance.seconds(121, 400),
        action: Action::Apply(rest),
    });
    Scenario {
        start_seconds: chance.between(10, 60),
        pools: PoolsFile {
            accounts,
            pools: both,
        },
        acts,
        calm_at: chance.between(420, 900),
        ..Scenario::default()
    }
}
