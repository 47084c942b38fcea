//! What runs in a runner's container asks for a second registration while registrar's writes fail:
//! there is never one, whatever was written.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push};
use crate::simulation::scenario::{
    Act, Action, CallFaultKind, FaultProfile, Rate, Scenario, Stranger,
};
use crate::system::Port;

pub(super) const SITUATION: Situation = Situation {
    name: "ask-again",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts: Vec<Act> = (1..=chance.count(3, 4))
        .map(|id| {
            push(
                id,
                chance.seconds(1, 200),
                chance.count(5, 10),
                chance.seconds(20, 90),
            )
        })
        .collect();
    for _ in 0..chance.between(25, 40) {
        acts.push(Act {
            at: chance.seconds(20, 500),
            action: Action::Intrude {
                stranger: Stranger::Itself,
            },
        });
    }
    let fails = |kind, share| Rate::of(Port::Table, kind, share).by("registrar");
    let rates = vec![
        fails(CallFaultKind::FailBefore, 0.2),
        fails(CallFaultKind::FailAfter, 0.05),
        fails(CallFaultKind::Conflict, 0.1),
        fails(CallFaultKind::Slow, 0.2),
    ];
    acts.push(afterwards(chance, 600.0));
    Scenario {
        start_seconds: chance.between(15, 45),
        pools: one_pool(chance.count(3, 5)),
        acts,
        faults: FaultProfile {
            rates,
            ..FaultProfile::default()
        },
        calm_at: 1_500,
        ..Scenario::default()
    }
}
