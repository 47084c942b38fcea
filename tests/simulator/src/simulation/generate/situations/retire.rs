//! Runners that are idle for longer than `idle_timeout` (5 min), and get a job just when sweeper
//! takes them away: it goes by what GitHub says.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, own_push, push};
use crate::simulation::scenario::{
    Act, Action, CallFaultKind, FaultProfile, Moment, Rate, Scenario,
};
use crate::system::Port;

pub(super) const SITUATION: Situation = Situation {
    name: "retire",
    draw,
};

/// Seconds that a task takes to start.
const START: f64 = 30.0;

/// When the first idle runner is asked for: an earlier one has shown that the image is good.
const FIRST: f64 = 32.0;

/// Seconds from one idle runner to the next: further apart than a start is uncertain.
const APART: f64 = 5.0;

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = vec![push(1, 1.0, 1, 20.0)];
    let idle = chance.count(9, 13);
    for which in 0..idle {
        let (id, at) = (10 + which, FIRST + APART * f64::from(which));
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
    // Sweeper begins at the seventh second of a minute, and this is the first one in which the time
    // of nearly all is over.
    let mut at = 427.2;
    for id in 100..100 + chance.count(10, 16) {
        at += chance.seconds(1, 4);
        acts.push(push(id, at, 1, chance.seconds(60, 150)));
    }
    acts.push(afterwards(chance, 700.0));
    Scenario {
        start_seconds: 30,
        pools: one_pool(idle + 4),
        acts,
        faults: FaultProfile {
            rates: vec![
                Rate::of(Port::Github, CallFaultKind::Slow, 0.9)
                    .by("sweeper")
                    .on("delete-runner")
                    .up_to(7_500),
            ],
            ..FaultProfile::default()
        },
        calm_at: 1_200,
        ..Scenario::default()
    }
}
