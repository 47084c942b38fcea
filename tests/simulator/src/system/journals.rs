//! What the models wrote down, told to the listener.

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::time::Timestamp;

use super::event::{Event, EventListener};
use super::world::World;
use mayfly_fargate_model::{Change as AtEcs, Fargate, Moment};
use mayfly_github_model::model::{Change as AtGithub, Model as Github};
use mayfly_github_model::runners::Scope;

/// Whose doing something is that no function asked for.
const GITHUB: &str = "GitHub";

impl World {
    /// From now on this one is told what happens.
    pub fn set_listener(&self, listener: Box<dyn EventListener>) {
        self.put_witness(listener);
        self.at_ecs("nobody", |ecs, _| ecs.journal.keep());
        self.at_github(GITHUB, |github, _| github.journal.keep());
    }

    /// Something of ECS, done for a function; what comes of it is told.
    pub(super) fn at_ecs<T>(
        &self,
        by: &'static str,
        act: impl FnOnce(&mut Fargate, &mut Moment<'_>) -> T,
    ) -> T {
        let (result, changes) = self.lock_ecs(|ecs, at| (act(ecs, at), ecs.journal.take()));
        for (at, change) in changes {
            self.tell_at(Timestamp::from_millis(at.as_millisecond()), || {
                of_ecs(change, by)
            });
        }
        result
    }

    /// Something of GitHub, done for a function; what comes of it is told.
    pub(super) fn at_github<T>(
        &self,
        by: &'static str,
        act: impl FnOnce(&mut Github, jiff::Timestamp) -> T,
    ) -> T {
        let (result, changes) =
            self.lock_github(|github, now| (act(github, now), github.journal.take()));
        for change in changes {
            self.tell(|| of_github(change, by));
        }
        result
    }
}

fn of_ecs(change: AtEcs, by: &'static str) -> Event {
    match change {
        AtEcs::Started { task, started_by } => Event::TaskStarted {
            task,
            started_by,
            by,
        },
        AtEcs::StopAsked {
            task,
            started_by,
            reason,
        } => Event::StopAsked {
            task,
            started_by,
            reason,
            by,
        },
        AtEcs::LeftOut {
            task,
            started_by,
            lasts,
        } => Event::TaskLeftOut {
            task,
            started_by,
            lasts,
        },
        AtEcs::Moved {
            task,
            started_by,
            last,
            desired,
            reason,
        } => Event::TaskChanged {
            task,
            started_by,
            last,
            desired,
            reason,
        },
        AtEcs::Exited {
            task,
            started_by,
            code,
        } => Event::ContainerExited {
            task,
            started_by,
            code,
        },
    }
}

fn of_github(change: AtGithub, by: &'static str) -> Event {
    match change {
        AtGithub::Job {
            id,
            from,
            to,
            conclusion,
            runner,
        } => Event::JobChanged {
            job: JobId(id.0),
            from,
            to,
            conclusion,
            runner,
        },
        AtGithub::Given { id, runner } => Event::JobAssigned {
            job: JobId(id.0),
            runner,
        },
        AtGithub::Registered { id, name, scope } => {
            let repository = match scope {
                Scope::Repository(repository) => Some(repository.0),
                Scope::Organization(_) => None,
            };
            Event::RunnerRegistered {
                id: id.0,
                name,
                repository,
                by,
            }
        }
        AtGithub::Removed { id, name, why } => Event::RunnerRemoved {
            id: id.0,
            name,
            why: why.name(),
            by,
        },
        AtGithub::Sent {
            id,
            guid,
            action,
            job,
            redelivery,
        } => Event::DeliverySent {
            guid,
            delivery: id.0,
            action: action.unwrap_or_default(),
            job: job.map(|job| JobId(job.0)),
            redelivery,
        },
        AtGithub::Answered { id, guid, code } => Event::DeliveryAnswered {
            guid,
            delivery: id.0,
            status: code,
        },
    }
}
