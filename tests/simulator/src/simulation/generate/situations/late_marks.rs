//! Jobs are cancelled when their runners are about to ask, and others come in the next moment,
//! while scaler's writes are slow: a mark that was decided on meets a runner that has been given
//! one of the new jobs.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{jobs, queue};
use crate::simulation::scenario::{
    Act, Action, CallFaultKind, FaultProfile, Moment, Rate, Scenario,
};
use crate::system::Port;

pub(super) const SITUATION: Situation = Situation {
    name: "late-marks",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let start_seconds = chance.between(15, 30);
    let mut acts = Vec::new();
    for round in 1..=chance.count(5, 8) {
        let at = 150.0 * f64::from(round) + chance.seconds(0, 20);
        let count = chance.count(3, 5);
        acts.push(queue(at, jobs(round, "acme/app", count, 60.0)));
        #[expect(clippy::cast_precision_loss, reason = "seconds of a minute")]
        let asking = at + start_seconds as f64;
        for job in 0..count {
            acts.push(Act {
                at: asking + chance.seconds(0, 3) - 2.0,
                action: Action::Cancel {
                    batch: round,
                    job,
                    moment: Moment::Then,
                },
            });
        }
        acts.push(queue(
            asking + chance.seconds(1, 5),
            jobs(
                100 + round,
                "acme/app",
                chance.count(2, 4),
                chance.seconds(30, 90),
            ),
        ));
    }
    let rates = vec![
        Rate::of(Port::Table, CallFaultKind::Slow, 0.8)
            .by("scaler")
            .on("TransactWriteItems")
            .up_to(6_000),
        Rate::of(Port::Github, CallFaultKind::Slow, 0.3)
            .by("registrar")
            .up_to(3_000),
    ];
    Scenario {
        start_seconds,
        pools: one_pool(20),
        acts,
        faults: FaultProfile {
            rates,
            ..FaultProfile::default()
        },
        calm_at: 1_500,
        ..Scenario::default()
    }
}
