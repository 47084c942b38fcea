//! ECS as the caller sees it: one account, one region.

use super::answer::{Answer, Delivery, Refusal};
use super::definitions::Definitions;
use super::events::{EventCounts, Outbox};
use super::faults::{Fault, FaultKind, Faults, Occasion};
use super::journal::{Change, Journal};
use super::life::{Effect, Step, Timers};
use super::moment::Moment;
use super::names::{Home, Operation, TaskId};
use super::requests::{CreateCluster, DescribeClusters, StopTask, read};
use super::settings::Settings;
use super::status::{LastStatus, StopCode};
use super::task::{Task, Times};
use super::throttle::Throttle;
use super::tokens::Tokens;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Stopped tasks can be described for an hour (API reference, `ListTasks`: "at least one hour").
const VISIBLE_AFTER_STOP: Duration = Duration::from_hours(1);

/// ECS with Fargate, in memory. See the [module](super) for how it is driven.
#[derive(Clone, Debug)]
pub struct Fargate {
    pub(crate) settings: Settings,
    pub(crate) home: Home,
    pub(crate) faults: Faults,
    pub(crate) definitions: Definitions,
    pub(crate) tasks: BTreeMap<TaskId, Task>,
    /// Those that have not stopped.
    pub(crate) live: BTreeSet<TaskId>,
    /// Those that have, and when they are forgotten.
    leaving: BTreeSet<(Timestamp, TaskId)>,
    pub(crate) tokens: Tokens,
    pub(crate) timers: Timers,
    pub(crate) outbox: Outbox,
    pub(crate) effects: Vec<Effect>,
    /// What happened, if someone wants to know.
    pub journal: Journal,
    /// Words for tasks whose image will not come.
    pub(crate) pull_failures: BTreeMap<TaskId, String>,
    /// Tasks that reads left out: until when, and from when on they may be left out again.
    pub(crate) left_out: BTreeMap<TaskId, (Timestamp, Timestamp)>,
    throttle: Throttle,
    calls: BTreeMap<Operation, u64>,
    launched: u64,
    most_live: usize,
}

