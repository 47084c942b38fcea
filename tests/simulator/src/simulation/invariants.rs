//! The promises of docs/RELIABILITY.md, one function each. They go by what the models know; the
//! ledger is looked into only where the promise is about the ledger.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;

use super::exemptions::Exemption;
use super::final_checks::FinalState;
use super::recorder::Recorder;
use super::scenario::{PoolSpec, PoolsFile};
use super::shadow_model::{decided, pool_of};
use super::undelivered::{Undelivered, undelivered};
use super::violation::Invariant;
use mayfly_github_model::jobs::Status;

/// **I1** Every job that a pool takes gets a runner or a recorded reason, whatever is lost, repeated, reordered or killed.
///
/// At the end of the story: a job that some pool of the active file takes, and that no one
/// cancelled or holds back, is over at GitHub. Only what the scenario made impossible may still
/// wait, and then its record says why.
pub(super) fn i1_every_job_is_served(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    for job in final_state.open_jobs() {
        let id = job.id.0.to_string();
        let state = || final_state.recorded(job);
        match final_state.exemption(job) {
            None => {
                let words = format!(
                    "job {id} of {} ({}) was never served; the ledger: {}",
                    job.repository,
                    job.status.word(),
                    state()
                );
                recorder.broken(Invariant::I1, final_state.now, &[&id], words);
            }
            // Of what GitHub never told, and does not show, nothing can say why it waits.
            Some(Exemption::Refused)
                if !job.delivered && final_state.system.job(job.id).is_none() => {}
            Some(exemption) if exemption.needs_words() && !final_state.has_reason(job) => {
                let words = format!(
                    "job {id} of {} cannot be served ({exemption:?}), and nothing says so; the ledger: {}",
                    job.repository,
                    state()
                );
                recorder.broken(Invariant::I1, final_state.now, &[&id], words);
            }
            Some(_) => {}
        }
    }
}

/// **I1** Whatever is lost is asked for again.
///
/// At the end of the story: of every event about a job that GitHub could not deliver, by its own
/// list, some attempt succeeded. The story is not at rest before; what GitHub keeps no longer (3
/// days) is left out.
pub(super) fn i1_every_delivery_is_made(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    for Undelivered {
        guid, job, words, ..
    } in undelivered(final_state.system)
    {
        recorder.broken(Invariant::I1, final_state.now, &[&job, &guid], words);
    }
}

/// **I2** scaler never launches above `max`.
///
/// At every `RunTask` that makes a task: the pool's tasks that have not stopped are at most the
/// largest `max` that scaler may have gone by since it decided on this runner. (Rows are decided on
/// under `max`, and each task has its row until it stopped; so is a task that is sent for later.)
pub(super) fn i2_never_above_max(recorder: &mut Recorder, at: Timestamp, address: &str) {
    let pool = pool_of(address);
    let live = recorder.shadow.live.get(pool).copied().unwrap_or_default();
    let from = decided(address).unwrap_or(at).min(at);
    let max = recorder
        .files
        .versions(pool, from, at)
        .map(|version| version.map_or(0, |pool| pool.max))
        .max()
        .unwrap_or(0);
    if live > usize::try_from(max).unwrap_or(usize::MAX) {
        let words =
            format!("pool {pool} has {live} tasks with that of {address}, and max is {max}");
        recorder.broken(Invariant::I2, at, &[address, pool], words);
    }
}

