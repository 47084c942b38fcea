//! GitHub asked about one job, and what it says written down.

use anyhow::Context;
use mayfly_domain::model::errand::Open;
use mayfly_domain::model::id::{JobId, PoolName, RunnerName};
use mayfly_domain::model::job::{Doubtful, JobRecord, JobState, WaitingJob};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::story::Reason;
use mayfly_domain::model::times;
use mayfly_domain::transitions::anew::Matching;
use mayfly_domain::transitions::truth::{Said, Seen, Standing};
use mayfly_github::{CallError, JobNow, JobStatus};
use mayfly_ledger::Store;
use mayfly_ledger::truths::Told;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{error, info};

use crate::budget::Budget;
use crate::errands::Ran;
use crate::{Fleet, GITHUB_CALL, GitHub, Sweeper};

/// What GitHub said of a job, and what the ledger has of it then.
pub(crate) struct Asked {
    pub(crate) said: Said,
    pub(crate) told: Told,
}

impl<S: Store, F: Fleet, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Asks GitHub about a job, and writes down what follows. `None`: there is no record of the job.
    pub(crate) async fn ask_about(&self, job: JobId, pools: &Pools) -> anyhow::Result<Option<Asked>> {
        let Some(record) = self.ledger.job(job).await.context("read the job")? else { return Ok(None) };
        let said = self.ask_github(&record).await?;
        self.learn(&record, said, pools).await
    }

    /// Writes down what GitHub shows of a job in the list of its run's jobs. The run itself is asked about only if the budget has a call for it.
    pub(crate) async fn learn_from_list(&self, waiting: &WaitingJob, now: JobNow, pools: &Pools, budget: &Budget) -> anyhow::Result<()> {
        let Some(record) = self.ledger.job(waiting.id).await.context("read the job")? else { return Ok(()) };
        let seen = seen(now);
        if seen.run_in_question(&record, self.now()) && !self.may_ask(record.installation, budget).await {
            return Ok(());
        }
        let said = self.with_its_run(&record, seen).await?;
        self.learn(&record, said, pools).await.map(drop)
    }

    /// Writes down what GitHub said of a job, and what follows.
    async fn learn(&self, record: &JobRecord, said: Said, pools: &Pools) -> anyhow::Result<Option<Asked>> {
        let job = record.id;
        let Some(told) = self.ledger.learn(job, &said, pools, self.now()).await.context("write down what GitHub says")? else {
            return Ok(None);
        };
        if told.record.state != record.state {
            info!(job.id = %job, from = ?record.state, to = ?told.record.state, "GitHub, when asked, says something else of the job");
        }
        if let Some(runner) = told.learned.observation.unadmitted() {
            error!(runner.id = %runner.id, pool.name = %runner.pool, job.id = %job, "job refused: {}", Reason::Unadmitted);
        }
        for pool in &told.learned.observation.wake {
            self.wake(pool).await;
        }
        Ok(Some(Asked { said, told }))
    }

    /// What GitHub shows of a job, and of its run if the job waits for longer than it can.
    async fn with_its_run(&self, record: &JobRecord, seen: Seen) -> anyhow::Result<Said> {
        if !seen.run_in_question(record, self.now()) {
            return Ok(Said::Shown(seen));
        }
        let github = &self.world.github;
        let by = Instant::now() + GITHUB_CALL;
        match github.run_end(record.installation, &record.repository, (record.run, record.attempt), by).await {
            Ok(Some(end)) => Ok(Said::RunOver(end)),
            // What may not be asked says nothing: the job waits, as GitHub shows it.
            Ok(None) | Err(CallError::Refused { .. }) => Ok(Said::Shown(seen)),
            Err(problem) => Err(problem).context("ask about the job's run"),
        }
    }

    /// One call; another one if the job is not shown, to see if its repository is.
    async fn ask_github(&self, record: &JobRecord) -> anyhow::Result<Said> {
        let github = &self.world.github;
        let by = Instant::now() + GITHUB_CALL;
        let repository = &record.repository;
        match github.job(record.installation, repository, record.id, by).await {
            Ok(Some(now)) => return self.with_its_run(record, seen(now)).await,
            Ok(None) => {}
            Err(CallError::Refused { message, .. }) => return Ok(Said::NotSeen(message)),
            Err(problem) => return Err(problem).context("ask about the job"),
        }
        let private = github.private(record.installation, repository.id, &repository.name, by).await;
        Ok(match private.context("ask about the job's repository")? {
            Some(_) => Said::NotShown,
            None => Said::NotSeen("GitHub shows no repository of that name and id".to_owned()),
        })
    }

    /// The errand of a job that deliveries left where nothing else leads to it.
    pub(crate) async fn ask_where(&self, (job, open): (JobId, &Open), pools: &Pools, budget: &Budget) -> anyhow::Result<Option<Ran>> {
        let Some(record) = self.ledger.job(job).await.context("read the job")? else { return Ok(Some(Ran::Done)) };
        match record.state {
            // Somebody wants to know (`mayfly retry`): that it was given up need not be how it stands.
            JobState::Closed if record.given_up => {}
            // A waiting row is asked about by itself, and an unplaced job has an errand of its own.
            JobState::Closed | JobState::Queued | JobState::Unplaced => return Ok(Some(Ran::Done)),
            JobState::Running if self.is_watched(&record).await? => return Ok(Some(Ran::Done)),
            JobState::Blocked if self.placed_anew(job, pools).await? => return Ok(Some(Ran::After(times::TICK))),
            JobState::Blocked | JobState::Running => {}
        }
        if !self.may_ask(record.installation, budget).await {
            return Ok(None);
        }
        let Some(asked) = self.ask_about(job, pools).await? else { return Ok(Some(Ran::Done)) };
        let record = asked.told.record;
        let doubt = record.doubt.filter(|doubt| doubt.what == Doubtful::QueuedAgain);
        let fresh = doubt.is_some_and(|doubt| self.now().since(doubt.since) < times::ASK_AFTER);
        Ok(Some(match record.state {
            JobState::Closed | JobState::Queued | JobState::Unplaced => Ran::Done,
            JobState::Running if fresh => Ran::After(times::ASK_TWICE),
            JobState::Blocked | JobState::Running => {
                info!(job.id = %job, since = open.since.millis(), tries = open.tries, "GitHub has nothing new to say of the job");
                Ran::Again(times::ASK_AFTER)
            }
        }))
    }

    /// True if an open runner works on the job, as far as is known: its own questions, or its end, see to the job.
    async fn is_watched(&self, record: &JobRecord) -> anyhow::Result<bool> {
        let name = record.runner_name.as_ref().and_then(|name| name.parse::<RunnerName>().ok());
        let Some(name) = name else { return Ok(false) };
        let runner = self.ledger.runner(&name.address).await.context("read the job's runner")?;
        let at_work = |runner: &mayfly_domain::model::runner::Runner| runner.work.as_ref().and_then(|work| work.job) == Some(record.id);
        Ok(runner.is_some_and(|runner| runner.done_at.is_none() && at_work(&runner)))
    }

    /// The errand of a job that no pool took, or whose pool is gone.
    pub(crate) async fn place(&self, job: JobId, pools: &Pools) -> anyhow::Result<Option<Ran>> {
        let matching = self.ledger.match_anew(job, pools, self.now()).await.context("match the job anew")?;
        self.wake_for(job, &matching).await;
        Ok(Some(match matching {
            // What no pool takes has left an errand for the next pools file.
            Matching::NotNeeded | Matching::Changed(_) => Ran::Done,
            Matching::Still => Ran::Still(pools.generation),
            Matching::Later => Ran::After(times::TICK),
        }))
    }

    /// Matches a job anew if its pool is gone. True if that changed anything.
    pub(crate) async fn placed_anew(&self, job: JobId, pools: &Pools) -> anyhow::Result<bool> {
        self.placed_as(job, None, pools).await
    }

    /// The same, of a job whose repository is private, or is not, as GitHub says now.
    pub(crate) async fn placed_as(&self, job: JobId, private: Option<bool>, pools: &Pools) -> anyhow::Result<bool> {
        let matching = self.ledger.match_as(job, private, pools, self.now()).await.context("match the job anew")?;
        self.wake_for(job, &matching).await;
        Ok(matches!(matching, Matching::Changed(_)))
    }

    async fn wake_for(&self, job: JobId, matching: &Matching) {
        let Matching::Changed(anew) = matching else { return };
        let pool = anew.record.pool.as_ref().map_or("none", PoolName::as_str);
        info!(job.id = %job, pool.name = pool, generation = anew.record.generation, "matched anew");
        for pool in &anew.wake {
            self.wake(pool).await;
        }
    }
}

fn seen(now: JobNow) -> Seen {
    let standing = match now.status {
        JobStatus::Queued => Standing::Queued,
        JobStatus::Waiting | JobStatus::Pending => Standing::Held,
        JobStatus::InProgress => Standing::Running,
        JobStatus::Completed => Standing::Over,
        JobStatus::Requested | JobStatus::Other => Standing::Unclear,
    };
    Seen {
        standing,
        runner: now.runner,
        conclusion: now.conclusion,
        created_at: now.created_at,
        started_at: now.started_at,
        completed_at: now.completed_at,
    }
}
