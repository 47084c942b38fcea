//! registrar: gives each runner its registration, once, decides on admission, and writes down what
//! a container says that it used.
//!
//! The caller is the one that API Gateway verified, never the one that the request names.

mod admissions;
mod answer;
mod registrations;
mod request;
mod usages;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mayfly_config::store::{Clock, Settings, SettingsError};
use mayfly_domain::model::id::{PoolName, RunnerAddress, TaskArn};
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::size::Size;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::registration::{Caller, Identity, identify, may_adopt};
use mayfly_ecs::{DescribeTasks, Described};
use mayfly_github::{Registrations, Repositories};
use mayfly_ledger::{Ledger, LedgerError, Store, Versioned};
use mayfly_queue::Wakes;
use tokio::time::timeout;
use tracing::{error, warn};

pub use answer::Answer;
pub use request::Event;

use request::{InvalidRequest, ParsedRequest};

/// What registrar needs of GitHub.
pub trait GitHub: Registrations + Repositories {}

impl<T: Registrations + Repositories> GitHub for T {}

/// What the world outside gives to a request.
pub struct Deps<F, G, W> {
    /// ECS.
    pub ecs: F,
    /// GitHub.
    pub github: G,
    /// The wake queue.
    pub wakes: W,
    /// Our AWS account.
    pub account: String,
    /// ARN of our cluster.
    pub cluster: String,
    /// What time it is.
    pub clock: Clock,
}

/// The function, with all it needs.
pub struct Registrar<S, F, G, W> {
    ledger: Ledger<S>,
    settings: Arc<Settings>,
    deps: Deps<F, G, W>,
    /// When this process last found no job of a pool, for runners of a size, that need not wait for
    /// GitHub, and until when it has to.
    in_vain: Mutex<BTreeMap<(PoolName, Size), (Timestamp, Timestamp)>>,
    /// Under which task definition this process last saw a runner of a pool and size start a job.
    verified_definitions: Mutex<BTreeMap<(PoolName, Size), String>>,
}

/// How long a runner waits whose row does not know its task yet: scaler writes the ARN right after
/// the task was started.
const NO_ARN_RETRY: Duration = Duration::from_secs(2);

/// How long a runner waits when others were at the same rows.
const BUSY_RETRY: Duration = Duration::from_secs(1);

/// How long a runner waits when the ledger, SSM or GitHub fails.
const FAILURE_RETRY: Duration = Duration::from_secs(10);

/// True if a retry may succeed. Of a failure that is not known the worst is thought.
fn passes(problem: &anyhow::Error) -> bool {
    match (
        problem.downcast_ref::<LedgerError>(),
        problem.downcast_ref::<SettingsError>(),
    ) {
        (Some(error), _) => error.is_transient(),
        (None, Some(error)) => error.is_transient(),
        (None, None) => false,
    }
}

impl<S: Store, F: DescribeTasks, G: GitHub, W: Wakes> Registrar<S, F, G, W> {
    /// A registrar over these.
    pub fn new(ledger: Ledger<S>, settings: Arc<Settings>, deps: Deps<F, G, W>) -> Self {
        Self {
            ledger,
            settings,
            deps,
            in_vain: Mutex::default(),
            verified_definitions: Mutex::default(),
        }
    }

    fn now(&self) -> Timestamp {
        (self.deps.clock)()
    }

    /// Answers one request. Every answer carries `x-mayfly: 1`: one without it is not ours.
    pub async fn handle(&self, event: Event) -> Answer {
        let asked = match event.read() {
            Ok(asked) => asked,
            Err(InvalidRequest::Caller(why)) => {
                warn!(reason = %why, "refused the request");
                return Answer::refused("the caller is not a task of this stack");
            }
            Err(InvalidRequest::Body(why)) => return Answer::bad_request(&why),
            Err(InvalidRequest::Route(route)) => return Answer::not_found(&route),
        };
        let answered = timeout(timeouts::REGISTRAR_ANSWERS, async {
            match asked {
                ParsedRequest::Registration {
                    caller,
                    runner,
                    text,
                } => self
                    .registration(&caller, &runner)
                    .await
                    .map(|answer| answer.shaped(text)),
                ParsedRequest::Admission { caller, request } => {
                    self.admission(&caller, &request).await
                }
                ParsedRequest::Usage { caller, report } => self.usage(&caller, &report).await,
            }
        });
        match answered.await {
            Ok(answered) => answered.unwrap_or_else(|problem| self.failed(&problem)),
            // As if this process had died: what was under way may have been done, and the runner
            // asks again.
            Err(_) => {
                warn!(
                    "no answer from AWS or GitHub within {} s: told the runner to ask again",
                    timeouts::REGISTRAR_ANSWERS.as_secs()
                );
                Answer::later(FAILURE_RETRY, "mayfly cannot answer now")
            }
        }
    }

