//! Many repositories, each with a job or two, while webhook's table often fails and some deliveries
//! are never made: what is all that is ever told of a repository must not get lost, and is enough
//! to find the rest.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use crate::simulation::scenario::{
    Act, Action, Batch, CallFaultKind, FaultProfile, Moment, Rate, Scenario,
};
use crate::system::Port;
use mayfly_github_model::faults::{DeliveryFaults, Faults};

pub(super) const SITUATION: Situation = Situation {
    name: "strange-repositories",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts = Vec::new();
    for number in 0..chance.count(14, 20) {
        let at = chance.seconds(1, 900);
        for turn in 0..2 {
            let id = 2 * number + turn;
            let batch = Batch {
                id,
                repository: format!("acme/app-{number}"),
                labels: vec!["self-hosted".to_owned(), "mayfly".to_owned()],
                count: chance.count(1, 3),
                seconds: chance.seconds(5, 60),
                ..Batch::default()
            };
            // Often the first job is over before anyone could see it wait.
            if turn == 0 && chance.percent(60) {
                (0..batch.count).for_each(|job| {
                    acts.push(Act {
                        at: at + 2.0,
                        action: Action::Cancel {
                            batch: id,
                            job,
                            moment: Moment::Then,
                        },
                    })
                });
            }
            acts.push(Act {
                at: at + f64::from(turn) * chance.seconds(60, 300),
                action: Action::Queue(batch),
            });
        }
    }
    let fails = Rate::of(Port::Table, CallFaultKind::FailBefore, 0.5).by("webhook");
    let deliveries = DeliveryFaults {
        never_made: 0.4,
        ..DeliveryFaults::default()
    };
    Scenario {
        start_seconds: chance.between(10, 40),
        pools: one_pool(12),
        acts,
        faults: FaultProfile {
            rates: vec![fails],
            github: Faults {
                deliveries,
                ..Faults::default()
            },
            ..FaultProfile::default()
        },
        calm_at: 1_800,
        ..Scenario::default()
    }
}
