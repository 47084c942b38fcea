//! The inputs of the operations, as far as the model looks at them.
//!
//! Unknown members are ignored, as AWS's JSON protocol does. Sameness of two `RunTask` calls is
//! judged on the whole document, known members or not.

use super::answer::Refusal;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;

/// Reads an input document.
pub(crate) fn read<T: DeserializeOwned>(input: &Value) -> Result<T, Refusal> {
    T::deserialize(input).map_err(|error| Refusal::new("SerializationException", error.to_string()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunTask {
    pub(crate) task_definition: String,
    pub(crate) cluster: Option<String>,
    pub(crate) launch_type: Option<String>,
    #[serde(default)]
    pub(crate) capacity_provider_strategy: Vec<StrategyItem>,
    pub(crate) count: Option<i64>,
    pub(crate) client_token: Option<String>,
    pub(crate) started_by: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) network_configuration: Option<NetworkConfiguration>,
    #[serde(default)]
    pub(crate) overrides: TaskOverride,
    pub(crate) platform_version: Option<String>,
    pub(crate) propagate_tags: Option<String>,
    #[serde(default)]
    pub(crate) tags: Vec<Tag>,
    #[serde(default)]
    pub(crate) enable_execute_command: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StrategyItem {
    pub(crate) capacity_provider: String,
    /// The API's default is 0, unlike the console's.
    #[serde(default)]
    pub(crate) weight: i64,
    #[serde(default)]
    pub(crate) base: i64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NetworkConfiguration {
    pub(crate) awsvpc_configuration: Option<AwsVpc>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AwsVpc {
    pub(crate) subnets: Vec<String>,
    #[serde(default)]
    pub(crate) security_groups: Vec<String>,
    pub(crate) assign_public_ip: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TaskOverride {
    pub(crate) cpu: Option<String>,
    pub(crate) memory: Option<String>,
    pub(crate) ephemeral_storage: Option<EphemeralStorage>,
    pub(crate) task_role_arn: Option<String>,
    pub(crate) execution_role_arn: Option<String>,
    #[serde(default)]
    pub(crate) container_overrides: Vec<ContainerOverride>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EphemeralStorage {
    #[serde(rename = "sizeInGiB")]
    pub(crate) size_in_gib: i64,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerOverride {
    pub(crate) name: Option<String>,
    pub(crate) command: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) environment: Vec<Variable>,
    pub(crate) memory: Option<i64>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Variable {
    pub(crate) name: Option<String>,
    pub(crate) value: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Tag {
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StopTask {
    pub(crate) cluster: Option<String>,
    pub(crate) task: String,
    pub(crate) reason: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DescribeTasks {
    pub(crate) cluster: Option<String>,
    pub(crate) tasks: Vec<String>,
    #[serde(default)]
    pub(crate) include: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTasks {
    pub(crate) cluster: Option<String>,
    pub(crate) family: Option<String>,
    pub(crate) started_by: Option<String>,
    pub(crate) service_name: Option<String>,
    pub(crate) container_instance: Option<String>,
    pub(crate) launch_type: Option<String>,
    pub(crate) desired_status: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListTaskDefinitions {
    pub(crate) family_prefix: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) sort: Option<String>,
    pub(crate) max_results: Option<i64>,
    pub(crate) next_token: Option<String>,
}

/// Of Describe- and DeregisterTaskDefinition.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NamedDefinition {
    pub(crate) task_definition: String,
    #[serde(default)]
    pub(crate) include: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RegisterTaskDefinition {
    pub(crate) family: String,
    pub(crate) container_definitions: Vec<ContainerDefinition>,
    pub(crate) network_mode: Option<String>,
    #[serde(default)]
    pub(crate) requires_compatibilities: Vec<String>,
    pub(crate) cpu: Option<String>,
    pub(crate) memory: Option<String>,
    pub(crate) ephemeral_storage: Option<EphemeralStorage>,
    pub(crate) task_role_arn: Option<String>,
    pub(crate) execution_role_arn: Option<String>,
    pub(crate) runtime_platform: Option<RuntimePlatform>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RuntimePlatform {
    pub(crate) cpu_architecture: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ContainerDefinition {
    pub(crate) name: Option<String>,
    pub(crate) image: Option<String>,
    pub(crate) memory: Option<i64>,
    pub(crate) essential: Option<bool>,
    #[serde(default)]
    pub(crate) entry_point: Vec<String>,
    #[serde(default)]
    pub(crate) command: Vec<String>,
    #[serde(default)]
    pub(crate) environment: Vec<Variable>,
    pub(crate) stop_timeout: Option<i64>,
    pub(crate) privileged: Option<bool>,
    pub(crate) linux_parameters: Option<LinuxParameters>,
    pub(crate) log_configuration: Option<LogConfiguration>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LinuxParameters {
    #[serde(default)]
    pub(crate) devices: Vec<Value>,
    pub(crate) shared_memory_size: Option<i64>,
    pub(crate) capabilities: Option<Capabilities>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Capabilities {
    #[serde(default)]
    pub(crate) add: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogConfiguration {
    pub(crate) log_driver: String,
    #[serde(default)]
    pub(crate) options: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreateCluster {
    pub(crate) cluster_name: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct DescribeClusters {
    #[serde(default)]
    pub(crate) clusters: Vec<String>,
}
