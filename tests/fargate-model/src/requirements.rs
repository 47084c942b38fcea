//! What `RunTask` asks of a request before anything is placed.

use super::answer::Refusal;
use super::definitions::Definition;
use super::moment::Moment;
use super::requests::{AwsVpc, RunTask, StrategyItem};
use serde_json::Value;

/// Overrides with their JSON (API reference, `TaskOverride`).
const OVERRIDE_CHARACTERS: usize = 8192;
/// `startedBy` (API reference).
const STARTED_BY_CHARACTERS: usize = 128;
/// `clientToken` (API reference).
const TOKEN_CHARACTERS: usize = 64;

pub(crate) fn token_fits(token: &str) -> Result<(), Refusal> {
    let fits = (1..=TOKEN_CHARACTERS).contains(&token.len())
        && token.bytes().all(|byte| (33..=126).contains(&byte));
    if fits {
        Ok(())
    } else {
        Err(Refusal::invalid("Invalid clientToken."))
    }
}

pub(crate) fn started_by_fits(started_by: Option<&str>) -> Result<(), Refusal> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-/_".contains(&byte);
    match started_by {
        Some(text) if text.len() > STARTED_BY_CHARACTERS => {
            Err(Refusal::invalid("startedBy has more than 128 characters."))
        }
        Some(text) if !text.bytes().all(allowed) => {
            Err(Refusal::invalid("startedBy contains invalid characters."))
        }
        _ => Ok(()),
    }
}

/// At most 50 tags, keys of 1 to 128 characters, values of at most 256, keys unique, none of AWS's
/// own.
pub(crate) fn tags_fit(request: &RunTask) -> Result<(), Refusal> {
    let fits = |tag: &super::requests::Tag| {
        let key = tag.key.as_deref().unwrap_or_default();
        let value = tag.value.as_deref().unwrap_or_default();
        (1..=128).contains(&key.chars().count())
            && value.chars().count() <= 256
            && !key.to_lowercase().starts_with("aws:")
    };
    let keys: std::collections::BTreeSet<_> = request.tags.iter().map(|tag| &tag.key).collect();
    if request.tags.len() > 50 || keys.len() != request.tags.len() || !request.tags.iter().all(fits)
    {
        return Err(Refusal::invalid("Invalid tags."));
    }
    match request.propagate_tags.as_deref() {
        None | Some("TASK_DEFINITION" | "NONE") => Ok(()),
        Some(_) => Err(Refusal::invalid(
            "propagateTags must be TASK_DEFINITION or NONE for a standalone task.",
        )),
    }
}

pub(crate) fn overrides_fit(
    request: &RunTask,
    input: &Value,
    definition: &Definition,
) -> Result<(), Refusal> {
    let characters = input
        .get("overrides")
        .map_or(0, |overrides| overrides.to_string().chars().count());
    if characters > OVERRIDE_CHARACTERS {
        return Err(Refusal::invalid(format!(
            "Container Overrides length must be at most {OVERRIDE_CHARACTERS}"
        )));
    }
    let overrides = &request.overrides;
    for container in &overrides.container_overrides {
        if container.name.is_none() || container.name != definition.container.name {
            let name = container.name.as_deref().unwrap_or_default();
            return Err(Refusal::invalid(format!(
                "Override for container named {name} is not a container in the TaskDefinition."
            )));
        }
        if container
            .environment
            .iter()
            .any(|variable| variable.name.is_none() || variable.value.is_none())
        {
            return Err(Refusal::invalid(
                "Environment variables need a name and a value.",
            ));
        }
    }
    let roles = [&overrides.task_role_arn, &overrides.execution_role_arn];
    if roles
        .into_iter()
        .flatten()
        .any(|role| !role.starts_with("arn:aws:iam::"))
    {
        return Err(Refusal::client("Role is not valid"));
    }
    Ok(())
}

pub(crate) fn network(request: &RunTask) -> Result<AwsVpc, Refusal> {
    let given = request
        .network_configuration
        .as_ref()
        .and_then(|network| network.awsvpc_configuration.as_ref());
    let network = given.ok_or_else(|| {
        Refusal::invalid(
            "Network Configuration must be provided when networkMode 'awsvpc' is specified.",
        )
    })?;
    if network.subnets.is_empty() {
        return Err(Refusal::invalid("subnets can not be empty."));
    }
    if network.subnets.len() > 16 || network.security_groups.len() > 5 {
        return Err(Refusal::invalid(
            "At most 16 subnets and 5 security groups.",
        ));
    }
    if !matches!(
        network.assign_public_ip.as_deref(),
        None | Some("ENABLED" | "DISABLED")
    ) {
        return Err(Refusal::invalid(
            "assignPublicIp must be ENABLED or DISABLED.",
        ));
    }
    Ok(AwsVpc {
        subnets: network.subnets.clone(),
        security_groups: network.security_groups.clone(),
        assign_public_ip: network.assign_public_ip.clone(),
    })
}

/// `FARGATE` or `FARGATE_SPOT`: by launch type, or drawn from the strategy by its weights.
pub(crate) fn provider(request: &RunTask, at: &mut Moment<'_>) -> Result<String, Refusal> {
    if !matches!(
        request.platform_version.as_deref(),
        None | Some("LATEST" | "1.4.0")
    ) {
        return Err(Refusal::new(
            "PlatformUnknownException",
            "The specified platform version does not exist.",
        ));
    }
    let strategy = &request.capacity_provider_strategy;
    match (request.launch_type.as_deref(), strategy.is_empty()) {
        (Some("FARGATE"), true) => Ok("FARGATE".to_owned()),
        (None, false) => drawn_provider(strategy, at),
        (Some(_), false) => Err(Refusal::invalid(
            "Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
        )),
        // Without both, ECS means EC2, or the cluster's default strategy, which the product does
        // not rely on.
        _ => Err(Refusal::invalid(
            "No Container Instances were found in your cluster.",
        )),
    }
}

pub(crate) fn drawn_provider(
    strategy: &[StrategyItem],
    at: &mut Moment<'_>,
) -> Result<String, Refusal> {
    if strategy
        .iter()
        .any(|item| !["FARGATE", "FARGATE_SPOT"].contains(&item.capacity_provider.as_str()))
    {
        return Err(Refusal::invalid(
            "The specified capacity provider was not found or is not associated with the cluster.",
        ));
    }
    if strategy.len() > 20
        || strategy
            .iter()
            .any(|item| !(0..=1000).contains(&item.weight) || item.base < 0)
    {
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
    Err(Refusal::invalid(
        "The capacity provider strategy must contain a capacity provider with a weight greater than zero.",
    ))
}
