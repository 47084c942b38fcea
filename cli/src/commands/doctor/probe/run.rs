//! Running probes: started, watched, stopped, whatever happens.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::{Either, join_all, select};
use mayfly_domain::model::id::{RunnerAddress, RunnerId, TaskArn};
use mayfly_domain::model::task::{Task, TaskStatus};
use mayfly_ecs::probe::{POOL, Probe, Prober as Starts, Report};
use mayfly_ecs::{
    DescribeTasks, Described, EcsError, LaunchAnswer, LaunchConfig, LaunchFailure, StopTask,
    TaskDefinitionSpec, TaskDefinitions,
};
use tokio::time::{Instant, sleep, timeout};

use super::kind::Kind;
use super::result::{ProbeResult, Probed};
use super::start::MAY_NOT;
use crate::commands::logs::LogStreams;
use crate::failure::Failure;
use crate::terminal::progress::Progress;
use crate::terminal::time_format::duration_text;

/// How often is looked.
const LOOK: Duration = Duration::from_secs(2);

/// How long after a task's end its last lines may take to appear.
const LAST_LINES: Duration = Duration::from_secs(10);

/// Calls for one task, if ECS does not answer: the same request under the same token is one task.
const SENDS: u32 = 4;

/// How long stopping what was started may take when someone has no patience.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// What is said of a task that may be there, and was not stopped.
const LEFT: &str = "its task, if there is one, ends two minutes after its container began; sweeper stops it when it is ten minutes old";

/// What a task's reason says that was stopped.
const STOPPED: &str = "mayfly doctor has seen enough";

/// What probes are run with.
pub struct Prober<'a, F, L> {
    /// ECS.
    pub ecs: &'a F,
    /// What probes print.
    pub logs: &'a L,
    /// Where runners live.
    pub site: &'a LaunchConfig,
    /// What must answer.
    pub reach: &'a [(String, String)],
    /// How long one may take.
    pub limit: Duration,
    /// Makes an id that was never used.
    pub new_id: &'a (dyn Fn() -> Result<RunnerId, Failure> + Send + Sync),
}

/// What is under way.
struct Underway {
    since: Instant,
    limit: Duration,
    /// Tasks that were started.
    tasks: Mutex<BTreeSet<TaskArn>>,
    /// Probes that ECS was asked for, and has not answered: their tasks may be there.
    asked: Mutex<BTreeSet<RunnerAddress>>,
    progress: Mutex<Progress>,
}

impl Underway {
    fn new(limit: Duration) -> Self {
        Self {
            since: Instant::now(),
            limit,
            tasks: Mutex::default(),
            asked: Mutex::default(),
            progress: Mutex::default(),
        }
    }

    fn tasks(&self) -> MutexGuard<'_, BTreeSet<TaskArn>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<RunnerAddress>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn say(&self, kind: &Kind, what: &str) {
        self.progress
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .say(&format!(
                "probe for {}: {what}, {} of at most {}",
                kind.whose(),
                duration_text(Duration::from_secs(self.since.elapsed().as_secs())),
                duration_text(self.limit)
            ));
    }
}

