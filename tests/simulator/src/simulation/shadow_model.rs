//! What the models did, as the listener heard it: tasks, registrations and jobs, without a look at
//! the ledger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::time::Timestamp;

use crate::system::{CallOutcome, End, Event, PortCall};
use mayfly_fargate_model::LastStatus;
use mayfly_github_model::jobs::Status;

/// Who starts a task that no function asked for.
const NOBODY: &str = "nobody";

/// How ECS says that AWS took a task back.
const RECLAIMED: [&str; 3] = [
    "Your Spot Task was interrupted",
    "Your task is being stopped: the underlying",
    "Your task was stopped: the underlying",
];

/// `<pool>/<runner id>`.
pub(super) type Address = String;

/// A task.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) runner: Address,
    /// When its image began to be pulled, at the earliest: from here on it is paid for.
    pub(super) paid: Option<Timestamp>,
    pub(super) running: Option<Timestamp>,
    pub(super) stopped: Option<Timestamp>,
    /// When someone first asked ECS to stop it.
    pub(super) to_stop: Option<Timestamp>,
    /// Someone started it again who is no function of ours: it is an orphan from its beginning.
    pub(super) copy: bool,
    /// The longest time for which ECS said that it knows no such task.
    pub(super) left_out: Duration,
    /// Its row was closed while ECS said so.
    pub(super) given_up: bool,
}

impl Task {
    /// True if its row answers for it.
    fn counts(&self) -> bool {
        !self.copy && !self.given_up
    }
}

/// A runner, as far as anyone outside of the ledger knows it.
#[derive(Clone, Debug, Default)]
pub(super) struct Runner {
    /// Its tasks: one, unless something is wrong.
    pub(super) tasks: Vec<String>,
    /// When its task asked first.
    pub(super) asked: Option<Timestamp>,
    /// Registrations handed out: when, and to which task.
    pub(super) handed_out: Vec<(Timestamp, String)>,
    /// When a registration was made for it last.
    pub(super) registered: Option<Timestamp>,
    /// GitHub's id of the repository at which that was; none at an organization.
    pub(super) repository: Option<i64>,
    /// When its job was admitted.
    pub(super) admitted: Option<Timestamp>,
    /// When its job was refused.
    pub(super) refused: Option<Timestamp>,
    /// Its container asked whether a job may run that it does not have: what that answer leads to
    /// is its own doing.
    pub(super) asked_for_another: bool,
    /// When what was written down of its job's admission was not acknowledged: it may be a refusal
    /// that no one was told of.
    pub(super) unheard: Option<Timestamp>,
    /// The job that GitHub gave to it, and has not taken back.
    pub(super) job: Option<JobId>,
    /// When GitHub gave it a job first.
    pub(super) given: Option<Timestamp>,
    /// When its job was over.
    pub(super) done: Option<Timestamp>,
    /// When AWS took its task back while it had a job.
    pub(super) interrupted: Option<Timestamp>,
}

/// A job.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) status: Status,
    /// Since when it has this status.
    pub(super) since: Timestamp,
    /// Who has, or had it.
    pub(super) runner: Option<String>,
    /// How often it came to wait for a runner.
    pub(super) queued: usize,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct ShadowModel {
    pub(super) tasks: BTreeMap<String, Task>,
    /// Those that have not stopped.
    living: BTreeSet<String>,
    pub(super) live: BTreeMap<String, usize>,
    pub(super) runners: BTreeMap<Address, Runner>,
    /// Runners by the job that they have.
    holders: BTreeMap<JobId, BTreeSet<Address>>,
    pub(super) jobs: BTreeMap<JobId, Job>,
    /// Registrations that exist: GitHub's id, name, since when. Strangers' are not among them.
    pub(super) registrations: BTreeMap<i64, (String, Timestamp)>,
    /// GitHub's ids of runners that no function registered.
    pub(super) strangers: BTreeSet<i64>,
    /// Their names.
    stolen: BTreeSet<String>,
    /// When a delivery that says `queued` of a job was taken last.
    pub(super) told: BTreeMap<JobId, Timestamp>,
    /// When a delivery that says that a job is at work or over was taken first.
    pub(super) news: BTreeMap<JobId, Timestamp>,
    /// When a delivery that says that a job is over was taken first.
    pub(super) over: BTreeMap<JobId, Timestamp>,
    /// When runners' rows were closed.
    pub(super) closed: BTreeMap<Address, Timestamp>,
    /// Runners that met something of their own: a call about them was struck, their container died
    /// or was told to end by no function, GitHub dropped them.
    pub(super) struck: BTreeSet<Address>,
    /// How often GitHub was asked to run a job again and said that it does.
    pub(super) reruns: BTreeMap<JobId, usize>,
    /// Questions for admission under way, by invocation: of whose job.
    questions: BTreeMap<u64, Address>,
    /// Requests of containers under way, by invocation.
    requests: BTreeMap<u64, Address>,
    /// Deliveries under way, and what they say.
    telling: BTreeMap<i64, (JobId, Status)>,
}

