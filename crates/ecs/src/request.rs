//! The request for one task, as data: written into the runner's row before it is sent, and repeated
//! from there.

use std::collections::BTreeMap;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::operation::run_task::builders::RunTaskFluentBuilder;
use aws_sdk_ecs::types::{
    AssignPublicIp, AwsVpcConfiguration, CapacityProviderStrategyItem, ContainerOverride,
    EphemeralStorage, KeyValuePair, NetworkConfiguration, Tag, TaskOverride,
};
use mayfly_domain::model::id::RunnerAddress;
use mayfly_domain::model::pool::Pool;
use mayfly_domain::model::size::{Capacity, DISK_GIB, Size};
use mayfly_domain::model::timeouts;
use mayfly_domain::transitions::plan::Start;
use serde::{Deserialize, Serialize};

use crate::launch_config::LaunchConfig;
use crate::task_definition::CONTAINER;

/// The tag for the repository that a runner was started for.
const REPOSITORY_TAG: &str = "mayfly:repository";

/// Most characters of a tag's value. Source: ECS API reference, `Tag`.
const MOST_IN_A_TAG: usize = 256;

/// Most subnets in one request. Source: ECS API reference, `AwsVpcConfiguration`.
const SUBNETS: usize = 16;

/// What ECS is asked for: kept as JSON in `Runner.launch.request`, because a repetition under the
/// same `clientToken` must be the same to the letter (ECS answers anything else with a conflict).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaunchRequest {
    /// Whose task it is: `startedBy`.
    pub runner: RunnerAddress,
    /// ARN of the task definition, revision included.
    pub definition: String,
    /// ARN of the cluster.
    pub cluster: String,
    /// The kind of capacity that the pool asks for; where this try goes is in `placement`.
    pub capacity: Capacity,
    /// Where this try goes.
    pub placement: Placement,
    /// What the task is connected to.
    pub network: Network,
    /// How large it is.
    pub resources: Resources,
    /// ARN of the role that the task runs as.
    pub task_role: String,
    /// ARN of the role that starts it.
    pub execution_role: String,
    /// The container's environment.
    pub environment: BTreeMap<String, String>,
    /// The task's tags: who costs what.
    pub tags: BTreeMap<String, String>,
}

/// Where one try goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Placement {
    /// The capacity that is asked for.
    pub capacity: Capacity,
    /// The one subnet that is left to ECS; none: it chooses among all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
}

/// What a task is connected to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// The stack's subnets.
    pub subnets: Vec<String>,
    /// Its security groups.
    pub security_groups: Vec<String>,
    /// Whether it gets a public IP address.
    pub public_ip: bool,
}

/// How large a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resources {
    /// CPU units: 1024 are one vCPU.
    pub cpu: u32,
    /// Memory in MiB.
    pub memory_mib: u32,
    /// Ephemeral storage in GiB, when it is more than the 20 that every task has. Asking for 20 is
    /// an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_gib: Option<u32>,
}

impl From<Size> for Resources {
    fn from(size: Size) -> Self {
        Self {
            cpu: size.cpu,
            memory_mib: size.memory_mib,
            disk_gib: (size.disk_gib > *DISK_GIB.start()).then_some(size.disk_gib),
        }
    }
}

impl LaunchRequest {
    /// The first try for a runner that is to be started, with the task definition of that ARN.
    #[must_use]
    pub fn build(
        site: &LaunchConfig,
        pool: &Pool,
        start: &Start,
        runner: &RunnerAddress,
        definition: &str,
    ) -> Self {
        Self {
            runner: runner.clone(),
            definition: definition.to_owned(),
            cluster: site.cluster.clone(),
            capacity: start.size.capacity,
            placement: Placement {
                capacity: start.size.capacity,
                subnet: None,
            },
            network: Network {
                subnets: site.subnets.clone(),
                security_groups: site.security_groups.clone(),
                public_ip: site.public_ip,
            },
            resources: start.size.into(),
            task_role: site.role_of(pool),
            execution_role: site.execution_role.clone(),
            environment: environment(site, pool, runner),
            tags: tags(site, start, runner),
        }
    }

    /// The same, whose tag `mayfly:repository` has the repository's name (`owner/name`): what a
    /// bill is read by. Without it the tag has GitHub's number.
    #[must_use]
    pub fn for_repository(mut self, name: &str) -> Self {
        self.tags.insert(REPOSITORY_TAG.to_owned(), tag_value(name));
        self
    }

    /// The `attempt`-th try (from 1), if all before it met a lack of capacity: first ECS chooses
    /// among all subnets, then each subnet is tried alone, then the same with the other capacity,
    /// then again from the start.
    ///
    /// The other capacity of Spot is on demand. The reverse is not true: a job on Spot can be lost,
    /// and users who ask for on-demand capacity did not agree to that.
    #[must_use]
    pub fn next_after_capacity_failure(&self, attempt: u32) -> Self {
        let subnets = &self.network.subnets;
        // A single subnet was tried when ECS chose among all.
        let alone = if subnets.len() > 1 { subnets.len() } else { 0 };
        let step = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
        let (round, step) = (step / (alone + 1), step % (alone + 1));
        let capacity = if round % 2 == 1 {
            Capacity::OnDemand
        } else {
            self.capacity
        };
        let subnet = step
            .checked_sub(1)
            .and_then(|step| subnets.get((self.first_alone() + step) % alone))
            .cloned();
        Self {
            placement: Placement { capacity, subnet },
            ..self.clone()
        }
    }

