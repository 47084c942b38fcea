//! One delivery, from the request to the answer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_config::store::{Clock, Settings, SettingsError};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::{JobAction, JobEvent};
use mayfly_domain::model::job_timeline::{JobTimeline, Phase};
use mayfly_domain::model::label::Labels;
use mayfly_domain::model::metric::MetricsLevel;
use mayfly_domain::model::placement::{JobRequirements, Placement};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::changes::{Changes, Verdict};
use mayfly_ledger::repositories::RepositorySeen;
use mayfly_ledger::requests::AppliedVersion;
use mayfly_ledger::{Ledger, Store};
use mayfly_queue::Wakes;
use tokio::time::{Instant, timeout, timeout_at};

use crate::answer::{Answer, Outcome};
use crate::delivery;
use crate::payload::{self, NoJob};
use crate::request::Request;
use crate::seen_repositories::SeenRepositories;

/// A delivery is answered after this time, whatever hangs: GitHub gives up after 10 s
/// (docs.github.com, "Handling webhook deliveries"), and Lambda ends the function then
/// (`infra/template.yaml`), which leaves neither an answer nor a line in the log.
const DEADLINE: Duration = Duration::from_secs(8);

/// A wake takes no longer: the tick makes up for it, and the delivery is in the ledger.
const WAKE: Duration = Duration::from_secs(2);

/// A delivery that may not be in the ledger: GitHub must deliver it again.
#[derive(Debug)]
pub struct RecordError(pub String);

/// Where deliveries are written down.
#[async_trait]
pub trait Jobs: Send + Sync {
    /// Writes down what a delivery says. Returns webhook's answer and what has changed. The same
    /// delivery may come any number of times.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if it is not certain that the ledger has it.
    async fn apply_delivery(
        &self,
        event: &JobEvent,
        pools: &Pools,
    ) -> Result<(Verdict, Changes), RecordError>;

    /// Records that the repository has jobs for us: sweeper looks there for jobs without a
    /// delivery.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if it is not certain that the ledger has it.
    async fn touch_repository(&self, seen: &RepositorySeen) -> Result<(), RecordError>;

    /// Writes down that the repository has jobs, and that its account is not served: they are
    /// looked for when it is.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if it is not certain that the ledger has it.
    async fn unserved(&self, seen: &RepositorySeen) -> Result<(), RecordError>;

    /// Which version of the pools file was applied last.
    ///
    /// # Errors
    ///
    /// [`RecordError`] if the ledger does not say.
    async fn applied(&self, now: Timestamp) -> Result<AppliedVersion, RecordError>;
}

#[async_trait]
impl<S: Store> Jobs for Ledger<S> {
    async fn apply_delivery(
        &self,
        event: &JobEvent,
        pools: &Pools,
    ) -> Result<(Verdict, Changes), RecordError> {
        Self::apply_delivery(self, event, pools)
            .await
            .map_err(|error| RecordError(in_words(&error)))
    }

    async fn touch_repository(&self, seen: &RepositorySeen) -> Result<(), RecordError> {
        Self::touch_repository(self, seen)
            .await
            .map_err(|error| RecordError(in_words(&error)))
    }

    async fn unserved(&self, seen: &RepositorySeen) -> Result<(), RecordError> {
        Self::unserved(self, seen)
            .await
            .map_err(|error| RecordError(in_words(&error)))
    }

    async fn applied(&self, now: Timestamp) -> Result<AppliedVersion, RecordError> {
        Self::applied_version(self, now)
            .await
            .map_err(|error| RecordError(in_words(&error)))
    }
}

