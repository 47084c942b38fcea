//! Registrations: reserving a job for a runner, and what GitHub said to it.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_domain::health::Health;
use mayfly_domain::id::{GithubRunnerId, InstallationId, PoolName, RepositoryId, RunnerAddress, RunnerId};
use mayfly_domain::job::{JobRecord, WaitingJob};
use mayfly_domain::registration::{CHOICE, fits, refused_for_good, void};
use mayfly_domain::runner::Runner;
use mayfly_domain::time::Timestamp;

use crate::Ledger;
use crate::error::{LedgerError, Try, settle};
use crate::jobs::{TRIES, optional, put_job, put_runner};
use crate::key;
use crate::look::Limit;
use crate::runners::Changed;
use crate::store::{Expect, Store, Write, read};

/// How one page of waiting jobs is bounded: rows are at most 250 bytes, so a page stays one read unit of 25 kB.
const PAGE: i32 = 100;

/// Which of the waiting jobs a runner may be given.
#[derive(Clone, Copy, Debug)]
pub struct Choice<'a> {
    /// The job that it was started for is looked at first, and alone if it fits.
    pub own_first: bool,
    /// Repositories that have as many runners as they may have.
    pub capped: &'a BTreeSet<RepositoryId>,
}

/// A job held in reserve, all that is needed to ask GitHub for its runner.
#[derive(Clone, Debug, PartialEq)]
pub struct Reservation {
    /// The runner, `registering` with a new mint.
    pub runner: Runner,
    /// The job's waiting row as it is now.
    pub waiting: WaitingJob,
    /// The job.
    pub job: JobRecord,
}

