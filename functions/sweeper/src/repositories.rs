//! A slow round over the repositories of last week's jobs: it finds jobs whose delivery GitHub
//! never sent, which no list of deliveries shows, and registrations of ours that nothing else
//! removes.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::time::Duration;

use anyhow::Context;
use mayfly_domain::model::id::{InstallationId, RepositoryId, RunId};
use mayfly_domain::model::job::{JobAction, JobEvent, JobState, synthetic_delivery};
use mayfly_domain::model::label::Labels;
use mayfly_domain::model::placement::{JobRequirements, Placement};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::target::{Repository, Scope, Target, TargetScope};
use mayfly_domain::model::time::Timestamp;
use mayfly_github::{FoundJob, JobStatus, WorkflowJob};
use mayfly_ledger::repositories::SeenRepository;
use mayfly_ledger::{Store, Versioned};
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GITHUB_CALL, GitHub, Sweeper};

/// Repositories of one installation that one sweep asks about at most, as far as its calls reach:
/// each is a call or more.
const AT_ONCE: usize = 30;

/// No repository is asked about more often. With 200 of them or fewer each one has its turn as
/// often as that.
const ASK_EVERY: Duration = Duration::from_secs(10 * 60);

/// No place is searched more often for registrations that were left there: each has a follow-up of
/// its own, and this is for those whose follow-up is over or was lost.
const CLEAR_EVERY: Duration = Duration::from_secs(60 * 60);

/// Runs of one repository that one sweep looks into at most; the next one goes on. One or a few
/// calls each.
const RUNS: usize = 5;

/// A repository is forgotten when none of its jobs was seen for a week, to the day.
const FORGET_AFTER: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// A repository that GitHub has hidden twice is asked about less often: the App was removed from
/// it, perhaps only for a while, and jobs queued there meanwhile have no delivery. (Once may be a
/// read that lags.)
const ASK_HIDDEN_EVERY: Duration = Duration::from_secs(60 * 60);

