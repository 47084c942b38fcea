//! Pools files that change what runners are, where they register and whom a pool serves, again and
//! again while jobs wait and run, and AWS takes back what runs on Spot.

use super::super::chance::Chance;
use super::super::pools::{one_pool, turned};
use super::super::variety;
use super::Situation;
use super::parts::{afterwards, push_to};
use crate::simulation::scenario::{Act, Action, PoolSpec, PoolsFile, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "turned-pools",
    draw,
};

const REPOSITORIES: [&str; 4] = ["acme/app", "acme/lib", "acme/site", "globex/app"];

fn draw(chance: &mut Chance) -> Scenario {
    let repositories = REPOSITORIES.map(str::to_owned);
    let mut acts = Vec::new();
    for id in 0..chance.count(12, 20) {
        let (at, seconds) = (chance.seconds(1, 1_200), chance.seconds(10, 300));
        acts.push(push_to(
            &chance.pick(&repositories),
            (id, at),
            (chance.count(1, 4), seconds),
        ));
    }
    let first = first(chance);
    let (mut file, mut at) = (first.clone(), 0.0);
    for _ in 0..chance.count(4, 9) {
        at += chance.seconds(20, 240);
        file = turned(chance, &file, &repositories);
        acts.push(Act {
            at,
            action: Action::Apply(file.clone()),
        });
    }
    for _ in 0..chance.count(2, 5) {
        acts.push(Act {
            at: chance.seconds(60, 1_200),
            action: Action::Reclaim,
        });
    }
    // Most come back to what they were; where they do not, jobs may wait for ever.
    if chance.percent(75) {
        acts.push(Act {
            at: at + chance.seconds(20, 240),
            action: Action::Apply(first.clone()),
        });
    }
    acts.push(afterwards(chance, 1_800.0));
    let timing = variety::timing(chance);
    let public = if chance.percent(50) {
        vec!["acme/site".to_owned()]
    } else {
        Vec::new()
    };
    Scenario {
        start_seconds: chance.between(10, 60),
        pools: first,
        public,
        acts,
        timing,
        calm_at: 2_400,
        ..Scenario::default()
    }
}

fn first(chance: &mut Chance) -> PoolsFile {
    let mut file = one_pool(chance.count(4, 12));
    file.accounts.push("globex".to_owned());
    let pool = &mut file.pools[0];
    (pool.spot, pool.rerun_interrupted, pool.public) =
        (chance.percent(60), chance.percent(60), chance.percent(50));
    if chance.percent(40) {
        let labels = ["self-hosted", "linux", "x64", "mayfly", "fast"]
            .map(str::to_owned)
            .to_vec();
        let second = PoolSpec {
            name: "fast-x64".to_owned(),
            labels,
            spot: false,
            ..file.pools[0].clone()
        };
        file.pools.push(second);
    }
    file
}
