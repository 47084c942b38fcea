//! Deliveries that fail by the dozen: more than a page of GitHub's list in a minute, for longer
//! than the list is read back, while GitHub often fails to be asked for them. Each is made in the
//! end.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use crate::simulation::scenario::{Act, Action, Batch, FaultProfile, Outage, Scenario};
use mayfly_github_model::faults::{ApiFaults, DeliveryFaults, Faults};

pub(super) const SITUATION: Situation = Situation {
    name: "failing-deliveries",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = Vec::new();
    // Each comes at once, and each of its deliveries several times: the list's newest page is
    // behind after a second.
    for id in 1..=chance.count(1, 2) {
        let batch = Batch {
            id,
            repository: "acme/app".to_owned(),
            labels: vec!["self-hosted".to_owned(), "mayfly".to_owned()],
            count: chance.count(32, 48),
            seconds: chance.seconds(5, 30),
            ..Batch::default()
        };
        acts.push(Act {
            at: chance.seconds(1, 600),
            action: Action::Queue(batch),
        });
    }
    let outage = Action::Down {
        what: Outage::Deliveries,
        seconds: chance.between(420, 900),
    };
    acts.push(Act {
        at: chance.seconds(60, 900),
        action: outage,
    });
    let deliveries = DeliveryFaults {
        lost: 0.2,
        answered_5xx: 0.05,
        repeated: 0.95,
        times: 6,
        ..DeliveryFaults::default()
    };
    let api = ApiFaults {
        server_error: 0.85,
        operations: vec!["apps/redeliver-webhook-delivery".to_owned()],
        ..ApiFaults::default()
    };
    Scenario {
        start_seconds: chance.between(10, 40),
        pools: one_pool(20),
        acts,
        faults: FaultProfile {
            github: Faults {
                deliveries,
                api,
                ..Faults::default()
            },
            ..FaultProfile::default()
        },
        calm_at: 2_400,
        ..Scenario::default()
    }
}
