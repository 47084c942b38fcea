//! The first launches of a burst are not answered, some of them done: the same request is sent
//! again half a minute later, and no one waits for long.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{jobs, queue};
use crate::simulation::scenario::{CallFaultKind, FaultProfile, NthCallFault, Scenario};
use crate::system::Port;

pub(super) const SITUATION: Situation = Situation {
    name: "unanswered",
    draw,
};

/// What one run sends of a size that no one has tried
/// (`mayfly_domain::model::start_health::UNVERIFIED_MAX`).
const FIRST: u64 = 5;

fn draw(chance: &mut Chance) -> Scenario {
    let acts = (1..=chance.count(2, 4)).map(|id| {
        let at = if id == 1 { 2.0 } else { chance.seconds(1, 900) };
        queue(
            at,
            jobs(id, "acme/app", chance.count(5, 12), chance.seconds(30, 120)),
        )
    });
    let acts = acts.collect();
    let done = chance.between(0, 2);
    // Some of the repetitions are not answered either.
    let strikes = (0..FIRST + chance.between(0, 3)).map(|nth| NthCallFault {
        who: "scaler".to_owned(),
        port: Port::Ecs.to_string(),
        operation: "RunTask".to_owned(),
        nth,
        kind: if nth < done {
            CallFaultKind::HangAfter
        } else {
            CallFaultKind::HangBefore
        },
        slow_by: None,
    });
    let trouble = FaultProfile {
        calls: strikes.collect(),
        ..FaultProfile::default()
    };
    Scenario {
        start_seconds: chance.between(10, 50),
        pools: one_pool(20),
        acts,
        faults: trouble,
        calm_at: 1_200,
        ..Scenario::default()
    }
}