impl Fargate {
    /// An account without definitions and tasks.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let home = Home {
            region: settings.region.clone(),
            account: settings.account.clone(),
        };
        Self {
            settings,
            home,
            faults: Faults::default(),
            definitions: Definitions::default(),
            tasks: BTreeMap::new(),
            live: BTreeSet::new(),
            leaving: BTreeSet::new(),
            tokens: Tokens::default(),
            timers: Timers::default(),
            outbox: Outbox::default(),
            effects: Vec::new(),
            journal: Journal::default(),
            pull_failures: BTreeMap::new(),
            left_out: BTreeMap::new(),
            throttle: Throttle::default(),
            calls: BTreeMap::new(),
            launched: 0,
            most_live: 0,
        }
    }

    /// Answers one call: faults first, then rates, then what ECS would say.
    pub fn call(&mut self, operation: Operation, input: &Value, at: &mut Moment<'_>) -> Answer {
        self.advance(at);
        *self.calls.entry(operation).or_default() += 1;
        let started_by = input["startedBy"].as_str();
        let occasion = Occasion {
            operation: Some(operation),
            started_by,
            ..Occasion::default()
        };
        let before = [
            FaultKind::Throttled,
            FaultKind::ServerErrorBefore,
            FaultKind::NoAnswerBefore,
            FaultKind::Refused,
        ];
        let draw = at.draw();
        if let Some(fault) = self.faults.inject(&before, &occasion, draw) {
            return spoiled(&fault);
        }
        if self.settings.throttled && !self.throttle.admits(operation, at.now) {
            return Answer {
                result: Err(Refusal::throttled()),
                delivery: Delivery::Prompt,
            };
        }
        let result = self.carry_out(operation, input, at);
        let after = [
            FaultKind::ServerErrorAfter,
            FaultKind::NoAnswerAfter,
            FaultKind::SlowAnswer,
        ];
        let draw = at.draw();
        match self.faults.inject(&after, &occasion, draw) {
            Some(fault) if fault.kind == FaultKind::SlowAnswer => Answer {
                result,
                delivery: Delivery::Late(fault.wait(0)),
            },
            Some(fault) => spoiled(&fault),
            None => Answer {
                result,
                delivery: Delivery::Prompt,
            },
        }
    }

    fn carry_out(
        &mut self,
        operation: Operation,
        input: &Value,
        at: &mut Moment<'_>,
    ) -> Result<Value, Refusal> {
        match operation {
            Operation::CreateCluster => self.create_cluster(input),
            Operation::DescribeClusters => self.describe_clusters(input),
            Operation::RegisterTaskDefinition => self.definitions.register(&self.home, at, input),
            Operation::DescribeTaskDefinition => self.definitions.describe(&self.home, input),
            Operation::ListTaskDefinitions => self.definitions.list(input),
            Operation::DeregisterTaskDefinition => self.definitions.deregister(&self.home, input),
            Operation::RunTask => self.run_task(input, at),
            Operation::StopTask => self.stop_task(input, at),
            Operation::DescribeTasks => self.describe_tasks(input, at),
            Operation::ListTasks => self.list_tasks(input, at),
        }
    }

    /// What has to happen in the world since the last time.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Puts a fault in force.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Takes all faults back.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The faults in force.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        self.faults.all()
    }

    /// The account's properties.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Changes the account's properties; tasks that live keep what they started with. Region and
    /// account stay, as ARNs were given out with them.
    pub fn set_settings(&mut self, settings: Settings) {
        let (region, account) = (self.home.region.clone(), self.home.account.clone());
        self.settings = Settings {
            region,
            account,
            ..settings
        };
    }

    /// How often each operation was called, refused calls included.
    #[must_use]
    pub fn calls(&self) -> &BTreeMap<Operation, u64> {
        &self.calls
    }

    /// How many events there were.
    #[must_use]
    pub fn event_counts(&self) -> EventCounts {
        self.outbox.counts
    }

    /// How many tasks were ever launched, and how many lived at once at most.
    #[must_use]
    pub fn launched_and_most_live(&self) -> (u64, usize) {
        (self.launched, self.most_live)
    }

    /// All tasks that can still be described, as they are, without lag.
    #[must_use]
    pub fn task_views(&self) -> Vec<Value> {
        self.tasks
            .values()
            .map(|task| task.view(&self.home, &task.life, Times::Iso))
            .collect()
    }

    /// The same of those that have not stopped.
    #[must_use]
    pub fn live_task_views(&self) -> Vec<Value> {
        let with_tags = |task: &Task| {
            let mut view = task.view(&self.home, &task.life, Times::Iso);
            view["tags"] = task.tags.clone();
            view
        };
        self.live().map(with_tags).collect()
    }

    /// The task's last status.
    #[must_use]
    pub fn last_status(&self, id: &TaskId) -> Option<LastStatus> {
        self.tasks.get(id).map(|task| task.life.last)
    }

    /// Reclaims a task's capacity now, as Spot does.
    pub fn interrupt(&mut self, id: &TaskId, at: &mut Moment<'_>) {
        self.timers
            .set(at.now, id, Step::Reclaim(StopCode::SpotInterruption));
        self.advance(at);
    }

    /// What is wrong with the task metadata endpoint, when this task asks it.
    pub(crate) fn metadata_fault(&mut self, id: &TaskId, at: &mut Moment<'_>) -> Option<Fault> {
        let started_by = self.tasks.get(id)?.started_by.clone();
        let occasion = Occasion {
            started_by: started_by.as_deref(),
            ..Occasion::default()
        };
        let kinds = [
            FaultKind::MetadataMissing,
            FaultKind::MetadataHangs,
            FaultKind::MetadataLies,
        ];
        self.faults.inject(&kinds, &occasion, at.draw())
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = &Task> {
        self.live.iter().filter_map(|id| self.tasks.get(id))
    }

    pub(crate) fn count_launch(&mut self) {
        self.launched += 1;
        self.most_live = self.most_live.max(self.live.len());
    }

    /// The name of a cluster that is named by name or ARN, or not at all.
    pub(crate) fn cluster(&self, name: Option<&str>) -> Result<String, Refusal> {
        let name = self
            .home
            .resource(name.unwrap_or("default"), "cluster")
            .ok_or_else(Refusal::cluster_not_found)?;
        let fits = !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        if !fits {
            return Err(Refusal::invalid("Invalid cluster identifier."));
        }
        if self.settings.knows_cluster(name) {
            Ok(name.to_owned())
        } else {
            Err(Refusal::cluster_not_found())
        }
    }

    fn create_cluster(&mut self, input: &Value) -> Result<Value, Refusal> {
        let request: CreateCluster = read(input)?;
        let name = request.cluster_name.unwrap_or_else(|| "default".to_owned());
        if !self.settings.knows_cluster(&name) {
            self.settings.clusters.push(name.clone());
        }
        Ok(json!({ "cluster": self.cluster_view(&name) }))
    }

    fn describe_clusters(&self, input: &Value) -> Result<Value, Refusal> {
        let request: DescribeClusters = read(input)?;
        let names = if request.clusters.is_empty() {
            vec!["default".to_owned()]
        } else {
            request.clusters
        };
        let (mut clusters, mut failures) = (Vec::new(), Vec::new());
        for name in &names {
            match self.cluster(Some(name)) {
                Ok(name) => clusters.push(self.cluster_view(&name)),
                Err(_) => {
                    failures.push(json!({ "arn": self.home.cluster(name), "reason": "MISSING" }))
                }
            }
        }
        Ok(json!({ "clusters": clusters, "failures": failures }))
    }

    fn cluster_view(&self, name: &str) -> Value {
        let of = |wanted: &dyn Fn(LastStatus) -> bool| {
            self.tasks
                .values()
                .filter(|task| task.cluster == name && wanted(task.life.last))
                .count()
        };
        json!({
            "clusterArn": self.home.cluster(name),
            "clusterName": name,
            "status": "ACTIVE",
            "runningTasksCount": of(&|last| last == LastStatus::Running),
            "pendingTasksCount": of(&|last| last < LastStatus::Running),
            "activeServicesCount": 0,
            "registeredContainerInstancesCount": 0,
            "capacityProviders": ["FARGATE", "FARGATE_SPOT"],
        })
    }

    fn stop_task(&mut self, input: &Value, at: &mut Moment<'_>) -> Result<Value, Refusal> {
        let request: StopTask = read(input)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let id = self.task_named(&cluster, &request.task)?;
        if self
            .tasks
            .get(&id)
            .is_none_or(|task| task.cluster != cluster)
        {
            return Err(Refusal::invalid("The referenced task was not found."));
        }
        let reason = request
            .reason
            .unwrap_or_else(|| "Task stopped by user".to_owned());
        if let Some(task) = self.tasks.get(&id) {
            self.journal
                .note(at.now, task, |task, started_by| Change::StopAsked {
                    task,
                    started_by,
                    reason: reason.clone(),
                });
        }
        self.want_stopped(&id, StopCode::UserInitiated, &reason, at);
        let view = self
            .tasks
            .get(&id)
            .map(|task| task.view(&self.home, &task.life, Times::Epoch));
        Ok(json!({ "task": view }))
    }

    /// A task has stopped; it is forgotten when no one can see it any more, lagging readers
    /// included.
    pub(crate) fn forget_later(&mut self, id: &TaskId, now: Timestamp) {
        self.live.remove(id);
        self.leaving.insert((
            now + VISIBLE_AFTER_STOP + self.settings.read_lag(),
            id.clone(),
        ));
    }

    /// Drops what no one can see any more.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        while self.leaving.first().is_some_and(|(at, _)| *at <= now) {
            let Some((_, id)) = self.leaving.pop_first() else {
                break;
            };
            self.tasks.remove(&id);
            self.left_out.remove(&id);
        }
        self.tokens.expire(now);
    }
}

/// The answer that a fault leaves.
fn spoiled(fault: &Fault) -> Answer {
    let (refusal, delivery) = match fault.kind {
        FaultKind::Throttled => (Refusal::throttled(), Delivery::Prompt),
        FaultKind::Refused => {
            let code = fault.code.as_deref().unwrap_or("AccessDeniedException");
            (
                Refusal::new(
                    code,
                    fault.reason.as_deref().unwrap_or("Refused by the model."),
                ),
                Delivery::Prompt,
            )
        }
        FaultKind::NoAnswerBefore | FaultKind::NoAnswerAfter => {
            (Refusal::server(), Delivery::Never)
        }
        _ => (Refusal::server(), Delivery::Prompt),
    };
    Answer {
        result: Err(refusal),
        delivery,
    }
}