/// An error with what caused it.
fn in_words(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

/// What the world outside gives to a delivery.
pub struct Deps<W> {
    /// The wake queue.
    pub wakes: W,
    /// What time it is.
    pub clock: Clock,
}

/// The function, with all it needs.
pub struct Webhook<J, W> {
    jobs: J,
    settings: Settings,
    deps: Deps<W>,
    wakes_not_sent: AtomicU64,
    noted: SeenRepositories,
    noted_unserved: SeenRepositories,
    told_unreadable: AtomicBool,
}

impl<J: Jobs, W: Wakes> Webhook<J, W> {
    /// A webhook over these; nothing is read yet.
    #[must_use]
    pub fn new(jobs: J, settings: Settings, deps: Deps<W>) -> Self {
        Self {
            jobs,
            settings,
            deps,
            wakes_not_sent: AtomicU64::new(0),
            noted: SeenRepositories::default(),
            noted_unserved: SeenRepositories::default(),
            told_unreadable: AtomicBool::new(false),
        }
    }

    /// How many wakes could not be sent since this process began. The tick makes up for them.
    #[must_use]
    pub fn wakes_not_sent(&self) -> u64 {
        self.wakes_not_sent.load(Ordering::Relaxed)
    }

    /// Takes one delivery.
    pub async fn answer(&self, request: &Request) -> Answer {
        let delivery = request.header("x-github-delivery").unwrap_or_default();
        let answered = timeout_at(Instant::now() + DEADLINE, self.handle(request)).await;
        let answer = answered.unwrap_or_else(|_| {
            tracing::warn!(delivery.id = %delivery, "no answer from AWS within {} s: the delivery is refused, and comes again", DEADLINE.as_secs());
            Err(Answer::failed("AWS does not answer: deliver again"))
        });
        let answer = answer.unwrap_or_else(|answer| answer);
        // What has failed is in the log already, with its cause.
        if answer.outcome == Outcome::Refused {
            // An unsigned request may come from anyone, so nothing of it is repeated here.
            tracing::info!(http.status = answer.status, reason = %answer.reason, "refused a request");
        } else if answer.outcome != Outcome::Failed {
            tracing::debug!(delivery.id = %delivery, http.status = answer.status, reason = %answer.reason, "answered: {}", answer.outcome.as_str());
        }
        answer
    }

    /// verify → identify → record. The error is the answer, too: whatever ends the way early.
    async fn handle(&self, request: &Request) -> Result<Answer, Answer> {
        let body = delivery::raw_body(request)?;
        delivery::refuse_unsigned(request)?;
        let secrets = self
            .settings
            .webhook_secrets()
            .await
            .map_err(|error| settings_unavailable(&error))?;
        delivery::refuse_wrongly_signed(request, &body, &secrets)?;
        let format = delivery::format(request)?;
        let event = request
            .header("x-github-event")
            .ok_or_else(|| Answer::malformed("the X-GitHub-Event header is missing"))?;
        if event != "workflow_job" {
            return Ok(not_used(event));
        }
        let guid = delivery::guid(request)?;
        let json = delivery::payload(&body, format)?;
        match payload::read(&json, guid, (self.deps.clock)()) {
            Ok(event) => self.record(&event).await,
            Err(unread) => self.look_for_it_there(unread, guid).await,
        }
    }

    /// A delivery that names no job. There may be one all the same: its repository is written down,
    /// so that sweeper looks for it there.
    async fn look_for_it_there(
        &self,
        NoJob { answer, origin }: NoJob,
        guid: &str,
    ) -> Result<Answer, Answer> {
        if answer.outcome == Outcome::Refused && !self.told_unreadable.swap(true, Ordering::Relaxed)
        {
            tracing::error!(
                delivery.id = guid,
                reason = %answer.reason,
                "GitHub signed a delivery that this version cannot read. Its job is found by asking GitHub, minutes later; check for a newer version of Mayfly"
            );
        }
        let Some((repository, installation)) = origin else {
            return Ok(answer);
        };
        let pools = self
            .settings
            .pools()
            .await
            .map_err(|error| settings_unavailable(&error))?;
        if pools.serves(&repository)
            && pools
                .pools
                .iter()
                .any(|pool| pool.refuses(&repository).is_none())
        {
            tracing::info!(
                delivery.id = guid,
                repository.name = repository.name,
                "a delivery names no job: looking for jobs in its repository"
            );
            self.note_repository(
                &RepositorySeen {
                    repository,
                    installation,
                    job: None,
                    at: (self.deps.clock)(),
                },
                guid,
            )
            .await?;
        }
        Ok(answer)
    }

    async fn record(&self, event: &JobEvent) -> Result<Answer, Answer> {
        let Judge { pools, newest } = self.pools_for(event).await?;
        let (verdict, changes) = self.jobs.apply_delivery(event, &pools).await.map_err(|RecordError(error)| {
            // Once is nothing: GitHub's list of failed deliveries has it. What lasts rings the
            // alarm webhook-5xx.
            tracing::warn!(delivery.id = %event.delivery, job.id = event.job.0, error, "could not record a delivery");
            Answer::failed("the ledger does not answer: deliver again")
        })?;
        self.wake(&changes.wake, event).await;
        log(event, &verdict, &changes, pools.metrics);
        let ignored = matches!(verdict, Verdict::Ignored(_));
        if ignored && is_new(event) && !pools.serves(&event.repository) {
            self.note_unserved(event).await?;
        } else if !ignored || !newest {
            self.note_repository(&RepositorySeen::from(event), &event.delivery)
                .await?;
        }
        Ok(match verdict {
            Verdict::Recorded => Answer::new(202, Outcome::Recorded, "the ledger has it"),
            Verdict::Unplaced(reason) => Answer::new(202, Outcome::Unplaced, reason.to_string()),
            Verdict::Ignored(reason) => Answer::ignored(reason.to_string()),
        })
    }

    /// The active pools. A job that no pool takes may be meant for a file applied a moment ago, so
    /// the file is read again. A job that would leave no record is never judged by a file older
    /// than the newest applied one.
    async fn pools_for(&self, event: &JobEvent) -> Result<Judge, Answer> {
        let of = |pools: Arc<Pools>| Judge {
            pools,
            newest: true,
        };
        let wanted = JobRequirements {
            labels: &event.labels,
            repository: &event.repository,
            run: event.run,
            attempt: event.attempt,
        };
        let pools = self
            .settings
            .pools()
            .await
            .map_err(|error| settings_unavailable(&error))?;
        if !is_new(event)
            || matches!(pools.place(wanted), Placement::Pool(_))
            || runs_at_github(&event.labels)
        {
            return Ok(of(pools));
        }
        let pools = self
            .settings
            .refresh_pools()
            .await
            .map_err(|error| settings_unavailable(&error))?;
        if !matches!(pools.place(wanted), Placement::NotOurs) {
            return Ok(of(pools));
        }
        let applied = self.jobs.applied((self.deps.clock)()).await.map_err(|RecordError(error)| {
            tracing::warn!(delivery.id = %event.delivery, job.id = event.job.0, error, "could not read which pools file was applied last");
            Answer::failed("the ledger does not answer: deliver again")
        })?;
        let version = applied.version.unwrap_or_default();
        if pools.version >= version {
            return Ok(Judge {
                newest: !applied.under_way,
                ..of(pools)
            });
        }
        let pools = self
            .settings
            .pools_from(version)
            .await
            .map_err(|error| settings_unavailable(&error))?;
        Ok(Judge {
            newest: !applied.under_way && pools.version >= version,
            pools,
        })
    }

    /// Has the ledger know that the job's repository is one of an account that is not served.
    /// Nothing of the job itself is kept: the number of strangers' jobs has no bound.
    async fn note_unserved(&self, event: &JobEvent) -> Result<(), Answer> {
        let seen = RepositorySeen::from(event);
        if runs_at_github(&event.labels) || self.noted_unserved.has(&seen) {
            return Ok(());
        }
        let written = self.jobs.unserved(&seen).await;
        keep(
            &self.noted_unserved,
            written,
            &seen,
            &event.delivery,
            "a repository whose account is not served",
        )
    }

    /// Has the ledger know the job's repository, unless this process knows that it does. Done for
    /// every job of ours, however short: it may be the only one of its repository that ever has a
    /// delivery. What fails here fails the delivery, which comes again.
    async fn note_repository(&self, seen: &RepositorySeen, guid: &str) -> Result<(), Answer> {
        if self.noted.has(seen) {
            return Ok(());
        }
        let written = self.jobs.touch_repository(seen).await;
        keep(&self.noted, written, seen, guid, "a job's repository")
    }

    async fn wake(&self, pools: &BTreeSet<PoolName>, event: &JobEvent) {
        for pool in pools {
            let woken = timeout(WAKE, self.deps.wakes.wake(pool)).await;
            let failure = woken.map_or_else(
                |_| Some("SQS does not answer".to_owned()),
                |sent| sent.err().map(|error| error.reason),
            );
            if let Some(error) = failure {
                let lost = self.wakes_not_sent.fetch_add(1, Ordering::Relaxed) + 1;
                tracing::warn!(delivery.id = %event.delivery, pool.name = %pool, wakes.not_sent = lost, error,
                    "could not wake a pool: the tick will");
            }
        }
    }
}

/// The pools that a job is judged by.
struct Judge {
    pools: Arc<Pools>,
    /// No newer file had been applied when the job came, as far as `mayfly apply` knows. Where it
    /// is not, GitHub is asked minutes later what waits in a repository whose job no pool took.
    newest: bool,
}

/// Remembers that the ledger has the repository, or fails the delivery, which comes again.
fn keep(
    noted: &SeenRepositories,
    written: Result<(), RecordError>,
    seen: &RepositorySeen,
    guid: &str,
    what: &str,
) -> Result<(), Answer> {
    written.map_err(|RecordError(error)| {
        tracing::warn!(
            delivery.id = guid,
            repository.id = seen.repository.id.0,
            error,
            "could not write down {what}"
        );
        Answer::failed("the ledger does not know the repository: deliver again")
    })?;
    noted.add(seen);
    Ok(())
}

/// True for a delivery about a job that waits, or will.
fn is_new(event: &JobEvent) -> bool {
    matches!(event.action, JobAction::Queued | JobAction::Waiting)
}

/// True for jobs that ask for GitHub's own machines, as `ubuntu-latest`: the bulk of what is not
/// for us, and never meant for a pool.
fn runs_at_github(labels: &Labels) -> bool {
    let hosted = |label: &str| {
        ["ubuntu-", "windows-", "macos-"]
            .iter()
            .any(|system| label.starts_with(system))
    };
    labels.folded().all(hosted)
}

fn not_used(event: &str) -> Answer {
    let event: String = event.chars().take(40).collect();
    Answer::ignored(if event == "ping" {
        "pong".to_owned()
    } else {
        format!("{event:?} is an event that is not used")
    })
}

fn settings_unavailable(error: &SettingsError) -> Answer {
    if error.is_transient() {
        tracing::warn!(error = %error, "could not read the settings");
    } else {
        tracing::error!(settings_problems = 1, error = %error, "could not read the settings");
    }
    Answer::failed("the settings cannot be read: deliver again")
}

/// One line for each delivery that concerns us, none for jobs of others: GitHub sends those of all
/// repositories.
fn log(event: &JobEvent, verdict: &Verdict, changes: &Changes, level: MetricsLevel) {
    let action = match event.action {
        JobAction::Queued => "queued",
        JobAction::Waiting => "waiting",
        JobAction::InProgress => "in_progress",
        JobAction::Completed => "completed",
    };
    let pool = changes
        .record
        .as_ref()
        .and_then(|record| record.pool.as_ref())
        .map(PoolName::as_str);
    let (job, repository, guid) = (
        event.job.0,
        event.repository.name.as_str(),
        event.delivery.as_str(),
    );
    if let Some(runner) = changes.unadmitted() {
        tracing::error!(delivery.id = guid, job.id = job, runner.id = %runner.id, pool.name = %runner.pool, "job refused: {}", Reason::Unadmitted);
    }
    match verdict {
        Verdict::Recorded => {
            let waited = changes.began();
            let phases = waited.as_ref().map(JobTimeline::phases);
            let phase = |phase: Phase| {
                let told = phases.as_ref()?.iter().find(|told| told.phase == phase)?;
                Some(told.took.as_secs_f64())
            };
            tracing::info!(
                metrics = level.word(),
                delivery.id = guid,
                job.id = job,
                job.conclusion = event.conclusion,
                repository.name = repository,
                pool.name = pool,
                gha_job_startup_duration_seconds = waited
                    .as_ref()
                    .and_then(JobTimeline::wait)
                    .map(|wait| wait.as_secs_f64()),
                wait_delivery_seconds = phase(Phase::Delivery),
                wait_plan_seconds = phase(Phase::Plan),
                wait_launch_seconds = phase(Phase::Launch),
                wait_provisioning_seconds = phase(Phase::Provisioning),
                wait_image_pull_seconds = phase(Phase::ImagePull),
                wait_container_start_seconds = phase(Phase::ContainerStart),
                wait_boot_seconds = phase(Phase::Boot),
                wait_registration_seconds = phase(Phase::Registration),
                wait_assignment_seconds = phase(Phase::Assignment),
                "recorded that a job is {action}"
            );
        }
        Verdict::Unplaced(reason) => {
            tracing::info!(delivery.id = guid, job.id = job, repository.name = repository, %reason, "recorded a job that no pool takes");
        }
        Verdict::Ignored(reason) => {
            tracing::debug!(delivery.id = guid, job.id = job, repository.name = repository, %reason, "ignored a job");
        }
    }
}
