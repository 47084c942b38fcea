//! Someone with rights in the cluster starts runners' tasks once more. A copy gets no registration
//! and ends, or does nothing and is stopped; the runner that it says it is of is unharmed, and no
//! place in its pool becomes free by its end.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push};
use crate::simulation::scenario::{Act, Action, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "copies",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts: Vec<Act> = (1..=chance.count(3, 5))
        .map(|id| {
            push(
                id,
                chance.seconds(1, 300),
                chance.count(4, 9),
                chance.seconds(60, 240),
            )
        })
        .collect();
    for _ in 0..chance.between(5, 12) {
        acts.push(Act {
            at: chance.seconds(60, 700),
            action: Action::Copy {
                idle: chance.one_in(3),
            },
        });
    }
    acts.push(afterwards(chance, 800.0));
    Scenario {
        start_seconds: chance.between(15, 45),
        pools: one_pool(chance.count(3, 6)),
        acts,
        calm_at: 1_500,
        ..Scenario::default()
    }
}
