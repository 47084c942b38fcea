//! What a test does to a system.

use std::time::Duration;

use mayfly_domain::model::id::{JobId, PoolName};

use super::System;
use super::event::Event;
use mayfly_fargate_model::{Fault, TaskId};
use mayfly_github_model::id;
use mayfly_github_model::jobs::NewJob;

impl System {
    /// Someone pushes: jobs wait at GitHub.
    pub fn queue_jobs(&self, wish: &NewJob) -> Vec<JobId> {
        let ids = self
            .world
            .with_github(|github, now| github.queue(wish, now));
        ids.into_iter().map(|id| JobId(id.0)).collect()
    }

    /// Someone cancels a job.
    pub fn cancel(&self, job: JobId) {
        self.world
            .with_github(|github, now| github.cancel(id::JobId(job.0), now));
    }

    /// Someone applies a pools file.
    pub fn put_pools(&self, text: &str) {
        let (parameter, version) = self.world.parameters.put_pools(text);
        self.world
            .tell(|| Event::SettingsChanged { parameter, version });
    }

    /// Someone wakes a pool by hand; false if the queue does not take it.
    pub fn wake(&self, pool: &PoolName) -> bool {
        self.world.enqueue("mayfly", pool)
    }

    /// Something goes wrong at ECS.
    pub fn fault(&self, fault: Fault) {
        self.world.with_ecs(|ecs, _| ecs.add_fault(fault));
    }

    /// The container of a task dies as if killed.
    pub fn kill_container(&self, task: &str) {
        self.signal(&TaskId::of(task), true);
    }

    /// Lets time pass.
    pub async fn pass(&self, seconds: u64) {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }

    /// Lets time pass until something holds; false if it does not within so many seconds.
    pub async fn until(&self, seconds: u64, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.world.clock.elapsed() + Duration::from_secs(seconds);
        while !holds(self) {
            if self.world.clock.elapsed() >= end {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        true
    }
}
