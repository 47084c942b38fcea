//! The jobs: a burst, a matrix, a trickle, and some that someone cancels.

use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};

use super::fixture::Fixture;

/// Labels of the pools of the local stack, and how many jobs each gets besides the matrix.
const POOLS: [(&[&str], usize); 3] = [
    (&["self-hosted", "linux", "x64", "mayfly"], 21),
    (&["self-hosted", "mayfly-small"], 7),
    (&["self-hosted", "arm64", "mayfly-arm"], 4),
];

/// How many jobs there are in the burst, in the matrix, and one after the other; the last ones of
/// these are cancelled.
const BURST: usize = 12;
const MATRIX: usize = 8;
const TRICKLE: usize = 20;
const CANCELLED: usize = 6;

/// How many jobs lose one delivery of each kind, and how many get theirs late and twice, besides
/// what befalls all.
const LOST: usize = 3;
const LATE: usize = 4;

/// The longest pause in the trickle.
const GAP: Duration = Duration::from_millis(2_800);

/// From now until this, a job is cancelled: before there is a runner for it, while one starts,
/// while it runs.
const CANCEL_WITHIN: f64 = 8.0;

/// One job.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) job: i64,
    /// Someone cancels it.
    pub(super) cancelled: bool,
}

/// Queues all jobs. The rhythm is the workload's own: nothing is waited for.
pub(super) async fn play(fixture: &Fixture<'_>, rng: &mut Rng) -> Vec<Part> {
    let mut wishes = wishes(rng);
    let mut parts = Vec::new();
    for wish in wishes.split_off(wishes.len() - BURST) {
        parts.extend(queue(fixture, wish, false).await.0);
    }
    // One run, one set of labels: any runner may get any of them.
    let mut run = Value::Null;
    for mut wish in wishes.split_off(wishes.len() - MATRIX) {
        wish["run_id"] = run;
        let (part, of) = queue(fixture, wish, false).await;
        parts.extend(part);
        run = of;
    }
    let mut cancelled: Vec<bool> = (0..TRICKLE).map(|place| place < CANCELLED).collect();
    rng.shuffle(&mut cancelled);
    for (mut wish, cancelled) in wishes.into_iter().zip(cancelled) {
        tokio::time::sleep(GAP.mul_f64(rng.f64())).await;
        if cancelled {
            wish["cancel_after"] = json!(CANCEL_WITHIN * rng.f64());
        }
        parts.extend(queue(fixture, wish, cancelled).await.0);
    }
    parts
}

/// As many jobs of each kind as there are to be, of half a second to three: those of the trickle,
/// of the matrix, of the burst.
fn wishes(rng: &mut Rng) -> Vec<Value> {
    let mut labels: Vec<&[&str]> = POOLS
        .iter()
        .flat_map(|(labels, count)| std::iter::repeat_n(*labels, *count))
        .collect();
    rng.shuffle(&mut labels);
    labels.splice(TRICKLE..TRICKLE, std::iter::repeat_n(POOLS[0].0, MATRIX));
    let lost = ["queued", "in_progress", "completed"].map(|action| json!({ "lost": [action] }));
    let mut deliveries: Vec<Value> = lost
        .into_iter()
        .flat_map(|fault| std::iter::repeat_n(fault, LOST))
        .collect();
    deliveries.extend((0..LATE).map(|_| json!({ "late_seconds": 4.0 * rng.f64(), "repeat": 2 })));
    deliveries.resize(labels.len(), json!({}));
    rng.shuffle(&mut deliveries);
    let job = |(labels, deliveries): (&[&str], Value)| {
        let seconds = 0.5 + 2.5 * rng.f64();
        json!({ "repository": "acme/app", "labels": labels, "seconds": seconds, "deliveries": deliveries })
    };
    labels.into_iter().zip(deliveries).map(job).collect()
}

async fn queue(fixture: &Fixture<'_>, wish: Value, cancelled: bool) -> (Option<Part>, Value) {
    let made = fixture.tell_github("jobs", &wish).await;
    let part = made[0]["id"].as_i64().map(|job| Part { job, cancelled });
    (part, made[0]["run_id"].clone())
}
