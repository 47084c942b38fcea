//! Admission: whether the job that GitHub handed to a runner may run on it.
//!
//! GitHub gives a runner any job that its labels cover, so this, asked before the first step, is
//! the security; matching in webhook only saves money.

use serde::{Deserialize, Serialize};

use crate::model::id::{RepositoryId, RunId};
use crate::model::pool::Pool;
use crate::model::runner::{Runner, RunnerState, Work};
use crate::model::story::{Reason, Refusal, StoryEvent, note};
use crate::model::target::{Repository, TargetScope};
use crate::model::time::Timestamp;
use crate::transitions::changes::Changes;

/// What the job-started hook says of the job it stands before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdmissionRequest {
    /// The runner that asks, `<pool>/<runner id>`.
    pub runner: String,
    /// `GITHUB_RUN_ID`.
    pub run_id: i64,
    /// `GITHUB_RUN_ATTEMPT`.
    pub run_attempt: u32,
    /// `GITHUB_REPOSITORY`: `owner/name`.
    pub repository: String,
    /// `GITHUB_REPOSITORY_ID`.
    pub repository_id: i64,
    /// `GITHUB_WORKFLOW_REF`.
    pub workflow_ref: String,
    /// `GITHUB_REF`.
    pub r#ref: String,
    /// `GITHUB_EVENT_NAME`.
    pub event: String,
}

/// The answer to the hook.
#[derive(Clone, Debug, PartialEq)]
pub enum Admission {
    /// It may run.
    Admitted,
    /// It may not, for this reason; the container ends itself.
    Refused(Reason),
}

/// The decision that was made before about this job on this runner: admitted, or refused for this
/// reason. Nothing has to be written down or asked for it, however often a job asks.
#[must_use]
pub fn decided<'a>(
    runner: &'a Runner,
    request: &AdmissionRequest,
) -> Option<Result<(), &'a Reason>> {
    if let Some(why) = &runner.refused {
        return Some(Err(why));
    }
    let same = !has_another(runner, request);
    (same && runner.admitted_at.is_some()).then_some(Ok(()))
}

/// True if the runner is known to have another job than the one asked about: that is refused
/// whatever it is.
#[must_use]
pub fn has_another(runner: &Runner, request: &AdmissionRequest) -> bool {
    runner.work.as_ref().is_some_and(|work| {
        (work.run, work.attempt) != (RunId(request.run_id), request.run_attempt)
    })
}

impl Runner {
    /// True if no job may run on it that was not admitted, and none was admitted or refused.
    #[must_use]
    pub fn unadmitted(&self) -> bool {
        self.fails_closed && self.admitted_at.is_none() && self.refused.is_none()
    }

    /// The runner, refused because its job runs and was never admitted; `None` if that is not so,
    /// or not so any more.
    #[must_use]
    pub fn refused_unadmitted(&self, now: Timestamp) -> Option<Self> {
        (self.state == RunnerState::Busy && self.unadmitted()).then(|| {
            let mut after = Self {
                refused: Some(Reason::Unadmitted),
                ..self.clone()
            };
            note(
                &mut after.story,
                now,
                StoryEvent::JobRefused {
                    reason: Reason::Unadmitted,
                },
            );
            after
        })
    }
}

/// Decides whether the job may run on this runner, and what changes in the runner's row. `private`
/// is what is known of the repository; unknown counts as public.
#[must_use]
pub fn admit(
    runner: &Runner,
    pool: Option<&Pool>,
    request: &AdmissionRequest,
    private: Option<bool>,
    now: Timestamp,
) -> (Admission, Changes) {
    let run = RunId(request.run_id);
    // The hook may ask again when it missed the answer; a second job is not a repetition.
    if has_another(runner, request) {
        return refuse(&taken(runner, request, now), Reason::HadItsJob, now);
    }
    let taken = taken(runner, request, now);
    // A refusal stands, whatever the same container says of itself next: its end is under way.
    if let Some(why) = &runner.refused {
        return refuse(&taken, why.clone(), now);
    }
    if let Some(why) = refusal(runner, pool, request, private) {
        return refuse(&taken, why, now);
    }
    // What a delivery has said already needs no second write, unless it counts that the hook asked.
    if runner.admitted_at.is_some() || (runner.work.is_some() && !runner.fails_closed) {
        return (Admission::Admitted, Changes::default());
    }
    let mut after = taken;
    after.repository = Some(RepositoryId(request.repository_id));
    after.admitted_at = Some(now);
    note(
        &mut after.story,
        now,
        StoryEvent::Admitted {
            run,
            repository: request.repository.clone(),
        },
    );
    (Admission::Admitted, Changes::of_runner(after))
}

/// The runner with the run that GitHub handed to it. A refused job uses it up as well: GitHub gives
/// it no second one. It counts for the repository that it was registered for until it is admitted:
/// a refused caller must not use up another repository's limit.
fn taken(runner: &Runner, request: &AdmissionRequest, now: Timestamp) -> Runner {
    let mut after = runner.clone();
    after.state = RunnerState::Busy;
    after.busy_at.get_or_insert(now);
    after.work.get_or_insert(Work {
        run: RunId(request.run_id),
        attempt: request.run_attempt,
        job: None,
        since: now,
    });
    after
}

fn refuse(taken: &Runner, why: Reason, now: Timestamp) -> (Admission, Changes) {
    let mut after = taken.clone();
    after.refused = Some(why.clone());
    note(
        &mut after.story,
        now,
        StoryEvent::JobRefused {
            reason: why.clone(),
        },
    );
    (Admission::Refused(why), Changes::of_runner(after))
}

fn refusal(
    runner: &Runner,
    pool: Option<&Pool>,
    request: &AdmissionRequest,
    private: Option<bool>,
) -> Option<Reason> {
    let Some(target) = &runner.target else {
        return Some(Reason::NeverRegistered);
    };
    let owner = request.repository.split('/').next().unwrap_or_default();
    let reached = match &target.scope {
        TargetScope::Repository { id, .. } => id.0 == request.repository_id,
        TargetScope::Organization { login, .. } => login.eq_ignore_ascii_case(owner),
    };
    if !reached {
        return Some(Reason::RegisteredElsewhere {
            repository: request.repository.clone(),
        });
    }
    // A pool that is gone drains: what it took in may run. Its rules are gone, too, so jobs of an
    // organization's other repositories are refused.
    let Some(pool) = pool else {
        let taken_in = matches!(&target.scope, TargetScope::Repository { .. })
            || runner.repository == Some(RepositoryId(request.repository_id));
        return (!taken_in).then(|| Reason::PoolRemoved {
            pool: runner.pool.clone(),
            repository: request.repository.clone(),
        });
    };
    let owner_id = match &target.scope {
        TargetScope::Organization { id, .. } => *id,
        TargetScope::Repository { .. } => crate::model::id::OwnerId(0),
    };
    let repository = Repository {
        id: RepositoryId(request.repository_id),
        name: request.repository.clone(),
        owner: owner_id,
        private: private.unwrap_or(false),
    };
    let (name, repository_name) = (pool.name.clone(), request.repository.clone());
    pool.refuses(&repository).map(|refusal| match refusal {
        Refusal::Repository => Reason::RepositoryNotListed {
            pool: name,
            repository: repository_name,
        },
        Refusal::Public => Reason::RepositoryPublic {
            pool: name,
            repository: repository_name,
        },
        Refusal::Account | Refusal::Labels => Reason::NotServed { refusal },
    })
}
