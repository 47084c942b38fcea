//! What runners cost, in every story (I9): tries that came to nothing, starts that failed, and time
//! that was paid for in which no job ran.
//!
//! Each bound is derived from the limits that the product states itself
//! (`crates/domain/src/model/timeouts.rs`). What a runner met of its own (its container died,
//! GitHub forgot it, a call about it was struck) excuses that runner, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::runner::{Outcome, Runner as Row};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;

use super::final_checks::{FinalState, JobAtGithub};
use super::recorder::Recorder;
use super::shadow_model::{Runner, Task};
use super::violation::Invariant;

/// Tries of a job that are made one after the other; from then on there is one an hour
/// (`mayfly_domain::model::task`).
const TRIES: usize = 3;

/// After so many failed starts in a row one runner at a time is tried
/// (`mayfly_domain::model::start_health`).
const BREAKER: u32 = 5;

/// Until then so many at once ([`mayfly_domain::model::start_health::UNVERIFIED_MAX`]).
const AT_ONCE: usize = mayfly_domain::model::start_health::UNVERIFIED_MAX as usize;

/// What is read was so a moment ago: a plan, or a clock that differs.
const SLACK: Duration = Duration::from_secs(timeouts::SCALER_GIVES_UP.as_secs() + 4);

/// From the decision that a runner ends to its task's end: sweeper comes once a minute, twice where
/// it asks again, and a container has 30 s to end, and 2 min on Spot.
const TO_END: Duration = Duration::from_secs(3 * timeouts::TICK.as_secs() + 120);

/// How often a job that waited so long may be tried in vain: `chances` is how often its count began
/// from nothing.
fn most_tries(waited: Duration, chances: usize) -> usize {
    TRIES * chances
        + usize::try_from(
            waited
                .as_secs()
                .div_ceil(timeouts::NOT_ASSIGNED_PROBE.as_secs()),
        )
        .unwrap_or(usize::MAX)
}

/// How many starts may fail one after the other within this time of the first failure: five after
/// each of the waits that double, then one.
fn most_failed(within: Duration) -> usize {
    let (mut most, mut passed) = (0, Duration::ZERO);
    for failures in 1.. {
        passed += timeouts::exponential_backoff(
            timeouts::BACK_OFF_MIN,
            failures - 1,
            timeouts::BACK_OFF_MAX,
        );
        if passed > within + SLACK {
            break;
        }
        most += if failures < BREAKER { AT_ONCE } else { 1 };
    }
    most
}

/// How often a job that waited so long may be tried while GitHub refuses its runners: each time the
/// wait doubles (`mayfly_domain::transitions::registration`).
fn most_refused(waited: Duration) -> usize {
    let (mut most, mut passed) = (1, Duration::ZERO);
    loop {
        passed += timeouts::exponential_backoff(
            timeouts::BACK_OFF_MIN,
            most - 1,
            timeouts::REFUSED_PROBE,
        );
        if passed > waited + SLACK {
            return usize::try_from(most).unwrap_or(usize::MAX);
        }
        most += 1;
    }
}

/// **I9** What registers for a job and is given nothing is bounded for each job, whatever goes wrong.
///
/// GitHub says to no one why it gives a job to no runner (a version that is too old, a runner group
/// that keeps the repository out), so it is found out by trying. A runner counts that was handed a
/// registration for the job and ended without one while the job waited, unless it was struck
/// itself.
pub(super) fn i9_tries_are_bounded(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    let mut tries: BTreeMap<JobId, Vec<Timestamp>> = BTreeMap::new();
    for row in final_state.system.closed_runners() {
        let address = row.address().to_string();
        let Some(runner) = recorder.shadow.runners.get(&address) else {
            continue;
        };
        let in_vain = runner.given.is_none()
            && !runner.handed_out.is_empty()
            && !recorder.shadow.struck.contains(&address);
        if let (Some(job), Some(closed), true) = (row.reserved, row.closed_at, in_vain) {
            tries.entry(job).or_default().push(closed);
        }
    }
    for job in &final_state.jobs {
        let Some(tries) = tries.get(&job.id) else {
            continue;
        };
        let over = job.began.or(job.ended).unwrap_or(final_state.now);
        let made = tries.iter().filter(|at| **at < over).count();
        let files = final_state
            .files
            .iter()
            .filter(|(at, _)| *at > job.queued && *at < over)
            .count();
        let queued = recorder
            .shadow
            .jobs
            .get(&job.id)
            .map_or(1, |job| job.queued.max(1));
        let most = most_tries(over.since(job.queued), queued + files);
        if made > most {
            let waited = over.since(job.queued).as_secs() / 60;
            let words = format!(
                "{made} runners were registered in vain for job {} in {waited} min, and {most} may be",
                job.id
            );
            recorder.broken(
                Invariant::I9,
                final_state.now,
                &[&job.id.to_string()],
                words,
            );
        }
    }
}

