//! Runners of strangers under the names of ours that are idle or at work, in another place where
//! the name is free, work off jobs of their own: nothing of it is held against ours, which get jobs
//! later or go on with theirs.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{REPOSITORY, afterwards, labels, own_push, push};
use crate::simulation::scenario::{Act, Action, Moment, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "doubles",
    draw,
};

/// Seconds that a task takes to start.
const START: f64 = 30.0;

/// Seconds from one idle runner to the next: further apart than a start is uncertain.
const APART: f64 = 5.0;

fn draw(chance: &mut Chance) -> Scenario {
    let mut pools = one_pool(chance.count(14, 18));
    if chance.one_in(3) {
        pools.pools[0].group = Some("Default".to_owned());
    }
    let mut acts = vec![push(1, 1.0, chance.count(2, 4), chance.seconds(420, 600))];
    for which in 0..chance.count(6, 9) {
        let (id, at) = (10 + which, 60.0 + APART * f64::from(which));
        acts.push(own_push(id, at, 60.0));
        // Its registration is the next one: its runner has it, and its job is over.
        acts.push(Act {
            at: at + START - 2.0,
            action: Action::Cancel {
                batch: id,
                job: 0,
                moment: Moment::AtRegistration,
            },
        });
    }
    for _ in 0..chance.between(4, 8) {
        acts.push(Act {
            at: chance.seconds(120, 240),
            action: Action::Double {
                repository: REPOSITORY.to_owned(),
                labels: labels(),
            },
        });
    }
    acts.extend((2..=6).map(|id| {
        push(
            id,
            chance.seconds(150, 330),
            chance.count(2, 6),
            chance.seconds(150, 300),
        )
    }));
    acts.push(afterwards(chance, 700.0));
    Scenario {
        start_seconds: 30,
        pools,
        acts,
        calm_at: 1_200,
        ..Scenario::default()
    }
}