/// **I2** No repository has more runners of a pool than its `max_per_repository`.
///
/// At every registration that is handed out for a repository: the pool's tasks that have not
/// stopped and whose runners were registered there are at most the largest limit that scaler or
/// registrar may have gone by since the runner was decided on. At organization scope GitHub hands a
/// runner the job of any repository, so the limit is no promise there.
pub(super) fn i2_never_above_max_per_repository(
    recorder: &mut Recorder,
    at: Timestamp,
    address: &str,
) {
    let Some(repository) = recorder
        .shadow
        .runners
        .get(address)
        .and_then(|runner| runner.repository)
    else {
        return;
    };
    let pool = pool_of(address);
    let from = decided(address).unwrap_or(at).min(at);
    // A pool that is gone has no limit, nor has one that says none.
    let limit = |version: Option<&PoolSpec>| {
        version
            .and_then(|pool| pool.max_per_repository)
            .unwrap_or(u32::MAX)
    };
    let most = recorder
        .files
        .versions(pool, from, at)
        .map(limit)
        .max()
        .unwrap_or(u32::MAX);
    let registered = recorder.shadow.registered_for(pool, repository);
    if registered > usize::try_from(most).unwrap_or(usize::MAX) {
        let words = format!(
            "repository {repository} has {registered} runners of pool {pool} with {address}, and max_per_repository is {most}"
        );
        recorder.broken(Invariant::I2, at, &[address, pool], words);
    }
}

/// **I3** A busy runner is never stopped, but by `max_lifetime`, refusal, or 2 minutes after its job completed.
///
/// No `StopTask` reaches the task that holds a registration to which GitHub has given a job that is
/// not over. A refusal counts although no one was told of it, because what wrote it down was not
/// acknowledged: the job may have gone on then, where admission need not be heard.
pub(super) fn i3_no_busy_runner_is_stopped(
    recorder: &mut Recorder,
    at: Timestamp,
    (task, address): (&str, &str),
    by: &str,
) {
    let Some(runner) = recorder.shadow.runners.get(address) else {
        return;
    };
    let Some(job) = runner.job else { return };
    // A second task of the runner's has no registration, and so no job.
    if runner.handed_out.iter().all(|(_, holder)| holder != task)
        || runner.refused.is_some()
        || runner.unheard.is_some()
    {
        return;
    }
    let pool = pool_of(address);
    let lifetimes = recorder.files.versions(pool, at, at).map(|version| {
        match version.and_then(|pool| pool.max_lifetime) {
            Some(minutes) => Duration::from_secs(60 * minutes),
            None => timeouts::MAX_LIFETIME,
        }
    });
    let lifetime = lifetimes.min().unwrap_or(timeouts::MAX_LIFETIME);
    if runner.registered.is_some_and(|registered| {
        at.since(registered) >= lifetime.saturating_sub(Duration::from_secs(5))
    }) {
        return;
    }
    let status = recorder
        .shadow
        .jobs
        .get(&job)
        .map_or("unknown", |job| job.status.word());
    let words =
        format!("{by} stops task {task} of {address}, which GitHub gave job {job} ({status})");
    recorder.broken(Invariant::I3, at, &[address, task, &job.to_string()], words);
}

/// **I4** One registration per runner.
///
/// A registration is handed out once per runner, and to the runner's own task.
pub(super) fn i4_one_registration(
    recorder: &mut Recorder,
    at: Timestamp,
    task: &str,
    address: &str,
) {
    let its = recorder
        .shadow
        .tasks
        .get(task)
        .is_some_and(|task| task.runner == address && !task.copy);
    if !its {
        let words =
            format!("task {task}, which is not {address}'s, was handed a registration for it");
        recorder.broken(Invariant::I4, at, &[address, task], words);
    }
    let times = recorder
        .shadow
        .runners
        .get(address)
        .map_or(0, |runner| runner.handed_out.len());
    if times > 1 {
        recorder.broken(
            Invariant::I4,
            at,
            &[address, task],
            format!("{address} was handed {times} registrations"),
        );
    }
}

