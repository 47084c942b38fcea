//! Jobs that need no runner, and GitHub says so late or in passing: cancelled ones whose last
//! delivery takes half an hour, and jobs that are held back. The cancelled ones cost a runner each,
//! which gets nothing; those that are held back cost none.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{jobs, plain_gate, queue};
use crate::simulation::scenario::{Act, Action, Batch, FaultProfile, Moment, Scenario};
use mayfly_github_model::faults::{DeliveryFaults, Faults};

pub(super) const SITUATION: Situation = Situation {
    name: "withdrawn",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = Vec::new();
    // A repository for each: what is handed to another runner than its own is another story.
    for id in 1..=chance.count(3, 5) {
        let at = chance.seconds(1, 240);
        let batch = jobs(id, &format!("acme/gone-{id}"), chance.count(1, 4), 30.0);
        let cancels = (0..batch.count).map(|job| Act {
            at,
            action: Action::Cancel {
                batch: id,
                job,
                moment: Moment::AtLaunch,
            },
        });
        acts.push(queue(at, batch.clone()));
        acts.extend(cancels);
    }
    for id in 11..=10 + chance.count(3, 5) {
        let at = chance.seconds(1, 400);
        let batch = jobs(id, &format!("acme/held-{id}"), chance.count(1, 4), 30.0);
        acts.push(queue(
            at,
            Batch {
                gate: Some(plain_gate(chance)),
                ..batch
            },
        ));
        acts.extend(opened(chance, id, at));
    }
    for id in 21..=20 + chance.count(8, 16) {
        acts.push(queue(
            chance.seconds(1, 600),
            jobs(id, &format!("acme/app-{id}"), 1, chance.seconds(20, 120)),
        ));
    }
    let deliveries = DeliveryFaults {
        late: 1.0,
        late_by: 2_000.0,
        actions: vec!["completed".to_owned()],
        ..DeliveryFaults::default()
    };
    let trouble = FaultProfile {
        github: Faults {
            deliveries,
            ..Faults::default()
        },
        ..FaultProfile::default()
    };
    Scenario {
        start_seconds: chance.between(10, 50),
        pools: one_pool(40),
        acts,
        faults: trouble,
        calm_at: 2_000,
        ..Scenario::default()
    }
}

/// Some gates are opened in the end, some are not.
fn opened(chance: &mut Chance, batch: u32, at: f64) -> Option<Act> {
    let action = match chance.between(0, 3) {
        0 => Action::Approve { batch },
        1 => Action::Reject { batch },
        _ => return None,
    };
    Some(Act {
        at: at + chance.seconds(600, 1_200),
        action,
    })
}
