//! Tells one story: begins the system, does what the scenario says, waits until everything is at
//! rest, and holds the end against the invariants.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_config::pools_file;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::redelivery;
use tokio::time::Instant;

use super::cost_bounds;
use super::fault_schedule::{Down, FaultSchedule, after};
use super::figures::Figures;
use super::final_checks::{FinalState, floors, jobs_at_github};
use super::garbage::Garbage;
use super::invariants;
use super::liveness::LivenessMonitor;
use super::logs;
use super::pace::PerMinute;
use super::panics;
use super::recorder::{Keep, Shared};
use super::reruns;
use super::scenario::{Act, Moment, NthCallFault, Outage, Scenario};
use super::undelivered::{Undelivered, undelivered};
use super::violation::{Invariant, Violation};
use crate::system::{Capacity, ContainerBehavior, Event, PlatformRates, Start, System};
use mayfly_dynamodb_model::DynamoQuirks;
use mayfly_github_model::accounts::Level;
use mayfly_github_model::faults::Faults as GithubFaults;
use mayfly_github_model::jobs::Status;
use mayfly_github_model::settings::Settings;

/// How often it is looked whether everything is at rest.
const LOOK: Duration = Duration::from_secs(30);

/// How often it is looked whether jobs wait in vain.
const IMPATIENT: Duration = Duration::from_secs(5);

/// For how long everything must be at rest.
const REST: Duration = Duration::from_secs(240);

/// How long the system may take to settle once nothing goes wrong any more, besides the time that
/// the jobs themselves take: the longest wait of a job (an hourly probe), the longest back-off (30
/// min), and time to go on from there.
const SETTLES_WITHIN: Duration = Duration::from_secs(4 * 3600);

/// How long after the calm an event may come at last that could not be delivered before: an hour is
/// the longest wait between two requests for it; GitHub's list may show an attempt late.
const DELIVERED_WITHIN: Duration = Duration::from_secs(
    timeouts::LONGEST_WAIT.as_secs() + redelivery::OVERLAP.as_secs() + 3 * timeouts::TICK.as_secs(),
);

/// So many are asked for in a minute at least.
const REDELIVERIES_A_MINUTE: usize = 50;

/// What came of a story.
#[derive(Debug)]
pub struct RunResult {
    /// The promises that were broken.
    pub violations: Vec<Violation>,
    /// What happened, in numbers.
    pub figures: Figures,
    /// Everything that happened, if it was to be kept.
    pub trace: Vec<(Duration, Event)>,
    /// Calls that were struck.
    pub strikes: Vec<NthCallFault>,
    /// A number that equal traces share, if it was asked for.
    pub hash: Option<u64>,
    /// Calls, minute by minute.
    pub minutes: Vec<PerMinute>,
}

impl RunResult {
    /// A story that could not be told.
    pub(super) fn empty(words: String) -> Self {
        let violation = Violation {
            invariant: Invariant::Panic,
            at: Duration::ZERO,
            about: Vec::new(),
            words,
        };
        Self {
            violations: vec![violation],
            figures: Figures::default(),
            trace: Vec::new(),
            strikes: Vec::new(),
            hash: None,
            minutes: Vec::new(),
        }
    }
}

/// Tells the story of a scenario, on this thread, in virtual time.
///
/// # Errors
/// When no runtime can be made, or the system cannot begin.
pub fn run_story(scenario: &Scenario, keep: Keep) -> anyhow::Result<RunResult> {
    // Functions would go by the file before, and the story say less than it seems to. What is meant
    // to be bad is [`Action::Spoil`](super::Action::Spoil).
    for file in scenario.files() {
        if let Err(problems) = pools_file::parse(&file.text(), 1) {
            return Ok(RunResult::empty(format!(
                "a pools file of the scenario is none that functions accept: {problems:?}\n{}",
                file.text()
            )));
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    let (told, heard) =
        panics::heard(|| logs::captured(scenario.logs, || runtime.block_on(story(scenario, keep))));
    drop(runtime);
    let mut told = told?;
    for words in heard {
        told.violations.push(Violation {
            invariant: Invariant::Panic,
            at: told.figures.lasted,
            about: Vec::new(),
            words,
        });
    }
    Ok(told)
}

/// A cancellation whose moment has not come.
pub(super) struct Pending {
    job: JobId,
    moment: Moment,
    /// How many tasks and registrations there had been.
    seen: (usize, u64),
}

pub(super) struct Teller<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) system: System,
    pub(super) recorder: Shared,
    pub(super) down: Down,
    pub(super) began: Timestamp,
    pub(super) batches: BTreeMap<u32, Vec<JobId>>,
    /// What repositories are called now.
    pub(super) names: BTreeMap<String, String>,
    pub(super) pending: Vec<Pending>,
    /// What GitHub does by itself, refusals included.
    pub(super) github: GithubFaults,
    /// Deliveries fail until then; ECS refuses until then.
    pub(super) outages: Vec<(Outage, Timestamp)>,
    pub(super) actions: usize,
    liveness: LivenessMonitor,
}

