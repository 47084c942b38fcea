//! ECS refuses every launch for a quarter of an hour and more, while many jobs wait: it is tried
//! seldom, and less and less often.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::push;
use crate::simulation::scenario::{Act, Action, FaultProfile, Outage, Scenario};
use mayfly_fargate_model::{Fault, FaultKind, Operation};

pub(super) const SITUATION: Situation = Situation {
    name: "refused",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    // Mostly the image is known to be good: then nothing else holds launches back.
    let proven = chance.percent(70);
    let mut acts = vec![push(1, 1.0, 1, 15.0)];
    acts.extend((2..=chance.count(3, 5)).map(|id| {
        push(
            id,
            chance.seconds(130, 240),
            chance.count(10, 16),
            chance.seconds(20, 60),
        )
    }));
    let seconds = chance.between(1_320, 1_800);
    let mut ecs = Vec::new();
    if chance.percent(50) {
        acts.push(Act {
            at: if proven { 120.0 } else { 0.5 },
            action: Action::Down {
                what: Outage::EcsRefuses,
                seconds,
            },
        });
    } else {
        let code = Some(
            chance
                .pick(&[
                    "InvalidParameterException",
                    "ClientException",
                    "AccessDeniedException",
                ])
                .to_owned(),
        );
        let operations = vec![Operation::RunTask];
        ecs.push(Fault {
            code,
            operations,
            after: u32::from(proven),
            ..Fault::of(FaultKind::Refused)
        });
    }
    Scenario {
        start_seconds: chance.between(15, 45),
        pools: one_pool(chance.count(20, 40)),
        acts,
        faults: FaultProfile {
            ecs,
            ..FaultProfile::default()
        },
        calm_at: 120 + seconds,
        ..Scenario::default()
    }
}