/// **I4** Without faults one runner per job.
///
/// In a story in which nothing is lost and nothing fails, however late things are: as many tasks as
/// jobs that began, those of the idle floor, and at most one for each job that was cancelled before
/// it began. A job that GitHub holds back gets none.
///
/// GitHub may hand a job to another runner than the one that holds it in reserve, and each such
/// exchange may cost one more runner in two cases. The runner with the job was gone before the news
/// of it came: its job looked as if it waited. And a runner without a job of its own (of the idle
/// floor, of a job that was cancelled, or, where a pool has several targets, of any other job) may
/// ask while the job that was passed over is no one's: it registers for it, although a registered
/// one will get it. That it does not look whether one will is a choice: it would have to read all
/// runners and jobs of the pool at every request of a burst. Elsewhere an exchange costs nothing.
pub(super) fn i4_one_runner_per_job(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    let scenario = final_state.scenario;
    if !scenario.is_orderly() || final_state.runners_are_not_interchangeable() {
        return;
    }
    let floor: usize = scenario
        .pools
        .pools
        .iter()
        .map(|pool| usize::try_from(pool.min_idle).unwrap_or_default())
        .sum();
    let (tasks, least) = (recorder.shadow.tasks.len(), final_state.served() + floor);
    let needless = scenario.needless_tasks(final_state.cancelled_before_they_began());
    let costly = final_state.a_pool_has_several_targets() || floor + needless > 0;
    let exchanges = if costly {
        final_state.exchanges()
    } else {
        final_state.exchanges_told_too_late(&recorder.shadow)
    };
    if tasks < least || tasks > least + needless + exchanges {
        let served = least - floor;
        let words = format!(
            "{tasks} tasks for {served} jobs, {needless} needless ones, {exchanges} exchanges and an idle floor of {floor}"
        );
        recorder.broken(Invariant::I4, final_state.now, &[], words);
    }
}

/// **I5** Nothing outlives its use by more than the times in `timeouts`: no task, registration or open row without its counterpart.
///
/// What has been wrong for too long is collected while the story settles ([`super::garbage`]);
/// this is about the end, when nothing but the idle floor is left.
pub(super) fn i5_nothing_is_left(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    for (ids, words) in final_state.left_over() {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        recorder.broken(Invariant::I5, final_state.now, &ids, words);
    }
}

/// ECS may be behind for so long; who says for longer that it knows no task is not to be seen
/// through.
const BEHIND: Duration = Duration::from_secs(60);

/// **I5** No task without its row: a row closes only when no task of its runner lives.
///
/// At every transaction that makes a row a record. A copy that someone else started is no one's;
/// and where ECS denied a task for longer than a replica is behind, no one could know better: the
/// task is an orphan from then on.
pub(super) fn i5_no_row_closes_before_its_task(
    recorder: &mut Recorder,
    at: Timestamp,
    address: &str,
) {
    let Some((task, left_out)) = recorder
        .shadow
        .left_alone(address)
        .map(|(id, task)| (id.clone(), task.left_out))
    else {
        return;
    };
    if left_out > BEHIND {
        recorder.shadow.give_up(&task);
        return;
    }
    recorder.broken(
        Invariant::I5,
        at,
        &[address, &task],
        format!("the row of {address} was closed, and its task {task} lives"),
    );
}

/// **I6** Unsigned or wrongly signed input changes nothing.
///
/// No item of the table mentions what only forged deliveries and strangers' requests said.
pub(super) fn i6_forged_input_changes_nothing(
    final_state: &FinalState<'_>,
    recorder: &mut Recorder,
) {
    for (key, text) in final_state.table() {
        if text.contains(super::attackers::MARK) || key.contains(super::attackers::MARK) {
            recorder.broken(
                Invariant::I6,
                final_state.now,
                &[super::attackers::MARK],
                format!("{key} tells what only a stranger said"),
            );
        }
    }
}