/// A start, as the bound on failed ones sees it.
#[derive(Clone, Debug)]
struct Start {
    address: String,
    decided: Timestamp,
    asked: Option<Timestamp>,
    /// When it was known that it failed.
    failed: Option<Timestamp>,
}

/// **I9** Starts that fail cost a few tasks, then one now and then.
///
/// Of each size and definition: between two runners that asked for their registration, or from the
/// last one on, and after the first failure was known.
pub(super) fn i9_failed_starts_are_bounded(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    let mut kinds: BTreeMap<(String, String, String), Vec<Start>> = BTreeMap::new();
    for row in final_state.system.closed_runners() {
        let address = row.address().to_string();
        let Some(runner) = recorder
            .shadow
            .runners
            .get(&address)
            .filter(|runner| !runner.tasks.is_empty())
        else {
            continue;
        };
        let asked = runner.asked.into_iter().chain(row.first_polled_at).min();
        let failed = row
            .closed_at
            .filter(|_| asked.is_none() && row.outcome == Some(Outcome::FailedStart));
        let kind = (
            row.pool.to_string(),
            row.size.to_string(),
            row.launch.definition.clone(),
        );
        kinds.entry(kind).or_default().push(Start {
            address,
            decided: row.requested_at,
            asked,
            failed,
        });
    }
    let applied: Vec<Timestamp> = final_state.files.iter().map(|(at, _)| *at).collect();
    for ((pool, size, _), starts) in kinds {
        if let Some((address, made, most)) = too_many_failed(starts, &applied) {
            let words = format!(
                "{made} starts of {size} in pool {pool} failed one after the other, the last of {address}, and {most} may"
            );
            recorder.broken(Invariant::I9, final_state.now, &[&address], words);
        }
    }
}

/// The last of too many starts that failed in a row, how many those were, and how many may be.
fn too_many_failed(
    mut starts: Vec<Start>,
    applied: &[Timestamp],
) -> Option<(String, usize, usize)> {
    starts.sort_by_key(|start| start.decided);
    let mut asked: Vec<Timestamp> = starts.iter().filter_map(|start| start.asked).collect();
    asked.push(Timestamp::from_millis(i64::MAX));
    asked.sort_unstable();
    let mut from = Timestamp::from_millis(0);
    for until in asked {
        let failed: Vec<&Start> = starts
            .iter()
            .filter(|start| {
                start.failed.is_some() && start.decided >= from && start.decided < until
            })
            .collect();
        from = until;
        let Some(known) = failed.iter().filter_map(|start| start.failed).min() else {
            continue;
        };
        let later: Vec<&&Start> = failed
            .iter()
            .filter(|start| start.decided > known.plus(SLACK))
            .collect();
        let Some(last) = later.last() else { continue };
        // A person who applies a file may have what failed tried at once.
        let files = applied
            .iter()
            .filter(|at| **at >= known && **at <= last.decided)
            .count();
        let most = most_failed(last.decided.since(known)) * (files + 1);
        if later.len() > most {
            return Some((last.address.clone(), later.len(), most));
        }
    }
    None
}

/// A part of a runner's life in which it is paid for and no job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Its container has not asked.
    Silent,
    /// It has asked, and has no registration. Not of a pool with an idle floor.
    Parked,
    /// It is registered, and has no job.
    Idle,
    /// Its job is over.
    Done,
    /// Its job is over, and no delivery has told so.
    UntoldDone,
}