async fn story(scenario: &Scenario, keep: Keep) -> anyhow::Result<RunResult> {
    let start = Start::seeded(scenario.seed)
        .pools(&scenario.pools.text())
        .tasks_start_in(scenario.start_seconds);
    let system = start.begin()?;
    let mut teller = Teller::new(scenario, system, keep);
    teller.prepare();
    teller.acts().await;
    teller.calm();
    let unsettled = teller.settle().await;
    Ok(teller.end(unsettled))
}

impl<'a> Teller<'a> {
    fn new(scenario: &'a Scenario, system: System, keep: Keep) -> Self {
        let began = system.world.clock.now();
        Self {
            scenario,
            system,
            recorder: Shared::new(began, keep),
            down: Down::default(),
            began,
            batches: BTreeMap::new(),
            names: BTreeMap::new(),
            pending: Vec::new(),
            github: scenario.faults.github.clone(),
            outages: Vec::new(),
            actions: 0,
            liveness: LivenessMonitor::new(
                scenario.patience() + scenario.waits_for_github(),
                scenario.is_orderly(),
            ),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.system.world.clock.now()
    }

    /// The world as it is before anything happens.
    fn prepare(&self) {
        let Self {
            scenario, system, ..
        } = self;
        let trouble = &scenario.faults;
        let faults = FaultSchedule::new(
            scenario.seed,
            trouble,
            self.down.clone(),
            after(self.began, scenario.calm_at),
        );
        system.world.set_listener(Box::new(self.recorder.clone()));
        system.world.set_fault_injector(Box::new(faults));
        system.world.set_platform_rates(trouble.platform.chances());
        let timing = &scenario.timing;
        system.world.set_container_behavior(ContainerBehavior {
            clocks: timing.clocks.clone(),
            waits: timing.waits,
        });
        system.world.with_github(|github, _| {
            github.settings.assign_after = timing.assign_after;
            github.settings.lost_after = timing.lost_after.unwrap_or(github.settings.lost_after);
            github.settings.listed_late = timing.listed_late;
        });
        let lingers = (scenario.lingers > 0).then_some(("scaler", scenario.lingers));
        if let Some(tight) = &scenario.tight {
            system.world.gives(tight.capacity());
            system.world.with_github(|github, _| {
                (
                    github.settings.points_per_minute,
                    github.settings.primary_per_hour,
                ) = (tight.points, tight.requests);
            });
        }
        system.world.table.treat(DynamoQuirks {
            page: scenario.page,
            lingers,
            ..DynamoQuirks::default()
        });
        self.recorder
            .get()
            .files
            .applied(self.began, Some(scenario.pools.clone()));
        system.world.with_github(|github, now| {
            for name in &scenario.public {
                let id = github.accounts_mut().mention(name, now);
                if let Some(repository) = github.accounts_mut().repository_mut(id) {
                    repository.private = false;
                }
            }
        });
        self.put_faults();
        self.grant_reruns();
    }

    /// Where a pool wants GitHub to run jobs again, the App may ask for it (docs/REFERENCE.md, "The
    /// pools file").
    pub(super) fn grant_reruns(&self) {
        if !self
            .scenario
            .files()
            .flat_map(|file| &file.pools)
            .any(|pool| pool.rerun_interrupted)
        {
            return;
        }
        self.system.world.with_github(|github, _| {
            let all: Vec<_> = github
                .accounts()
                .installations()
                .map(|one| one.id)
                .collect();
            for id in all {
                if let Some(installation) = github.accounts_mut().installation_mut(id) {
                    installation
                        .permissions
                        .insert("actions".to_owned(), Level::Write);
                }
            }
        });
    }

    /// Puts in force at the models what goes wrong by itself now.
    pub(super) fn put_faults(&self) {
        let now = self.now();
        let down = |what: Outage| {
            self.outages
                .iter()
                .any(|(outage, until)| *outage == what && now < *until)
        };
        let mut github = self.github.clone();
        if down(Outage::Deliveries) {
            github.deliveries.lost = 1.0;
        }
        let refuses = down(Outage::EcsRefuses);
        self.system
            .world
            .with_github(|model, _| model.faults = github);
        self.system.world.with_ecs(|ecs, _| {
            ecs.clear_faults();
            if refuses {
                let operations = [
                    "RunTask",
                    "StopTask",
                    "DescribeTasks",
                    "ListTasks",
                    "RegisterTaskDefinition",
                    "DescribeTaskDefinition",
                ];
                let operations = operations
                    .iter()
                    .filter_map(|name| mayfly_fargate_model::Operation::named(name))
                    .collect();
                ecs.add_fault(mayfly_fargate_model::Fault {
                    operations,
                    ..mayfly_fargate_model::Fault::of(mayfly_fargate_model::FaultKind::Refused)
                });
            }
            for fault in &self.scenario.faults.ecs {
                ecs.add_fault(fault.clone());
            }
        });
    }

    /// Everything that people do, up to the calm.
    async fn acts(&mut self) {
        let acts: &[Act] = &self.scenario.acts;
        let mut next = 0;
        let calm = after(self.began, self.scenario.calm_at);
        let mut stale_registrations = self
            .scenario
            .is_calm()
            .then(|| Garbage::new(true, self.scenario.idle_timeout()));
        let impatient = if self.scenario.is_orderly() {
            IMPATIENT
        } else {
            LOOK
        };
        loop {
            let now = self.now();
            if let Some(stale_registrations) = &mut stale_registrations {
                stale_registrations.look(&self.system, &self.recorder);
            }
            self.hurry();
            while let Some(act) = acts.get(next).filter(|act| self.time_of(act) <= now) {
                next += 1;
                self.actions += 1;
                self.act(&act.action);
            }
            self.cancel_in_time();
            self.end_outages();
            if now >= calm {
                return;
            }
            let times = [
                acts.get(next).map(|act| self.time_of(act)),
                self.outages.iter().map(|(_, until)| *until).min(),
                stale_registrations.as_ref().map(|_| now.plus(LOOK)),
                Some(now.plus(impatient)),
                Some(calm),
            ];
            let until = times.into_iter().flatten().min().unwrap_or(calm);
            self.wait(until.since(now)).await;
        }
    }

    fn time_of(&self, act: &Act) -> Timestamp {
        self.began
            .plus(Duration::try_from_secs_f64(act.at).unwrap_or_default())
    }

    /// Waits; where a cancellation waits for its moment, no longer than until something happens.
    async fn wait(&self, long: Duration) {
        let sleep = tokio::time::sleep_until(Instant::now() + long.max(Duration::from_millis(1)));
        if self.pending.is_empty() {
            sleep.await;
            return;
        }
        let news = self.recorder.get().news.clone();
        futures::future::select(std::pin::pin!(sleep), std::pin::pin!(news.notified())).await;
    }

    fn end_outages(&mut self) {
        let now = self.now();
        let before = self.outages.len();
        self.outages.retain(|(_, until)| now < *until);
        if self.outages.len() != before {
            self.put_faults();
        }
    }

    /// Cancels the jobs whose moment has come.
    fn cancel_in_time(&mut self) {
        let pending = std::mem::take(&mut self.pending);
        for one in pending {
            match self.has_come(&one) {
                Some(true) => self.system.cancel(one.job),
                Some(false) => self.pending.push(one),
                None => {}
            }
        }
    }

    /// Whether the moment has come; none if it never will.
    fn has_come(&self, pending: &Pending) -> Option<bool> {
        let recorder = self.recorder.get();
        let job = recorder.shadow.jobs.get(&pending.job)?;
        let (tasks, registrations) = pending.seen;
        match job.status {
            Status::Completed => None,
            Status::InProgress => Some(true),
            _ => Some(match pending.moment {
                Moment::Then => true,
                Moment::AtLaunch => recorder.shadow.tasks.len() > tasks,
                Moment::AtRegistration => {
                    recorder
                        .kinds
                        .get("registrations")
                        .copied()
                        .unwrap_or_default()
                        > registrations
                }
                Moment::AtAssignment => recorder
                    .shadow
                    .runners
                    .values()
                    .any(|runner| runner.job == Some(pending.job)),
                Moment::AtStart => false,
            }),
        }
    }

    /// Someone wants a job cancelled.
    pub(super) fn cancel(&mut self, job: JobId, moment: Moment) {
        let seen = {
            let recorder = self.recorder.get();
            (
                recorder.shadow.tasks.len(),
                recorder
                    .kinds
                    .get("registrations")
                    .copied()
                    .unwrap_or_default(),
            )
        };
        self.pending.push(Pending { job, moment, seen });
    }

    /// From now on nothing goes wrong any more. What GitHub refuses it goes on to refuse.
    fn calm(&mut self) {
        self.outages.clear();
        self.pending.clear();
        self.github = GithubFaults {
            refused: std::mem::take(&mut self.github.refused),
            ..GithubFaults::default()
        };
        self.system.world.gives(Capacity::default());
        self.system.world.with_github(|github, _| {
            github.faults = self.github.clone();
            let given = Settings::default();
            (
                github.settings.points_per_minute,
                github.settings.primary_per_hour,
            ) = (given.points_per_minute, given.primary_per_hour);
        });
        self.system.world.with_ecs(|ecs, _| ecs.clear_faults());
        self.system.world.clear_fault_injector();
        self.system
            .world
            .set_platform_rates(PlatformRates::default());
    }

    /// Lets time pass until everything has been at rest for a while. How long it was waited for, if
    /// it never was.
    async fn settle(&mut self) -> Option<Duration> {
        let calm = self.now();
        let limit = SETTLES_WITHIN + self.work();
        let mut stale_registrations =
            Garbage::new(self.scenario.is_calm(), self.scenario.idle_timeout());
        let mut resting: Option<Timestamp> = None;
        loop {
            stale_registrations.look(&self.system, &self.recorder);
            self.hurry();
            let now = self.now();
            self.deliver_in_time(now.since(calm));
            if self.is_at_rest() {
                let since = *resting.get_or_insert(now);
                if now.since(since) >= REST {
                    return None;
                }
            } else {
                resting = None;
                if now.since(calm) > limit {
                    return Some(now.since(calm));
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Looks whether jobs wait in vain, and why.
    fn hurry(&mut self) {
        let overdue = self.liveness.look(&self.system, &self.recorder);
        if overdue.is_empty() {
            return;
        }
        let now = self.now();
        let final_state = self.final_state(None);
        let judged: Vec<_> = overdue
            .into_iter()
            .map(|late| (late, final_state.held(late.job)))
            .collect();
        let shared = self.recorder.clone();
        for (late, held) in judged {
            match held {
                Some(held) => self.liveness.judge(late, held, now, &mut shared.get()),
                None => self.liveness.forgive(late.job, Some(now)),
            }
        }
    }

    /// Of what GitHub could not deliver, nothing may be left so long after the calm.
    fn deliver_in_time(&self, calm_for: Duration) {
        let within = DELIVERED_WITHIN + self.scenario.waits_for_github();
        if calm_for <= within {
            return;
        }
        let now = self.now();
        let mut late = undelivered(&self.system);
        late.retain(|event| event.failed_at.is_some_and(|at| now.since(at) > within));
        let minutes = u32::try_from(late.len() / REDELIVERIES_A_MINUTE).unwrap_or(u32::MAX);
        if calm_for <= within + timeouts::TICK.saturating_mul(minutes) {
            return;
        }
        let mut recorder = self.recorder.get();
        for Undelivered {
            guid, job, words, ..
        } in late
        {
            let words = format!(
                "{words}, and it has been calm for longer than {} min",
                within.as_secs() / 60
            );
            recorder.broken(Invariant::I1, now, &[&job, &guid], words);
        }
    }

    /// Seconds that the jobs take, one after the other by pool: no pool is slower than that.
    fn work(&self) -> Duration {
        let all = self
            .scenario
            .batches()
            .map(|batch| (batch.seconds + 120.0) * f64::from(batch.count))
            .sum::<f64>();
        let slowest = self
            .scenario
            .files()
            .flat_map(|file| &file.pools)
            .map(|pool| pool.max_per_repository.unwrap_or(pool.max))
            .min();
        Duration::try_from_secs_f64(all / f64::from(slowest.unwrap_or(1))).unwrap_or_default()
    }

    /// True if there is nothing left to be done.
    fn is_at_rest(&self) -> bool {
        let (file, live) = {
            let recorder = self.recorder.get();
            if recorder
                .shadow
                .jobs
                .values()
                .any(|job| job.status == Status::InProgress)
            {
                return false;
            }
            let file = recorder
                .files
                .last()
                .cloned()
                .unwrap_or_else(|| self.scenario.pools.clone());
            (file, recorder.shadow.live_tasks().count())
        };
        let final_state = self.final_state(None);
        // Those that their runner group keeps out are tried again and again.
        let most = floors(&file) + final_state.kept_out().len();
        (floors(&file)..=most).contains(&live)
            && final_state
                .open_jobs()
                .all(|job| job.given_up || final_state.exemption(job).is_some())
            && final_state.left_over().is_empty()
            && undelivered(&self.system).is_empty()
            && !reruns::are_due(&final_state, &self.recorder.get())
    }

    fn final_state(&self, unsettled: Option<Duration>) -> FinalState<'_> {
        let jobs = jobs_at_github(&self.system, self.scenario);
        let recorder = self.recorder.get();
        FinalState {
            scenario: self.scenario,
            system: &self.system,
            now: self.now(),
            file: recorder
                .files
                .last()
                .cloned()
                .unwrap_or_else(|| self.scenario.pools.clone()),
            files: recorder
                .files
                .good()
                .map(|(at, file)| (at, file.clone()))
                .collect(),
            jobs,
            strangers: recorder.shadow.strangers.clone(),
            told: recorder.replies.clone(),
            unsettled,
            unrest: Vec::new(),
        }
    }

    fn end(self, unsettled: Option<Duration>) -> RunResult {
        let mut final_state = self.final_state(unsettled);
        final_state.told.push(logs::text());
        let undelivered = undelivered(&self.system)
            .into_iter()
            .map(|event| event.words);
        final_state.unrest = final_state
            .left_over()
            .into_iter()
            .map(|(_, words)| words)
            .chain(undelivered)
            .take(6)
            .collect();
        let shared = self.recorder.clone();
        let mut recorder = shared.get();
        invariants::i1_every_job_is_served(&final_state, &mut recorder);
        invariants::i1_every_delivery_is_made(&final_state, &mut recorder);
        reruns::i1_reclaimed_jobs_run_again_once(&final_state, &mut recorder);
        invariants::i4_one_runner_per_job(&final_state, &mut recorder);
        invariants::i5_nothing_is_left(&final_state, &mut recorder);
        invariants::i6_forged_input_changes_nothing(&final_state, &mut recorder);
        invariants::i7_no_job_runs_where_it_may_not(&final_state, &mut recorder);
        invariants::i7_no_legal_job_is_refused(&final_state, &mut recorder);
        invariants::i8_no_secret_is_told(&final_state, &mut recorder);
        invariants::i9_it_settles(&final_state, &mut recorder);
        invariants::i9_calls_are_bounded(&mut recorder, final_state.now);
        cost_bounds::i9_tries_are_bounded(&final_state, &mut recorder);
        cost_bounds::i9_failed_starts_are_bounded(&final_state, &mut recorder);
        cost_bounds::i9_idle_time_is_bounded(&final_state, &mut recorder);
        cost_bounds::i9_needless_runners_are_bounded(&final_state, &mut recorder);
        let figures = Figures::of(&final_state, &recorder);
        let trace = std::mem::take(&mut recorder.trace);
        let began = self.began;
        RunResult {
            violations: recorder.violations.clone(),
            figures,
            trace: trace
                .into_iter()
                .map(|(at, event)| (at.since(began), event))
                .collect(),
            strikes: recorder.strikes.clone(),
            hash: recorder.hash(),
            minutes: recorder.pace.per_minute().collect(),
        }
    }
}
