//! How things stand at the end of a story, or while it settles: at GitHub, at ECS, and in the
//! table.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::hold::HoldReason;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::JobState;
use mayfly_domain::model::runner::{Runner, RunnerState};
use mayfly_domain::model::time::Timestamp;

use super::scenario::{Asked, PoolsFile, Scenario};
use super::shadow_model::{ShadowModel, address_of};
use crate::system::System;
use mayfly_github_model::jobs::{Conclusion, Status};

/// What happens so shortly one after the other happens at once: a transaction takes no longer.
const MOMENT: Duration = Duration::from_millis(100);

/// A job as GitHub has it.
#[derive(Clone, Debug)]
pub(super) struct JobAtGithub {
    pub(super) id: JobId,
    pub(super) run: i64,
    pub(super) attempt: u32,
    /// `owner/name`, as it is called now.
    pub(super) repository: String,
    /// GitHub's id of it.
    pub(super) repository_id: i64,
    /// All its names.
    pub(super) names: Vec<String>,
    pub(super) private: bool,
    /// Its repository was made public or private while the story went on: what is known of that may
    /// be old.
    pub(super) flipped: bool,
    pub(super) labels: Vec<String>,
    pub(super) status: Status,
    pub(super) conclusion: Option<Conclusion>,
    /// The runner's name and GitHub's id of it.
    pub(super) executor: Option<(String, i64)>,
    pub(super) steps: usize,
    pub(super) queued: Timestamp,
    pub(super) began: Option<Timestamp>,
    pub(super) ended: Option<Timestamp>,
    pub(super) hosted: bool,
    /// GitHub gave it up: no runner took it for a day.
    pub(super) given_up: bool,
    /// It stood at a gate, and no one ever opened it.
    pub(super) held_back: bool,
    /// The App is on its repository, and not suspended.
    pub(super) app: bool,
    /// For how long, of the time from its start to its end or until now, the App was on the account
    /// and not suspended.
    pub(super) with_app: Duration,
    /// GitHub refuses its runners.
    pub(super) refused: bool,
    /// A delivery about it was taken.
    pub(super) delivered: bool,
}

/// Steps of a job ran on a runner of ours.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) job: JobId,
    pub(super) address: String,
    pub(super) names: Vec<String>,
    /// It was private, at some time at least.
    pub(super) private: bool,
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
}

/// How things stand.
pub(super) struct FinalState<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) system: &'a System,
    pub(super) now: Timestamp,
    /// The last good pools file.
    pub(super) file: PoolsFile,
    /// Good files by the time at which they were applied.
    pub(super) files: Vec<(Timestamp, PoolsFile)>,
    pub(super) jobs: Vec<JobAtGithub>,
    /// GitHub's ids of runners that are no runners of ours.
    pub(super) strangers: BTreeSet<i64>,
    /// Words that were told to strangers, and logged.
    pub(super) told: Vec<String>,
    /// If it did not settle: how long it was waited for.
    pub(super) unsettled: Option<Duration>,
    /// What was not at rest.
    pub(super) unrest: Vec<String>,
}

/// All jobs as GitHub has them.
pub(super) fn jobs_at_github(system: &System, scenario: &Scenario) -> Vec<JobAtGithub> {
    let flipped: BTreeSet<&str> = scenario.flipped().collect();
    let time = |at: jiff::Timestamp| Timestamp::from_millis(at.as_millisecond());
    system.world.see_github(|github, now| {
        let mut heard = BTreeSet::new();
        for delivery in github.deliveries().filter(|delivery| !delivery.forged) {
            if let mayfly_github_model::deliveries::Stage::Over(outcome) = &delivery.stage
                && delivery.handling == mayfly_github_model::deliveries::Handling::Send
                && outcome.is_success()
            {
                heard.extend(delivery.job);
            }
        }
        let accounts = github.accounts();
        let all = github.jobs().map(|job| {
            let repository = accounts.full_name(job.repository);
            let refused = |name: &str| {
                github
                    .faults
                    .refused
                    .keys()
                    .any(|place| place.eq_ignore_ascii_case(name))
            };
            let installation = accounts.installation_for(job.repository);
            let names = vec![repository.clone(), job.wish.repository.clone()];
            JobAtGithub {
                id: JobId(job.id.0),
                run: job.run.0,
                attempt: job.attempt,
                private: accounts
                    .repository(job.repository)
                    .is_none_or(|one| one.private),
                flipped: flipped.contains(job.wish.repository.as_str()),
                labels: job.wish.labels.clone(),
                status: job.status,
                conclusion: job.conclusion,
                executor: job
                    .executor
                    .as_ref()
                    .map(|executor| (executor.name.clone(), executor.id.0)),
                steps: job.steps.len(),
                queued: time(job.queued_at),
                began: job.started_at.map(time),
                ended: job.completed_at.map(time),
                hosted: job.is_hosted(),
                given_up: job
                    .annotation
                    .is_some_and(|words| words.contains("not acquired")),
                held_back: job.wish.gate.is_some() && job.queued_at == job.created_at,
                app: installation.is_some_and(|one| one.suspended_at.is_none()),
                with_app: accounts
                    .time_with_app(
                        job.repository,
                        job.queued_at,
                        job.completed_at.unwrap_or(now),
                    )
                    .unsigned_abs(),
                refused: names.iter().any(|name| refused(name)),
                delivered: heard.contains(&job.id),
                repository_id: job.repository.0,
                repository,
                names,
            }
        });
        all.collect()
    })
}

