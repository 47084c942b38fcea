//! GitHub gives the runner of the job that needs more to the one that needs less, and tells it
//! minutes later: the first one waits for no delivery, as admission has told who works on what.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{jobs, queue};
use crate::simulation::scenario::{Batch, FaultProfile, Scenario};
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github_model::faults::{DeliveryFaults, Faults};

pub(super) const SITUATION: Situation = Situation {
    name: "other-labels",
    draw,
};

fn draw(chance: &mut Chance) -> Scenario {
    let mut pools = one_pool(30);
    pools.pools[0].labels.push("big".to_owned());
    let mut acts = Vec::new();
    for pair in 1..=chance.count(5, 8) {
        let repository = format!("acme/app-{pair}");
        let at = chance.seconds(1, 300);
        acts.push(queue(
            at,
            jobs(2 * pair, &repository, 1, chance.seconds(600, 900)),
        ));
        let mut more = jobs(
            2 * pair + 1,
            &repository,
            chance.count(1, 3),
            chance.seconds(20, 60),
        );
        more.labels.push("big".to_owned());
        acts.push(queue(
            at + chance.seconds(1, 4),
            Batch {
                one_run: false,
                ..more
            },
        ));
    }
    let deliveries = DeliveryFaults {
        late: 1.0,
        late_by: 420.0,
        actions: vec!["in_progress".to_owned()],
        ..DeliveryFaults::default()
    };
    let late = Fault {
        percent: 50,
        milliseconds: Some(12_000),
        ..Fault::of(FaultKind::SlowStart)
    };
    let trouble = FaultProfile {
        github: Faults {
            deliveries,
            ..Faults::default()
        },
        ecs: vec![late],
        ..FaultProfile::default()
    };
    Scenario {
        start_seconds: chance.between(10, 40),
        pools,
        acts,
        faults: trouble,
        calm_at: 1_500,
        ..Scenario::default()
    }
}
