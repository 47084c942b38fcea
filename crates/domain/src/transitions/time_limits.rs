//! Time limits: what sweeper does about one runner that has been in its state for long enough.

use crate::model::id::RunnerId;
use crate::model::job::WaitingJob;
use crate::model::limits::Limits;
use crate::model::pool::Pool;
use crate::model::runner::{Runner, RunnerState, StopKind, StopMark};
use crate::model::start_health::PoolHealth;
use crate::model::stop_request::StopRequest;
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::timeouts;
use crate::transitions::coverage::coverage;
use crate::transitions::probes::PoolState;

/// What a runner needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunnerAction {
    /// Nothing.
    None,
    /// ECS must be asked whether it has a task: none is known, and its launch is long past.
    LocateTask,
    /// A stop mark: GitHub cannot know it.
    MarkForStop(StopKind, Reason),
    /// To be taken away at GitHub first, and stopped only if GitHub says that it has no job.
    Deregister(Reason),
    /// To be taken away at GitHub and stopped, job or no job.
    ForceStop(Reason),
    /// To be refused, and then ended so: its job runs and was never admitted.
    RefuseJob,
}

/// Decides what a runner needs. `pool` is its pool as the pools file has it now; of one that is
/// gone the usual limits hold.
#[must_use]
pub fn runner_action(runner: &Runner, pool: Option<&Pool>, now: Timestamp) -> RunnerAction {
    let over =
        |since: Option<Timestamp>, limit| since.is_some_and(|since| now.since(since) > limit);
    let idle_timeout = pool.map_or(timeouts::IDLE_TIMEOUT, |pool| pool.idle_timeout);
    let max_lifetime = pool.map_or(timeouts::MAX_LIFETIME, |pool| pool.max_lifetime);
    if runner.arn.is_none() && over(Some(runner.launch.sent_at), timeouts::MISSING_COUNTS_AFTER) {
        return RunnerAction::LocateTask;
    }
    match runner.state {
        _ if runner.stop.is_some() => RunnerAction::None,
        // This comes before all others: a runner that GitHub hides from the App must not live
        // forever either.
        _ if over(runner.registered_at, max_lifetime) => {
            RunnerAction::ForceStop(Reason::MaxLifetime {
                within: max_lifetime,
            })
        }
        _ if over(runner.retired_at, timeouts::STOP_AFTER_DONE) => {
            RunnerAction::ForceStop(Reason::OutlivedRegistration)
        }
        _ if runner.retired_at.is_some() => RunnerAction::None,
        state
            if let Some(action) = runner
                .stop_request
                .as_ref()
                .and_then(|request| stop_request_action(runner, state, request, now)) =>
        {
            action
        }
        RunnerState::Requested if over(Some(runner.requested_at), timeouts::START_TIMEOUT) => {
            RunnerAction::MarkForStop(
                StopKind::StartTimeout,
                Reason::StartTimeout {
                    within: timeouts::START_TIMEOUT,
                },
            )
        }
        // The script gives up by itself at the limit; this is for one that does not.
        RunnerState::Parked
            if over(
                runner.first_polled_at,
                timeouts::PARK_LIMIT + timeouts::START_TIMEOUT,
            ) =>
        {
            RunnerAction::MarkForStop(StopKind::ParkLimit, Reason::ParkLimit)
        }
        // One that still tries attempts a registration again at every request; this one had no
        // answer from GitHub, and then no job to try for.
        RunnerState::Registering if over(runner.last_attempt_at, idle_timeout) => {
            RunnerAction::Deregister(Reason::RegistrationTimeout {
                within: idle_timeout,
            })
        }
        RunnerState::Registered if over(runner.registered_at, idle_timeout) => {
            RunnerAction::Deregister(Reason::IdleTimeout {
                within: idle_timeout,
            })
        }
        RunnerState::Busy
            if runner.unadmitted()
                && runner.done_at.is_none()
                && over(runner.busy_at, timeouts::ADMITTED_WITHIN) =>
        {
            RunnerAction::RefuseJob
        }
        _ if over(runner.done_at, timeouts::STOP_AFTER_DONE) => {
            RunnerAction::ForceStop(Reason::OutlivedJob)
        }
        _ if runner.refused.is_some()
            && over(
                runner
                    .work
                    .as_ref()
                    .map(|work| work.since)
                    .or(runner.busy_at),
                timeouts::STOP_AFTER_DONE,
            ) =>
        {
            RunnerAction::ForceStop(Reason::OutlivedRefusal)
        }
        _ => RunnerAction::None,
    }
}

