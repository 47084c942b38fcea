//! Runners that register and are given nothing, for a long time: their version is too old for
//! GitHub, which says so to no one. Each job that waits may cost a few runners, and then one an
//! hour.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push, push_to};
use crate::simulation::scenario::{FaultProfile, Scenario};
use mayfly_github_model::faults::Faults;

pub(super) const SITUATION: Situation = Situation {
    name: "given-nothing",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let count = chance.count(1, 4);
    let mut acts = vec![push(1, 1.0, count, chance.seconds(20, 60))];
    if chance.percent(50) {
        acts.push(push_to(
            "acme/lib",
            (2, chance.seconds(600, 3_000)),
            (1, 30.0),
        ));
    }
    let calm_at = chance.between(2, 4) * 3_600;
    #[expect(clippy::cast_precision_loss, reason = "seconds of some hours")]
    acts.push(afterwards(chance, calm_at as f64 - 1.0));
    Scenario {
        start_seconds: chance.between(15, 40),
        pools: one_pool(10),
        acts,
        faults: FaultProfile {
            github: Faults {
                too_old: 1.0,
                ..Faults::default()
            },
            ..FaultProfile::default()
        },
        calm_at,
        ..Scenario::default()
    }
}
