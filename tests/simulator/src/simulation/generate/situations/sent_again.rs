//! `RunTask` is not answered, and no one sends it again for minutes, as the queue is down. Sweeper
//! has asked ECS once when scaler is back, late, and sends again: what ECS said before proves
//! nothing of what was sent since. Meanwhile strangers ask in the place of tasks that no one knows
//! yet.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, push};
use crate::simulation::scenario::{
    Act, Action, CallFaultKind, FaultProfile, Outage, PlatformSpec, Rate, Scenario, Stranger,
};
use crate::system::Port;

pub(super) const SITUATION: Situation = Situation {
    name: "sent-again",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = vec![push(1, 1.0, 1, 15.0)];
    for (id, began) in [(2, 120.0), (3, 840.0), (4, 1_560.0)] {
        let down = |at: f64, what, seconds| Act {
            at,
            action: Action::Down { what, seconds },
        };
        acts.push(push(id, began, chance.count(6, 9), chance.seconds(60, 240)));
        acts.push(down(began - 1.0, Outage::Ecs, 90));
        // It ends between sweeper's first question, in its first minute that begins five minutes
        // after the last send, and its second.
        acts.push(down(began + 3.0, Outage::Queue, chance.between(372, 421)));
        for (after, stranger) in [
            (120.0, Stranger::NoTask),
            (180.0, Stranger::OtherTask),
            (240.0, Stranger::NoTask),
        ] {
            acts.push(Act {
                at: began + after,
                action: Action::Intrude { stranger },
            });
        }
    }
    let rates = vec![
        Rate::of(Port::Ecs, CallFaultKind::Slow, 0.9)
            .by("sweeper")
            .on("ListTasks"),
    ];
    let unkindness = PlatformSpec {
        scaler_late: 0.95,
        ..PlatformSpec::default()
    };
    acts.push(afterwards(chance, 2_400.0));
    Scenario {
        start_seconds: chance.between(20, 60),
        pools: one_pool(chance.count(9, 12)),
        acts,
        faults: FaultProfile {
            rates,
            platform: unkindness,
            ..FaultProfile::default()
        },
        calm_at: 2_700,
        ..Scenario::default()
    }
}