/// The pool of an address.
pub(super) fn pool_of(address: &str) -> &str {
    address.split('/').next().unwrap_or_default()
}

/// The address in a runner's name, `mayfly-<pool>-<runner id>-<registration attempt>`.
pub(super) fn address_of(name: &str) -> Option<Address> {
    let (rest, _mint) = name.strip_prefix("mayfly-")?.rsplit_once('-')?;
    let (pool, runner) = rest.rsplit_once('-')?;
    (runner.len() == 26).then(|| format!("{pool}/{runner}"))
}

/// True if what a call is about names the runner: by its id, which nothing else has.
fn names(about: &str, address: &str) -> bool {
    address
        .rsplit('/')
        .next()
        .is_some_and(|id| about.contains(id))
}

/// When the runner of an address was decided on: the time in its ULID.
pub(super) fn decided(address: &str) -> Option<Timestamp> {
    const DIGITS: &str = "0123456789abcdefghjkmnpqrstvwxyz";
    let id = address.rsplit('/').next().filter(|id| id.len() == 26)?;
    let millis = id.chars().take(10).try_fold(0_i64, |sum, digit| {
        Some(sum * 32 + i64::try_from(DIGITS.find(digit)?).ok()?)
    })?;
    Some(Timestamp::from_millis(millis))
}

impl ShadowModel {
    /// Something happened.
    #[expect(clippy::too_many_lines, reason = "a table: one arm for each event")]
    pub(super) fn saw(&mut self, at: Timestamp, event: &Event) {
        match event {
            Event::Began {
                who: "registrar",
                invocation,
                about,
                ..
            } => {
                if let Some(address) = about.strip_prefix("/admission of ") {
                    self.questions.insert(*invocation, address.to_owned());
                }
                if let Some((_, address)) = about.split_once(" of ") {
                    self.requests.insert(*invocation, address.to_owned());
                }
            }
            Event::Ended {
                invocation, end, ..
            } => {
                self.questions.remove(invocation);
                let address = self.requests.remove(invocation);
                self.struck
                    .extend(address.filter(|_| !matches!(end, End::Returned(_))));
            }
            Event::Called {
                call,
                invocation,
                handling,
            } => self.called(at, call, *invocation, handling),
            Event::ContainerExited {
                started_by, code, ..
            } if *code != 0 => drop(self.struck.insert(started_by.clone())),
            Event::TaskStarted {
                task,
                started_by,
                by,
            } => self.task_started(task, started_by, *by == NOBODY),
            Event::TaskLeftOut { task, lasts, .. } => {
                if let Some(task) = self.tasks.get_mut(task) {
                    task.left_out = task.left_out.max(*lasts);
                }
            }
            Event::TaskChanged {
                task, last, reason, ..
            } => {
                self.task_changed(at, task, *last);
                self.interrupted(at, task, reason.as_deref());
            }
            Event::Answered {
                path,
                task,
                runner,
                status,
                handed_out,
                ours,
            } => {
                self.answered(at, path, (task, runner), (*status, *ours, *handed_out));
            }
            Event::RunnerRegistered {
                id,
                name,
                repository,
                by,
            } => self.registered(at, (*id, name), *repository, by),
            Event::RunnerRemoved { id, name, why, by } => {
                self.registrations.remove(id);
                self.struck
                    .extend(address_of(name).filter(|_| *by == "GitHub" && *why != "job_done"));
            }
            Event::StopAsked { task, .. } => {
                if let Some(task) = self.tasks.get_mut(task) {
                    task.to_stop.get_or_insert(at);
                }
            }
            Event::DeliverySent {
                delivery,
                action,
                job: Some(job),
                ..
            } => {
                let said = match action.as_str() {
                    "queued" => Some(Status::Queued),
                    "in_progress" => Some(Status::InProgress),
                    "completed" => Some(Status::Completed),
                    _ => None,
                };
                if let Some(said) = said {
                    self.telling.insert(*delivery, (*job, said));
                }
            }
            Event::DeliveryAnswered {
                delivery, status, ..
            } => {
                if let Some((job, said)) = self
                    .telling
                    .remove(delivery)
                    .filter(|_| (200..300).contains(status))
                {
                    self.told(at, job, said);
                }
            }
            Event::JobAssigned { job, runner } => self.assigned(at, *job, runner.as_deref()),
            Event::JobChanged {
                job, to, runner, ..
            } => {
                let before = self.jobs.get(job).map_or(0, |job| job.queued);
                let queued = before + usize::from(*to == Status::Queued);
                let changed = Job {
                    status: *to,
                    since: at,
                    runner: runner.clone(),
                    queued,
                };
                self.job_changed(*job, changed);
            }
            _ => {}
        }
    }

