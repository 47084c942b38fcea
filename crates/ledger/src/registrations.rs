//! Registrations: reserving a job for a runner, and what GitHub said to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::time::Duration;

use mayfly_domain::model::id::{GithubRunnerId, InstallationId, RepositoryId, RunnerAddress};
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::start_health::PoolHealth;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::probes::{PoolState, Probes};
use mayfly_domain::transitions::refusal::Refusals;
use mayfly_domain::transitions::registration::{
    CANDIDATES, RESERVED_CANDIDATES, RefusedRegistration, can_serve, place_now, refused_for_good,
    reservation_is_void, retry_slot,
};

use crate::changes::at;
use crate::error::{Attempt, LedgerError};
use crate::key;
use crate::ledger::{Ledger, TRIES};
use crate::pool_snapshot::{LastCommit, Limit};
use crate::runners::Changed;
use crate::store::Store;
use crate::transaction::Transaction;
use crate::version::Versioned;

/// How one page of waiting jobs is bounded: rows are at most 250 bytes, so a page stays one read
/// unit of 25 kB.
const PAGE: i32 = 100;

/// Which of the waiting jobs a runner may be given, and what one request has read for that.
#[derive(Clone, Debug, Default)]
pub struct Candidates {
    /// Most runners that one repository may have.
    pub most: Option<u32>,
    /// Most runners that the pool may have.
    pub max: u32,
    /// Installations that were asked about: until when the runner has to wait because GitHub told
    /// them to. Read once in a request.
    limits: BTreeMap<InstallationId, Option<Timestamp>>,
    /// Repositories that have as many runners as they may have; read only if a job depends on it.
    capped: Option<BTreeSet<RepositoryId>>,
    /// The pool's version at which that was so, or at which a repository that GitHub gives no runners
    /// to had none on trial.
    version: Option<Versioned<LastCommit>>,
    /// True once a job was left out because its installation has to wait.
    limited: bool,
    /// Another runner found that all jobs have to wait until then.
    all_wait: Option<Timestamp>,
}

/// What is written together with a reservation.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReservationWrites<'a> {
    /// The pool's health, if the runner's request changes it.
    pub health: Option<&'a Versioned<PoolHealth>>,
    /// The version at which the job's repository had room for another runner. Then this is the next
    /// one: two runners that ask at the same time, or one that asks while scaler plans, must not
    /// both take the last place.
    pub version: Option<&'a Versioned<LastCommit>>,
}

impl Candidates {
    /// Of a pool whose repositories may have so many runners each, and itself so many.
    #[must_use]
    pub fn of(most: Option<u32>, max: u32) -> Self {
        Self {
            most,
            max,
            ..Self::default()
        }
    }

    /// The version that a reservation of this job for this runner depends on: none where it does not
    /// matter how many runners the repository has, or the runner counts for it already.
    #[must_use]
    pub fn version(&self, runner: &Runner, job: &WaitingJob) -> Option<&Versioned<LastCommit>> {
        self.version
            .as_ref()
            .filter(|_| runner.repository != Some(job.repository))
    }

    /// How long GitHub told the installation of a job that was left out to wait, the shortest of
    /// them.
    #[must_use]
    pub fn limited(&self, now: Timestamp) -> Option<Duration> {
        let own = self
            .limits
            .values()
            .copied()
            .flatten()
            .filter(|_| self.limited);
        let waits = own.chain(self.all_wait).filter(|until| *until > now);
        waits.min().map(|until| until.since(now))
    }

    /// Another runner of the pool and size found that all jobs have to wait until then.
    pub fn all_wait(&mut self, until: Timestamp) {
        self.all_wait = Some(until);
    }
}

/// A job held in reserve, all that is needed to ask GitHub for its runner.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// The runner, `registering` with a new registration attempt.
    pub runner: Versioned<Runner>,
    /// The job's waiting row as it is now.
    pub waiting: Versioned<WaitingJob>,
    /// The job.
    pub job: JobRecord,
}