/// The delivery of a job that has not waited for longer may still be on its way: most take seconds,
/// GitHub says that some take minutes.
const ON_ITS_WAY: Duration = Duration::from_secs(2 * 60);

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Asks about those repositories whose turn it is.
    pub(crate) async fn scan_repositories(
        &self,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        self.serve_accounts(pools).await;
        let known = self
            .ledger
            .repositories()
            .await
            .context("read the repositories")?;
        let deputies = deputies(&known);
        for seen in turns(known, pools, self.now()) {
            if budget.over() {
                break;
            }
            let installation = seen.installation;
            let deputy =
                deputies.get(&(installation, seen.repository.owner.0)) == Some(&seen.repository.id);
            let name = seen.repository.name.clone();
            if let Err(problem) = self.scan_repository(seen, deputy, pools, budget).await {
                self.note_rate_limit(installation, &problem, budget).await;
                warn!(
                    repository.name = name,
                    error = format!("{problem:#}"),
                    "could not ask the repository for jobs that no delivery told of: a later sweep does it"
                );
            }
        }
        Ok(())
    }

    /// Takes over repositories of accounts that jobs came from before a pools file had them. Their
    /// jobs left no record: they are looked for.
    async fn serve_accounts(&self, pools: &Pools) {
        for account in &pools.accounts {
            let left = self.ledger.left_by(&account.login).await;
            let left =
                left.inspect_err(|problem| warn!(account = account.login, error = %problem, "could not find out what the account queued while it was not served"));
            for one in left
                .unwrap_or_default()
                .iter()
                .filter(|one| pools.serves(&one.repository))
            {
                info!(
                    repository.name = one.repository.name,
                    "the repository's account is served now: looking for jobs that wait there"
                );
                if let Err(problem) = self.ledger.serve(one, self.now()).await {
                    warn!(repository.name = one.repository.name, error = %problem, "could not take over the repository: the next sweep does it");
                }
            }
        }
    }

    /// Looks for what waits in a repository. `deputy`: what belongs to its owner is looked at with
    /// it.
    async fn scan_repository(
        &self,
        mut seen: Versioned<SeenRepository>,
        deputy: bool,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let now = self.now();
        if now.since(seen.seen_at) > FORGET_AFTER {
            info!(
                repository.name = seen.repository.name,
                "deleted the repository's entry: no job of it was seen for a week"
            );
            return Ok(self.ledger.forget_repository(&seen).await?);
        }
        if !self.may_ask(seen.installation, budget).await {
            return Ok(());
        }
        let github = &self.deps.github;
        let answer = github
            .waiting_runs(
                seen.installation,
                &seen.repository,
                Instant::now() + GITHUB_CALL,
            )
            .await;
        let runs = match answer {
            Ok(Some(runs)) => runs,
            Ok(None) => return self.hidden(seen).await,
            Err(problem) => {
                // One that cannot be asked about must not keep the others from their turn.
                seen.checked_at = now;
                self.ledger.put_repository(seen).await?;
                return Err(problem).context("ask for runs that wait");
            }
        };
        let mut after = seen;
        after.hidden = 0;
        after.looked_at.retain(|run| runs.contains(run));
        if runs.iter().any(|run| !after.looked_at.contains(run))
            && !self.knows_visibility(&mut after, budget).await?
        {
            return Ok(());
        }
        let looked = self.scan_runs(&runs, &mut after, pools, budget).await;
        let through = runs.iter().all(|run| after.looked_at.contains(run));
        if through {
            after.looked_at.clear();
        }
        if through || looked.is_err() {
            after.checked_at = now;
        }
        let clears = through && now.since(after.cleared_at) >= CLEAR_EVERY;
        if clears {
            after.cleared_at = now;
        }
        self.ledger.put_repository(after.clone()).await?;
        looked?;
        if clears {
            self.gc_registrations_of(&after, deputy, pools, budget)
                .await
        } else {
            Ok(())
        }
    }

    /// Asks whether the repository is private: the pool that takes its jobs depends on it, and the
    /// delivery's answer may be outdated. False: it may not ask now.
    async fn knows_visibility(
        &self,
        seen: &mut Versioned<SeenRepository>,
        budget: &Budget,
    ) -> anyhow::Result<bool> {
        if !self.may_ask(seen.installation, budget).await {
            return Ok(false);
        }
        let repository = &seen.repository;
        let by = Instant::now() + GITHUB_CALL;
        match self
            .deps
            .github
            .private(seen.installation, repository.id, &repository.name, by)
            .await
        {
            Ok(Some(private)) => seen.repository.private = private,
            // GitHub no longer shows the repository or its runs: the next round finds that out.
            Ok(None) => return Ok(false),
            Err(problem) => {
                seen.checked_at = self.now();
                self.ledger.put_repository(seen.clone()).await?;
                return Err(problem).context("ask whether the repository is private");
            }
        }
        Ok(true)
    }

    async fn hidden(&self, mut seen: Versioned<SeenRepository>) -> anyhow::Result<()> {
        let hidden = seen.hidden.saturating_add(1);
        info!(
            repository.name = seen.repository.name,
            times = hidden,
            "GitHub does not show the repository to the App: asking again until its week is over"
        );
        (seen.hidden, seen.checked_at) = (hidden, self.now());
        self.ledger.put_repository(seen).await?;
        Ok(())
    }

    /// Looks into runs that this look has not come to yet, as many as the sweep can.
    async fn scan_runs(
        &self,
        runs: &[RunId],
        seen: &mut SeenRepository,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let left: Vec<RunId> = runs
            .iter()
            .filter(|run| !seen.looked_at.contains(run))
            .take(RUNS)
            .copied()
            .collect();
        let github = &self.deps.github;
        let mut first_problem = None;
        for run in left {
            if !self.may_ask(seen.installation, budget).await {
                break;
            }
            // One that goes wrong counts as looked at: the next look has its turn for it, and the
            // others have theirs now.
            seen.looked_at.insert(run);
            match github
                .jobs_of(
                    seen.installation,
                    &seen.repository,
                    run,
                    Instant::now() + GITHUB_CALL,
                )
                .await
            {
                Ok(jobs) => self.scan_all_runs(&jobs, seen, pools).await,
                Err(problem) => {
                    let problem = anyhow::Error::new(problem)
                        .context(format!("ask for the jobs of run {run}"));
                    self.note_rate_limit(seen.installation, &problem, budget)
                        .await;
                    first_problem = first_problem.or(Some(problem));
                }
            }
        }
        first_problem.map_or(Ok(()), Err)
    }

    /// Looks at each job of a run: one that cannot be recorded costs the others nothing.
    async fn scan_all_runs(&self, jobs: &[FoundJob], seen: &mut SeenRepository, pools: &Pools) {
        for job in jobs {
            match self.scan_run(job, seen, pools).await {
                Ok(true) => (seen.seen_at, seen.newest) = (self.now(), seen.newest.max(job.id)),
                Ok(false) => {}
                Err(problem) => {
                    warn!(job.id = %job.id, repository.name = seen.repository.name, error = format!("{problem:#}"), "could not record a job that no delivery told of: a later sweep tries again");
                }
            }
        }
    }

    /// A job at GitHub: if it waits for a runner of ours and had no delivery, it is recorded as if
    /// it had one. True if it was.
    async fn scan_run(
        &self,
        job: &FoundJob,
        seen: &SeenRepository,
        pools: &Pools,
    ) -> anyhow::Result<bool> {
        let now = self.now();
        if !is_untold(&job.now, now) {
            return Ok(false);
        }
        let wanted = JobRequirements {
            labels: &job.now.labels,
            repository: &seen.repository,
            run: job.now.run,
            attempt: job.now.attempt,
        };
        if !matches!(
            pools.place(wanted),
            Placement::Pool(_) | Placement::Unplaced(_)
        ) {
            return Ok(false);
        }
        if let Some(record) = self.ledger.job(job.id).await? {
            let private = seen.repository.private;
            if record.state == JobState::Unplaced && record.repository.private != private {
                // No pool took it by what its delivery said of its repository.
                return self.placed_as(job.id, Some(private), pools).await;
            }
            // It was given up while the App could not see it, and waits after all.
            return Ok(
                record.given_up && self.reconcile_with_github(job.id, pools).await?.is_some()
            );
        }
        let (_, changes) = self
            .ledger
            .apply_delivery(&as_delivered(job, seen, now), pools)
            .await
            .context("record a job that was found")?;
        warn!(recovered_jobs = 1, job.id = %job.id, repository.name = seen.repository.name, "found a job that waits and that no delivery told of");
        for pool in &changes.wake {
            self.wake(pool).await;
        }
        Ok(true)
    }

    /// Takes away what runners of ours left behind at the places that belong to the repository.
    async fn gc_registrations_of(
        &self,
        seen: &SeenRepository,
        deputy: bool,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        let mut first_problem = None;
        for scope in places(&seen.repository, deputy, pools) {
            let target = Target {
                installation: seen.installation,
                scope,
                labels: Labels::default(),
            };
            if let Err(problem) = self.gc_registrations_at(&target, budget).await {
                self.note_rate_limit(seen.installation, &problem, budget)
                    .await;
                first_problem = first_problem.or(Some(problem));
            }
        }
        first_problem.map_or(Ok(()), Err)
    }
}

