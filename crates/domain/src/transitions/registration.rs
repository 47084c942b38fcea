//! Registration: who the caller is, which job the runner gets, and what the ledger records at each
//! step.

use std::borrow::Borrow;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crate::model::id::{GithubRunnerId, RunnerId, RunnerName, TaskArn};
use crate::model::job::{JobRecord, RefusalScope, WaitingJob};
use crate::model::runner::{Runner, RunnerState, Work};
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::task::{Task, TaskStatus};
use crate::model::time::Timestamp;
use crate::model::timeouts;
use crate::transitions::changes::Changes;
use crate::transitions::close::awaits_retry;

/// Who called, as API Gateway verified it (`requestContext.authorizer.iam.userArn`): never the
/// caller's own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// AWS account.
    pub account: String,
    /// Name of the assumed role, without its path: session ARNs do not carry it.
    pub role: String,
    /// Session name: the id of the task.
    pub session: String,
}

impl Caller {
    /// Reads `arn:aws:sts::<account>:assumed-role/<role>/<session>`; `None` for any other kind of
    /// caller.
    #[must_use]
    pub fn from_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':');
        let (
            Some("arn"),
            Some(_partition),
            Some("sts"),
            Some(_region),
            Some(account),
            Some(resource),
        ) = (
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
            parts.next(),
        )
        else {
            return None;
        };
        let (role, session) = resource.strip_prefix("assumed-role/")?.split_once('/')?;
        let plain = |text: &str| !text.is_empty() && !text.contains('/');
        (plain(role) && plain(session) && !account.is_empty()).then(|| Self {
            account: account.to_owned(),
            role: role.to_owned(),
            session: session.to_owned(),
        })
    }
}

/// Whether a caller is the runner that it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    /// It is.
    Proven,
    /// Account and role fit, but the row does not know its task yet.
    NoArnYet,
    /// It is not.
    Stranger,
}

/// Holds the caller against the runner's row: our account, our cluster, the row's role, the task's
/// id as session name.
#[must_use]
pub fn identify(runner: &Runner, caller: &Caller, account: &str, cluster: &str) -> Identity {
    let role = runner.launch.role.rsplit('/').next().unwrap_or_default();
    if caller.account != account || caller.role != role {
        return Identity::Stranger;
    }
    let Some(arn) = &runner.arn else {
        return Identity::NoArnYet;
    };
    // arn:aws:ecs:<region>:<account>:task/<cluster>/<task id>
    let cluster = cluster.rsplit('/').next().unwrap_or_default();
    let in_cluster = arn.0.rsplit('/').nth(1) == Some(cluster);
    if in_cluster && arn.task_id() == caller.session {
        Identity::Proven
    } else {
        Identity::Stranger
    }
}

/// True if what ECS shows under the ARN that a caller's session names is this runner's task, and may
/// still be asking: its row does not know its task yet. The caller's word alone would let any task
/// of the role take any such row.
#[must_use]
pub fn may_adopt(runner: &Runner, arn: &TaskArn, task: &Task) -> bool {
    task.arn == *arn && task.address == runner.address() && task.status != TaskStatus::Stopped
}

/// The answer to a runner that asks for its registration, before a job is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationStep {
    /// Look for a job.
    Serve,
    /// It is to end (204).
    Stopped,
    /// It has had its registration (409): a registration is handed out once.
    Registered,
}

/// Whose turn it is.
#[must_use]
pub fn registration_step(runner: &Runner) -> RegistrationStep {
    match runner.state {
        RunnerState::Registered | RunnerState::Busy => RegistrationStep::Registered,
        _ if runner.stop.is_some()
            || runner.stop_request.is_some()
            || next_name(runner).to_string().len() > RunnerName::MAX_LENGTH =>
        {
            RegistrationStep::Stopped
        }
        // Taken away at GitHub, its task is about to be stopped: a registration that it got now
        // would go with it, job or no job.
        _ if runner.retired_at.is_some() => RegistrationStep::Stopped,
        RunnerState::Requested | RunnerState::Parked | RunnerState::Registering => {
            RegistrationStep::Serve
        }
    }
}

/// The name of the runner's next registration. One that is too long comes only of many calls whose
/// fate is unknown: such a runner is done.
fn next_name(runner: &Runner) -> RunnerName {
    RunnerName {
        address: runner.address(),
        registration_attempt: runner.registration_attempt.saturating_add(1),
    }
}

/// How many waiting jobs that fit are gathered before one is chosen: enough that many runners
/// asking at once rarely choose the same.
pub const CANDIDATES: usize = 25;