impl<F: TaskDefinitions + Starts + DescribeTasks + StopTask, L: LogStreams> Prober<'_, F, L> {
    /// Probes all of these at once. What was started is stopped when this returns, or told.
    ///
    /// # Errors
    ///
    /// If it is interrupted, or there is no randomness.
    pub async fn probe_all(
        &self,
        kinds: &[Kind],
        interrupted: impl Future<Output = ()>,
    ) -> Result<Vec<Probed>, Failure> {
        let underway = Underway::new(self.limit);
        let all = join_all(kinds.iter().map(|kind| self.probe(kind, &underway)));
        match select(Box::pin(all), Box::pin(interrupted)).await {
            Either::Left((probed, _)) => probed.into_iter().collect(),
            Either::Right(((), _)) => {
                let left = self.stop_all(&underway).await;
                Err(Failure::new("interrupted", if left { LEFT } else { "" }))
            }
        }
    }

    /// Stops what was started. True if a task may be left.
    async fn stop_all(&self, underway: &Underway) -> bool {
        let (mut tasks, asked) = (underway.tasks().clone(), underway.asked().clone());
        for probe in &asked {
            let listed = timeout(STOP_WITHIN, self.ecs.list_by_started_by(probe)).await;
            tasks.extend(listed.into_iter().flatten().flatten());
        }
        let stopped = join_all(tasks.iter().map(|task| self.stopped(task))).await;
        // What ECS has not answered it may still do.
        !asked.is_empty() || stopped.contains(&false)
    }

    async fn stopped(&self, task: &TaskArn) -> bool {
        matches!(
            timeout(STOP_WITHIN, self.ecs.stop(task, STOPPED)).await,
            Ok(Ok(()))
        )
    }

    async fn probe(&self, kind: &Kind, underway: &Underway) -> Result<Probed, Failure> {
        let until = Instant::now() + self.limit;
        underway.say(kind, "requesting a task");
        let definition = match self
            .ecs
            .ensure(&TaskDefinitionSpec::of(
                self.site,
                &kind.pool,
                kind.pool.size.architecture,
            ))
            .await
        {
            Ok(definition) => definition,
            Err(error) => {
                return Ok(Probed {
                    kind: kind.clone(),
                    came: not_registered(&error),
                    left: None,
                });
            }
        };
        let address: RunnerAddress = format!("{POOL}/{}", (self.new_id)()?).parse().map_err(
            |error: mayfly_domain::model::id::InvalidName| Failure::new(error.to_string(), ""),
        )?;
        let probe = Probe::build(self.site, &kind.pool, &definition, &address, self.reach);
        underway.asked().insert(address.clone());
        let task = match self.started(&probe, &address).await {
            Ok(task) => task,
            Err(came) => {
                underway.asked().remove(&address);
                return Ok(Probed {
                    kind: kind.clone(),
                    came,
                    left: None,
                });
            }
        };
        underway.tasks().insert(task.clone());
        underway.asked().remove(&address);
        let came = self.watched(kind, &probe, &task, until, underway).await;
        let over =
            matches!(&came, ProbeResult::Ended { task, .. } if task.status == TaskStatus::Stopped);
        let left = (!over && !self.stopped(&task).await).then(|| task.clone());
        underway.tasks().remove(&task);
        Ok(Probed {
            kind: kind.clone(),
            came,
            left,
        })
    }

    async fn started(
        &self,
        probe: &Probe,
        address: &RunnerAddress,
    ) -> Result<TaskArn, ProbeResult> {
        let mut last = String::new();
        for send in 0..SENDS {
            if send > 0 {
                sleep(LOOK).await;
            }
            match self.ecs.probe(probe).await {
                LaunchAnswer::Started(task) => return Ok(task),
                LaunchAnswer::Failed { kind, reason, .. } => {
                    return Err(ProbeResult::NotStarted {
                        kind: Some(kind),
                        reason,
                    });
                }
                LaunchAnswer::Unsure { reason, .. } => last = reason,
            }
        }
        match self
            .ecs
            .list_by_started_by(address)
            .await
            .ok()
            .and_then(|tasks| tasks.into_iter().next())
        {
            Some(task) => Ok(task),
            None => Err(ProbeResult::NotStarted {
                kind: None,
                reason: format!("{last}; {LEFT}"),
            }),
        }
    }

    /// Looks at it until it has said all, has ended, or its time is over.
    async fn watched(
        &self,
        kind: &Kind,
        probe: &Probe,
        task: &TaskArn,
        until: Instant,
        underway: &Underway,
    ) -> ProbeResult {
        let stream = Probe::log_stream(task.task_id());
        let mut seen: Option<Box<Task>> = None;
        let mut ended: Option<Instant> = None;
        loop {
            match self.ecs.describe(std::slice::from_ref(task)).await {
                Ok(described) => seen = described.into_iter().find_map(its).or(seen),
                Err(error @ EcsError::Transient(_)) if Instant::now() < until => {
                    underway.say(kind, &format!("ECS does not show its task ({error})"))
                }
                Err(error) => {
                    return ProbeResult::Unseen(Failure::new(
                        error.to_string(),
                        if error.is_denied() { MAY_NOT } else { "" },
                    ));
                }
            }
            let now = Instant::now();
            if let Some(task) = &seen {
                underway.say(kind, phase(task));
                let over = task.status == TaskStatus::Stopped;
                if over && ended.is_none() {
                    ended = Some(now);
                }
                // Nothing was printed by a container that never ran.
                let ran = task.timeline.started.is_some()
                    || task.end.exit_code.is_some()
                    || task.status == TaskStatus::Running;
                let report = if ran {
                    self.report(&probe.mark(), &stream).await
                } else {
                    Ok(Report::default())
                };
                match report {
                    Ok(report)
                        if report.complete
                            || (over
                                && (!ran
                                    || ended.is_some_and(|since| now >= since + LAST_LINES))) =>
                    {
                        return ProbeResult::Ended {
                            task: task.clone(),
                            report,
                        };
                    }
                    Ok(_) => {}
                    Err(why) if over => return ProbeResult::Unseen(why),
                    Err(_) => {}
                }
            }
            if now >= until && ended.is_none() {
                return ProbeResult::Late { task: seen };
            }
            sleep(LOOK).await;
        }
    }

    /// Its output so far.
    async fn report(&self, mark: &str, stream: &str) -> Result<Report, Failure> {
        let (mut lines, mut place) = (Vec::new(), None);
        while let Some(page) = self.logs.page(stream, place.as_deref()).await? {
            lines.extend(page.lines.into_iter().map(|line| line.message));
            if page.next.is_none() || page.next == place {
                break;
            }
            place = page.next;
        }
        Ok(Report::read(mark, lines.iter().map(String::as_str)))
    }
}

fn its(described: Described) -> Option<Box<Task>> {
    match described {
        Described::Task(task) => Some(task),
        // Too young to be shown.
        Described::Foreign(_) | Described::Missing(_) => None,
    }
}

fn phase(task: &Task) -> &'static str {
    match task.status {
        TaskStatus::Starting if task.timeline.pull_stopped.is_some() => "starting",
        TaskStatus::Starting if task.timeline.pull_started.is_some() => "pulling its image",
        TaskStatus::Starting => "waiting for Fargate",
        TaskStatus::Running => "running",
        TaskStatus::Stopping | TaskStatus::Stopped => "ending",
    }
}

fn not_registered(error: &EcsError) -> ProbeResult {
    let kind = match error {
        EcsError::Refused(call) if call.is_denied() => Some(LaunchFailure::Denied),
        EcsError::Refused(_) => Some(LaunchFailure::Configuration),
        EcsError::Transient(_) | EcsError::Unexpected { .. } => None,
    };
    ProbeResult::NotStarted {
        kind,
        reason: error.to_string(),
    }
}