/// **I7** No job runs on a pool that does not admit it.
///
/// No step of a job ran on a runner whose pool does not let the job's repository in, by any pools
/// file that registrar may have gone by; where admission could not be asked for, only a pool that
/// fails closed is held to it, and there no step runs without an admission.
pub(super) fn i7_no_job_runs_where_it_may_not(
    final_state: &FinalState<'_>,
    recorder: &mut Recorder,
) {
    let mut found = Vec::new();
    for run in final_state.steps_run() {
        let Some(runner) = recorder.shadow.runners.get(&run.address) else {
            continue;
        };
        // The launch fixes what the container does when no one answers.
        let from = decided(&run.address).unwrap_or(run.began).min(run.began);
        let pool = pool_of(&run.address);
        let versions: Vec<_> = recorder.files.versions(pool, from, run.ended).collect();
        let admits = versions
            .iter()
            .flatten()
            .any(|pool| run.names.iter().any(|name| pool.admits(name, run.private)));
        // A pool that is gone lets run on what it had taken; its rules are those of its last
        // version.
        let known = versions.iter().any(Option::is_some);
        let closed = known && versions.iter().flatten().all(|pool| pool.fails_closed());
        if known && !admits && (runner.admitted.is_some() || closed) {
            found.push((
                run.job,
                run.address.clone(),
                format!(
                    "job {} of {} ran on {}, whose pool does not admit it",
                    run.job, run.names[0], run.address
                ),
            ));
        }
        if closed && runner.admitted.is_none() {
            found.push((
                run.job,
                run.address.clone(),
                format!(
                    "job {} ran on {}, of a pool that fails closed, without an admission",
                    run.job, run.address
                ),
            ));
        }
    }
    for (job, address, words) in found {
        recorder.broken(
            Invariant::I7,
            final_state.now,
            &[&job.to_string(), &address],
            words,
        );
    }
}

/// **I7** No job is refused that its pool admits.
///
/// Registrar refused no job whose repository was let in by every pools file that it may have gone
/// by since the job began. A repository that the App does not see counts as public, so nothing is
/// promised where the story keeps it from seeing one; nor to a runner whose container asked for
/// another job than its own.
pub(super) fn i7_no_legal_job_is_refused(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    let mut found = Vec::new();
    for (job, address) in final_state.given() {
        if job
            .names
            .iter()
            .any(|name| final_state.scenario.hides(name))
        {
            continue;
        }
        let runner = recorder
            .shadow
            .runners
            .get(&address)
            .filter(|runner| !runner.asked_for_another);
        let Some(refused) = runner.and_then(|runner| runner.refused) else {
            continue;
        };
        let Some(began) = job.began.filter(|began| *began <= refused) else {
            continue;
        };
        let pool = pool_of(&address);
        let legal = |file: &PoolsFile| {
            job.names
                .iter()
                .all(|name| file.admits(pool, name, job.private && !job.flipped))
        };
        let mut files = recorder.files.believed(began, refused).peekable();
        if files.peek().is_some() && files.all(legal) {
            found.push((
                job.id,
                format!(
                    "job {} of {} was refused on {address}, whose pool admits it",
                    job.id, job.repository
                ),
                address,
            ));
        }
    }
    for (job, words, address) in found {
        recorder.broken(
            Invariant::I7,
            final_state.now,
            &[&job.to_string(), &address],
            words,
        );
    }
}

/// **I8** No secret in a log, an event, an override or a response.
///
/// Registrations and the webhook's secret are searched for in every item of the table (each
/// launch's request is in its row), every task as ECS shows it (so in its events), every answer to
/// a delivery or a stranger, and, in some stories, every log line.
pub(super) fn i8_no_secret_is_told(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    for place in final_state.secrets_told() {
        recorder.broken(Invariant::I8, final_state.now, &[], place);
    }
}

/// **I9** After faults stop, the system settles by itself: no job is at work any more when the story ends.
pub(super) fn i9_it_settles(final_state: &FinalState<'_>, recorder: &mut Recorder) {
    for job in final_state
        .jobs
        .iter()
        .filter(|job| !job.hosted && job.status == Status::InProgress)
    {
        let id = job.id.0.to_string();
        recorder.broken(
            Invariant::I9,
            final_state.now,
            &[&id],
            format!(
                "job {id} of {} is still at work at the end of the story",
                job.repository
            ),
        );
    }
    if let Some(waited) = final_state.unsettled {
        let words = format!(
            "not at rest {} min after the last fault: {}",
            waited.as_secs() / 60,
            final_state.unrest.join("; ")
        );
        recorder.broken(Invariant::I9, final_state.now, &[], words);
    }
}

