//! The App is taken off an account, or suspended, at the worst of times, and comes back:
//! reinstalled it has another installation. What was queued before and meanwhile is served.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use crate::simulation::scenario::{Act, Action, Batch, Moment, PoolsFile, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "app-away",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = Vec::new();
    let account = "acme".to_owned();
    let mut at = 0.0;
    for _ in 0..chance.count(1, 2) {
        at += chance.seconds(20, 500);
        let back = at + chance.seconds(30, 1_500);
        let (goes, comes) = if chance.percent(70) {
            (
                Action::Uninstall {
                    account: account.clone(),
                },
                Action::Install {
                    account: account.clone(),
                },
            )
        } else {
            (
                Action::Suspend {
                    account: account.clone(),
                },
                Action::Resume {
                    account: account.clone(),
                },
            )
        };
        acts.extend([
            Act { at, action: goes },
            Act {
                at: back,
                action: comes,
            },
        ]);
        at = back;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds of some hours"
    )]
    let last = at as u64 + 300;
    for id in 0..chance.count(14, 22) {
        let batch = Batch {
            id,
            repository: format!("acme/{}", chance.pick(&["app", "lib", "web"])),
            labels: vec!["self-hosted".to_owned(), "mayfly".to_owned()],
            count: chance.count(1, 5),
            seconds: chance.seconds(10, 400),
            ..Batch::default()
        };
        let at = chance.seconds(1, last);
        if chance.one_in(4) {
            acts.push(Act {
                at: at + chance.seconds(0, 60),
                action: Action::Cancel {
                    batch: id,
                    job: 0,
                    moment: Moment::Then,
                },
            });
        }
        acts.push(Act {
            at,
            action: Action::Queue(batch),
        });
    }
    Scenario {
        start_seconds: chance.between(10, 60),
        pools: pools(chance),
        acts,
        calm_at: last + 60,
        ..Scenario::default()
    }
}

/// One pool; at organization scope as often as not.
fn pools(chance: &mut Chance) -> PoolsFile {
    let mut file = one_pool(8);
    file.pools[0].group = chance.percent(50).then(|| "Default".to_owned());
    file
}
