//! One job after the other, on one target, while scaler's reads and GitHub's registrations are
//! slow: at every look some transaction is half seen, a plan's own often for long, and some runner
//! is about to register. Still each job costs one runner.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{jobs, queue};
use crate::simulation::scenario::{CallFaultKind, FaultProfile, PlatformSpec, Rate, Scenario};
use crate::system::Port;
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::faults::{DeliveryFaults, Faults};

pub(super) const SITUATION: Situation = Situation {
    name: "trickle",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut at = 1.0;
    let acts = (1..=chance.count(30, 50)).map(|id| {
        at += chance.seconds(1, 6);
        queue(at, jobs(id, "acme/app", 1, chance.seconds(40, 90)))
    });
    let acts = acts.collect();
    let rates = vec![
        Rate::of(Port::Table, CallFaultKind::Slow, 0.6)
            .by("scaler")
            .on("Query")
            .up_to(1_200),
        Rate::of(Port::Github, CallFaultKind::Slow, 0.4)
            .by("registrar")
            .up_to(9_000),
    ];
    // Later than the looks that they wake, sooner than the jobs' ends.
    let deliveries = DeliveryFaults {
        repeated: 0.2,
        reordered: 0.3,
        window: 8.0,
        ..DeliveryFaults::default()
    };
    let ecs = [
        (FaultKind::EventRepeated, 20, 1_500),
        (FaultKind::EventReordered, 20, 4_000),
        (FaultKind::ReadLag, 30, 10_000),
    ];
    Scenario {
        start_seconds: chance.between(15, 40),
        pools: one_pool(50),
        acts,
        faults: FaultProfile {
            rates,
            github: Faults {
                deliveries,
                stolen: 0.3,
                ..Faults::default()
            },
            ecs: ecs
                .map(|(kind, percent, millis)| Fault {
                    percent,
                    milliseconds: Some(millis),
                    ..Fault::of(kind)
                })
                .to_vec(),
            platform: PlatformSpec {
                cold_start: 0.1,
                wake_repeated: 0.2,
                two_scalers: 0.4,
                ..PlatformSpec::default()
            },
            ..FaultProfile::default()
        },
        calm_at: 600,
        lingers: chance.pick(&[0, 15, 40]),
        ..Scenario::default()
    }
}