    /// A delivery was taken.
    fn told(&mut self, at: Timestamp, job: JobId, said: Status) {
        if said == Status::Queued {
            self.told.insert(job, at);
            return;
        }
        self.news.entry(job).or_insert(at);
        if said == Status::Completed {
            self.over.entry(job).or_insert(at);
        }
    }

    /// A function's call came back.
    fn called(
        &mut self,
        at: Timestamp,
        call: &PortCall,
        invocation: Option<u64>,
        handling: &CallOutcome,
    ) {
        if call.operation == "rerun-job" && *handling == CallOutcome::Done {
            let job = call
                .about
                .split('/')
                .find_map(|part| part.parse().ok().filter(|id| *id > 0));
            if let Some(job) = job {
                *self.reruns.entry(JobId(job)).or_default() += 1;
            }
        }
        if !matches!(handling, CallOutcome::Faulted(..)) {
            return;
        }
        let asks = invocation
            .and_then(|invocation| self.requests.get(&invocation))
            .cloned();
        let named: Vec<Address> = self
            .runners
            .keys()
            .filter(|address| names(&call.about, address))
            .cloned()
            .collect();
        self.struck.extend(asks.into_iter().chain(named));
        let address = invocation.and_then(|invocation| self.questions.get(&invocation));
        let address =
            address.filter(|_| matches!(call.operation, "PutItem" | "TransactWriteItems"));
        if let Some(runner) = address.and_then(|address| self.runners.get_mut(address)) {
            runner.unheard = Some(at);
        }
    }

    fn registered(
        &mut self,
        at: Timestamp,
        (id, name): (i64, &str),
        repository: Option<i64>,
        by: &str,
    ) {
        if by == "GitHub" {
            self.strangers.insert(id);
            self.stolen.insert(name.to_owned());
            return;
        }
        self.registrations.insert(id, (name.to_owned(), at));
        if let Some(address) = address_of(name) {
            let runner = self.runners.entry(address).or_default();
            (runner.registered, runner.repository) = (Some(at), repository);
        }
    }

    /// The runner of ours that has this name.
    fn ours(&self, name: &str) -> Option<Address> {
        if self.stolen.contains(name) {
            None
        } else {
            address_of(name)
        }
    }

    fn task_started(&mut self, task: &str, started_by: &str, copy: bool) {
        let runner = started_by.to_owned();
        let (left_out, given_up) = (Duration::ZERO, false);
        let started = Task {
            runner,
            paid: None,
            running: None,
            stopped: None,
            to_stop: None,
            copy,
            left_out,
            given_up,
        };
        self.tasks.insert(task.to_owned(), started);
        self.living.insert(task.to_owned());
        if copy {
            return;
        }
        *self.live.entry(pool_of(started_by).to_owned()).or_default() += 1;
        self.runners
            .entry(started_by.to_owned())
            .or_default()
            .tasks
            .push(task.to_owned());
    }

    fn task_changed(&mut self, at: Timestamp, id: &str, last: LastStatus) {
        let Some(task) = self.tasks.get_mut(id) else {
            return;
        };
        if last >= LastStatus::Pending {
            task.paid.get_or_insert(at);
        }
        if last >= LastStatus::Running {
            task.running.get_or_insert(at);
        }
        if last == LastStatus::Stopped && task.stopped.is_none() {
            task.stopped = Some(at);
            self.living.remove(id);
            if let Some(live) = self
                .live
                .get_mut(pool_of(&task.runner))
                .filter(|_| task.counts())
            {
                *live = live.saturating_sub(1);
            }
        }
    }

    /// AWS takes a task back, if that is why it ends.
    fn interrupted(&mut self, at: Timestamp, task: &str, reason: Option<&str>) {
        let taken_back =
            reason.is_some_and(|reason| RECLAIMED.iter().any(|words| reason.starts_with(words)));
        let address = self
            .tasks
            .get(task)
            .filter(|task| taken_back && task.counts())
            .map(|task| &task.runner);
        if let Some(runner) = address
            .and_then(|address| self.runners.get_mut(address))
            .filter(|runner| runner.job.is_some())
        {
            runner.interrupted.get_or_insert(at);
        }
    }