/// True for a job that waits, and has for so long that its delivery would have come.
fn is_untold(job: &WorkflowJob, now: Timestamp) -> bool {
    let since = job.started_at.or(job.created_at);
    job.status == JobStatus::Queued && since.is_none_or(|since| now.since(since) >= ON_ITS_WAY)
}

/// Whose turn it is: those asked about longest ago, so many of each installation. One whose owner
/// is not served waits for its week to end: the next pools file may have its owner again, and
/// anyone who wrote the repository down does not do so again.
fn turns<R: Deref<Target = SeenRepository>>(
    mut known: Vec<R>,
    pools: &Pools,
    now: Timestamp,
) -> Vec<R> {
    known.retain(|seen| pools.serves(&seen.repository) || now.since(seen.seen_at) > FORGET_AFTER);
    known.retain(|seen| {
        now.since(seen.checked_at)
            >= if seen.hidden > 1 {
                ASK_HIDDEN_EVERY
            } else {
                ASK_EVERY
            }
    });
    known.sort_by_key(|seen| (seen.checked_at, seen.repository.id));
    let mut taken: BTreeMap<InstallationId, usize> = BTreeMap::new();
    known.retain(|seen| {
        let taken = taken.entry(seen.installation).or_default();
        *taken += 1;
        *taken <= AT_ONCE
    });
    known
}

/// Of each owner, the repository with which what belongs to the owner is looked at: an organization
/// has no item of its own.
fn deputies<R: Deref<Target = SeenRepository>>(
    known: &[R],
) -> BTreeMap<(InstallationId, i64), RepositoryId> {
    let mut deputies = BTreeMap::new();
    for seen in known.iter().filter(|seen| seen.hidden == 0) {
        let deputy = deputies
            .entry((seen.installation, seen.repository.owner.0))
            .or_insert(seen.repository.id);
        *deputy = seen.repository.id.min(*deputy);
    }
    deputies
}