/// The limits that a pool sets, while a runner lived.
#[derive(Clone, Copy, Debug)]
struct Limits {
    idle_timeout: Duration,
    /// It keeps runners that wait.
    floor: bool,
    /// Something befell the runner's requests.
    struck: bool,
}

impl Phase {
    /// How long it may last where nothing goes wrong.
    fn limit(self, limits: Limits) -> Duration {
        match self {
            Self::Silent => timeouts::START_TIMEOUT + TO_END,
            // What came of a request for a registration is not known: GitHub may know the runner,
            // so it is not stopped before this.
            Self::Parked if limits.struck => timeouts::PARK_LIMIT + TO_END,
            // What it is to be registered for waits, or is gone: the next look finds so, and a
            // second one agrees.
            Self::Parked => timeouts::SEEN_WITHIN + timeouts::TICK * 2 + TO_END,
            // Taken away at GitHub first, which may say that it has a job; then it has two minutes
            // to leave by itself.
            Self::Idle => limits.idle_timeout + timeouts::STOP_AFTER_DONE + TO_END,
            Self::Done => timeouts::STOP_AFTER_DONE + TO_END,
            // Runners at work are asked about after 10 min, then less often.
            Self::UntoldDone => {
                timeouts::CHECK_AFTER + timeouts::LONGEST_WAIT + timeouts::STOP_AFTER_DONE + TO_END
            }
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Parked => "without a registration",
            Self::Idle => "registered and without a job",
            Self::Done => "there after its job",
            Self::UntoldDone => "there after its job, of whose end nothing told,",
        }
    }
}

/// The phases of a runner with one task: which, from when to when.
fn phases(
    task: &Task,
    runner: &Runner,
    told_over: Option<Timestamp>,
    now: Timestamp,
) -> Vec<(Phase, Timestamp, Timestamp)> {
    let Some(paid) = task.paid else {
        return Vec::new();
    };
    let end = task.stopped.unwrap_or(now);
    let handed_out = runner.handed_out.last().map(|(at, _)| *at);
    let mut phases = vec![(Phase::Silent, paid, runner.asked.unwrap_or(end))];
    if let Some(asked) = runner.asked {
        phases.push((Phase::Parked, asked, handed_out.unwrap_or(end)));
    }
    if let Some(handed_out) = handed_out {
        phases.push((Phase::Idle, handed_out, runner.given.unwrap_or(end)));
    }
    if let Some(done) = runner.done {
        let told = told_over.unwrap_or(end).max(done).min(end);
        phases.extend([(Phase::UntoldDone, done, told), (Phase::Done, told, end)]);
    }
    phases
}

/// **I9** Time that is paid for in which no job runs is bounded for each runner: by its pool's `idle_timeout` and the product's own limits, counted from the last
/// fault. With the bounds on tasks that run no job this bounds what a story costs beyond its jobs.
pub(super) fn i9_idle_time_is_bounded(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    let mut found = Vec::new();
    let mut told_over: BTreeMap<String, Timestamp> = BTreeMap::new();
    for (id, job) in &recorder.shadow.jobs {
        let address = job
            .runner
            .as_deref()
            .and_then(super::shadow_model::address_of);
        if let Some((address, over)) = address.zip(recorder.shadow.over.get(id)) {
            let first = told_over.entry(address).or_insert(*over);
            *first = (*first).min(*over);
        }
    }
    for task in recorder.shadow.tasks.values().filter(|task| !task.copy) {
        let Some(runner) = recorder
            .shadow
            .runners
            .get(&task.runner)
            .filter(|runner| runner.tasks.len() == 1)
        else {
            continue;
        };
        let limits = limits(recorder, task, final_state.now);
        let told_over = told_over.get(&task.runner).copied();
        for (phase, from, to) in phases(task, runner, told_over, final_state.now) {
            let long = recorder.quiet.longest(from, to);
            let limit = phase.limit(limits) + final_state.scenario.waits_for_github();
            if long > limit && !(phase == Phase::Parked && limits.floor) {
                let words = format!(
                    "{} was {} for {} s without a fault, and may be for {} s",
                    task.runner,
                    phase.words(),
                    long.as_secs(),
                    limit.as_secs()
                );
                found.push((task.runner.clone(), words));
            }
        }
    }
    for (address, words) in found {
        recorder.broken(Invariant::I9, final_state.now, &[&address], words);
    }
}

