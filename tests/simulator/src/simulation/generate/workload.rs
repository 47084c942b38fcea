//! What people push, cancel, approve, run again and change.

use super::chance::Chance;
use super::pools::{self, House};
use crate::simulation::scenario::{Act, Action, Batch, Moment};
use mayfly_github_model::jobs::Gate;

/// The acts of people who mean no harm, and when the last of them is done.
pub(super) fn acts(chance: &mut Chance, house: &House) -> (Vec<Act>, f64) {
    let span = chance.between(5, 60) * 60;
    let mut left = match chance.between(0, 199) {
        0..140 => chance.count(5, 45),
        140..182 => chance.count(45, 90),
        182..197 => chance.count(90, 180),
        197 | 198 => chance.count(300, 600),
        _ => chance.count(1_000, 2_000),
    };
    let large = left > 150;
    let mut acts = Vec::new();
    let mut id = 0;
    while left > 0 {
        id += 1;
        let batch = batch(chance, house, (id, left, large));
        left = left.saturating_sub(batch.count);
        let at = chance.seconds(1, span);
        consequences(chance, &batch, at, &mut acts);
        acts.push(Act {
            at,
            action: Action::Queue(batch),
        });
    }
    changes(chance, house, span, &mut acts);
    let last = acts.iter().map(|act| act.at).fold(0.0, f64::max);
    (acts, last)
}

fn batch(chance: &mut Chance, house: &House, (id, left, large): (u32, u32, bool)) -> Batch {
    let count = match chance.between(0, 9) {
        0..=3 => 1,
        4..=6 => chance.count(2, 8),
        7 | 8 => chance.count(5, 30),
        _ => chance.count(20, 60),
    };
    let count = if large { count * 4 } else { count }.min(left);
    let pool = chance.pick(&house.file.pools);
    let labels = if chance.percent(4) {
        pools::nobodys(chance)
    } else {
        pools::wish(chance, &pool)
    };
    let seconds = match chance.between(0, if large { 69 } else { 99 }) {
        0..30 => chance.seconds(5, 20),
        30..70 => chance.seconds(20, 120),
        70..93 => chance.seconds(120, 300),
        _ => chance.seconds(300, 1_200),
    };
    let gate = (count <= 3 && chance.one_in(7))
        .then(|| chance.pick(&[Gate::Environment, Gate::Deployment, Gate::Concurrency]));
    Batch {
        id,
        repository: chance.pick(&house.repositories),
        labels,
        count: if labels_of_github(&pool.labels) {
            1
        } else {
            count
        },
        seconds,
        one_run: count > 1 && chance.percent(50),
        gate,
        runner_group: None,
    }
}

fn labels_of_github(labels: &[String]) -> bool {
    labels.iter().any(|label| label.starts_with("ubuntu-"))
}

/// What people do about the jobs that they pushed.
fn consequences(chance: &mut Chance, batch: &Batch, at: f64, acts: &mut Vec<Act>) {
    let id = batch.id;
    if batch.gate.is_some() && !chance.one_in(8) {
        let action = if chance.one_in(5) {
            Action::Reject { batch: id }
        } else {
            Action::Approve { batch: id }
        };
        acts.push(Act {
            at: at + chance.seconds(1, 300),
            action,
        });
    }
    if chance.one_in(4) {
        let moments = [
            Moment::Then,
            Moment::Then,
            Moment::Then,
            Moment::AtLaunch,
            Moment::AtRegistration,
            Moment::AtAssignment,
            Moment::AtStart,
        ];
        for job in 0..batch.count {
            if chance.percent(35) {
                acts.push(Act {
                    at: at + chance.seconds(0, 150),
                    action: Action::Cancel {
                        batch: id,
                        job,
                        moment: chance.pick(&moments),
                    },
                });
            }
        }
    }
    if chance.one_in(10) {
        let job = chance.count(0, batch.count - 1);
        acts.push(Act {
            at: at + batch.seconds + chance.seconds(60, 600),
            action: Action::Rerun { batch: id, job },
        });
    }
}

/// Pools files that are applied meanwhile. Some are mended later: else the jobs of a pool that is
/// gone would be all that such a seed tells.
fn changes(chance: &mut Chance, house: &House, span: u64, acts: &mut Vec<Act>) {
    if !chance.percent(35) {
        return;
    }
    let mut file = house.file.clone();
    let mut at = chance.seconds(30, span);
    for _ in 0..chance.between(1, 3) {
        file = pools::changed(chance, &file);
        acts.push(Act {
            at,
            action: Action::Apply(file.clone()),
        });
        at += chance.seconds(20, 600);
    }
    if chance.percent(50) {
        acts.push(Act {
            at,
            action: Action::Apply(house.file.clone()),
        });
    }
}
