//! `RunTask`: what ECS checks, where it places, and what it remembers.

use super::answer::Refusal;
use super::definitions::{Definition, disk_fits};
use super::faults::{FaultKind, Occasion};
use super::life::ContainerSpec;
use super::model::Fargate;
use super::moment::Moment;
use super::names::{Operation, TaskId};
use super::requests::{AwsVpc, RunTask, StrategyItem, TaskOverride, read};
use super::sizes::{cpu_units, memory_mib, pair_exists};
use super::task::{ContainerState, Life, Task, Times};
use serde_json::{Value, json};
use std::time::Duration;

/// Overrides with their JSON (API reference, `TaskOverride`).
const OVERRIDE_CHARACTERS: usize = 8192;
/// `startedBy` (API reference).
const STARTED_BY_CHARACTERS: usize = 128;
/// `clientToken` (API reference).
const TOKEN_CHARACTERS: usize = 64;
/// A container that says nothing has this long to stop.
const STOP_TIMEOUT_SECONDS: i64 = 30;

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
    pub(crate) fn run_task(&mut self, input: &Value, at: &mut Moment<'_>) -> Result<Value, Refusal> {
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
            self.tokens.remember((cluster, token), (input.clone(), output.clone()), launched, at.now);
        }
        Ok(output)
    }

    fn wanted(&self, request: &RunTask, input: &Value, at: &mut Moment<'_>) -> Result<Wanted, Refusal> {
        started_by_fits(request.started_by.as_deref())?;
        tags_fit(request)?;
        let definition = self.definitions.runnable(&self.home, &request.task_definition)?.clone();
        overrides_fit(request, input, &definition)?;
        let provider = provider(request, at)?;
        let network = network(request)?;
        for subnet in &network.subnets {
            self.settings.zone(subnet).ok_or_else(|| Refusal::invalid(format!("The subnet ID '{subnet}' does not exist")))?;
        }
        let size = |text: &Option<String>, parse: fn(&str) -> Option<u32>, otherwise: u32| match text {
            None => Ok(otherwise),
            Some(text) => parse(text).ok_or_else(|| Refusal::invalid("Task CPU or memory is not a number that ECS knows.")),
        };
        let cpu = size(&request.overrides.cpu, cpu_units, definition.cpu)?;
        let memory = size(&request.overrides.memory, memory_mib, definition.memory)?;
        if !pair_exists(cpu, memory) {
            return Err(Refusal::invalid("No Fargate configuration exists for given values."));
        }
        let limits = request.overrides.container_overrides.iter().filter_map(|container| container.memory);
        if limits.max().is_some_and(|hard| hard > i64::from(memory)) {
            return Err(Refusal::invalid("The container's memory exceeds the task's."));
        }
        let disk = request.overrides.ephemeral_storage.map(|disk| disk.size_in_gib);
        disk_fits(disk)?;
        let disk_gib = disk.unwrap_or(definition.disk_gib);
        let overrides = shown_overrides(input, definition.container.name.as_deref());
        let tags = input.get("tags").cloned().unwrap_or_else(|| json!([]));
        Ok(Wanted { definition, cpu, memory, disk_gib, network, provider, overrides, tags })
    }

    /// Subnet and zone for a task, or why there is none.
    ///
    /// One of the subnets is drawn and its zone has capacity or not: whether Fargate tries the next
    /// one by itself is not documented, so the model does not.
    fn place(&mut self, wanted: &Wanted, started_by: Option<&str>, at: &mut Moment<'_>) -> Result<(String, String), &'static str> {
        let choice = at.below(wanted.network.subnets.len());
        let subnet = wanted.network.subnets.get(choice).cloned().unwrap_or_default();
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
        if let Some(fault) = self.faults.strike(&[FaultKind::NoQuota, FaultKind::NoCapacity], &occasion, draw) {
            return Err(if fault.kind == FaultKind::NoQuota { NO_QUOTA } else { NO_CAPACITY });
        }
        let spot = wanted.provider == "FARGATE_SPOT";
        let quota = if spot { self.settings.spot_vcpu_quota } else { self.settings.vcpu_quota };
        let used: u32 = self.live().filter(|task| task.is_spot() == spot).map(Task::vcpus).sum();
        if quota.is_some_and(|quota| used + wanted.cpu.div_ceil(1024) > quota) {
            return Err(NO_QUOTA);
        }
        if self.live().count() >= self.settings.max_tasks {
            return Err(NO_CAPACITY);
        }
        Ok((subnet, zone))
    }

    fn new_task(&self, request: &RunTask, wanted: &Wanted, place: (&str, &str, &str), at: &mut Moment<'_>) -> Task {
        let (cluster, subnet, zone) = place;
        let id = TaskId::drawn(at.draw());
        let definition = &wanted.definition;
        let seconds = definition.container.stop_timeout.unwrap_or(STOP_TIMEOUT_SECONDS).max(2);
        let timeout = Duration::from_secs(seconds.unsigned_abs());
        let cap = self.settings.stop_timeout_ms.map_or(timeout, Duration::from_millis);
        let life = Life::beginning(at.now);
        Task {
            arn: self.home.task(cluster, &id),
            cluster: cluster.to_owned(),
            cluster_arn: self.home.cluster(cluster),
            definition_arn: definition.arn.clone(),
            family: definition.family.clone(),
            group: request.group.clone().unwrap_or_else(|| format!("family:{}", definition.family)),
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

    fn launch(&mut self, task: Task, at: &mut Moment<'_>) {
        self.plan_start(&task, at);
        self.outbox.emit(&self.home, &task, &mut self.faults, at);
        self.tasks.insert(task.id.clone(), task);
        self.count_launch();
    }
}

/// Entry point, then command; the definition's environment, then the overrides'.
fn container_spec(task: TaskId, definition: &Definition, overrides: &TaskOverride) -> ContainerSpec {
    let container = &definition.container;
    let given = overrides.container_overrides.first();
    let command = given.and_then(|given| given.command.as_ref()).unwrap_or(&container.command);
    let variables = container.environment.iter().chain(given.iter().flat_map(|given| &given.environment));
    ContainerSpec {
        task,
        command: container.entry_point.iter().chain(command).cloned().collect(),
        environment: variables.filter_map(|variable| Some((variable.name.clone()?, variable.value.clone()?))).collect(),
        task_role: overrides.task_role_arn.clone().or_else(|| definition.task_role.clone()),
    }
}

/// Overrides as ECS shows them: a container without any is named all the same.
fn shown_overrides(input: &Value, container: Option<&str>) -> Value {
    let mut shown = input.get("overrides").filter(|overrides| overrides.is_object()).cloned().unwrap_or_else(|| json!({}));
    if shown["containerOverrides"].as_array().is_none_or(Vec::is_empty) {
        shown["containerOverrides"] = json!([{ "name": container }]);
    }
    shown
}

fn token_fits(token: &str) -> Result<(), Refusal> {
    let fits = (1..=TOKEN_CHARACTERS).contains(&token.len()) && token.bytes().all(|byte| (33..=126).contains(&byte));
    if fits { Ok(()) } else { Err(Refusal::invalid("Invalid clientToken.")) }
}

fn started_by_fits(started_by: Option<&str>) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_".contains(&byte);
    match started_by {
        Some(text) if text.len() > STARTED_BY_CHARACTERS => Err(Refusal::invalid("startedBy has more than 128 characters.")),
        Some(text) if !text.bytes().all(allowed) => Err(Refusal::invalid("startedBy contains invalid characters.")),
        _ => Ok(()),
    }
}

/// At most 50 tags, keys of 1 to 128 characters, values of at most 256, keys unique, none of AWS's own.
fn tags_fit(request: &RunTask) -> Result<(), Refusal> {
    let fits = |tag: &super::requests::Tag| {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.as_deref().unwrap_or_default();
        (1..=128).contains(&key.chars().count()) && value.chars().count() <= 256 && !key.to_lowercase().starts_with("aws:")
    };
    let keys: std::collections::BTreeSet<_> = request.tags.iter().map(|tag| &tag.key).collect();
    if request.tags.len() > 50 || keys.len() != request.tags.len() || !request.tags.iter().all(fits) {
        return Err(Refusal::invalid("Invalid tags."));
    }
    match request.propagate_tags.as_deref() {
        None | Some("TASK_DEFINITION" | "NONE") => Ok(()),
        Some(_) => Err(Refusal::invalid("propagateTags must be TASK_DEFINITION or NONE for a standalone task.")),
    }
}

fn overrides_fit(request: &RunTask, input: &Value, definition: &Definition) -> Result<(), Refusal> {
    let characters = input.get("overrides").map_or(0, |overrides| overrides.to_string().chars().count());
    if characters > OVERRIDE_CHARACTERS {
        return Err(Refusal::invalid(format!("Container Overrides length must be at most {OVERRIDE_CHARACTERS}")));
    }
    let overrides = &request.overrides;
    for container in &overrides.container_overrides {
        if container.name.is_none() || container.name != definition.container.name {
            let name = container.name.as_deref().unwrap_or_default();
            return Err(Refusal::invalid(format!("Override for container named {name} is not a container in the TaskDefinition.")));
        }
        if container.environment.iter().any(|variable| variable.name.is_none() || variable.value.is_none()) {
            return Err(Refusal::invalid("Environment variables need a name and a value."));
        }
    }
    let roles = [&overrides.task_role_arn, &overrides.execution_role_arn];
    if roles.into_iter().flatten().any(|role| !role.starts_with("arn:aws:iam::")) {
        return Err(Refusal::client("Role is not valid"));
    }
    Ok(())
}

fn network(request: &RunTask) -> Result<AwsVpc, Refusal> {
    let given = request.network_configuration.as_ref().and_then(|network| network.awsvpc_configuration.as_ref());
    let network =
        given.ok_or_else(|| Refusal::invalid("Network Configuration must be provided when networkMode 'awsvpc' is specified."))?;
    if network.subnets.is_empty() {
        return Err(Refusal::invalid("subnets can not be empty."));
    }
    if network.subnets.len() > 16 || network.security_groups.len() > 5 {
        return Err(Refusal::invalid("At most 16 subnets and 5 security groups."));
    }
    if !matches!(network.assign_public_ip.as_deref(), None | Some("ENABLED" | "DISABLED")) {
        return Err(Refusal::invalid("assignPublicIp must be ENABLED or DISABLED."));
    }
    Ok(AwsVpc {
        subnets: network.subnets.clone(),
        security_groups: network.security_groups.clone(),
        assign_public_ip: network.assign_public_ip.clone(),
    })
}

/// `FARGATE` or `FARGATE_SPOT`: by launch type, or drawn from the strategy by its weights.
fn provider(request: &RunTask, at: &mut Moment<'_>) -> Result<String, Refusal> {
    if !matches!(request.platform_version.as_deref(), None | Some("LATEST" | "1.4.0")) {
        return Err(Refusal::new("PlatformUnknownException", "The specified platform version does not exist."));
    }
    let strategy = &request.capacity_provider_strategy;
    match (request.launch_type.as_deref(), strategy.is_empty()) {
        (Some("FARGATE"), true) => Ok("FARGATE".to_owned()),
        (None, false) => drawn_provider(strategy, at),
        (Some(_), false) => Err(Refusal::invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        )),
        // Without both, ECS means EC2, or the cluster's default strategy, which the product does not rely on.
        _ => Err(Refusal::invalid("No Container Instances were found in your cluster.")),
    }
}

fn drawn_provider(strategy: &[StrategyItem], at: &mut Moment<'_>) -> Result<String, Refusal> {
    if strategy.iter().any(|item| !["FARGATE", "FARGATE_SPOT"].contains(&item.capacity_provider.as_str())) {
        return Err(Refusal::invalid("The specified capacity provider was not found or is not associated with the cluster."));
    }
    if strategy.len() > 20 || strategy.iter().any(|item| !(0..=1000).contains(&item.weight) || item.base < 0) {
        return Err(Refusal::invalid("Invalid capacity provider strategy."));
    }
    if let Some(item) = strategy.iter().find(|item| item.base > 0) {
        return Ok(item.capacity_provider.clone());
    }
    let total: i64 = strategy.iter().map(|item| item.weight).sum();
    let mut rest = at.below(usize::try_from(total).unwrap_or(0));
    for item in strategy {
        let weight = usize::try_from(item.weight).unwrap_or(0);
        if rest < weight {
            return Ok(item.capacity_provider.clone());
        }
        rest -= weight;
    }
    Err(Refusal::invalid("The capacity provider strategy must contain a capacity provider with a weight greater than zero."))
}
