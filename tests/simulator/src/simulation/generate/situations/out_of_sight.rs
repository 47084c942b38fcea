//! Runners that are idle for longer than `idle_timeout` (5 min) where the App may no longer look:
//! it was suspended or taken away. (A repository that is renamed meanwhile is found by its id, even
//! if another one has the old name.) They get jobs all the while, and news of them is slow:
//! GitHub's 404 does not say that they are gone.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{afterwards, own_push, push};
use crate::simulation::scenario::{
    Act, Action, CallFaultKind, FaultProfile, Moment, Rate, Scenario,
};
use crate::system::Port;
use mayfly_github_model::faults::{DeliveryFaults, Faults};

pub(super) const SITUATION: Situation = Situation {
    name: "out-of-sight",
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
    acts.extend(away(chance));
    // Sweeper begins at the seventh second of a minute, and this is the first one in which the time
    // of nearly all is over.
    let mut at = 428.0;
    for id in 100..100 + idle + 2 {
        at += chance.seconds(1, 5);
        acts.push(push(id, at, 1, chance.seconds(60, 150)));
    }
    acts.push(afterwards(chance, 1_000.0));
    let rates = vec![
        Rate::of(Port::Github, CallFaultKind::Slow, 0.9)
            .by("sweeper")
            .on("delete-runner")
            .up_to(7_500),
        Rate::of(Port::Table, CallFaultKind::Slow, 0.9)
            .by("registrar")
            .on("PutItem")
            .up_to(18_000),
    ];
    let deliveries = DeliveryFaults {
        late: 1.0,
        late_by: 60.0,
        actions: vec!["in_progress".to_owned()],
        ..DeliveryFaults::default()
    };
    Scenario {
        start_seconds: 30,
        pools: one_pool(idle + 4),
        acts,
        faults: FaultProfile {
            rates,
            github: Faults {
                deliveries,
                ..Faults::default()
            },
            ..FaultProfile::default()
        },
        calm_at: 1_500,
        ..Scenario::default()
    }
}

/// The App goes blind before the time of the first one is over, and sees again some minutes later.
fn away(chance: &mut Chance) -> [Act; 2] {
    let account = "acme".to_owned();
    let (goes, comes) = match chance.between(0, 1) {
        0 => (
            Action::Uninstall {
                account: account.clone(),
            },
            Action::Install { account },
        ),
        _ => (
            Action::Suspend {
                account: account.clone(),
            },
            Action::Resume { account },
        ),
    };
    [
        Act {
            at: chance.seconds(330, 420),
            action: goes,
        },
        Act {
            at: chance.seconds(620, 900),
            action: comes,
        },
    ]
}
