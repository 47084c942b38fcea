//! `POST /admission`: whether the job that GitHub handed to a runner may run on it.

use anyhow::Context;
use mayfly_domain::model::id::{RepositoryId, RunId, RunnerAddress};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::admission::{Admission, AdmissionRequest, decided, has_another};
use mayfly_domain::transitions::registration::Caller;
use mayfly_ecs::DescribeTasks;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::answer::Answer;
use crate::{GitHub, Registrar};

impl<S: Store, F: DescribeTasks, G: GitHub, W: Wakes> Registrar<S, F, G, W> {
    pub(crate) async fn admission(
        &self,
        caller: &Caller,
        request: &AdmissionRequest,
    ) -> anyhow::Result<Answer> {
        let by = Instant::now() + timeouts::GITHUB_BUDGET;
        let address: RunnerAddress = match request.runner.parse() {
            Ok(address) => address,
            Err(problem) => return Ok(Answer::bad_request(&format!("runner: {problem}"))),
        };
        let runner = match self.identified(caller, &address).await? {
            Ok(runner) => runner,
            Err(answer) => return Ok(answer),
        };
        // Whatever a job does with its runner's right to ask: what is decided costs one read, and
        // no call to GitHub.
        if let Some(decided) = decided(&runner, request) {
            return Ok(decided.map_or_else(
                |why| Answer::not_admitted(&why.to_string()),
                |()| Answer::admitted(),
            ));
        }
        let mut pools = self.settings.pools().await.context("read the pools file")?;
        if pools.get(&runner.pool).is_none() {
            // It may have been applied a moment ago, with rules that this job has to meet.
            pools = self
                .settings
                .refresh_pools()
                .await
                .context("read the pools file again")?;
        }
        let reserved = match runner.reserved {
            Some(job) => self.ledger.job(job).await?,
            None => None,
        };
        let pool = pools.get(&runner.pool);
        let private = self
            .private(&runner, pool, reserved.as_ref(), request, by)
            .await?;
        let Some(decision) = self
            .ledger
            .admit(&address, pool, request, private, self.now())
            .await?
        else {
            return Ok(Answer::closed());
        };
        let own = reserved.is_some_and(|job| {
            (job.run, job.attempt) == (RunId(request.run_id), request.run_attempt)
        });
        match decision.admission {
            Admission::Admitted => {
                info!(runner.id = %runner.id, run.id = request.run_id, repository = request.repository, "admitted");
                // A delivery about the job may have arrived first.
                if self.proves_its_definition(&runner) || (decision.is_new && !own) {
                    self.wake(&runner).await;
                }
                Ok(Answer::admitted())
            }
            Admission::Refused(why) => {
                warn!(runner.id = %runner.id, run.id = request.run_id, repository = request.repository, reason = %why, "refused a job");
                self.wake(&runner).await;
                Ok(Answer::not_admitted(&why.to_string()))
            }
        }
    }

    /// Whether the job's repository is private, where that matters: by the record of the job that
    /// the runner was registered for, if it is the same repository, else by asking GitHub.
    async fn private(
        &self,
        runner: &Runner,
        pool: Option<&Pool>,
        reserved: Option<&JobRecord>,
        request: &AdmissionRequest,
        by: Instant,
    ) -> anyhow::Result<Option<bool>> {
        if pool.is_none_or(|pool| pool.public) || has_another(runner, request) {
            return Ok(None);
        }
        let id = RepositoryId(request.repository_id);
        if let Some(job) = reserved.filter(|job| job.repository.id == id) {
            return Ok(Some(job.repository.private));
        }
        let Some(target) = runner.target.as_ref() else {
            return Ok(None);
        };
        let github = &self.deps.github;
        github
            .private(target.installation, id, &request.repository, by)
            .await
            .context("ask GitHub whether the repository is private")
    }

    /// True for the first job that this process sees start under the definition of its runner. Of
    /// one that no runner has asked with yet only a few are started; the jobs beyond them need not
    /// wait for the next tick. Woken when a runner merely asks, the pool would start the whole burst
    /// with an image that fails right after it registered.
    fn proves_its_definition(&self, runner: &Runner) -> bool {
        let Ok(mut verified_definitions) = self.verified_definitions.lock() else {
            return false;
        };
        let definition = &runner.launch.definition;
        let before =
            verified_definitions.insert((runner.pool.clone(), runner.size), definition.clone());
        before.as_ref() != Some(definition)
    }

    /// More runners may be needed than when the pool was looked at last: the job that the runner was
    /// meant for has none, or the runner's definition works.
    async fn wake(&self, runner: &Runner) {
        if let Err(problem) = self.deps.wakes.wake(&runner.pool).await {
            warn!(pool.name = %runner.pool, error = %problem, "could not wake the pool: the next tick does it");
        }
    }
}