/// How many jobs in reserve for others are looked into when there is no other job: each is a read
/// of its holder, and in a burst above GitHub's limit hundreds of runners look. Each request looks
/// into others.
pub const RESERVED_CANDIDATES: usize = 4;

/// True if the runner may serve the job: it waits, it is its turn, and the size fits.
#[must_use]
pub fn can_serve(runner: &Runner, job: &WaitingJob, now: Timestamp) -> bool {
    job.size == runner.size && job.eligible(now)
}

/// True if the reservation on a waiting job means nothing: its runner has no open row, never got as
/// far as registering, or does something else.
#[must_use]
pub fn reservation_is_void(job: &WaitingJob, holder: Option<&Runner>) -> bool {
    let Some(holder) = holder else { return true };
    // Of another run than the job's: whatever it works on, it is not this.
    let elsewhere = |work: &Work| {
        (work.run, work.attempt) != (job.run, job.attempt)
            || work.job.is_some_and(|its| its != job.id)
    };
    match holder.state {
        RunnerState::Requested | RunnerState::Parked => true,
        RunnerState::Registering | RunnerState::Registered => {
            holder.reserved != Some(job.id) || holder.retired_at.is_some()
        }
        // Busy with the run while the job is unknown: it keeps its reservation.
        RunnerState::Busy => {
            holder.refused.is_some()
                || holder.reserved != Some(job.id)
                || holder.work.as_ref().is_some_and(elsewhere)
        }
    }
}

/// The order in which the runner tries jobs that fit (already the oldest ones, oldest first): its
/// own first, then from a position that differs between runners, so that runners that ask at the
/// same moment do not all compete for the oldest job.
#[must_use]
pub fn candidate_order<J: Borrow<WaitingJob>>(runner: &Runner, mut fitting: Vec<J>) -> Vec<J> {
    fitting.sort_by_key(|job| job.borrow().rank());
    if !fitting.is_empty() {
        let start = place_in_line(runner, fitting.len());
        fitting.rotate_left(start);
    }
    if let Some(own) = fitting
        .iter()
        .position(|job| Some(job.borrow().id) == runner.reserved.or(runner.intended))
    {
        let own = fitting.remove(own);
        fitting.insert(0, own);
    }
    fitting
}

/// A place among so many that differs from runner to runner, and from one request to the next.
#[must_use]
pub fn place_now(runner: &Runner, of: usize, now: Timestamp) -> usize {
    if of == 0 {
        0
    } else {
        spread((&runner.id, now.millis())) % of
    }
}

/// A place among so many that differs from runner to runner.
#[must_use]
pub fn place_in_line(runner: &Runner, of: usize) -> usize {
    if of == 0 { 0 } else { spread(&runner.id) % of }
}

fn spread(of: impl Hash) -> usize {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    usize::try_from(hasher.finish() >> 33).unwrap_or(0)
}

/// When the runner may register again after GitHub told its installation to wait until `until`, in
/// a pool of so many runners at most. All of them wait for that moment: coming together they would
/// spend GitHub's next minute in one second, and the pool's partition of the table with it
/// ([`timeouts::AFTER_LIMIT`]).
#[must_use]
pub fn retry_slot(runner: &Runner, until: Timestamp, max: u32) -> Timestamp {
    let over = timeouts::AFTER_LIMIT
        .saturating_mul(max)
        .min(timeouts::AFTER_LIMIT_MAX);
    let place = place_in_line(runner, usize::try_from(over.as_millis()).unwrap_or(0));
    until.plus(Duration::from_millis(u64::try_from(place).unwrap_or(0)))
}

/// When a runner asks again that has to wait for so long: within [`timeouts::POLL_MAX`], at a
/// moment that differs from runner to runner and from one request to the next. Runners that were
/// told to wait at the same moment would else ask together for as long as they wait.
#[must_use]
pub fn ask_again(runner: &Runner, wait: Duration, now: Timestamp) -> Duration {
    let half = timeouts::POLL_MAX / 2;
    let place = place_now(
        runner,
        usize::try_from(half.as_secs() + 1).unwrap_or(1),
        now,
    );
    wait.min(half) + Duration::from_secs(u64::try_from(place).unwrap_or(0))
}

impl Runner {
    /// The runner, heard of.
    fn seen(&self, now: Timestamp) -> Self {
        let mut after = self.clone();
        after.last_seen_at = Some(now);
        if after.first_polled_at.is_none() {
            after.first_polled_at = Some(now);
            note(&mut after.story, now, StoryEvent::AskedForRegistration);
        }
        after
    }

    /// The runner, told that there is nothing to do now. One that registers stays so: GitHub may
    /// know it.
    #[must_use]
    pub fn parked(&self, now: Timestamp) -> Self {
        let mut after = self.seen(now);
        if after.state == RunnerState::Requested {
            after.state = RunnerState::Parked;
        }
        after
    }

