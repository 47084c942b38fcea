//! Repositories that are deleted, or transferred: to another account of the App, whose pools go on
//! with their jobs, or to one that does not have it. Another repository may have the old name then.
//! Pushes go on.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::super::variety;
use super::Situation;
use super::parts::{afterwards, push_to};
use crate::simulation::scenario::{Act, Action, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "moved-repositories",
    draw,
};

const REPOSITORIES: [&str; 4] = ["acme/web", "acme/lib", "acme/site", "acme/app"];

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = Vec::new();
    for id in 0..chance.count(14, 22) {
        let (at, seconds) = (chance.seconds(1, 1_200), chance.seconds(10, 200));
        acts.push(push_to(
            chance.pick(&REPOSITORIES),
            (id, at),
            (chance.count(1, 4), seconds),
        ));
    }
    // The last one stays.
    for repository in &REPOSITORIES[..3] {
        let repository = (*repository).to_owned();
        let action = match chance.between(0, 3) {
            0 => Action::Delete { repository },
            1 => Action::Transfer {
                repository,
                to: "initech".to_owned(),
                redirects: chance.between(0, 1) == 0,
            },
            _ => Action::Transfer {
                repository,
                to: "globex".to_owned(),
                redirects: chance.between(0, 1) == 0,
            },
        };
        acts.push(Act {
            at: chance.seconds(60, 1_000),
            action,
        });
    }
    acts.push(afterwards(chance, 1_800.0));
    let mut file = one_pool(chance.count(4, 12));
    file.accounts.push("globex".to_owned());
    let timing = variety::timing(chance);
    Scenario {
        start_seconds: chance.between(10, 60),
        pools: file,
        acts,
        timing,
        calm_at: 2_400,
        ..Scenario::default()
    }
}