/// Registered runners without a waiting job, while other jobs wait that no runner covers and that
/// cannot get one: any of a pool at its `max`, or a repository's own if it is at its
/// `max_per_repository`. One for each such job, those that are registered longest first. GitHub may
/// just have given a new registration a job whose delivery is not here yet, so the youngest runners
/// stay.
#[must_use]
pub fn runners_to_evict(
    pool: &Pool,
    limits: &Limits,
    jobs: &[WaitingJob],
    runners: &[Runner],
    now: Timestamp,
) -> Vec<RunnerId> {
    if pool.is_paused() {
        return Vec::new();
    }
    let health = PoolHealth::default();
    let known = PoolState {
        health: &health,
        jobs,
        runners,
    };
    let coverage = coverage(pool, limits, known, now);
    let pool_full = runners.len() >= usize::try_from(pool.max).unwrap_or(usize::MAX);
    let of_repository = |id| coverage.repositories.get(&id).copied().unwrap_or_default();
    let full = |id| {
        pool.max_per_repository
            .is_some_and(|max| of_repository(id) >= max)
    };
    let its_turn = |job: &WaitingJob| job.eligible(now) && coverage.refusals.hold(job).is_none();
    let waits =
        |job: &&&WaitingJob| its_turn(job) && limits.told_to_wait(job.installation, now).is_none();
    let settled = |runner: &&&Runner| {
        runner
            .registered_at
            .is_some_and(|at| now.since(at) > timeouts::GITHUB_LIST)
    };
    let mut idle: Vec<&Runner> = coverage.idle.iter().filter(settled).copied().collect();
    idle.sort_by_key(|runner| (runner.registered_at, &runner.id));
    let mut going = Vec::new();
    for job in coverage.uncovered.iter().filter(waits) {
        let makes_room = |runner: &&Runner| {
            if full(job.repository) {
                runner.repository == Some(job.repository)
            } else {
                pool_full
            }
        };
        if let Some(at) = idle.iter().position(makes_room) {
            going.push(idle.remove(at).id.clone());
        }
    }
    going
}

/// What someone's request that a runner ends comes to by now; `None` where the usual limits are all
/// that counts.
fn stop_request_action(
    runner: &Runner,
    state: RunnerState,
    request: &StopRequest,
    now: Timestamp,
) -> Option<RunnerAction> {
    let over = runner.refused.is_some() || runner.done_at.is_some_and(|done| done <= request.at);
    match state {
        // GitHub refused it the registration that was under way: now GitHub cannot know it.
        RunnerState::Requested | RunnerState::Parked => Some(RunnerAction::MarkForStop(
            StopKind::UserRequest,
            request.reason(),
        )),
        // It learns of that at its next poll, and ends by itself. A call to GitHub in progress is
        // not overtaken.
        RunnerState::Registering
            if runner
                .last_attempt_at
                .is_some_and(|minted| now.since(minted) <= timeouts::SCRIPT_REQUEST) =>
        {
            Some(RunnerAction::None)
        }
        RunnerState::Registering => Some(RunnerAction::Deregister(request.reason())),
        RunnerState::Registered | RunnerState::Busy if request.force => {
            Some(RunnerAction::ForceStop(request.reason()))
        }
        RunnerState::Registered => Some(RunnerAction::Deregister(request.reason())),
        RunnerState::Busy => over.then(|| RunnerAction::ForceStop(request.reason())),
    }
}

