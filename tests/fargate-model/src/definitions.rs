//! Task definitions: families, revisions, and what Fargate refuses in them.

use super::answer::Refusal;
use super::moment::Moment;
use super::names::Home;
use super::requests::{
    ContainerDefinition, ListTaskDefinitions, NamedDefinition, RegisterTaskDefinition, read,
};
use super::sizes::{cpu_units, memory_mib, pair_exists};
use super::task::epoch_seconds;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Largest task definition: 64 KiB (ECS service quotas).
const DEFINITION_BYTES: usize = 64 * 1024;

/// One registered revision.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) arn: String,
    pub(crate) family: String,
    pub(crate) active: bool,
    pub(crate) cpu: u32,
    pub(crate) memory: u32,
    pub(crate) disk_gib: i64,
    pub(crate) architecture: String,
    pub(crate) task_role: Option<String>,
    pub(crate) container: ContainerDefinition,
    /// The document as `DescribeTaskDefinition` shows it, without status.
    document: Map<String, Value>,
    tags: Value,
}

impl Definition {
    fn view(&self) -> Value {
        let mut document = self.document.clone();
        let status = if self.active { "ACTIVE" } else { "INACTIVE" };
        document.insert("status".to_owned(), json!(status));
        Value::Object(document)
    }
}

/// All task definitions of the account.
#[derive(Clone, Debug, Default)]
pub(crate) struct Definitions {
    families: BTreeMap<String, Vec<Definition>>,
}

impl Definitions {
    /// Registers the next revision of a family.
    pub(crate) fn register(
        &mut self,
        home: &Home,
        at: &Moment<'_>,
        input: &Value,
    ) -> Result<Value, Refusal> {
        let request: RegisterTaskDefinition = read(input)?;
        let (cpu, memory, container) = checked(&request, input)?;
        let revisions = self.families.entry(request.family.clone()).or_default();
        let revision = u32::try_from(revisions.len() + 1).unwrap_or(u32::MAX);
        let arn = home.definition(&request.family, revision);
        let architecture = request
            .runtime_platform
            .and_then(|platform| platform.cpu_architecture);
        let mut document = input.as_object().cloned().unwrap_or_default();
        let tags = document.remove("tags").unwrap_or_else(|| json!([]));
        for (name, value) in [
            ("taskDefinitionArn", json!(arn)),
            ("revision", json!(revision)),
            ("registeredAt", epoch_seconds(at.now)),
            (
                "registeredBy",
                json!(format!(
                    "arn:aws:sts::{}:assumed-role/model/session",
                    home.account
                )),
            ),
            ("compatibilities", json!(["EC2", "FARGATE"])),
            ("requiresAttributes", json!([])),
            ("volumes", json!([])),
            ("placementConstraints", json!([])),
        ] {
            document.entry(name).or_insert(value);
        }
        fill_container_defaults(&mut document);
        revisions.push(Definition {
            arn,
            family: request.family,
            active: true,
            cpu,
            memory,
            disk_gib: request
                .ephemeral_storage
                .map_or(20, |disk| disk.size_in_gib),
            architecture: architecture.unwrap_or_else(|| "X86_64".to_owned()),
            task_role: request.task_role_arn,
            container,
            document,
            tags: tags.clone(),
        });
        let view = revisions.last().map_or(Value::Null, Definition::view);
        Ok(json!({ "taskDefinition": view, "tags": tags }))
    }

    /// Shows one revision; without a revision the newest active one.
    pub(crate) fn describe(&self, home: &Home, input: &Value) -> Result<Value, Refusal> {
        let request: NamedDefinition = read(input)?;
        let found = self.find(home, &request.task_definition);
        let definition =
            found.ok_or_else(|| Refusal::client("Unable to describe task definition."))?;
        let mut output = json!({ "taskDefinition": definition.view() });
        if request.include.iter().any(|field| field == "TAGS") {
            output["tags"] = definition.tags.clone();
        }
        Ok(output)
    }

    /// Makes one revision inactive. Tasks that run stay; new ones are refused at once here, while
    /// ECS may take up to ten minutes to do so.
    pub(crate) fn deregister(&mut self, home: &Home, input: &Value) -> Result<Value, Refusal> {
        let request: NamedDefinition = read(input)?;
        let (family, revision) = split(home, &request.task_definition);
        let revision = revision.ok_or_else(|| Refusal::invalid("A revision must be specified."))?;
        let definition = self
            .families
            .get_mut(family)
            .and_then(|revisions| revisions.get_mut(revision.checked_sub(1)?))
            .ok_or_else(|| Refusal::client("The specified task definition does not exist."))?;
        definition.active = false;
        Ok(json!({ "taskDefinition": definition.view() }))
    }