impl<S: Store> Ledger<S> {
    /// Waiting jobs that the runner may serve and that nobody validly holds: the one it was started for, alone if it fits and
    /// `own_first`, else the oldest, until enough are found for a choice. `capped` are repositories at their limit.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn jobs_for(&self, runner: &Runner, choice: Choice<'_>, now: Timestamp) -> Result<Vec<WaitingJob>, LedgerError> {
        let allowed = |job: &WaitingJob| fits(runner, job, now) && !choice.capped.contains(&job.repository);
        if let Some(own) = runner.reserved.or(runner.intended).filter(|_| choice.own_first) {
            let own = self.waiting_job(&runner.pool, own).await?.filter(allowed);
            let own = self.free(runner, own.into_iter().collect(), now).await?;
            if !own.is_empty() {
                return Ok(own);
            }
        }
        let mut found = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let page = self.store.query(&key::pool(&runner.pool), key::JOB_PREFIX, after.as_deref(), Some(PAGE)).await?;
            let jobs: Result<Vec<WaitingJob>, _> = page.items.into_iter().map(|(key, item)| read(&key, item)).collect();
            let fitting = jobs?.into_iter().filter(|job| allowed(job)).collect();
            found.extend(self.free(runner, fitting, now).await?);
            match page.next {
                Some(next) if found.len() < CHOICE => after = Some(next),
                _ => break,
            }
        }
        found.sort_by_key(WaitingJob::rank);
        found.truncate(CHOICE);
        Ok(found)
    }

    /// Those of the jobs that no other runner validly holds.
    async fn free(&self, runner: &Runner, jobs: Vec<WaitingJob>, now: Timestamp) -> Result<Vec<WaitingJob>, LedgerError> {
        let others: BTreeSet<&RunnerId> =
            jobs.iter().filter_map(|job| job.runner.as_ref()).filter(|holder| **holder != runner.id).collect();
        if others.is_empty() {
            return Ok(jobs);
        }
        // Held jobs are many only when many runners register at once; then one query is less than a read for each.
        let holders: BTreeMap<RunnerId, Runner> = if others.len() > 4 {
            self.runners(&runner.pool).await?.into_iter().map(|holder| (holder.id.clone(), holder)).collect()
        } else {
            let mut holders = BTreeMap::new();
            for id in others {
                let address = RunnerAddress { pool: runner.pool.clone(), runner: id.clone() };
                holders.extend(self.runner(&address).await?.map(|holder| (id.clone(), holder)));
            }
            holders
        };
        let free = |job: &WaitingJob| match &job.runner {
            // One that hangs while it registers holds nothing: else its job would wait as long as it may hang.
            Some(holder) if *holder != runner.id => void(job, holders.get(holder).filter(|holder| !holder.silent(now))),
            _ => true,
        };
        Ok(jobs.into_iter().filter(free).collect())
    }

    /// Holds a job in reserve and moves the runner to `registering` under a new mint, in one transaction. `None`: the job or the runner changed meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn reserve(
        &self,
        runner: &Runner,
        job: &WaitingJob,
        health: Option<&Health>,
        now: Timestamp,
    ) -> Result<Option<Reservation>, LedgerError> {
        let Some(record) = self.job(job.id).await? else { return Ok(None) };
        let waiting = job.reserved_for(&runner.id);
        let after = runner.registering(&record, now);
        let mut writes = vec![Write::put(key::waiting(&runner.pool, job.id), &waiting, Expect::Rev(job.rev))?, put_runner(&after)?];
        writes.extend(health.map(|health| put_health(&runner.pool, health)).transpose()?);
        match settle(self.store.commit(writes).await, ())? {
            Try::Done(()) => Ok(Some(Reservation { runner: after, waiting, job: record })),
            Try::Again => Ok(None),
        }
    }

    /// Tells the runner to wait: writes down that it was heard of. `None`: its row changed meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn park(&self, runner: &Runner, health: Option<&Health>, now: Timestamp) -> Result<Option<Runner>, LedgerError> {
        let after = runner.parked(now);
        let mut writes = vec![put_runner(&after)?];
        writes.extend(health.map(|health| put_health(&runner.pool, health)).transpose()?);
        Ok(match settle(self.store.commit(writes).await, after)? {
            Try::Done(after) => Some(after),
            Try::Again => None,
        })
    }

    /// The pool's health after a runner's first request for registration, if that is news.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn health_after_request(&self, runner: &Runner) -> Result<Option<Health>, LedgerError> {
        if runner.asked_at.is_some() {
            return Ok(None);
        }
        let key = key::health(&runner.pool);
        let mut health: Health = optional(&key, self.store.get(&key).await?)?.unwrap_or_default();
        Ok(health.of_mut(&runner.size).asked(&runner.launch.definition).then(|| Health { rev: health.rev + 1, ..health }))
    }

    /// Marks the runner registered, if the registration may still be handed out: its own mint, no stop mark.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn registered(&self, runner: &Runner, github: GithubRunnerId, now: Timestamp) -> Result<bool, LedgerError> {
        let mark = |row: &Runner| row.registered(runner.mint, github, now);
        Ok(match self.change_runner(&runner.address(), mark).await? {
            Changed::Yes(_) => true,
            // An answer of DynamoDB got lost, and the repetition found the mark made.
            Changed::No(row) => row.mint == runner.mint && row.github == Some(github) && row.stop.is_none(),
            Changed::Closed => false,
        })
    }

    /// GitHub refuses the job for good: the job waits, with GitHub's message; the runner is free for another. Answers the runner as it is now.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn refused(&self, reservation: &Reservation, message: &str, now: Timestamp) -> Result<Option<Runner>, LedgerError> {
        let job = reservation.job.id;
        self.tried(TRIES, "write down a refusal", || async {
            let (waiting, record) = (self.waiting_job(&reservation.runner.pool, job).await?, self.job(job).await?);
            let (Some(waiting), Some(record)) = (waiting, record) else {
                // It waits no longer: nobody needs the message.
                return Ok(Try::Done(()));
            };
            let (waiting, record) = refused_for_good(&waiting, &record, message, now);
            let writes =
                vec![Write::put(key::waiting(&reservation.runner.pool, job), &waiting, Expect::Rev(waiting.rev - 1))?, put_job(&record)?];
            settle(self.store.commit(writes).await, ())
        })
        .await?;
        self.unregistered(&reservation.runner, message, now).await
    }

    /// GitHub said in so many words that it made no registration: the runner is free again. `None`: its row changed meanwhile.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn unregistered(&self, runner: &Runner, why: &str, now: Timestamp) -> Result<Option<Runner>, LedgerError> {
        let free = |row: &Runner| row.refused_registration(runner.mint, why, now);
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
    pub async fn limited(&self, installation: InstallationId, reset_at: Timestamp) -> Result<(), LedgerError> {
        let write = Write::put(key::limit(installation), &Limit { reset_at }, Expect::Any)?;
        settle(self.store.commit(vec![write]).await, ()).map(|_| ())
    }

    /// Repositories of a pool that have as many runners as they may have, the asking one not counted.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn capped(&self, asking: &Runner, most: u32) -> Result<BTreeSet<RepositoryId>, LedgerError> {
        let mut counts: BTreeMap<RepositoryId, u32> = BTreeMap::new();
        for runner in self.runners(&asking.pool).await? {
            if let Some(repository) = runner.repository.filter(|_| runner.id != asking.id) {
                *counts.entry(repository).or_default() += 1;
            }
        }
        Ok(counts.into_iter().filter(|(_, count)| *count >= most).map(|(repository, _)| repository).collect())
    }
}

fn put_health(pool: &PoolName, health: &Health) -> Result<Write, LedgerError> {
    Write::put(key::health(pool), health, crate::store::unchanged(health.rev - 1))
}