impl Runner {
    /// The runner, to be stopped; `None` if GitHub may know it by now, or it is marked already.
    #[must_use]
    pub fn marked(&self, kind: StopKind, reason: &Reason, now: Timestamp) -> Option<Self> {
        (self.state.unregistered() && self.stop.is_none()).then(|| {
            let mut after = Self {
                stop: Some(StopMark {
                    at: now,
                    kind,
                    reason: reason.clone(),
                }),
                ..self.clone()
            };
            note(
                &mut after.story,
                now,
                StoryEvent::MarkedForStop {
                    reason: reason.clone(),
                },
            );
            after
        })
    }

    /// The runner after GitHub, asked about the row `asked`, removed it: it will be given nothing
    /// more, and until its task is gone it must not pass for one that waits for a job. `None` if
    /// that is known, or it has another registration by now, or works: then GitHub's answer is no
    /// reason to stop it.
    #[must_use]
    pub fn deregistered(&self, asked: &Self, why: &Reason, now: Timestamp) -> Option<Self> {
        (self.is_idle_as(asked) && self.retired_at.is_none()).then(|| {
            let mut after = Self {
                retired_at: Some(now),
                retired_reason: Some(why.clone()),
                ..self.clone()
            };
            note(&mut after.story, now, StoryEvent::Deregistered);
            after
        })
    }

    /// The runner after GitHub showed the App neither it nor its repository or organization. It may
    /// have a job, so it stays until it ends by itself or its time is over. `None` if that is in
    /// its story.
    #[must_use]
    pub fn not_deregistered(&self, now: Timestamp) -> Option<Self> {
        let news = !self
            .story
            .iter()
            .any(|told| told.event == StoryEvent::NotDeregistered);
        news.then(|| {
            let mut after = self.clone();
            note(&mut after.story, now, StoryEvent::NotDeregistered);
            after
        })
    }

