//! Each runner gets another one's job, and no one hears of it before the job is over: the last
//! delivery comes just before the task's end, while scaler looks slowly. A job that is gone and a
//! runner that is gone, the one seen before it went and the other after, would look like a job that
//! no one has.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::push;
use crate::simulation::scenario::{Act, CallFaultKind, FaultProfile, PlatformSpec, Rate, Scenario};
use crate::system::Port;
use mayfly_github_model::faults::{DeliveryFaults, Faults};

pub(super) const SITUATION: Situation = Situation {
    name: "late-news",
    draw,
};

/// Bursts, and seconds from one to the next: all jobs of one are over when the next one comes, so
/// that a runner too many finds none.
const BURSTS: u32 = 2;
const APART: f64 = 240.0;

fn draw(chance: &mut Chance) -> Scenario {
    let mut acts: Vec<Act> = vec![push(1, 1.0, 1, 10.0)];
    for burst in 0..BURSTS {
        let (mut at, seconds) = (100.0 + APART * f64::from(burst), chance.seconds(60, 70));
        for which in 0..chance.count(38, 46) {
            at += chance.seconds(0, 1);
            acts.push(push(100 * (burst + 1) + which, at, 1, seconds));
        }
    }
    let rates = vec![
        Rate::of(Port::Table, CallFaultKind::Slow, 0.9)
            .by("scaler")
            .on("Query")
            .up_to(1_200),
        // A task stops three seconds after its container.
        Rate::of(Port::Table, CallFaultKind::Slow, 0.9)
            .by("webhook")
            .on("TransactGetItems")
            .up_to(2_700),
    ];
    let deliveries = DeliveryFaults {
        late: 1.0,
        late_by: 600.0,
        actions: vec!["in_progress".to_owned()],
        ..DeliveryFaults::default()
    };
    Scenario {
        start_seconds: chance.between(20, 35),
        pools: one_pool(60),
        acts,
        faults: FaultProfile {
            rates,
            github: Faults {
                deliveries,
                stolen: 1.0,
                ..Faults::default()
            },
            platform: PlatformSpec {
                two_scalers: 0.5,
                ..PlatformSpec::default()
            },
            ..FaultProfile::default()
        },
        calm_at: 1_200,
        ..Scenario::default()
    }
}