    /// Which subnet this runner tries alone first: differs from runner to runner, so that a burst
    /// does not move as one.
    fn first_alone(&self) -> usize {
        self.runner.runner.as_str().bytes().map(usize::from).sum()
    }

    /// The text for the runner's row.
    ///
    /// # Errors
    /// None that can happen: all of it is text and numbers.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The request in a runner's row.
    ///
    /// # Errors
    /// If the text is not what [`Self::to_json`] writes.
    pub fn from_json(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }

    /// The call that sends this request under `client_token`. A command stands in place of the
    /// definition's.
    pub(crate) fn call(
        &self,
        client: &Client,
        client_token: &str,
        command: Option<Vec<String>>,
    ) -> RunTaskFluentBuilder {
        let capacity = CapacityProviderStrategyItem::builder()
            .capacity_provider(match self.placement.capacity {
                Capacity::OnDemand => "FARGATE",
                Capacity::Spot => "FARGATE_SPOT",
            })
            // The API's default of 0 places nothing.
            .weight(1)
            .build();
        client
            .run_task()
            .cluster(&self.cluster)
            .task_definition(&self.definition)
            .count(1)
            .client_token(client_token)
            .started_by(self.runner.to_string())
            .set_capacity_provider_strategy(capacity.ok().map(|item| vec![item]))
            .network_configuration(self.connections())
            .overrides(self.overrides(command))
            // AWS adds the cluster's name, for the bill. Nothing is propagated: what the definition
            // says the task says itself.
            .enable_ecs_managed_tags(true)
            .set_tags(Some(
                self.tags
                    .iter()
                    .map(|(key, value)| Tag::builder().key(key).value(value).build())
                    .collect(),
            ))
    }

    fn connections(&self) -> NetworkConfiguration {
        let subnets = match &self.placement.subnet {
            Some(only) => vec![only.clone()],
            None => self.network.subnets.iter().take(SUBNETS).cloned().collect(),
        };
        let vpc = AwsVpcConfiguration::builder()
            .set_subnets(Some(subnets))
            .set_security_groups(Some(self.network.security_groups.clone()))
            .assign_public_ip(if self.network.public_ip {
                AssignPublicIp::Enabled
            } else {
                AssignPublicIp::Disabled
            })
            .build();
        NetworkConfiguration::builder()
            .set_awsvpc_configuration(vpc.ok())
            .build()
    }

    fn overrides(&self, command: Option<Vec<String>>) -> TaskOverride {
        let variables = self
            .environment
            .iter()
            .map(|(name, value)| KeyValuePair::builder().name(name).value(value).build());
        let container = ContainerOverride::builder()
            .name(CONTAINER)
            .set_environment(Some(variables.collect()))
            .set_command(command)
            .build();
        let disk = self
            .resources
            .disk_gib
            .and_then(|gib| i32::try_from(gib).ok());
        TaskOverride::builder()
            .cpu(self.resources.cpu.to_string())
            .memory(self.resources.memory_mib.to_string())
            .set_ephemeral_storage(
                disk.map(|gib| EphemeralStorage::builder().size_in_gib(gib).build()),
            )
            .task_role_arn(&self.task_role)
            .execution_role_arn(&self.execution_role)
            .container_overrides(container)
            .build()
    }
}

/// What `runner/entrypoint.sh` reads, and one variable for the runner itself. Shown by
/// DescribeTasks, in CloudTrail and in every task event: no place for a secret.
fn environment(
    site: &LaunchConfig,
    pool: &Pool,
    runner: &RunnerAddress,
) -> BTreeMap<String, String> {
    let flag = |set: bool| if set { "1" } else { "" }.to_owned();
    [
        ("MAYFLY_URL", site.registration_url.clone()),
        ("MAYFLY_RUNNER", runner.to_string()),
        ("MAYFLY_REGION", site.region.clone()),
        (
            "MAYFLY_PARK_SECONDS",
            timeouts::PARK_LIMIT.as_secs().to_string(),
        ),
        ("MAYFLY_OWN_ROLE", flag(pool.task_role.is_some())),
        ("MAYFLY_FAIL_CLOSED", flag(pool.fails_closed())),
        // Without it run.sh exits with 0 when GitHub no longer gives jobs to its version, and the
        // cause stays unknown.
        (
            "ACTIONS_RUNNER_RETURN_VERSION_DEPRECATED_EXIT_CODE",
            "1".to_owned(),
        ),
    ]
    .into_iter()
    .filter(|(_, value)| !value.is_empty())
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// A text as a tag's value may be: letters, digits, spaces and `+-=._:/@`, 256 characters at most.
/// Source: ECS API reference, `Tag`.
fn tag_value(text: &str) -> String {
    let fits =
        |character: char| character.is_ascii_alphanumeric() || "+-=._:/@ ".contains(character);
    text.chars()
        .map(|character| if fits(character) { character } else { '_' })
        .take(MOST_IN_A_TAG)
        .collect()
}

fn tags(site: &LaunchConfig, start: &Start, runner: &RunnerAddress) -> BTreeMap<String, String> {
    [
        ("mayfly:stack", Some(site.stack.clone())),
        ("mayfly:pool", Some(runner.pool.to_string())),
        ("mayfly:runner", Some(runner.runner.to_string())),
        ("mayfly:job", start.job.map(|job| job.to_string())),
        (
            REPOSITORY_TAG,
            start.repository.map(|repository| repository.to_string()),
        ),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect()
}