    /// The runner after GitHub refused to remove it because it has a job, of which we knew nothing.
    #[must_use]
    pub fn found_busy(&self, now: Timestamp) -> Option<Self> {
        (self.state == RunnerState::Registered).then(|| {
            let mut after = Self {
                state: RunnerState::Busy,
                busy_at: Some(now),
                ..self.clone()
            };
            note(&mut after.story, now, StoryEvent::FoundBusy);
            after
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{RunId, TaskArn};
    use crate::model::runner::{Launch, Work};
    use crate::model::size::{Architecture, Capacity, Size};
    use std::time::Duration;

    const SIZE: Size = Size {
        cpu: 2048,
        memory_mib: 8192,
        disk_gib: 20,
        architecture: Architecture::X64,
        capacity: Capacity::OnDemand,
    };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(0).plus(Duration::from_secs(seconds))
    }

    fn runner(state: RunnerState) -> Runner {
        let launch = Launch {
            request: String::new(),
            role: String::new(),
            definition: String::new(),
            attempt: 1,
            first_sent_at: at(0),
            sent_at: at(0),
            missing: 0,
            missing_at: None,
            outcome_unknown: false,
            unsent: false,
            given_up: false,
        };
        let pool = "linux".parse().unwrap();
        let mut runner = Runner::requested(RunnerId::from_ulid(1), pool, SIZE, launch, at(0));
        runner.arn = Some(TaskArn("task".into()));
        runner.state = state;
        if state >= RunnerState::Registered {
            runner.registered_at = Some(at(0));
        }
        runner
    }

    #[test]
    fn each_limit_is_minded_after_it_and_not_before() {
        let cases = [
            (RunnerState::Requested, timeouts::START_TIMEOUT),
            (RunnerState::Registered, timeouts::IDLE_TIMEOUT),
            (RunnerState::Busy, timeouts::MAX_LIFETIME),
        ];
        for (state, limit) in cases {
            assert_eq!(
                runner_action(&runner(state), None, at(limit.as_secs())),
                RunnerAction::None,
                "{state:?}"
            );
            assert_ne!(
                runner_action(&runner(state), None, at(limit.as_secs() + 1)),
                RunnerAction::None,
                "{state:?}"
            );
        }
    }

    #[test]
    fn a_runner_whose_registration_got_lost_is_retired_unless_it_tries_on() {
        let mut lost = runner(RunnerState::Registering);
        lost.first_polled_at = Some(at(0));
        lost.last_attempt_at = Some(at(3600));
        assert_eq!(
            runner_action(&lost, None, at(3600 + 300)),
            RunnerAction::None
        );
        assert!(matches!(
            runner_action(&lost, None, at(3600 + 301)),
            RunnerAction::Deregister(_)
        ));
    }

    #[test]
    fn a_busy_runner_is_never_touched_before_its_lifetime_is_over() {
        let mut busy = runner(RunnerState::Busy);
        busy.work = Some(Work {
            run: RunId(1),
            attempt: 1,
            job: None,
            since: at(0),
        });
        assert_eq!(
            runner_action(&busy, None, at(23 * 3600)),
            RunnerAction::None
        );
    }

    #[test]
    fn a_registered_runner_is_never_marked_and_a_marked_one_needs_nothing_more() {
        let day = at(25 * 3600);
        for state in [
            RunnerState::Registering,
            RunnerState::Registered,
            RunnerState::Busy,
        ] {
            let mut old = runner(state);
            old.first_polled_at = Some(at(0));
            old.last_attempt_at = Some(at(0));
            assert!(
                matches!(
                    runner_action(&old, None, day),
                    RunnerAction::Deregister(_) | RunnerAction::ForceStop(_)
                ),
                "{state:?}"
            );
        }
        let mut marked = runner(RunnerState::Parked);
        marked.first_polled_at = Some(at(0));
        marked.stop = Some(StopMark {
            at: at(0),
            kind: StopKind::Surplus,
            reason: Reason::NotNeeded,
        });
        assert_eq!(runner_action(&marked, None, day), RunnerAction::None);
    }

    #[test]
    fn a_done_task_gets_two_minutes_to_leave_by_itself() {
        let mut done = runner(RunnerState::Busy);
        done.done_at = Some(at(10));
        assert_eq!(runner_action(&done, None, at(130)), RunnerAction::None);
        assert!(matches!(
            runner_action(&done, None, at(131)),
            RunnerAction::ForceStop(_)
        ));
    }

    #[test]
    fn a_job_that_nobody_admitted_is_refused_in_time_where_none_may_run_so() {
        let grace = timeouts::ADMITTED_WITHIN.as_secs();
        let mut busy = runner(RunnerState::Busy);
        busy.busy_at = Some(at(100));
        busy.fails_closed = true;
        assert_eq!(
            runner_action(&busy, None, at(100 + grace)),
            RunnerAction::None
        );
        assert_eq!(
            runner_action(&busy, None, at(101 + grace)),
            RunnerAction::RefuseJob
        );
        let legal = [
            Runner {
                fails_closed: false,
                ..busy.clone()
            },
            Runner {
                admitted_at: Some(at(130)),
                ..busy.clone()
            },
            Runner {
                busy_at: None,
                ..busy.clone()
            },
            Runner {
                done_at: Some(at(100 + grace)),
                ..busy.clone()
            },
        ];
        for runner in legal {
            assert_eq!(
                runner_action(&runner, None, at(101 + grace)),
                RunnerAction::None,
                "{runner:?}"
            );
        }
        // Refused, and still there: GitHub may be the only one to know that it has a job.
        let refused = busy.refused_unadmitted(at(101 + grace)).unwrap();
        assert!(matches!(
            runner_action(&refused, None, at(102 + grace)),
            RunnerAction::ForceStop(_)
        ));
        assert_eq!(refused.refused_unadmitted(at(102 + grace)), None);
    }

    #[test]
    fn a_launch_without_a_task_is_looked_for_when_ecs_must_know_it() {
        let mut lost = runner(RunnerState::Requested);
        lost.arn = None;
        assert_eq!(runner_action(&lost, None, at(300)), RunnerAction::None);
        assert_eq!(
            runner_action(&lost, None, at(301)),
            RunnerAction::LocateTask
        );
    }
}
