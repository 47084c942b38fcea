//! `RunTask`: what ECS checks, where it places, and what it remembers.

use super::answer::Refusal;
use super::awslogs::LogStream;
use super::definitions::{Definition, disk_fits};
use super::faults::{FaultKind, Occasion};
use super::journal::Change;
use super::life::ContainerSpec;
use super::model::Fargate;
use super::moment::Moment;
use super::names::{Operation, TaskId};
use super::requests::{AwsVpc, LogConfiguration, RunTask, TaskOverride, read};
use super::requirements::{
    network, overrides_fit, provider, started_by_fits, tags_fit, token_fits,
};
use super::sizes::{cpu_units, memory_mib, pair_exists};
use super::task::{ContainerState, Life, Task, Times};
use serde_json::{Value, json};
use std::time::Duration;

/// A container that says nothing has this long to stop.
const STOP_TIMEOUT_SECONDS: i64 = 30;

/// What a copy is told to run that is to do nothing.
pub const IDLE_COMMAND: [&str; 2] = ["sleep", "infinity"];

const NO_CAPACITY: &str = "Capacity is unavailable at this time. Please try again later or in a different availability zone";
const NO_QUOTA: &str = "You've reached the limit on the number of vCPUs you can run concurrently";

/// What a valid request asks for.
struct Wanted {
    definition: Definition,
    cpu: u32,
    memory: u32,
    disk_gib: i64,
    network: AwsVpc,
    provider: String,
    /// As ECS shows them.
    overrides: Value,
    tags: Value,
}

