//! The tasks of a story as ECS wrote them down.

use jiff::Timestamp;
use serde::Deserialize;

use crate::settled::Stage;

/// A task as ECS knows it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Task {
    pub(crate) task_arn: String,
    /// `<pool>/<runner id>`.
    pub(crate) started_by: String,
    pub(crate) last_status: String,
    pub(crate) created_at: Timestamp,
    pub(crate) stopped_at: Option<Timestamp>,
    /// Its main process, while its container runs.
    pub(crate) pid: Option<u32>,
}

/// The tasks that were created at `since` or later, live and stopped ones: stories before this one
/// had theirs, of other pools too.
pub(crate) async fn tasks_since(stage: &Stage, since: Timestamp) -> Vec<Task> {
    let url = format!("{}/_model/tasks", stage.stack.fargate_url);
    let all: Vec<Task> = stage
        .client
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    all.into_iter()
        .filter(|task| task.created_at >= since)
        .collect()
}

/// The most tasks of a pool that lived at a time, by the times that ECS wrote down.
pub(crate) fn most_live(tasks: &[Task], pool: &str) -> usize {
    let of_pool = tasks
        .iter()
        .filter(|task| task.started_by.split('/').next() == Some(pool));
    let ends = of_pool.flat_map(|task| {
        [
            (task.created_at, 1),
            (task.stopped_at.unwrap_or(Timestamp::MAX), -1_i64),
        ]
    });
    let mut changes: Vec<(Timestamp, i64)> = ends.collect();
    // Of one moment, ends go first: -1 sorts before 1.
    changes.sort_unstable();
    let levels = changes.iter().scan(0_i64, |level, (_, change)| {
        *level += change;
        Some(*level)
    });
    usize::try_from(levels.max().unwrap_or_default()).unwrap_or_default()
}
