//! More jobs than runners, for an hour: sweeper has more to ask GitHub than it may ask in one
//! sweep.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{push, queue};
use crate::simulation::scenario::{Act, Action, Batch, Moment, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "long-queue",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let max = chance.count(2, 4);
    // Whatever waits, waits behind these.
    let mut acts = vec![push(0, 1.0, max, 2_700.0)];
    let mut left = chance.count(100, 140);
    let mut id = 1;
    while left > 0 {
        let count = chance.count(5, 20).min(left);
        let at = chance.seconds(60, 300);
        acts.push(push(id, at, count, chance.seconds(5, 20)));
        // Some are cancelled while they wait.
        for job in 0..count {
            if chance.percent(20) {
                acts.push(Act {
                    at: at + chance.seconds(10, 1_800),
                    action: Action::Cancel {
                        batch: id,
                        job,
                        moment: Moment::Then,
                    },
                });
            }
        }
        left -= count;
        id += 1;
    }
    let labels = ["self-hosted", "mainframe"].map(str::to_owned).to_vec();
    acts.push(queue(
        30.0,
        Batch {
            id,
            repository: "acme/app".to_owned(),
            labels,
            count: 3,
            seconds: 5.0,
            ..Batch::default()
        },
    ));
    Scenario {
        start_seconds: chance.between(10, 40),
        pools: one_pool(max),
        acts,
        calm_at: 3_600,
        ..Scenario::default()
    }
}