fn limits(recorder: &Recorder, task: &Task, now: Timestamp) -> Limits {
    let from = task.paid.unwrap_or(now);
    let pool = super::shadow_model::pool_of(&task.runner);
    let versions: Vec<_> = recorder
        .files
        .versions(pool, from, task.stopped.unwrap_or(now))
        .collect();
    let minutes = versions
        .iter()
        .flatten()
        .filter_map(|pool| pool.idle_timeout)
        .max()
        .unwrap_or_default();
    Limits {
        idle_timeout: Duration::from_secs(60 * minutes).max(timeouts::IDLE_TIMEOUT),
        floor: versions.iter().flatten().any(|pool| pool.min_idle > 0),
        struck: recorder.shadow.struck.contains(&task.runner),
    }
}

/// How long a job waited for a runner.
fn waited(job: &JobAtGithub, now: Timestamp) -> Duration {
    job.began.or(job.ended).unwrap_or(now).since(job.queued)
}

/// **I9** No more runners without a job than there is a reason for, in every story.
///
/// Runners are counted of whose pool's floor they are not, and in whose life nothing went wrong,
/// from shortly before it was decided on them. Reasons: a job that was cancelled, or that GitHub
/// gave to another runner; a try in vain; a registration that GitHub refuses; a container that was
/// killed.
pub(super) fn i9_needless_runners_are_bounded(
    final_state: &FinalState<'_>,
    recorder: &mut Recorder,
) {
    let needless: Vec<Row> = final_state
        .system
        .closed_runners()
        .into_iter()
        .filter(|row| is_needless(row, recorder))
        .collect();
    let withdrawn = final_state
        .scenario
        .needless_tasks(final_state.cancelled_before_they_began());
    let tried: BTreeSet<JobId> = needless
        .iter()
        .filter(|row| row.outcome == Some(Outcome::NeverAssigned))
        .filter_map(|row| row.reserved)
        .collect();
    let files = final_state.files.len();
    let tries: usize = tried
        .iter()
        .map(|tried| {
            let job = final_state.jobs.iter().find(|job| job.id == *tried);
            most_tries(
                job.map(|job| waited(job, final_state.now))
                    .unwrap_or_default(),
                files,
            )
        })
        .sum();
    let refused: usize = final_state
        .jobs
        .iter()
        .filter(|job| job.refused)
        .map(|job| most_refused(waited(job, final_state.now)))
        .sum();
    let most = withdrawn + final_state.exchanges() + tries + refused;
    if needless.len() > most {
        let first = needless
            .first()
            .map(|row| row.address().to_string())
            .unwrap_or_default();
        let words = format!(
            "{} runners had no job and no reason to have none, {first} the first, and {most} may",
            needless.len()
        );
        recorder.broken(Invariant::I9, final_state.now, &[&first], words);
    }
}

/// Before a runner was decided on, what a fault left behind may have made it look needed.
const BEFORE: Duration = timeouts::START_TIMEOUT;