impl<S: Store> Ledger<S> {
    /// The job that the runner was started for, or holds in reserve, if it may be given that now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn own_job(
        &self,
        runner: &Runner,
        choice: &mut Candidates,
        now: Timestamp,
    ) -> Result<Option<Versioned<WaitingJob>>, LedgerError> {
        let Some(own) = runner.reserved.or(runner.intended) else {
            return Ok(None);
        };
        // A refused job may not be the one that is tried for its repository or target: that depends
        // on the other jobs there.
        let own = self
            .waiting_job(&runner.pool, own)
            .await?
            .filter(|job| can_serve(runner, job, now) && job.refused.is_none());
        let own = self
            .allowed(runner, own.into_iter().collect(), choice, now)
            .await?;
        let (mut free, reserved) = divided(runner, own);
        free.extend(self.free(runner, reserved, now).await?);
        Ok(free.pop())
    }

    /// Waiting jobs that the runner may serve and that no other runner has reserved: the oldest,
    /// until there are enough candidates. Reads no runner but the holders of some jobs, and these
    /// only if there is no other job.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn jobs_for(
        &self,
        runner: &Runner,
        choice: &mut Candidates,
        now: Timestamp,
    ) -> Result<Vec<Versioned<WaitingJob>>, LedgerError> {
        let (mut found, mut reserved, mut refusals) = (Vec::new(), Vec::new(), Refusals::default());
        let mut after: Option<String> = None;
        loop {
            let page = self
                .store()
                .query(
                    &key::pool(&runner.pool),
                    key::JOB_PREFIX,
                    after.as_deref(),
                    Some(PAGE),
                )
                .await?;
            let jobs: Result<Vec<Versioned<WaitingJob>>, _> = page
                .items
                .into_iter()
                .map(|(key, item)| Versioned::read(&key, item))
                .collect();
            let jobs = jobs?;
            refusals.add(jobs.iter().map(Deref::deref));
            let fitting = jobs
                .into_iter()
                .filter(|job| can_serve(runner, job, now) && refusals.hold(job).is_none())
                .collect();
            let (unheld, others) =
                divided(runner, self.allowed(runner, fitting, choice, now).await?);
            found.extend(unheld);
            reserved.extend(others);
            match page.next {
                Some(next) if found.len() < CANDIDATES => after = Some(next),
                _ => break,
            }
        }
        // A later page may have shown that GitHub refuses runners for them.
        found.retain(|job| refusals.hold(job).is_none());
        reserved.retain(|job| refusals.hold(job).is_none());
        found = self.to_be_tried(runner, found, choice, now).await?;
        if found.is_empty() {
            // From a place that differs from request to request: if the holders of the first ones
            // live, others look at the next ones.
            let start = place_now(runner, reserved.len(), now);
            reserved.rotate_left(start);
            reserved.truncate(RESERVED_CANDIDATES);
            // In a burst all jobs are held, and all holders live: nothing is left to ask about.
            let free = self.free(runner, reserved, now).await?;
            found = self.to_be_tried(runner, free, choice, now).await?;
        }
        found.sort_by_key(|job| job.rank());
        found.truncate(CANDIDATES);
        Ok(found)
    }

    /// The jobs without those that [`on_trial`](Self::on_trial) leaves out.
    async fn to_be_tried(
        &self,
        runner: &Runner,
        mut jobs: Vec<Versioned<WaitingJob>>,
        choice: &mut Candidates,
        now: Timestamp,
    ) -> Result<Vec<Versioned<WaitingJob>>, LedgerError> {
        let wanted = jobs.iter().map(|job| job.repository).collect();
        let on_trial = self.on_trial(runner, wanted, choice, now).await?;
        jobs.retain(|job| !on_trial.contains(&job.repository));
        Ok(jobs)
    }

    /// Jobs of repositories whose runners GitHub seems to give nothing, and for which this runner,
    /// registered for none of them, must not be tried now. All that decides it is read only if some
    /// repository is in doubt.
    async fn on_trial(
        &self,
        runner: &Runner,
        mut repositories: BTreeSet<RepositoryId>,
        choice: &mut Candidates,
        now: Timestamp,
    ) -> Result<BTreeSet<RepositoryId>, LedgerError> {
        repositories.retain(|repository| runner.repository != Some(*repository));
        if repositories.is_empty() {
            return Ok(repositories);
        }
        let health: Versioned<PoolHealth> = self.read_or_default(key::health(&runner.pool)).await?;
        repositories.retain(|repository| {
            health
                .assignment(*repository)
                .is_some_and(|known| known.not_before.is_some())
        });
        if repositories.is_empty() {
            return Ok(repositories);
        }
        let (version, runners) = self.versioned_runners(&runner.pool).await?;
        // Of two runners that ask at the same time one is tried.
        choice.version.get_or_insert(version);
        let runners: Vec<Runner> = runners.into_iter().map(Versioned::into_inner).collect();
        let jobs: Vec<WaitingJob> = self
            .query_values(&key::pool(&runner.pool), key::JOB_PREFIX)
            .await?;
        let known = PoolState {
            health: &health,
            jobs: &jobs,
            runners: &runners,
        };
        let probes = Probes::new(known);
        let definition = &runner.launch.definition;
        Ok(jobs
            .iter()
            .filter(|job| repositories.contains(&job.repository) && job.size == runner.size)
            .filter(|job| probes.hold(job, definition, now).is_some())
            .map(|job| job.repository)
            .collect())
    }

    /// Those of the jobs whose installation need not wait and whose repository may have another
    /// runner.
    async fn allowed(
        &self,
        runner: &Runner,
        mut jobs: Vec<Versioned<WaitingJob>>,
        choice: &mut Candidates,
        now: Timestamp,
    ) -> Result<Vec<Versioned<WaitingJob>>, LedgerError> {
        let unread: BTreeSet<InstallationId> = jobs
            .iter()
            .map(|job| job.installation)
            .filter(|installation| !choice.limits.contains_key(installation))
            .collect();
        let read = if unread.is_empty() {
            BTreeMap::new()
        } else {
            self.limits(unread.clone()).await?
        };
        let until = |installation| {
            read.get(&installation)
                .map(|until| retry_slot(runner, *until, choice.max))
        };
        let limits: Vec<_> = unread
            .into_iter()
            .map(|installation| (installation, until(installation)))
            .collect();
        choice.limits.extend(limits);
        let before = jobs.len();
        jobs.retain(|job| {
            choice
                .limits
                .get(&job.installation)
                .copied()
                .flatten()
                .is_none_or(|until| until <= now)
        });
        choice.limited |= jobs.len() < before;
        let Some(most) = choice.most else {
            return Ok(jobs);
        };
        // The runner counts for its own repository already: scaler started it within the limit.
        if choice.capped.is_none()
            && jobs
                .iter()
                .any(|job| runner.repository != Some(job.repository))
        {
            let (version, capped) = self.capped(runner, most).await?;
            (choice.version, choice.capped) = (Some(version), Some(capped));
        }
        let full = |job: &WaitingJob| {
            choice
                .capped
                .as_ref()
                .is_some_and(|capped| capped.contains(&job.repository))
        };
        jobs.retain(|job| runner.repository == Some(job.repository) || !full(job));
        Ok(jobs)
    }

    /// Those of the jobs, all in reserve for others, whose holder holds them no more. A read for
    /// each: all rows of the pool would be a thousand times that.
    async fn free(
        &self,
        runner: &Runner,
        jobs: Vec<Versioned<WaitingJob>>,
        now: Timestamp,
    ) -> Result<Vec<Versioned<WaitingJob>>, LedgerError> {
        let reads = jobs.into_iter().map(|job| async move {
            let address = job.runner.clone().map(|holder| RunnerAddress {
                pool: runner.pool.clone(),
                runner: holder,
            });
            let holder = match &address {
                Some(address) => self.runner(address).await?,
                None => None,
            };
            // One that hangs while it registers holds nothing: else its job would wait as long as
            // it may hang.
            let free = reservation_is_void(
                &job,
                holder
                    .as_deref()
                    .filter(|holder| !holder.is_unresponsive(now)),
            );
            Ok::<_, LedgerError>(free.then_some(job))
        });
        Ok(futures::future::try_join_all(reads)
            .await?
            .into_iter()
            .flatten()
            .collect())
    }

    /// Holds a job in reserve and moves the runner to `registering` under a new registration
    /// attempt, in one transaction. `None`: the job, the runner or the version changed meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn reserve(
        &self,
        runner: &Versioned<Runner>,
        job: &Versioned<WaitingJob>,
        beside: ReservationWrites<'_>,
        now: Timestamp,
    ) -> Result<Option<Reservation>, LedgerError> {
        let Some(record) = self.job(job.id).await? else {
            return Ok(None);
        };
        let mut tx = Transaction::default();
        let waiting = tx.put_over(job.with_value(job.reserved_for(&runner.id)))?;
        let after = tx.put_over(runner.with_value(runner.registering(&record, now)))?;
        if let Some(health) = beside.health {
            tx.put_over(health.clone())?;
        }
        if let Some(version) = beside.version {
            let given = LastCommit {
                given: Some(runner.id.clone()),
                ..(**version).clone()
            };
            tx.put_next_over(version.with_value(given), at(now))?;
        }
        let reservation = Reservation {
            runner: after,
            waiting,
            job: record,
        };
        Ok(self.commit(tx, reservation).await?.done())
    }

    /// Tells the runner to wait: writes down that it was heard of. `None`: its row changed
    /// meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn park(
        &self,
        runner: &Versioned<Runner>,
        health: Option<&Versioned<PoolHealth>>,
        now: Timestamp,
    ) -> Result<Option<Versioned<Runner>>, LedgerError> {
        let mut tx = Transaction::default();
        let after = tx.put_over(runner.with_value(runner.parked(now)))?;
        if let Some(health) = health {
            tx.put_over(health.clone())?;
        }
        Ok(self.commit(tx, after).await?.done())
    }

    /// The pool's health after a runner's first request for registration, if that is news.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn health_after_request(
        &self,
        runner: &Runner,
    ) -> Result<Option<Versioned<PoolHealth>>, LedgerError> {
        if runner.first_polled_at.is_some() {
            return Ok(None);
        }
        let mut health: Versioned<PoolHealth> =
            self.read_or_default(key::health(&runner.pool)).await?;
        Ok(health
            .of_mut(&runner.size)
            .record_success(&runner.launch.definition)
            .then_some(health))
    }

    /// Marks the runner registered, if the registration may still be handed out: its own
    /// registration attempt, no stop mark.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn registered(
        &self,
        runner: &Runner,
        github: GithubRunnerId,
        now: Timestamp,
    ) -> Result<bool, LedgerError> {
        let mark = |row: &Runner| row.registered(runner.registration_attempt, github, now);
        Ok(match self.change_runner(&runner.address(), mark).await? {
            Changed::Yes(_) => true,
            // An answer of DynamoDB got lost, and the repetition found the mark made.
            Changed::No(row) => {
                row.registration_attempt == runner.registration_attempt
                    && row.github == Some(github)
                    && row.stop.is_none()
            }
            Changed::Closed => false,
        })
    }

    /// GitHub made a registration for a job for which it had refused one: the others that it was
    /// tried for need not wait any more. `false`: the job's row changed meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn refused_no_more(&self, reservation: &Reservation) -> Result<bool, LedgerError> {
        let before = &reservation.waiting;
        let written = self
            .put(before.with_value(before.refused_no_more()))
            .await?;
        Ok(written.is_done())
    }

    /// GitHub refuses the job for good, and with it all of the refusal's scope: the job waits, with
    /// GitHub's message; the runner is free for another. Answers the runner as it is now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn refused(
        &self,
        reservation: &Reservation,
        refused: RefusedRegistration<'_>,
        now: Timestamp,
    ) -> Result<Option<Versioned<Runner>>, LedgerError> {
        let job = reservation.job.id;
        let pool = &reservation.runner.pool;
        self.with_retries(TRIES, "record a refusal", || async {
            let mut tx = Transaction::default();
            let waiting = self.read_for(&mut tx, key::waiting(pool, job)).await?;
            let record = self.read_for(&mut tx, key::job_record(job)).await?;
            let (Some(waiting), Some(record)) = (waiting, record) else {
                // It waits no longer, so the message is of no use.
                return Ok(Attempt::Done(()));
            };
            let changes = refused_for_good(&waiting, &record, refused, now);
            tx.stage(&changes, now)?;
            self.commit(tx, ()).await
        })
        .await?;
        self.unregistered(&reservation.runner, refused.message, now)
            .await
    }

    /// GitHub said in so many words that it made no registration: the runner is free again. `None`:
    /// its row changed meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn unregistered(
        &self,
        runner: &Runner,
        why: &str,
        now: Timestamp,
    ) -> Result<Option<Versioned<Runner>>, LedgerError> {
        let free = |row: &Runner| row.refused_registration(runner.registration_attempt, why, now);
        Ok(match self.change_runner(&runner.address(), free).await? {
            Changed::Yes(after) => Some(*after),
            Changed::No(_) | Changed::Closed => None,
        })
    }

    /// GitHub told an installation to wait until `reset_at`.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn limited(
        &self,
        installation: InstallationId,
        reset_at: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut tx = Transaction::default();
        tx.replace(key::limit(installation), &Limit { reset_at })?;
        self.commit(tx, ()).await.map(drop)
    }

    /// Repositories of a pool that have as many runners as they may have, the asking one not
    /// counted.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn capped(
        &self,
        asking: &Runner,
        most: u32,
    ) -> Result<(Versioned<LastCommit>, BTreeSet<RepositoryId>), LedgerError> {
        let mut counts: BTreeMap<RepositoryId, u32> = BTreeMap::new();
        let (version, runners) = self.versioned_runners(&asking.pool).await?;
        for runner in runners {
            if let Some(repository) = runner.repository.filter(|_| runner.id != asking.id) {
                *counts.entry(repository).or_default() += 1;
            }
        }
        Ok((
            version,
            counts
                .into_iter()
                .filter(|(_, count)| *count >= most)
                .map(|(repository, _)| repository)
                .collect(),
        ))
    }
}

/// Jobs that no other runner has reserved, and those that another one has.
fn divided<J: Deref<Target = WaitingJob>>(runner: &Runner, jobs: Vec<J>) -> (Vec<J>, Vec<J>) {
    jobs.into_iter().partition(|job| {
        job.runner
            .as_ref()
            .is_none_or(|holder| *holder == runner.id)
    })
}