    fn answered(
        &mut self,
        at: Timestamp,
        path: &str,
        (task, runner): (&str, &str),
        (status, ours, handed_out): (u16, bool, bool),
    ) {
        // A stranger's questions say nothing of the runner.
        if self
            .tasks
            .get(task)
            .is_none_or(|task| task.runner != runner || task.copy)
        {
            return;
        }
        let seen = self.runners.entry(runner.to_owned()).or_default();
        seen.asked.get_or_insert(at);
        if handed_out {
            seen.handed_out.push((at, task.to_owned()));
        }
        match (path, status, ours) {
            ("/admission", 200, true) => seen.admitted = Some(at),
            ("/admission", 403, true) => seen.refused = Some(at),
            _ => {}
        }
    }

    fn assigned(&mut self, at: Timestamp, job: JobId, runner: Option<&str>) {
        for address in self.holders.remove(&job).unwrap_or_default() {
            self.hold(at, &address, None);
        }
        if let Some(address) = runner.and_then(|name| self.ours(name)) {
            self.hold(at, &address, Some(job));
        }
    }

    fn job_changed(&mut self, job: JobId, changed: Job) {
        let over = changed.status == Status::Completed;
        let at = changed.since;
        if let Some(address) = changed.runner.as_deref().and_then(|name| self.ours(name)) {
            self.hold(at, &address, Some(job));
        }
        let held = if over {
            self.holders.remove(&job).unwrap_or_default()
        } else {
            BTreeSet::new()
        };
        for address in held {
            self.hold(at, &address, None);
            self.runners.entry(address).or_default().done = Some(at);
        }
        self.jobs.insert(job, changed);
    }

    /// A runner has this job, or none, from now on.
    fn hold(&mut self, at: Timestamp, address: &str, job: Option<JobId>) {
        let runner = self.runners.entry(address.to_owned()).or_default();
        let before = std::mem::replace(&mut runner.job, job);
        if let Some(holders) = before.and_then(|before| self.holders.get_mut(&before)) {
            holders.remove(address);
        }
        if let Some(job) = job {
            runner.given.get_or_insert(at);
            self.holders
                .entry(job)
                .or_default()
                .insert(address.to_owned());
        }
    }

    /// How many of a pool's tasks have not stopped whose runner was handed a registration for a
    /// repository.
    pub(super) fn registered_for(&self, pool: &str, repository: i64) -> usize {
        let its = |runner: &Runner| {
            runner.repository == Some(repository) && !runner.handed_out.is_empty()
        };
        let of_pool = self
            .live_tasks()
            .filter(|(_, task)| task.counts() && pool_of(&task.runner) == pool);
        of_pool
            .filter(|(_, task)| self.runners.get(&task.runner).is_some_and(its))
            .count()
    }

    /// How many tasks have not stopped and not asked for their registration.
    pub(super) fn unasked(&self) -> usize {
        let silent = |task: &Task| {
            self.runners
                .get(&task.runner)
                .is_none_or(|runner| runner.asked.is_none())
        };
        self.live_tasks()
            .filter(|(_, task)| !task.copy && silent(task))
            .count()
    }

    /// The task that lives although its runner's row is closed, and answers for it no more. None if
    /// there is none.
    pub(super) fn left_alone(&self, address: &str) -> Option<(&String, &Task)> {
        let mut tasks = self
            .runners
            .get(address)?
            .tasks
            .iter()
            .filter_map(|id| self.tasks.get_key_value(id));
        tasks.find(|(_, task)| task.stopped.is_none() && task.counts())
    }

    /// A task's row was closed, and no one could know better.
    pub(super) fn give_up(&mut self, task: &str) {
        let Some(task) = self.tasks.get_mut(task).filter(|task| task.counts()) else {
            return;
        };
        task.given_up = true;
        if let Some(live) = self.live.get_mut(pool_of(&task.runner)) {
            *live = live.saturating_sub(1);
        }
    }

    /// Tasks that have not stopped.
    pub(super) fn live_tasks(&self) -> impl Iterator<Item = (&String, &Task)> {
        self.living
            .iter()
            .filter_map(|id| self.tasks.get_key_value(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_domain::model::id::RunnerId;

    #[test]
    fn a_runners_name_tells_its_address_and_its_id_the_time() {
        let id = RunnerId::from_ulid((1_795_356_000_123_u128 << 80) | 77);
        let name = format!("mayfly-fast-x64-{id}-3");
        assert_eq!(address_of(&name), Some(format!("fast-x64/{id}")));
        assert_eq!(
            decided(&format!("fast-x64/{id}")),
            Some(Timestamp::from_millis(1_795_356_000_123))
        );
        assert_eq!(
            (address_of("GitHub Actions 5"), decided("linux/x")),
            (None, None)
        );
    }
}
