//! Containers die right after they were registered, their jobs cancelled in that moment: what they
//! leave at GitHub is taken away, though nothing else goes wrong.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use crate::simulation::scenario::{Act, Action, Batch, Moment, Scenario};

pub(super) const SITUATION: Situation = Situation {
    name: "killed-idle",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let start = chance.between(15, 40);
    let mut acts = Vec::new();
    for id in 1..=chance.count(4, 6) {
        let count = chance.count(6, 12);
        let batch = Batch {
            id,
            repository: format!("acme/app-{id}"),
            labels: vec!["self-hosted".to_owned(), "mayfly".to_owned()],
            count,
            seconds: chance.seconds(20, 120),
            ..Batch::default()
        };
        let at = f64::from(id) * 400.0 + chance.seconds(0, 100);
        acts.push(Act {
            at,
            action: Action::Queue(batch),
        });
        for job in 0..count {
            let moment = chance.pick(&[
                Moment::AtRegistration,
                Moment::AtAssignment,
                Moment::AtStart,
            ]);
            acts.push(Act {
                at: at + 1.0,
                action: Action::Cancel {
                    batch: id,
                    job,
                    moment,
                },
            });
        }
        for _ in 0..6 {
            acts.push(Act {
                at: at + chance.seconds(start + 5, start + 60),
                action: Action::Kill,
            });
        }
    }
    Scenario {
        start_seconds: start,
        pools: one_pool(12),
        acts,
        calm_at: 3_000,
        ..Scenario::default()
    }
}
