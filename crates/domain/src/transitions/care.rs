//! Care: what sweeper does about one runner that has been in its state for long enough.

use crate::model::id::RunnerId;
use crate::model::job::WaitingJob;
use crate::model::limits::Limits;
use crate::model::pool::Pool;
use crate::model::runner::{Runner, RunnerState, StopKind, StopMark};
use crate::model::stop_request::Dismissal;
use crate::model::story::{Reason, StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::times;
use crate::transitions::cover::cover;
use crate::transitions::refusal::Refusals;

/// What a runner needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Care {
    /// Nothing.
    None,
    /// ECS must be asked whether it has a task: none is known, and its launch is long past.
    FindTask,
    /// A stop mark: GitHub cannot know it.
    Mark(StopKind, Reason),
    /// To be taken away at GitHub first, and stopped only if GitHub says that it has no job.
    Retire(Reason),
    /// To be taken away at GitHub and stopped, job or no job.
    End(Reason),
    /// To be refused, and then ended so: its job runs and was never admitted.
    Refuse,
}

/// Decides what a runner needs. `pool` is its pool as the pools file has it now; of one that is gone the usual limits hold.
#[must_use]
pub fn care(runner: &Runner, pool: Option<&Pool>, now: Timestamp) -> Care {
    let over = |since: Option<Timestamp>, limit| since.is_some_and(|since| now.since(since) > limit);
    let idle_timeout = pool.map_or(times::IDLE_TIMEOUT, |pool| pool.idle_timeout);
    let max_lifetime = pool.map_or(times::MAX_LIFETIME, |pool| pool.max_lifetime);
    if runner.arn.is_none() && over(Some(runner.launch.sent_at), times::MISSING_COUNTS_AFTER) {
        return Care::FindTask;
    }
    match runner.state {
        _ if runner.stop.is_some() => Care::None,
        // Before all others: what GitHub hides from the App must not live for ever either.
        _ if over(runner.registered_at, max_lifetime) => Care::End(Reason::MaxLifetime { within: max_lifetime }),
        _ if over(runner.retired_at, times::STOP_AFTER_DONE) => Care::End(Reason::OutlivedRegistration),
        _ if runner.retired_at.is_some() => Care::None,
        state if let Some(care) = runner.dismissed.as_ref().and_then(|wish| dismissed(runner, state, wish, now)) => care,
        RunnerState::Requested if over(Some(runner.requested_at), times::START_TIMEOUT) => {
            Care::Mark(StopKind::StartTimeout, Reason::StartTimeout { within: times::START_TIMEOUT })
        }
        // The script gives up by itself at the limit; this is for one that does not.
        RunnerState::Parked if over(runner.asked_at, times::PARK_LIMIT + times::START_TIMEOUT) => {
            Care::Mark(StopKind::ParkLimit, Reason::ParkLimit)
        }
        // One that still tries mints anew at every request; this one had no answer from GitHub, and then no job to try for.
        RunnerState::Registering if over(runner.minted_at, idle_timeout) => {
            Care::Retire(Reason::RegistrationTimeout { within: idle_timeout })
        }
        RunnerState::Registered if over(runner.registered_at, idle_timeout) => Care::Retire(Reason::IdleTimeout { within: idle_timeout }),
        RunnerState::Busy if runner.unadmitted() && runner.done_at.is_none() && over(runner.busy_at, times::ADMITTED_WITHIN) => {
            Care::Refuse
        }
        _ if over(runner.done_at, times::STOP_AFTER_DONE) => Care::End(Reason::OutlivedJob),
        _ if runner.refused.is_some() && over(runner.work.as_ref().map(|work| work.since).or(runner.busy_at), times::STOP_AFTER_DONE) => {
            Care::End(Reason::OutlivedRefusal)
        }
        _ => Care::None,
    }
}

