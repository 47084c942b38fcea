//! Repositories that become public and private again, are archived, or are left out by the App for
//! a while, and runners that an administrator deletes: what waits meanwhile is served once all is
//! as it was.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::super::variety;
use super::Situation;
use super::parts::{afterwards, push_to};
use crate::simulation::scenario::{Act, Action, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "changed-repositories",
    draw,
};

const REPOSITORIES: [&str; 3] = ["acme/app", "acme/lib", "acme/site"];

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = Vec::new();
    for id in 0..chance.count(12, 20) {
        let (at, seconds) = (chance.seconds(1, 1_200), chance.seconds(10, 300));
        acts.push(push_to(
            chance.pick(&REPOSITORIES),
            (id, at),
            (chance.count(1, 4), seconds),
        ));
    }
    for _ in 0..chance.count(2, 4) {
        let repository = chance.pick(&REPOSITORIES).to_owned();
        let at = chance.seconds(20, 1_000);
        let back = at + chance.seconds(30, 600);
        let (change, undone) = match chance.between(0, 2) {
            0 => (
                Action::Show {
                    repository: repository.clone(),
                    private: false,
                },
                Action::Show {
                    repository,
                    private: true,
                },
            ),
            1 => (
                Action::Archive {
                    repository: repository.clone(),
                    on: true,
                },
                Action::Archive {
                    repository,
                    on: false,
                },
            ),
            _ => (
                Action::Cover {
                    repository: repository.clone(),
                    on: false,
                },
                Action::Cover {
                    repository,
                    on: true,
                },
            ),
        };
        acts.extend([
            Act { at, action: change },
            Act {
                at: back,
                action: undone,
            },
        ]);
    }
    // Whatever overlapped: in the end all is as it was.
    for repository in REPOSITORIES.map(str::to_owned) {
        acts.push(Act {
            at: 1_700.0,
            action: Action::Cover {
                repository: repository.clone(),
                on: true,
            },
        });
        acts.push(Act {
            at: 1_700.0,
            action: Action::Archive {
                repository,
                on: false,
            },
        });
    }
    for _ in 0..chance.count(1, 4) {
        acts.push(Act {
            at: chance.seconds(40, 1_200),
            action: Action::Unregister,
        });
    }
    acts.push(afterwards(chance, 1_800.0));
    let mut file = one_pool(chance.count(4, 12));
    file.pools[0].group = chance.percent(30).then(|| "Default".to_owned());
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