/// Where runners of ours for this repository register.
fn places(repository: &Repository, deputy: bool, pools: &Pools) -> Vec<TargetScope> {
    let own = pools
        .pools
        .iter()
        .any(|pool| pool.scope == Scope::Repository && pool.refuses(repository).is_none());
    let group = pools.pools.iter().find_map(|pool| match &pool.scope {
        Scope::Organization { group } if deputy => Some(group.clone()),
        Scope::Organization { .. } | Scope::Repository => None,
    });
    let own = own.then(|| TargetScope::Repository {
        id: repository.id,
        name: repository.name.clone(),
    });
    // All groups of an organization are in one list.
    let organization = group.map(|group| TargetScope::Organization {
        id: repository.owner,
        login: repository.owner_login().to_owned(),
        group,
    });
    own.into_iter().chain(organization).collect()
}

fn as_delivered(job: &FoundJob, seen: &SeenRepository, at: Timestamp) -> JobEvent {
    JobEvent {
        action: JobAction::Queued,
        // Should the delivery come after all, it takes the place of this.
        delivery: synthetic_delivery(at, 0),
        gated: false,
        job: job.id,
        run: job.now.run,
        attempt: job.now.attempt,
        name: job.now.name.clone(),
        workflow: job.now.workflow.clone(),
        labels: job.now.labels.clone(),
        repository: seen.repository.clone(),
        installation: seen.installation,
        runner: None,
        conclusion: None,
        created_at: job.now.created_at,
        started_at: job.now.started_at,
        completed_at: None,
        received_at: at,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mayfly_domain::model::id::{JobId, OwnerId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_795_356_000_000);

    fn ago(wait: Duration) -> Timestamp {
        let wait = i64::try_from(wait.as_millis()).unwrap();
        Timestamp::from_millis(NOW.millis() - wait)
    }

    fn seen(id: i64, checked_at: Timestamp, hidden: u32) -> SeenRepository {
        SeenRepository {
            repository: Repository {
                id: RepositoryId(id),
                name: format!("acme/{id}"),
                owner: OwnerId(5),
                private: true,
            },
            newest: JobId(1),
            installation: InstallationId(1),
            seen_at: ago(Duration::from_secs(60)),
            checked_at,
            cleared_at: NOW,
            looked_at: BTreeSet::new(),
            hidden,
        }
    }

    #[test]
    fn those_asked_about_longest_ago_have_their_turn_and_the_hidden_ones_less_often() {
        let text = r#"
            [github]
            accounts = ["acme"]
            [pools.linux]
            labels = ["self-hosted", "mayfly"]
            cpu = 1
            memory = "2 GiB"
            max = 10
        "#;
        let pools = mayfly_config::pools_file::parse(text, 1).unwrap();
        let minutes = |minutes: u64| ago(Duration::from_secs(minutes * 60));
        let mut known = vec![
            seen(1, minutes(11), 0),
            seen(2, minutes(30), 0),
            seen(3, minutes(9), 0),
            seen(4, minutes(59), 2),
            seen(5, minutes(60), 2),
            seen(6, minutes(20), 1),
        ];
        known.extend((100..140).map(|id| seen(id, minutes(10), 0)));
        let turns = turns(known.iter().collect(), &pools, NOW);
        let ids: Vec<i64> = turns.iter().map(|seen| seen.repository.id.0).collect();
        assert_eq!(ids[..5], [5, 2, 6, 1, 100]);
        assert_eq!(ids.len(), AT_ONCE);
    }

    #[test]
    fn a_job_is_untold_once_its_delivery_would_have_come() {
        let job = |status, waits| WorkflowJob {
            status,
            conclusion: None,
            runner: None,
            labels: Labels::default(),
            run: RunId(1),
            attempt: 1,
            name: "build".to_owned(),
            workflow: None,
            created_at: Some(ago(Duration::from_secs(86_400))),
            started_at: Some(ago(waits)),
            completed_at: None,
        };
        let untold = |status, waits| is_untold(&job(status, waits), NOW);
        let just_before = ON_ITS_WAY - Duration::from_millis(1);
        assert!(untold(JobStatus::Queued, ON_ITS_WAY));
        assert!(!untold(JobStatus::Queued, just_before));
        assert!(!untold(JobStatus::InProgress, ON_ITS_WAY));
        let unknown = WorkflowJob {
            created_at: None,
            started_at: None,
            ..job(JobStatus::Queued, Duration::ZERO)
        };
        assert!(is_untold(&unknown, NOW));
    }
}
