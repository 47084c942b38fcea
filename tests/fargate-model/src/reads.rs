//! `DescribeTasks` and `ListTasks`: views of the tasks, as late as settings and faults make them.

use super::answer::Refusal;
use super::definitions::{page, with_next};
use super::faults::{FaultKind, Occasion};
use super::journal::Change;
use super::model::Fargate;
use super::moment::Moment;
use super::names::{Operation, TaskId};
use super::requests::{DescribeTasks, ListTasks, read};
use super::task::{Life, Task, Times};
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a task is left out: less than a minute.
const BEHIND: u64 = 50_000;

/// For how long it is there again at least.
const CAUGHT_UP: Duration = Duration::from_secs(180);

impl Fargate {
    /// The time a read shows: now, or as far back as reads lag.
    fn read_time(&mut self, operation: Operation, at: &mut Moment<'_>) -> Timestamp {
        let occasion = Occasion {
            operation: Some(operation),
            ..Occasion::default()
        };
        let draw = at.draw();
        let fault = self.faults.inject(&[FaultKind::ReadLag], &occasion, draw);
        at.now - fault.map_or(self.settings.read_lag(), |fault| fault.wait(0))
    }

    /// True if this read does not know the task: anyone who answers is behind. Without such a fault
    /// nothing is drawn.
    fn leaves_out(&mut self, operation: Operation, id: &TaskId, at: &mut Moment<'_>) -> bool {
        if !self.faults.has(FaultKind::LeftOut) {
            return false;
        }
        match self.left_out.get(id) {
            Some((until, _)) if at.now < *until => return true,
            Some((_, again)) if at.now < *again => return false,
            _ => {}
        }
        let started_by = self
            .tasks
            .get(id)
            .and_then(|task| task.started_by.as_deref());
        let occasion = Occasion {
            operation: Some(operation),
            started_by,
            ..Occasion::default()
        };
        let draw = at.draw();
        let Some(fault) = self.faults.inject(&[FaultKind::LeftOut], &occasion, draw) else {
            return false;
        };
        let lasts = fault.wait(BEHIND);
        self.left_out
            .insert(id.clone(), (at.now + lasts, at.now + lasts + CAUGHT_UP));
        if let Some(task) = self.tasks.get(id) {
            self.journal
                .note(at.now, task, |task, started_by| Change::LeftOut {
                    task,
                    started_by,
                    lasts,
                });
        }
        true
    }

    pub(crate) fn describe_tasks(
        &mut self,
        input: &Value,
        at: &mut Moment<'_>,
    ) -> Result<Value, Refusal> {
        let request: DescribeTasks = read(input)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        if request.tasks.is_empty() {
            return Err(Refusal::invalid("Tasks cannot be empty."));
        }
        if request.tasks.len() > 100 {
            return Err(Refusal::invalid("Tasks cannot have more than 100 items."));
        }
        let time = self.read_time(Operation::DescribeTasks, at);
        let with_tags = request.include.iter().any(|field| field == "TAGS");
        let (mut tasks, mut failures) = (Vec::new(), Vec::new());
        for name in &request.tasks {
            let id = self.task_named(&cluster, name)?;
            let known = !self.leaves_out(Operation::DescribeTasks, &id, at);
            match self
                .tasks
                .get(&id)
                .filter(|_| known)
                .and_then(|task| Some((task, task.seen_at(time)?)))
            {
                Some((task, life)) if task.cluster == cluster => {
                    let mut view = task.view(&self.home, life, Times::Epoch);
                    if with_tags {
                        view["tags"] = task.tags.clone();
                    }
                    tasks.push(view);
                }
                _ => failures
                    .push(json!({ "arn": self.home.task(&cluster, &id), "reason": "MISSING" })),
            }
        }
        Ok(json!({ "tasks": tasks, "failures": failures }))
    }

    pub(crate) fn list_tasks(
        &mut self,
        input: &Value,
        at: &mut Moment<'_>,
    ) -> Result<Value, Refusal> {
        let request: ListTasks = read(input)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        let others = [
            &request.family,
            &request.service_name,
            &request.container_instance,
            &request.launch_type,
        ];
        if request.started_by.is_some() && others.iter().any(|filter| filter.is_some()) {
            // Documented as the only filter; `desiredStatus` beside it works and is widely used.
            return Err(Refusal::invalid("startedBy must be the only filter."));
        }
        let wanted = request.desired_status.as_deref().unwrap_or("RUNNING");
        if !["RUNNING", "PENDING", "STOPPED"].contains(&wanted) {
            return Err(Refusal::invalid("Invalid desiredStatus."));
        }
        let time = self.read_time(Operation::ListTasks, at);
        let matches = |task: &Task, life: &Life| {
            task.cluster == cluster
                && life.desired.name() == wanted
                && request
                    .family
                    .as_ref()
                    .is_none_or(|family| *family == task.family)
                && request
                    .started_by
                    .as_ref()
                    .is_none_or(|by| Some(by) == task.started_by.as_ref())
                && request
                    .launch_type
                    .as_ref()
                    .is_none_or(|kind| task.by_launch_type && kind == "FARGATE")
                && request.service_name.is_none()
                && request.container_instance.is_none()
        };
        let seen = |task: &Task| task.seen_at(time).is_some_and(|life| matches(task, life));
        let found: Vec<TaskId> = self
            .tasks
            .values()
            .filter(|task| seen(task))
            .map(|task| task.id.clone())
            .collect();
        let known: Vec<&TaskId> = found
            .iter()
            .filter(|id| !self.leaves_out(Operation::ListTasks, id, at))
            .collect();
        let arns: Vec<&str> = known
            .into_iter()
            .filter_map(|id| Some(self.tasks.get(id)?.arn.as_str()))
            .collect();
        let (page, next) = page(&arns, request.max_results, request.next_token.as_deref())?;
        Ok(with_next(json!({ "taskArns": page }), next))
    }

    /// The id of a task that is named by id or ARN; an ARN has to be of that cluster.
    pub(crate) fn task_named(&self, cluster: &str, name: &str) -> Result<TaskId, Refusal> {
        let resource = self
            .home
            .resource(name, "task")
            .ok_or_else(|| Refusal::invalid("Invalid identifier: Unexpected ARN."))?;
        match resource.split_once('/') {
            Some((other, _)) if other != cluster => Err(Refusal::invalid(format!(
                "Identifier is for {other}. Your cluster is {cluster}"
            ))),
            _ => Ok(TaskId::of(resource)),
        }
    }
}