    /// The ARNs of revisions, by family and revision, in pages.
    pub(crate) fn list(&self, input: &Value) -> Result<Value, Refusal> {
        let request: ListTaskDefinitions = read(input)?;
        let active = match request.status.as_deref() {
            None | Some("ACTIVE") => true,
            Some("INACTIVE") => false,
            Some(_) => return Err(Refusal::invalid("Invalid status.")),
        };
        let mut arns: Vec<&str> = self
            .families
            .iter()
            // Despite its name the filter takes a whole family name (API reference).
            .filter(|(family, _)| {
                request
                    .family_prefix
                    .as_ref()
                    .is_none_or(|wanted| wanted == *family)
            })
            .flat_map(|(_, revisions)| revisions)
            .filter(|definition| definition.active == active)
            .map(|definition| definition.arn.as_str())
            .collect();
        if request.sort.as_deref() == Some("DESC") {
            arns.reverse();
        }
        let (page, next) = page(&arns, request.max_results, request.next_token.as_deref())?;
        Ok(with_next(json!({ "taskDefinitionArns": page }), next))
    }

    /// The revision that a task would run.
    pub(crate) fn runnable(&self, home: &Home, name: &str) -> Result<&Definition, Refusal> {
        match self.find(home, name) {
            None => Err(Refusal::client("TaskDefinition not found.")),
            Some(definition) if !definition.active => {
                Err(Refusal::client("TaskDefinition is inactive"))
            }
            Some(definition) => Ok(definition),
        }
    }

    fn find(&self, home: &Home, name: &str) -> Option<&Definition> {
        let (family, revision) = split(home, name);
        let revisions = self.families.get(family)?;
        match revision {
            Some(revision) => revisions.get(revision.checked_sub(1)?),
            None => revisions.iter().rev().find(|definition| definition.active),
        }
    }
}

/// Family and revision of `family`, `family:7` or an ARN.
fn split<'a>(home: &Home, name: &'a str) -> (&'a str, Option<usize>) {
    let name = home.resource(name, "task-definition").unwrap_or("");
    match name.rsplit_once(':') {
        Some((family, revision)) => (family, Some(revision.parse().unwrap_or(0))),
        None => (name, None),
    }
}

fn checked(
    request: &RegisterTaskDefinition,
    input: &Value,
) -> Result<(u32, u32, ContainerDefinition), Refusal> {
    let name_is_fine = |name: &str| {
        (1..=255).contains(&name.len())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    };
    if !name_is_fine(&request.family) {
        return Err(Refusal::client("Family contains invalid characters."));
    }
    if input.to_string().len() > DEFINITION_BYTES {
        return Err(Refusal::client(
            "Actual length exceeds the maximum of 64 KiB for a task definition.",
        ));
    }
    if !request
        .requires_compatibilities
        .iter()
        .any(|kind| kind == "FARGATE")
    {
        return Err(Refusal::client(
            "The model runs Fargate tasks only: requiresCompatibilities must name FARGATE.",
        ));
    }
    if request.network_mode.as_deref() != Some("awsvpc") {
        return Err(Refusal::client(
            "Fargate only supports network mode 'awsvpc'.",
        ));
    }
    let (Some(cpu), Some(memory)) = (request.cpu.as_deref(), request.memory.as_deref()) else {
        return Err(Refusal::client(
            "Fargate requires that 'cpu' and 'memory' be defined at the task level.",
        ));
    };
    let (cpu, memory) = match (cpu_units(cpu), memory_mib(memory)) {
        (Some(cpu), Some(memory)) if pair_exists(cpu, memory) => (cpu, memory),
        _ => {
            return Err(Refusal::client(format!(
                "No Fargate configuration exists for given values: {cpu} CPU, {memory} memory. See the Amazon ECS documentation for the valid values."
            )));
        }
    };
    disk_fits(request.ephemeral_storage.map(|disk| disk.size_in_gib))?;
    let [container] = request.container_definitions.as_slice() else {
        return Err(Refusal::client(
            "The model runs tasks of exactly one container.",
        ));
    };
    container_fits(container, memory, &name_is_fine)?;
    if container.log_configuration.is_some() && request.execution_role_arn.is_none() {
        return Err(Refusal::client(
            "Fargate requires task definition to have execution role ARN to support log driver awslogs.",
        ));
    }
    Ok((cpu, memory, container.clone()))
}