    /// A failure after which a retry may succeed.
    fn failed(&self, problem: &anyhow::Error) -> Answer {
        if let Some(LedgerError::Busy { .. }) = problem.downcast_ref() {
            warn!(
                error = format!("{problem:#}"),
                "told the runner to ask again"
            );
            return Answer::later(BUSY_RETRY, "the ledger is busy");
        }
        if passes(problem) {
            warn!(
                error = format!("{problem:#}"),
                "told the runner to ask again"
            );
        } else {
            error!(
                error = format!("{problem:#}"),
                "told the runner to ask again: a person has to act"
            );
        }
        Answer::later(FAILURE_RETRY, "mayfly cannot answer now")
    }

    /// The caller's runner, if it is the one it says; else the answer it gets.
    async fn identified(
        &self,
        caller: &Caller,
        address: &RunnerAddress,
    ) -> anyhow::Result<Result<Versioned<Runner>, Answer>> {
        let stranger = || {
            warn!(runner.address = %address, caller.role, caller.session, "refused: the caller is not this runner's task");
            Ok(Err(Answer::refused("not this runner's task")))
        };
        let Some(runner) = self.ledger.runner(address).await? else {
            return Ok(Err(Answer::closed()));
        };
        match identify(&runner, caller, &self.deps.account, &self.deps.cluster) {
            Identity::Proven => Ok(Ok(runner)),
            Identity::Stranger => stranger(),
            Identity::NoArnYet => match self.adopted(caller, &runner).await? {
                Some(runner)
                    if identify(&runner, caller, &self.deps.account, &self.deps.cluster)
                        == Identity::Proven =>
                {
                    Ok(Ok(runner))
                }
                Some(_) => stranger(),
                None => Ok(Err(Answer::later(
                    NO_ARN_RETRY,
                    "this runner's task is not recorded yet",
                ))),
            },
        }
    }

    /// The runner with its task, if ECS says that the caller's task was started for it.
    async fn adopted(
        &self,
        caller: &Caller,
        runner: &Runner,
    ) -> anyhow::Result<Option<Versioned<Runner>>> {
        let Some((prefix, cluster)) = self.deps.cluster.split_once(":cluster/") else {
            return Ok(None);
        };
        let arn = TaskArn(format!("{prefix}:task/{cluster}/{}", caller.session));
        let described = match self.deps.ecs.describe(std::slice::from_ref(&arn)).await {
            Ok(described) => described,
            Err(problem) => {
                warn!(task.arn = %arn, error = %problem, "ECS does not say which runner the task belongs to: told it to ask again");
                return Ok(None);
            }
        };
        let alive_and_its = |described: &Described| match described {
            Described::Task(task) => may_adopt(runner, &arn, task),
            Described::Foreign(_) | Described::Missing(_) => false,
        };
        if !described.iter().any(alive_and_its) {
            return Ok(None);
        }
        // The runner learns of a stop mark when its turn is decided.
        self.ledger
            .launched(&runner.address(), &arn, self.now())
            .await?;
        Ok(self.ledger.runner(&runner.address()).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_is_not_known_is_one_for_a_person() {
        let busy = LedgerError::Busy {
            tries: 3,
            what: "read",
        };
        assert!(passes(
            &anyhow::Error::new(busy).context("serve the runner")
        ));
        assert!(!passes(&anyhow::anyhow!("what no one thought of")));
    }
}
