//! One to four days: gates over a weekend, an App that is away for more than a day, outages of
//! hours, jobs that live longer than they may, runners that wait until their time is over. What is
//! forgotten, given up or taken for lost after hours is met here only.

use super::super::chance::Chance;
use super::super::pools::one_pool;
use super::Situation;
use super::parts::{REPOSITORY, afterwards, jobs, push, queue};
use crate::simulation::scenario::{Act, Action, Batch, Outage, PoolsFile, Scenario, Timing};
use mayfly_github_model::jobs::Gate;

pub(super) const SITUATION: Situation = Situation { name: "days", draw };

const HOUR: u64 = 3_600;

/// After so many seconds GitHub gives a silent runner up, as it really does.
const LOST_AFTER: f64 = 600.0;

fn draw(chance: &mut Chance) -> Scenario {
    // What is kept for two days, or three, expires in the longest.
    let hours = if chance.one_in(6) {
        chance.between(72, 96)
    } else {
        chance.between(24, 36)
    };
    let mut acts = vec![push(1, 1.0, 1, 20.0)];
    // People work now and then.
    let mut at = 60.0;
    for id in 2..chance.count(14, 40) {
        at += chance.seconds(HOUR / 6, 2 * hours * HOUR / 30);
        acts.push(push(id, at, chance.count(1, 8), chance.seconds(20, 1_200)));
    }
    for id in 100..chance.count(101, 105) {
        gate(chance, id, hours, &mut acts);
    }
    away(chance, hours, &mut acts);
    outages(chance, hours, &mut acts);
    let mut pools = pool(chance);
    if pools.pools[0].max_lifetime.is_some() {
        acts.push(push(
            200,
            chance.seconds(HOUR, 12 * HOUR),
            1,
            chance.seconds(2 * HOUR, 5 * HOUR),
        ));
    }
    // No one ever takes this one: GitHub gives it up after a day.
    if chance.percent(50) {
        let labels = ["self-hosted", "mainframe"].map(str::to_owned).to_vec();
        acts.push(queue(
            chance.seconds(0, 6 * HOUR),
            Batch {
                labels,
                ..jobs(300, REPOSITORY, 2, 30.0)
            },
        ));
    }
    let last = acts.iter().map(|act| act.at).fold(0.0, f64::max);
    acts.push(afterwards(chance, last + 30.0));
    pools.accounts = vec!["acme".to_owned()];
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "seconds of some days"
    )]
    let calm_at = (last as u64 + 60).max(hours * HOUR);
    let timing = Timing {
        lost_after: Some(LOST_AFTER),
        ..Timing::default()
    };
    Scenario {
        start_seconds: chance.between(20, 60),
        pools,
        acts,
        timing,
        calm_at,
        ..Scenario::default()
    }
}

/// Runners that wait for hours, and runners that may not live for long.
fn pool(chance: &mut Chance) -> PoolsFile {
    let mut file = one_pool(chance.count(4, 12));
    if let Some(pool) = file.pools.first_mut() {
        pool.min_idle = if chance.percent(40) {
            chance.count(1, 2)
        } else {
            0
        };
        pool.max_lifetime = chance.percent(40).then(|| chance.between(60, 110));
        pool.spot = chance.percent(30);
    }
    file
}

/// A gate that is shut over a night or a weekend.
fn gate(chance: &mut Chance, id: u32, hours: u64, acts: &mut Vec<Act>) {
    let at = chance.seconds(60, 6 * HOUR);
    let gate = chance.pick(&[Gate::Environment, Gate::Deployment, Gate::Concurrency]);
    acts.push(queue(
        at,
        Batch {
            gate: Some(gate),
            ..jobs(id, REPOSITORY, chance.count(1, 3), chance.seconds(20, 300))
        },
    ));
    let opens = at + chance.seconds(HOUR, (hours - 8) * HOUR);
    let action = if chance.one_in(6) {
        Action::Reject { batch: id }
    } else {
        Action::Approve { batch: id }
    };
    acts.push(Act { at: opens, action });
}

/// The App does not see its repositories for a night or longer.
fn away(chance: &mut Chance, hours: u64, acts: &mut Vec<Act>) {
    if !chance.percent(60) {
        return;
    }
    let account = "acme".to_owned();
    let at = chance.seconds(HOUR, 8 * HOUR);
    // Jobs that come meanwhile are heard of afterwards: GitHub keeps no delivery of an App that is
    // suspended, and gives a job up after a day.
    let back = at + chance.seconds(2 * HOUR, (hours - 9).min(34) * HOUR);
    acts.retain(|act| {
        !matches!(act.action, Action::Queue(_)) || !(at - 1.0..back).contains(&act.at)
    });
    acts.push(Act {
        at,
        action: Action::Suspend {
            account: account.clone(),
        },
    });
    acts.push(Act {
        at: back,
        action: Action::Resume { account },
    });
}

/// Things are down for hours.
fn outages(chance: &mut Chance, hours: u64, acts: &mut Vec<Act>) {
    let all = [
        Outage::Github,
        Outage::Deliveries,
        Outage::Ecs,
        Outage::EcsRefuses,
        Outage::Table,
        Outage::Queue,
        Outage::Parameters,
    ];
    for what in all {
        if chance.percent(35) {
            let at = chance.seconds(HOUR, (hours - 6) * HOUR);
            acts.push(Act {
                at,
                action: Action::Down {
                    what,
                    seconds: chance.between(600, 3 * HOUR),
                },
            });
        }
    }
}
