//! Tasks that ask for their registration about when `start_timeout` (10 min) is over: some are stopped for it, and none may have a job then.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use crate::fargate::{Fault, FaultKind};
use crate::simulation::scenario::{Act, Batch, Blow, Deed, Rate, Scenario, Trouble};
use crate::system::Port;

pub(super) const SITUATION: Situation = Situation { name: "late-starts", draw };

fn draw(chance: &mut Chance) -> Scenario {
    let start_seconds = chance.between(540, 590);
    let acts = (1..=chance.count(2, 4)).map(|id| {
        let batch = Batch {
            id,
            repository: "acme/app".to_owned(),
            labels: vec!["self-hosted".to_owned(), "mayfly".to_owned()],
            count: chance.count(4, 12),
            seconds: chance.seconds(60, 300),
            ..Batch::default()
        };
        Act { at: chance.seconds(1, 900), deed: Deed::Queue(batch) }
    });
    let acts = acts.collect();
    // Sweeper is slow between reading a row and marking it; so is the start of some tasks.
    let slow = |port: Port| Rate::of(port, Blow::Slow, 0.4).by("sweeper");
    let late = Fault { percent: 60, milliseconds: Some(45_000), ..Fault::of(FaultKind::SlowStart) };
    Scenario {
        start_seconds,
        pools: one_pool(12),
        acts,
        trouble: Trouble { rates: vec![slow(Port::Table), slow(Port::Github)], ecs: vec![late], ..Trouble::default() },
        calm_at: 3_000,
        ..Scenario::default()
    }
}