fn container_fits(
    container: &ContainerDefinition,
    memory: u32,
    name_is_fine: &dyn Fn(&str) -> bool,
) -> Result<(), Refusal> {
    if !container.name.as_deref().is_some_and(name_is_fine) {
        return Err(Refusal::client(
            "Container.name should not be null or empty.",
        ));
    }
    if container.image.as_deref().is_none_or(str::is_empty) {
        return Err(Refusal::client(
            "Container.image should not be null or empty.",
        ));
    }
    if container.essential == Some(false) {
        return Err(Refusal::client(
            "TaskDefinition must have at least one essential container.",
        ));
    }
    if container
        .memory
        .is_some_and(|hard| hard > i64::from(memory))
    {
        return Err(Refusal::client(
            "Invalid setting for container. The container's 'memory' exceeds the task's.",
        ));
    }
    if container.privileged == Some(true) {
        return Err(Refusal::client(
            "Fargate does not support privileged containers.",
        ));
    }
    if container
        .stop_timeout
        .is_some_and(|seconds| !(0..=120).contains(&seconds))
    {
        return Err(Refusal::client(
            "Invalid 'stopTimeout' setting: the maximum on Fargate is 120 seconds.",
        ));
    }
    if let Some(linux) = &container.linux_parameters {
        let more = linux
            .capabilities
            .iter()
            .flat_map(|capabilities| &capabilities.add)
            .any(|name| name != "SYS_PTRACE");
        if more || !linux.devices.is_empty() || linux.shared_memory_size.is_some() {
            return Err(Refusal::client(
                "Fargate does not support these linuxParameters.",
            ));
        }
    }
    let awslogs = container
        .log_configuration
        .as_ref()
        .filter(|log| log.log_driver == "awslogs");
    if let Some(log) = awslogs {
        for option in ["awslogs-group", "awslogs-region", "awslogs-stream-prefix"] {
            if !log.options.contains_key(option) {
                return Err(Refusal::client(format!(
                    "Log driver awslogs requires options: {option}"
                )));
            }
        }
    }
    Ok(())
}

/// Ephemeral storage on Fargate is 21 to 200 GiB when it is asked for; 20 GiB come without asking.
pub(crate) fn disk_fits(gib: Option<i64>) -> Result<(), Refusal> {
    match gib {
        Some(gib) if !(21..=200).contains(&gib) => Err(Refusal::invalid(
            "EphemeralStorage.SizeInGiB must be between 21 and 200 GiB.",
        )),
        _ => Ok(()),
    }
}

/// ECS shows the defaults of what was left out.
fn fill_container_defaults(document: &mut Map<String, Value>) {
    let containers = document
        .get_mut("containerDefinitions")
        .and_then(Value::as_array_mut);
    for container in containers
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        container.entry("cpu").or_insert(json!(0));
        container.entry("essential").or_insert(json!(true));
        for list in [
            "environment",
            "mountPoints",
            "volumesFrom",
            "portMappings",
            "systemControls",
        ] {
            container.entry(list).or_insert(json!([]));
        }
    }
}

/// One page of a list, and the token of the next. Pages hold 1 to 100 entries.
pub(crate) fn page<'a>(
    all: &[&'a str],
    size: Option<i64>,
    token: Option<&str>,
) -> Result<(Vec<&'a str>, Option<String>), Refusal> {
    let size = match size {
        None => 100,
        Some(size @ 1..=100) => usize::try_from(size).unwrap_or(100),
        Some(_) => return Err(Refusal::invalid("maxResults must be between 1 and 100.")),
    };
    // A token names the last entry of the page before: a list that changes in between skips nothing
    // that stays in it.
    let start = match token {
        None => 0,
        Some(last) => all
            .iter()
            .position(|entry| *entry == last)
            .map(|index| index + 1)
            .ok_or_else(|| Refusal::invalid("Invalid token."))?,
    };
    let page: Vec<&str> = all.iter().skip(start).take(size).copied().collect();
    let more = start + page.len() < all.len();
    let next = if more {
        page.last().map(|last| (*last).to_owned())
    } else {
        None
    };
    Ok((page, next))
}

pub(crate) fn with_next(mut output: Value, next: Option<String>) -> Value {
    if let Some(next) = next {
        output["nextToken"] = json!(next);
    }
    output
}