impl JobAtGithub {
    pub(super) fn asked(&self) -> Asked<'_> {
        Asked {
            repository: &self.repository,
            private: self.private,
            labels: &self.labels,
        }
    }
}

impl FinalState<'_> {
    /// Jobs that wait, or are held back; those that GitHub gave up, too.
    pub(super) fn open_jobs(&self) -> impl Iterator<Item = &JobAtGithub> {
        let open = |job: &&JobAtGithub| {
            job.given_up || !matches!(job.status, Status::Completed | Status::InProgress)
        };
        self.jobs.iter().filter(|job| !job.hosted).filter(open)
    }

    /// What the ledger says of a job, in short.
    pub(super) fn recorded(&self, job: &JobAtGithub) -> String {
        self.system.job(job.id).map_or_else(
            || "no record".to_owned(),
            |record| {
                let reason = record
                    .reason
                    .map(|reason| reason.to_string())
                    .unwrap_or_default();
                format!(
                    "{:?} in {:?}, {reason}",
                    record.state,
                    record.pool.map(|pool| pool.to_string())
                )
            },
        )
    }

    pub(super) fn has_reason(&self, job: &JobAtGithub) -> bool {
        let in_its_row = || {
            self.system
                .waiting()
                .iter()
                .any(|row| row.id == job.id && row.hold.is_some_and(HoldReason::is_written))
        };
        self.system
            .job(job.id)
            .is_some_and(|record| record.reason.is_some())
            || in_its_row()
    }

    /// How many jobs a runner of ours worked on.
    pub(super) fn served(&self) -> usize {
        self.jobs
            .iter()
            .filter(|job| job.began.is_some() && self.ours(job).is_some())
            .count()
    }

    /// Jobs that a runner of ours was given, and its address.
    pub(super) fn given(&self) -> impl Iterator<Item = (&JobAtGithub, String)> {
        self.jobs
            .iter()
            .filter_map(|job| Some((job, self.ours(job)?)))
    }

    /// How many jobs were over before they began, those not counted that GitHub held back all the
    /// time.
    pub(super) fn cancelled_before_they_began(&self) -> usize {
        self.jobs
            .iter()
            .filter(|job| {
                !job.hosted && job.began.is_none() && job.ended.is_some() && !job.held_back
            })
            .count()
    }

    /// True if some pool takes jobs whose runners are registered in different places, or with
    /// different labels.
    pub(super) fn a_pool_has_several_targets(&self) -> bool {
        let batches: Vec<_> = self.scenario.batches().collect();
        self.scenario.pools.pools.iter().any(|pool| {
            let taken = batches
                .iter()
                .filter(|batch| pool.takes(self.scenario.asked(batch)));
            let targets: BTreeSet<_> = taken
                .map(|batch| (&batch.repository, folded(&batch.labels)))
                .collect();
            targets.len() > 1
        })
    }

    /// How many runners were handed another job than the one that they held in reserve.
    pub(super) fn exchanges(&self) -> usize {
        self.exchanged().count()
    }

    /// How many of those were gone when the first delivery that tells of it was taken.
    pub(super) fn exchanges_told_too_late(&self, shadow: &ShadowModel) -> usize {
        let told_in_time = |job: JobId, address: &str| {
            let told = shadow.news.get(&job).zip(shadow.closed.get(address));
            told.is_some_and(|(told, closed)| *told < closed.minus(MOMENT))
        };
        self.exchanged()
            .filter(|(job, address)| !told_in_time(*job, address))
            .count()
    }

    /// Jobs, each with the runner that it was given to although that was to have another one.
    fn exchanged(&self) -> impl Iterator<Item = (JobId, String)> {
        let reserved: BTreeMap<String, JobId> = self
            .system
            .closed_runners()
            .iter()
            .filter_map(|runner| Some((runner.address().to_string(), runner.reserved?)))
            .collect();
        self.given()
            .map(|(job, address)| (job.id, address))
            .filter(move |(job, address)| {
                reserved
                    .get(address)
                    .is_some_and(|reserved| reserved != job)
            })
    }

    /// The runner of ours that a job was given to.
    pub(super) fn ours(&self, job: &JobAtGithub) -> Option<String> {
        let (name, id) = job.executor.as_ref()?;
        if self.strangers.contains(id) {
            None
        } else {
            address_of(name)
        }
    }

    /// True if a runner that was made for one job may be handed another that needs something else.
    pub(super) fn runners_are_not_interchangeable(&self) -> bool {
        let organization = self
            .scenario
            .pools
            .pools
            .iter()
            .any(|pool| pool.group.is_some());
        let sets: BTreeSet<_> = self
            .scenario
            .batches()
            .map(|batch| (batch.repository.clone(), folded(&batch.labels)))
            .collect();
        let covers = |one: &(String, BTreeSet<String>), other: &(String, BTreeSet<String>)| {
            one.0 == other.0
                && one.1 != other.1
                && (one.1.is_subset(&other.1)
                    || one.1.iter().any(|label| label.starts_with("run=")))
        };
        organization
            || sets
                .iter()
                .any(|one| sets.iter().any(|other| covers(one, other)))
    }

    /// Jobs of which steps ran on runners of ours.
    pub(super) fn steps_run(&self) -> Vec<Run> {
        let run = |job: &JobAtGithub| {
            let began = job.began?;
            let address = self.ours(job)?;
            Some(Run {
                job: job.id,
                address,
                names: job.names.clone(),
                private: job.private || job.flipped,
                began,
                ended: job.ended.unwrap_or(self.now),
            })
        };
        self.jobs
            .iter()
            .filter(|job| job.steps > 0)
            .filter_map(run)
            .collect()
    }

    /// What is there and should not be: ids, and words.
    pub(super) fn left_over(&self) -> Vec<(Vec<String>, String)> {
        let mut left = Vec::new();
        let rows = self.system.runners();
        let mut floor = self.floor(&rows);
        floor.extend(self.tries(&rows));
        for row in rows.iter().filter(|row| !floor.contains(row.id.as_str())) {
            let address = row.address().to_string();
            left.push((
                vec![address.clone()],
                format!("row of runner {address} ({:?})", row.state),
            ));
        }
        let open: BTreeSet<String> = rows.iter().map(|row| row.address().to_string()).collect();
        for task in self.system.live_tasks() {
            let by = task["startedBy"].as_str().unwrap_or_default().to_owned();
            if !open.contains(&by) {
                left.push((vec![by.clone()], format!("task of {by}, which has no row")));
            }
        }
        self.registrations(&open, &mut left);
        self.rows_of_jobs(&mut left);
        left
    }

    /// Runners of the idle floor: parked, or on their way, and not too many.
    fn floor(&self, rows: &[Runner]) -> BTreeSet<String> {
        let mut left: BTreeMap<&str, u32> = self
            .file
            .pools
            .iter()
            .map(|pool| (pool.name.as_str(), pool.min_idle))
            .collect();
        let mut floor = BTreeSet::new();
        for row in rows.iter().filter(|row| {
            row.stop.is_none() && matches!(row.state, RunnerState::Parked | RunnerState::Requested)
        }) {
            if let Some(left) = left.get_mut(row.pool.as_str()).filter(|left| **left > 0) {
                *left -= 1;
                floor.insert(row.id.as_str().to_owned());
            }
        }
        floor
    }

    /// Runners that try jobs which their runner group keeps out: GitHub says so to no one, so each
    /// of them is tried every hour.
    fn tries(&self, rows: &[Runner]) -> BTreeSet<String> {
        let tried = self.kept_out();
        let of_them = |row: &&Runner| {
            row.reserved
                .or(row.intended)
                .is_some_and(|job| tried.contains(&job))
        };
        rows.iter()
            .filter(of_them)
            .map(|row| row.id.as_str().to_owned())
            .collect()
    }

    fn registrations(&self, open: &BTreeSet<String>, left: &mut Vec<(Vec<String>, String)>) {
        let gone = |owner: &str| {
            self.jobs
                .iter()
                .any(|job| !job.app && job.repository.starts_with(owner))
        };
        let registered = self.system.world.see_github(|github, _| {
            let all = github.runners().filter(|runner| runner.removed.is_none());
            let all = all.map(|runner| {
                let place = match runner.scope {
                    mayfly_github_model::runners::Scope::Repository(id) => {
                        github.accounts().full_name(id)
                    }
                    mayfly_github_model::runners::Scope::Organization(id) => github
                        .accounts()
                        .account(id)
                        .map(|account| account.login.clone())
                        .unwrap_or_default(),
                };
                (runner.id.0, runner.name.clone(), place)
            });
            all.collect::<Vec<_>>()
        });
        for (id, name, place) in registered {
            let owner = place.split('/').next().unwrap_or_default();
            let address = address_of(&name).unwrap_or_default();
            if !self.strangers.contains(&id) && !open.contains(&address) && !gone(owner) {
                left.push((
                    vec![address, name.clone()],
                    format!("registration {name} at {place}"),
                ));
            }
        }
    }

    /// Waiting rows and open records of jobs that are over.
    fn rows_of_jobs(&self, left: &mut Vec<(Vec<String>, String)>) {
        let known: BTreeMap<JobId, &JobAtGithub> =
            self.jobs.iter().map(|job| (job.id, job)).collect();
        let waiting: BTreeSet<JobId> = self
            .system
            .waiting()
            .into_iter()
            .map(|row| row.id)
            .collect();
        for id in &waiting {
            if known
                .get(id)
                .is_none_or(|job| job.status != Status::Queued && job.app)
            {
                left.push((
                    vec![id.to_string()],
                    format!("waiting row of job {id}, which does not wait"),
                ));
            }
        }
        for job in self
            .jobs
            .iter()
            .filter(|job| job.status == Status::Completed && job.app && !job.hosted)
        {
            let open = self
                .system
                .job(job.id)
                .filter(|record| !matches!(record.state, JobState::Closed | JobState::Unplaced));
            if let Some(record) = open.filter(|_| !waiting.contains(&job.id)) {
                left.push((
                    vec![job.id.to_string()],
                    format!(
                        "record of job {} is {:?}, and the job is over",
                        job.id, record.state
                    ),
                ));
            }
        }
    }

    /// Every item of the table as text.
    pub(super) fn table(&self) -> impl Iterator<Item = (String, String)> {
        self.system
            .world
            .table
            .dump()
            .into_iter()
            .map(|(key, item)| (key, item.to_string()))
    }

    /// Where a secret was told.
    pub(super) fn secrets_told(&self) -> Vec<String> {
        let (mut secrets, answers) = self.system.world.see_github(|github, _| {
            // Registrations begin alike: what begins so is one.
            let registration = github
                .runners()
                .next()
                .map(|runner| runner.registration.chars().take(40).collect::<String>());
            let answers: Vec<String> = github
                .deliveries()
                .filter_map(|delivery| match &delivery.stage {
                    mayfly_github_model::deliveries::Stage::Over(outcome) => {
                        Some(outcome.body.clone())
                    }
                    _ => None,
                })
                .collect();
            let mut secrets = vec![github.hook.secret.clone()];
            secrets.extend(registration);
            (secrets, answers)
        });
        secrets.retain(|secret| !secret.is_empty());
        let tasks = self
            .system
            .world
            .see_ecs(mayfly_fargate_model::Fargate::task_views)
            .into_iter()
            .map(|task| ("a task as ECS shows it".to_owned(), task.to_string()));
        let answers = answers
            .into_iter()
            .map(|body| ("the answer to a delivery".to_owned(), body));
        let told = self.told.iter().map(|text| {
            (
                "a log line or an answer to a stranger".to_owned(),
                text.clone(),
            )
        });
        let mut places = Vec::new();
        for (place, text) in self.table().chain(tasks).chain(answers).chain(told) {
            if let Some(secret) = secrets.iter().find(|secret| text.contains(secret.as_str())) {
                let shown: String = secret.chars().take(8).collect();
                places.push(format!("{place} tells a secret ({shown}…)"));
            }
        }
        places.truncate(3);
        places
    }
}

fn folded(labels: &[String]) -> BTreeSet<String> {
    labels.iter().map(|label| label.to_lowercase()).collect()
}

/// Whose address a row's key is: `pool#<pool>`, `runner#<id>`.
pub(super) fn address_of_key(pk: &str, sk: &str) -> Option<String> {
    Some(format!(
        "{}/{}",
        pk.strip_prefix("pool#")?,
        sk.strip_prefix("runner#")?
    ))
}

/// The idle floors of a file, by pool.
pub(super) fn floors(file: &PoolsFile) -> usize {
    file.pools
        .iter()
        .map(|pool| usize::try_from(pool.min_idle).unwrap_or_default())
        .sum()
}