impl Fargate {
    pub(crate) fn run_task(
        &mut self,
        input: &Value,
        at: &mut Moment<'_>,
    ) -> Result<Value, Refusal> {
        let request: RunTask = read(input)?;
        let cluster = self.cluster(request.cluster.as_deref())?;
        if let Some(token) = &request.client_token {
            token_fits(token)?;
            if let Some(output) = self.tokens.replay(&cluster, token, input)? {
                return Ok(output);
            }
        }
        let count = request.count.unwrap_or(1);
        if !(1..=10).contains(&count) {
            return Err(Refusal::invalid("Count must be between 1 and 10."));
        }
        let wanted = self.wanted(&request, input, at)?;
        let (mut tasks, mut failures, mut launched) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            match self.place(&wanted, request.started_by.as_deref(), at) {
                Ok((subnet, zone)) => {
                    let task = self.new_task(&request, &wanted, (&cluster, &subnet, &zone), at);
                    tasks.push(task.view(&self.home, &task.life, Times::Epoch));
                    launched.push((task.id.clone(), task.arn.clone()));
                    self.launch(task, at);
                }
                Err(reason) => failures.push(json!({ "reason": reason })),
            }
        }
        let output = json!({ "tasks": tasks, "failures": failures });
        if let Some(token) = request.client_token {
            self.tokens.remember(
                (cluster, token),
                (input.clone(), output.clone()),
                launched,
                at.now,
            );
        }
        Ok(output)
    }

    fn wanted(
        &self,
        request: &RunTask,
        input: &Value,
        at: &mut Moment<'_>,
    ) -> Result<Wanted, Refusal> {
        started_by_fits(request.started_by.as_deref())?;
        tags_fit(request)?;
        let definition = self
            .definitions
            .runnable(&self.home, &request.task_definition)?
            .clone();
        overrides_fit(request, input, &definition)?;
        let provider = provider(request, at)?;
        let network = network(request)?;
        for subnet in &network.subnets {
            self.settings.zone(subnet).ok_or_else(|| {
                Refusal::invalid(format!("The subnet ID '{subnet}' does not exist"))
            })?;
        }
        let size =
            |text: &Option<String>, parse: fn(&str) -> Option<u32>, otherwise: u32| match text {
                None => Ok(otherwise),
                Some(text) => parse(text).ok_or_else(|| {
                    Refusal::invalid("Task CPU or memory is not a number that ECS knows.")
                }),
            };
        let cpu = size(&request.overrides.cpu, cpu_units, definition.cpu)?;
        let memory = size(&request.overrides.memory, memory_mib, definition.memory)?;
        if !pair_exists(cpu, memory) {
            return Err(Refusal::invalid(
                "No Fargate configuration exists for given values.",
            ));
        }
        let limits = request
            .overrides
            .container_overrides
            .iter()
            .filter_map(|container| container.memory);
        if limits.max().is_some_and(|hard| hard > i64::from(memory)) {
            return Err(Refusal::invalid(
                "The container's memory exceeds the task's.",
            ));
        }
        let disk = request
            .overrides
            .ephemeral_storage
            .map(|disk| disk.size_in_gib);
        disk_fits(disk)?;
        let disk_gib = disk.unwrap_or(definition.disk_gib);
        let overrides = shown_overrides(input, definition.container.name.as_deref());
        let tags = input.get("tags").cloned().unwrap_or_else(|| json!([]));
        Ok(Wanted {
            definition,
            cpu,
            memory,
            disk_gib,
            network,
            provider,
            overrides,
            tags,
        })
    }

    /// Subnet and zone for a task, or why there is none.
    ///
    /// One of the subnets is drawn and its zone has capacity or not: whether Fargate tries the next
    /// one by itself is not documented, so the model does not.
    fn place(
        &mut self,
        wanted: &Wanted,
        started_by: Option<&str>,
        at: &mut Moment<'_>,
    ) -> Result<(String, String), &'static str> {
        let choice = at.below(wanted.network.subnets.len());
        let subnet = wanted
            .network
            .subnets
            .get(choice)
            .cloned()
            .unwrap_or_default();
        let zone = self.settings.zone(&subnet).unwrap_or_default();
        let occasion = Occasion {
            operation: Some(Operation::RunTask),
            started_by,
            last_status: None,
            availability_zone: Some(&zone),
            subnet: Some(&subnet),
            capacity_provider: Some(&wanted.provider),
        };
        let draw = at.draw();
        if let Some(fault) = self.faults.inject(
            &[FaultKind::NoQuota, FaultKind::NoCapacity],
            &occasion,
            draw,
        ) {
            return Err(if fault.kind == FaultKind::NoQuota {
                NO_QUOTA
            } else {
                NO_CAPACITY
            });
        }
        let spot = wanted.provider == "FARGATE_SPOT";
        let quota = if spot {
            self.settings.spot_vcpu_quota
        } else {
            self.settings.vcpu_quota
        };
        let used: u32 = self
            .live()
            .filter(|task| task.is_spot() == spot)
            .map(Task::vcpus)
            .sum();
        if quota.is_some_and(|quota| used + wanted.cpu.div_ceil(1024) > quota) {
            return Err(NO_QUOTA);
        }
        if self.live.len() >= self.settings.max_tasks {
            return Err(NO_CAPACITY);
        }
        Ok((subnet, zone))
    }

    fn new_task(
        &self,
        request: &RunTask,
        wanted: &Wanted,
        place: (&str, &str, &str),
        at: &mut Moment<'_>,
    ) -> Task {
        let (cluster, subnet, zone) = place;
        let id = TaskId::drawn(at.draw());
        let definition = &wanted.definition;
        let seconds = definition
            .container
            .stop_timeout
            .unwrap_or(STOP_TIMEOUT_SECONDS)
            .max(2);
        let timeout = Duration::from_secs(seconds.unsigned_abs());
        let cap = self
            .settings
            .stop_timeout_ms
            .map_or(timeout, Duration::from_millis);
        let life = Life::beginning(at.now);
        Task {
            arn: self.home.task(cluster, &id),
            cluster: cluster.to_owned(),
            cluster_arn: self.home.cluster(cluster),
            definition_arn: definition.arn.clone(),
            family: definition.family.clone(),
            group: request
                .group
                .clone()
                .unwrap_or_else(|| format!("family:{}", definition.family)),
            started_by: request.started_by.clone(),
            cpu: wanted.cpu,
            memory: wanted.memory,
            disk_gib: wanted.disk_gib,
            architecture: definition.architecture.clone(),
            spec: container_spec(id.clone(), definition, &request.overrides),
            container: definition.container.clone(),
            zone: zone.to_owned(),
            subnet: subnet.to_owned(),
            provider: wanted.provider.clone(),
            by_launch_type: request.capacity_provider_strategy.is_empty(),
            execute_command: request.enable_execute_command,
            overrides: wanted.overrides.clone(),
            tags: wanted.tags.clone(),
            created_at: at.now,
            seed: at.draw(),
            stop_timeout: timeout.min(cap),
            container_state: ContainerState::Waiting,
            versions: vec![life.clone()],
            life,
            id,
        }
    }

    /// Someone starts a task again that lives ("run more like this"): the same definition,
    /// overrides and `startedBy`, another ARN. With `idle` its command is replaced by one that does
    /// nothing and does not end.
    pub fn copy(&mut self, id: &TaskId, idle: bool, at: &mut Moment<'_>) -> Option<TaskId> {
        let model = self
            .tasks
            .get(id)
            .filter(|task| self.live.contains(&task.id))?
            .clone();
        let copy = TaskId::drawn(at.draw());
        let mut spec = ContainerSpec {
            task: copy.clone(),
            ..model.spec
        };
        if idle {
            spec.command = IDLE_COMMAND.map(str::to_owned).to_vec();
        }
        let life = Life::beginning(at.now);
        let task = Task {
            arn: self.home.task(&model.cluster, &copy),
            id: copy.clone(),
            spec,
            created_at: at.now,
            seed: at.draw(),
            container_state: ContainerState::Waiting,
            versions: vec![life.clone()],
            life,
            ..model
        };
        self.launch(task, at);
        Some(copy)
    }

    fn launch(&mut self, task: Task, at: &mut Moment<'_>) {
        self.journal
            .note(at.now, &task, |task, started_by| Change::Started {
                task,
                started_by,
            });
        self.plan_start(&task, at);
        self.outbox.emit(&self.home, &task, &mut self.faults, at);
        self.live.insert(task.id.clone());
        self.tasks.insert(task.id.clone(), task);
        self.count_launch();
    }
}