fn is_needless(row: &Row, recorder: &Recorder) -> bool {
    let address = row.address().to_string();
    let runner = recorder
        .shadow
        .runners
        .get(&address)
        .filter(|runner| runner.given.is_none() && !runner.tasks.is_empty());
    let quiet = recorder.quiet.is_quiet(
        row.requested_at.minus(BEFORE),
        row.closed_at.unwrap_or(row.requested_at),
    );
    runner.is_some() && row.intended.is_some() && quiet
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: u64 = 60;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(1_795_356_000_000).plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_job_may_be_tried_a_few_times_and_once_an_hour_from_then_on() {
        assert_eq!(most_tries(Duration::from_secs(60), 1), 4);
        assert_eq!(most_tries(3 * timeouts::NOT_ASSIGNED_PROBE, 1), 6);
        assert_eq!(most_tries(3 * timeouts::NOT_ASSIGNED_PROBE, 2), 9);
    }

    #[test]
    fn a_job_whose_runners_github_refuses_is_tried_after_waits_that_double_to_a_quarter_of_an_hour()
    {
        let minutes = |minutes: u64| most_refused(Duration::from_secs(MINUTE * minutes));
        assert_eq!(
            [
                minutes(0),
                minutes(1),
                minutes(3),
                minutes(31),
                minutes(63),
                minutes(123)
            ],
            [1, 2, 3, 6, 8, 12]
        );
    }

    #[test]
    fn starts_may_fail_five_after_each_wait_and_then_one() {
        let minutes = |minutes: u64| most_failed(Duration::from_secs(MINUTE * minutes));
        assert_eq!(
            [
                minutes(0),
                minutes(1),
                minutes(3),
                minutes(15),
                minutes(31),
                minutes(60)
            ],
            [0, 5, 10, 20, 21, 21]
        );
    }

    fn start(number: u64, decided: u64, asked: Option<u64>, failed: Option<u64>) -> Start {
        Start {
            address: format!("linux/{number}"),
            decided: at(decided),
            asked: asked.map(at),
            failed: failed.map(at),
        }
    }

    #[test]
    fn more_failed_starts_in_a_row_than_the_waits_allow_are_too_many_unless_one_asked_between_or_a_file_was_applied()
     {
        let first = |number| start(number, 0, None, Some(60));
        let mut starts: Vec<Start> = (0..20).map(first).collect();
        starts.extend((20..25).map(|number| start(number, 150, None, Some(200))));
        assert_eq!(
            too_many_failed(starts.clone(), &[]),
            None,
            "those that were under way, and five"
        );
        starts.push(start(25, 151, None, Some(200)));
        assert_eq!(
            too_many_failed(starts.clone(), &[]),
            Some(("linux/25".to_owned(), 6, 5))
        );
        assert_eq!(too_many_failed(starts.clone(), &[at(100)]), None);
        starts.push(start(26, 10, Some(149), None));
        assert_eq!(too_many_failed(starts, &[]), None);
    }

    fn task(paid: u64, stopped: Option<u64>) -> Task {
        let runner = "linux/1".to_owned();
        let (paid, stopped) = (Some(at(paid)), stopped.map(at));
        Task {
            runner,
            paid,
            running: paid,
            stopped,
            to_stop: None,
            copy: false,
            left_out: Duration::ZERO,
            given_up: false,
        }
    }

    #[test]
    fn a_runner_is_silent_then_parked_then_idle_and_at_last_done() {
        let runner = Runner {
            asked: Some(at(40)),
            handed_out: vec![(at(42), "t".to_owned())],
            given: Some(at(50)),
            done: Some(at(100)),
            ..Runner::default()
        };
        let found = phases(&task(10, Some(130)), &runner, Some(at(104)), at(500));
        let expected = [
            (Phase::Silent, at(10), at(40)),
            (Phase::Parked, at(40), at(42)),
            (Phase::Idle, at(42), at(50)),
            (Phase::UntoldDone, at(100), at(104)),
            (Phase::Done, at(104), at(130)),
        ];
        assert_eq!(found, expected);
        assert_eq!(
            phases(&task(10, None), &Runner::default(), None, at(500)),
            [(Phase::Silent, at(10), at(500))]
        );
    }

    #[test]
    fn an_idle_runner_may_stay_for_its_pools_idle_timeout() {
        let limits = |minutes| Limits {
            idle_timeout: Duration::from_secs(MINUTE * minutes),
            floor: false,
            struck: false,
        };
        assert_eq!(
            Phase::Idle.limit(limits(10)),
            Phase::Idle.limit(limits(5)) + Duration::from_secs(MINUTE * 5)
        );
        assert_eq!(Phase::Done.limit(limits(10)), Phase::Done.limit(limits(5)));
    }
}