    /// The runner with a job in reserve, about to ask GitHub for a registration under a name that
    /// was never used before.
    #[must_use]
    pub fn registering(&self, job: &JobRecord, now: Timestamp) -> Self {
        let mut after = self.seen(now);
        // The result of an earlier call is unknown if it was never recorded.
        after.attempt_outcome_unknown |= self.state == RunnerState::Registering;
        after.state = RunnerState::Registering;
        after.registration_attempt += 1;
        after.last_attempt_at = Some(now);
        after.reserved = Some(job.id);
        after.repository = Some(job.repository.id);
        if self.state == RunnerState::Registering {
            let elsewhere = self.target.iter().filter(|left| {
                !job.target
                    .iter()
                    .chain(&self.previous_targets)
                    .any(|known| known.is_beside(left))
            });
            after.previous_targets.extend(elsewhere.cloned());
        }
        after.target.clone_from(&job.target);
        let event = StoryEvent::Registering {
            name: after.name().to_string(),
            job: job.id,
            repository: job.repository.name.clone(),
        };
        note(&mut after.story, now, event);
        after
    }

    /// The runner with its registration; `None` if someone marked it, retired it or minted again
    /// meanwhile, and the registration must not be handed out.
    #[must_use]
    pub fn registered(
        &self,
        registration_attempt: u32,
        github: GithubRunnerId,
        now: Timestamp,
    ) -> Option<Self> {
        let unwanted =
            self.stop.is_some() || self.stop_request.is_some() || self.retired_at.is_some();
        (self.state == RunnerState::Registering
            && self.registration_attempt == registration_attempt
            && !unwanted)
            .then(|| {
                let mut after = self.clone();
                after.state = RunnerState::Registered;
                after.github = Some(github);
                after.registered_at = Some(now);
                after.last_seen_at = Some(now);
                note(&mut after.story, now, StoryEvent::Registered { github });
                after
            })
    }

    /// The runner after GitHub refused the registration in so many words: this call made no
    /// registration, so the runner is unregistered again, unless the result of an earlier call is
    /// unknown.
    #[must_use]
    pub fn refused_registration(
        &self,
        registration_attempt: u32,
        why: &str,
        now: Timestamp,
    ) -> Option<Self> {
        (self.state == RunnerState::Registering
            && self.registration_attempt == registration_attempt)
            .then(|| {
                let mut after = self.clone();
                if !self.attempt_outcome_unknown {
                    after.state = RunnerState::Parked;
                    after.target = None;
                    // No runner of that name exists or ever will: the name is free for the next
                    // call.
                    after.registration_attempt -= 1;
                }
                after.reserved = None;
                after.last_seen_at = Some(now);
                note(
                    &mut after.story,
                    now,
                    StoryEvent::RegistrationRefused {
                        message: why.to_owned(),
                    },
                );
                after
            })
    }
}

impl WaitingJob {
    /// The job, held in reserve for a runner.
    #[must_use]
    pub fn reserved_for(&self, runner: &RunnerId) -> Self {
        Self {
            runner: Some(runner.clone()),
            hold: None,
            ..self.clone()
        }
    }

    /// The job after GitHub made a registration for it, which it had refused before.
    #[must_use]
    pub fn refused_no_more(&self) -> Self {
        Self {
            refused: None,
            ..self.clone()
        }
    }
}

/// GitHub refused a registration for good: another try meets the same answer until a person acts.
#[derive(Clone, Copy, Debug)]
pub struct RefusedRegistration<'a> {
    /// GitHub's message.
    pub message: &'a str,
    /// What else GitHub refuses with that.
    pub scope: RefusalScope,
}

/// The job after GitHub refused a registration for it for good: it waits longer each time, with
/// GitHub's message as its reason.
#[must_use]
pub fn refused_for_good(
    job: &WaitingJob,
    record: &JobRecord,
    refused: RefusedRegistration<'_>,
    now: Timestamp,
) -> Changes {
    let attempts = job.attempts.saturating_add(1);
    let wait = timeouts::exponential_backoff(
        timeouts::BACK_OFF_MIN,
        attempts.saturating_sub(1),
        timeouts::REFUSED_PROBE,
    );
    let record = awaits_retry(
        record,
        Reason::RunnerRefused {
            message: refused.message.to_owned(),
            wait,
        },
        now,
    );
    let row = WaitingJob {
        attempts,
        refused: Some(refused.scope),
        not_before: Some(now.plus(wait)),
        ..job.clone()
    };
    Changes {
        waiting: record.row_changed(row),
        record: Some(record),
        ..Changes::default()
    }
}