/// Registered runners that no waiting job is for, while jobs wait that no runner covers and none may be started for: of a pool that is at its `max` any, for a
/// repository that is at its `max_per_repository` its own. One for each such job, those that are registered longest first. GitHub may hand a job to a new
/// registration that nothing was told of yet, so the youngest are left.
#[must_use]
pub fn in_the_way(pool: &Pool, limits: &Limits, jobs: &[WaitingJob], runners: &[Runner], now: Timestamp) -> Vec<RunnerId> {
    if pool.is_paused() {
        return Vec::new();
    }
    let cover = cover(pool, limits, jobs, runners, now);
    let pool_full = runners.len() >= usize::try_from(pool.max).unwrap_or(usize::MAX);
    let of_repository = |id| cover.repositories.get(&id).copied().unwrap_or_default();
    let full = |id| pool.max_per_repository.is_some_and(|max| of_repository(id) >= max);
    let refusals = Refusals::of(jobs);
    let its_turn = |job: &WaitingJob| job.eligible(now) && refusals.hold(job).is_none();
    let waits = |job: &&&WaitingJob| its_turn(job) && limits.told_to_wait(job.installation, now).is_none();
    let settled = |runner: &&&Runner| runner.registered_at.is_some_and(|at| now.since(at) > times::GITHUB_LIST);
    let mut idle: Vec<&Runner> = cover.idle.iter().filter(settled).copied().collect();
    idle.sort_by_key(|runner| (runner.registered_at, &runner.id));
    let mut going = Vec::new();
    for job in cover.uncovered.iter().filter(waits) {
        let makes_room = |runner: &&Runner| if full(job.repository) { runner.repository == Some(job.repository) } else { pool_full };
        if let Some(at) = idle.iter().position(makes_room) {
            going.push(idle.remove(at).id.clone());
        }
    }
    going
}

/// What somebody's wish that a runner ends comes to by now; `None` where the usual limits are all that counts.
fn dismissed(runner: &Runner, state: RunnerState, wish: &Dismissal, now: Timestamp) -> Option<Care> {
    let over = runner.refused.is_some() || runner.done_at.is_some_and(|done| done <= wish.at);
    match state {
        // GitHub refused it the registration that was under way: now GitHub cannot know it.
        RunnerState::Requested | RunnerState::Parked => Some(Care::Mark(StopKind::Asked, wish.reason())),
        // It is told so when it asks the next time, and ends by itself; a call to GitHub that is under way is not overtaken.
        RunnerState::Registering if runner.minted_at.is_some_and(|minted| now.since(minted) <= times::SCRIPT_REQUEST) => Some(Care::None),
        RunnerState::Registering => Some(Care::Retire(wish.reason())),
        RunnerState::Registered | RunnerState::Busy if wish.force => Some(Care::End(wish.reason())),
        RunnerState::Registered => Some(Care::Retire(wish.reason())),
        RunnerState::Busy => over.then(|| Care::End(wish.reason())),
    }
}

impl Runner {
    /// The runner, to be stopped; `None` if GitHub may know it by now, or it is marked already.
    #[must_use]
    pub fn marked(&self, kind: StopKind, reason: &Reason, now: Timestamp) -> Option<Self> {
        (self.state.unregistered() && self.stop.is_none()).then(|| {
            let mut after = Self { stop: Some(StopMark { at: now, kind, reason: reason.clone() }), ..self.clone() };
            note(&mut after.story, now, StoryEvent::MarkedForStop { reason: reason.clone() });
            after
        })
    }

    /// The runner after GitHub, asked about the row `asked`, removed it: it will be given nothing more, and until its task is gone it must not pass for one that
    /// waits for a job. `None` if that is known, or it has another registration by now, or works: then GitHub's answer is no reason to stop it.
    #[must_use]
    pub fn deregistered(&self, asked: &Self, why: &Reason, now: Timestamp) -> Option<Self> {
        (self.is_idle_as(asked) && self.retired_at.is_none()).then(|| {
            let mut after = Self { retired_at: Some(now), retired_reason: Some(why.clone()), ..self.clone() };
            note(&mut after.story, now, StoryEvent::Deregistered);
            after
        })
    }

    /// The runner after GitHub showed the App neither it nor its repository or organization: whether it has a job is not known, so it stays until it ends by itself
    /// or its time is over. `None` if that is in its story.
    #[must_use]
    pub fn not_deregistered(&self, now: Timestamp) -> Option<Self> {
        let news = !self.story.iter().any(|told| told.event == StoryEvent::NotDeregistered);
        news.then(|| {
            let mut after = self.clone();
            note(&mut after.story, now, StoryEvent::NotDeregistered);
            after
        })
    }