/// **I9** While faults last, calls and spending are bounded.
pub(super) fn i9_calls_are_bounded(recorder: &mut Recorder, now: Timestamp) {
    for (at, words) in recorder.pace.excesses(now) {
        recorder.broken(Invariant::I9, at, &[], words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::recorder::{Keep, Shared};
    use crate::system::{CallOutcome, Event, EventListener as _, Port, PortCall};
    use mayfly_domain::model::id::{JobId, RunnerId};
    use mayfly_fargate_model::{DesiredStatus, LastStatus};

    const BEGAN: Timestamp = Timestamp::from_millis(1_795_356_000_000);

    fn at(seconds: u64) -> Timestamp {
        BEGAN.plus(Duration::from_secs(seconds))
    }

    fn address(seconds: u64, number: u128) -> String {
        let millis = u128::try_from(at(seconds).millis()).unwrap();
        format!("linux/{}", RunnerId::from_ulid((millis << 80) | number))
    }

    fn pools(max: u32) -> PoolsFile {
        let text = format!(
            r#"{{"accounts":["acme"],"pools":[{{"name":"linux","labels":["mayfly"],"max":{max}}}]}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    fn recorder(max: u32) -> Shared {
        let shared = Shared::new(BEGAN, Keep::default());
        shared.get().files.applied(BEGAN, Some(pools(max)));
        shared
    }

    fn started(recorder: &mut Shared, seconds: u64, runner: &str, task: &str) {
        recorder.saw(
            at(seconds),
            &Event::TaskStarted {
                task: task.to_owned(),
                started_by: runner.to_owned(),
                by: "scaler",
            },
        );
    }

    fn handed_out(recorder: &mut Shared, seconds: u64, runner: &str, task: &str) {
        let (task, runner) = (task.to_owned(), runner.to_owned());
        recorder.saw(
            at(seconds),
            &Event::Answered {
                path: "/registration",
                task,
                runner,
                status: 200,
                ours: true,
                handed_out: true,
            },
        );
    }

    fn broken(recorder: &Shared) -> Vec<Invariant> {
        recorder
            .get()
            .violations
            .iter()
            .map(|violation| violation.invariant)
            .collect()
    }

    #[test]
    fn more_tasks_than_max_break_i2_and_a_stopped_one_does_not_count() {
        let mut recorder = recorder(2);
        for number in 0..2 {
            started(&mut recorder, 10, &address(10, number), &number.to_string());
        }
        let stopped = Event::TaskChanged {
            task: "0".to_owned(),
            started_by: address(10, 0),
            last: LastStatus::Stopped,
            desired: DesiredStatus::Stopped,
            reason: None,
        };
        recorder.saw(at(20), &stopped);
        started(&mut recorder, 30, &address(30, 3), "3");
        assert_eq!(broken(&recorder), []);
        started(&mut recorder, 31, &address(31, 4), "4");
        assert_eq!(broken(&recorder), [Invariant::I2]);
    }

    fn row_closed(recorder: &mut Shared, seconds: u64, runner: &str) {
        let (pool, id) = runner.split_once('/').unwrap();
        let about = format!("pool#{pool} runner#{id}, runner#{id} record, pool#{pool} health");
        let call = PortCall {
            who: "sweeper",
            port: Port::Table,
            operation: "TransactWriteItems",
            about,
            nth: 0,
        };
        recorder.saw(
            at(seconds),
            &Event::Called {
                call,
                invocation: None,
                handling: CallOutcome::Done,
            },
        );
    }

    #[test]
    fn a_row_that_closes_before_its_task_breaks_i5_unless_ecs_denied_the_task_for_long() {
        let mut recorder = recorder(2);
        let (runner, other) = (address(1, 1), address(1, 2));
        started(&mut recorder, 1, &runner, "t");
        started(&mut recorder, 1, &other, "u");
        let denied = Event::TaskLeftOut {
            task: "u".to_owned(),
            started_by: other.clone(),
            lasts: Duration::from_secs(200),
        };
        recorder.saw(at(300), &denied);
        row_closed(&mut recorder, 400, &other);
        assert_eq!(
            (broken(&recorder), recorder.get().shadow.live["linux"]),
            (vec![], 1)
        );
        row_closed(&mut recorder, 400, &runner);
        assert_eq!(broken(&recorder), [Invariant::I5]);
    }

    #[test]
    fn a_copy_of_a_task_counts_for_nobody_and_may_have_no_registration() {
        let mut recorder = recorder(1);
        let runner = address(1, 1);
        started(&mut recorder, 1, &runner, "t");
        recorder.saw(
            at(20),
            &Event::TaskStarted {
                task: "copy".to_owned(),
                started_by: runner.clone(),
                by: "nobody",
            },
        );
        assert_eq!(
            (broken(&recorder), recorder.get().shadow.live["linux"]),
            (vec![], 1)
        );
        handed_out(&mut recorder, 40, &runner, "copy");
        assert_eq!(broken(&recorder), [Invariant::I4]);
    }

    #[test]
    fn more_runners_of_a_repository_than_its_pool_allows_break_i2() {
        let mut recorder = recorder(5);
        let limited = PoolSpec {
            max_per_repository: Some(1),
            ..pools(5).pools.remove(0)
        };
        recorder.get().files.applied(
            at(1),
            Some(PoolsFile {
                pools: vec![limited],
                ..pools(5)
            }),
        );
        for (number, repository) in [(1, Some(7)), (2, Some(8)), (3, None), (4, Some(7))] {
            let (runner, task) = (address(300, number), number.to_string());
            let name = format!("mayfly-{}-1", runner.replace('/', "-"));
            started(&mut recorder, 300, &runner, &task);
            let id = i64::try_from(number).unwrap();
            recorder.saw(
                at(340),
                &Event::RunnerRegistered {
                    id,
                    name,
                    repository,
                    by: "registrar",
                },
            );
            assert_eq!(broken(&recorder), []);
            handed_out(&mut recorder, 341, &runner, &task);
        }
        assert_eq!(broken(&recorder), [Invariant::I2]);
    }

    #[test]
    fn a_lower_max_counts_once_nobody_can_go_by_the_old_one() {
        let mut recorder = recorder(2);
        recorder.get().files.applied(at(100), Some(pools(1)));
        started(&mut recorder, 150, &address(150, 0), "0");
        started(&mut recorder, 150, &address(150, 1), "1");
        assert_eq!(broken(&recorder), []);
        started(&mut recorder, 400, &address(400, 2), "2");
        assert_eq!(broken(&recorder), [Invariant::I2]);
    }

    #[test]
    fn a_stop_of_a_runner_that_has_a_job_breaks_i3_and_one_of_a_free_runner_does_not() {
        let mut recorder = recorder(2);
        let runner = address(1, 1);
        let name = format!("mayfly-{}-1", runner.replace('/', "-"));
        started(&mut recorder, 1, &runner, "t");
        recorder.saw(
            at(40),
            &Event::RunnerRegistered {
                id: 1,
                name: name.clone(),
                repository: Some(1),
                by: "registrar",
            },
        );
        handed_out(&mut recorder, 41, &runner, "t");
        let stop = Event::StopAsked {
            task: "t".to_owned(),
            started_by: runner,
            reason: String::new(),
            by: "sweeper",
        };
        recorder.saw(at(45), &stop);
        assert_eq!(broken(&recorder), []);
        recorder.saw(
            at(50),
            &Event::JobAssigned {
                job: JobId(7),
                runner: Some(name),
            },
        );
        recorder.saw(at(55), &stop);
        assert_eq!(broken(&recorder), [Invariant::I3]);
    }

    #[test]
    fn a_second_registration_and_one_for_another_task_break_i4() {
        let mut recorder = recorder(2);
        let runner = address(1, 1);
        started(&mut recorder, 1, &runner, "t");
        handed_out(&mut recorder, 40, &runner, "t");
        assert_eq!(broken(&recorder), []);
        handed_out(&mut recorder, 50, &runner, "t");
        handed_out(&mut recorder, 60, &runner, "other");
        assert_eq!(broken(&recorder)[..2], [Invariant::I4, Invariant::I4]);
    }

    #[test]
    fn a_pool_as_data_needs_no_more_than_its_name_labels_and_max() {
        let PoolSpec { min_idle, spot, .. } = pools(3).pools.remove(0);
        assert_eq!((min_idle, spot), (0, false));
    }
}