/// Entry point, then command; the definition's environment, then the overrides'.
fn container_spec(
    task: TaskId,
    definition: &Definition,
    overrides: &TaskOverride,
) -> ContainerSpec {
    let container = &definition.container;
    let given = overrides.container_overrides.first();
    let command = given
        .and_then(|given| given.command.as_ref())
        .unwrap_or(&container.command);
    let variables = container
        .environment
        .iter()
        .chain(given.iter().flat_map(|given| &given.environment));
    let option =
        |log: &LogConfiguration, name: &str| log.options.get(name).cloned().unwrap_or_default();
    let awslogs = container
        .log_configuration
        .as_ref()
        .filter(|log| log.log_driver == "awslogs");
    let name = container.name.as_deref().unwrap_or_default();
    let log = awslogs.map(|log| {
        LogStream::of(
            &option(log, "awslogs-group"),
            &option(log, "awslogs-stream-prefix"),
            name,
            &task,
        )
    });
    ContainerSpec {
        task,
        image: container.image.clone().unwrap_or_default(),
        command: container
            .entry_point
            .iter()
            .chain(command)
            .cloned()
            .collect(),
        environment: variables
            .filter_map(|variable| Some((variable.name.clone()?, variable.value.clone()?)))
            .collect(),
        task_role: overrides
            .task_role_arn
            .clone()
            .or_else(|| definition.task_role.clone()),
        log,
    }
}

/// Overrides as ECS shows them: a container without any is named all the same.
fn shown_overrides(input: &Value, container: Option<&str>) -> Value {
    let mut shown = input
        .get("overrides")
        .filter(|overrides| overrides.is_object())
        .cloned()
        .unwrap_or_else(|| json!({}));
    if shown["containerOverrides"]
        .as_array()
        .is_none_or(Vec::is_empty)
    {
        shown["containerOverrides"] = json!([{ "name": container }]);
    }
    shown
}