    /// The runner after GitHub refused to remove it because it has a job, though nothing else said so.
    #[must_use]
    pub fn found_busy(&self, now: Timestamp) -> Option<Self> {
        (self.state == RunnerState::Registered).then(|| {
            let mut after = Self { state: RunnerState::Busy, busy_at: Some(now), ..self.clone() };
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

    const SIZE: Size = Size { cpu: 2048, memory_mib: 8192, disk_gib: 20, architecture: Architecture::X64, capacity: Capacity::OnDemand };

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
            unsure: false,
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
            (RunnerState::Requested, times::START_TIMEOUT),
            (RunnerState::Registered, times::IDLE_TIMEOUT),
            (RunnerState::Busy, times::MAX_LIFETIME),
        ];
        for (state, limit) in cases {
            assert_eq!(care(&runner(state), None, at(limit.as_secs())), Care::None, "{state:?}");
            assert_ne!(care(&runner(state), None, at(limit.as_secs() + 1)), Care::None, "{state:?}");
        }
    }

    #[test]
    fn a_runner_whose_registration_got_lost_is_retired_unless_it_tries_on() {
        let mut lost = runner(RunnerState::Registering);
        lost.asked_at = Some(at(0));
        lost.minted_at = Some(at(3600));
        assert_eq!(care(&lost, None, at(3600 + 300)), Care::None);
        assert!(matches!(care(&lost, None, at(3600 + 301)), Care::Retire(_)));
    }

    #[test]
    fn a_busy_runner_is_never_touched_before_its_lifetime_is_over() {
        let mut busy = runner(RunnerState::Busy);
        busy.work = Some(Work { run: RunId(1), attempt: 1, job: None, since: at(0) });
        assert_eq!(care(&busy, None, at(23 * 3600)), Care::None);
    }

    #[test]
    fn a_registered_runner_is_never_marked_and_a_marked_one_needs_nothing_more() {
        let day = at(25 * 3600);
        for state in [RunnerState::Registering, RunnerState::Registered, RunnerState::Busy] {
            let mut old = runner(state);
            old.asked_at = Some(at(0));
            old.minted_at = Some(at(0));
            assert!(matches!(care(&old, None, day), Care::Retire(_) | Care::End(_)), "{state:?}");
        }
        let mut marked = runner(RunnerState::Parked);
        marked.asked_at = Some(at(0));
        marked.stop = Some(StopMark { at: at(0), kind: StopKind::Surplus, reason: Reason::NotNeeded });
        assert_eq!(care(&marked, None, day), Care::None);
    }

    #[test]
    fn a_done_task_gets_two_minutes_to_leave_by_itself() {
        let mut done = runner(RunnerState::Busy);
        done.done_at = Some(at(10));
        assert_eq!(care(&done, None, at(130)), Care::None);
        assert!(matches!(care(&done, None, at(131)), Care::End(_)));
    }

    #[test]
    fn a_job_that_nobody_admitted_is_refused_in_time_where_none_may_run_so() {
        let grace = times::ADMITTED_WITHIN.as_secs();
        let mut busy = runner(RunnerState::Busy);
        busy.busy_at = Some(at(100));
        busy.fails_closed = true;
        assert_eq!(care(&busy, None, at(100 + grace)), Care::None);
        assert_eq!(care(&busy, None, at(101 + grace)), Care::Refuse);
        let legal = [
            Runner { fails_closed: false, ..busy.clone() },
            Runner { admitted_at: Some(at(130)), ..busy.clone() },
            Runner { busy_at: None, ..busy.clone() },
            Runner { done_at: Some(at(100 + grace)), ..busy.clone() },
        ];
        for runner in legal {
            assert_eq!(care(&runner, None, at(101 + grace)), Care::None, "{runner:?}");
        }
        // Refused, and still there: GitHub may be the only one to know that it has a job.
        let refused = busy.refused_unadmitted(at(101 + grace)).unwrap();
        assert!(matches!(care(&refused, None, at(102 + grace)), Care::End(_)));
        assert_eq!(refused.refused_unadmitted(at(102 + grace)), None);
    }

    #[test]
    fn a_launch_without_a_task_is_looked_for_when_ecs_must_know_it() {
        let mut lost = runner(RunnerState::Requested);
        lost.arn = None;
        assert_eq!(care(&lost, None, at(300)), Care::None);
        assert_eq!(care(&lost, None, at(301)), Care::FindTask);
    }
}
