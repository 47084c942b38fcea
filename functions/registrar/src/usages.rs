//! `POST /usage`: what a container says that it used, once its runner has ended.
//!
//! Whatever runs in the container can say this as well as our script. So it is bounded by what the
//! task has, said once, and no decision about a job or a runner reads it.

use mayfly_domain::model::id::RunnerAddress;
use mayfly_domain::transitions::registration::Caller;
use mayfly_domain::transitions::usage::UsageReport;
use mayfly_ecs::DescribeTasks;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tracing::{info, warn};

use crate::answer::Answer;
use crate::{GitHub, Registrar};

impl<S: Store, F: DescribeTasks, G: GitHub, W: Wakes> Registrar<S, F, G, W> {
    pub(crate) async fn usage(
        &self,
        caller: &Caller,
        report: &UsageReport,
    ) -> anyhow::Result<Answer> {
        let address: RunnerAddress = match report.runner.parse() {
            Ok(address) => address,
            Err(problem) => return Ok(Answer::bad_request(&format!("runner: {problem}"))),
        };
        let runner = match self.identified(caller, &address).await? {
            Ok(runner) => runner,
            Err(answer) => return Ok(answer),
        };
        // However often it is said: what is written down costs one read.
        if runner.usage.is_some() {
            return Ok(Answer::recorded());
        }
        let recorded = self
            .ledger
            .usage_reported(&runner, report, self.now())
            .await?;
        Ok(match recorded {
            None => Answer::closed(),
            Some(Ok(())) => {
                info!(
                    runner.id = %runner.id, pool.name = %runner.pool, memory_peak_bytes = report.memory_peak_bytes,
                    cpu_milliseconds = report.cpu_milliseconds, memory_kills = report.memory_kills, "use recorded"
                );
                Answer::recorded()
            }
            Some(Err(refusal)) => {
                warn!(runner.id = %runner.id, pool.name = %runner.pool, reason = %refusal, "refused a report of use");
                Answer::not_recorded(&refusal.to_string())
            }
        })
    }
}
