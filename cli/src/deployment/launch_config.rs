//! How runners of a deployment are launched.

use mayfly_ecs::LaunchConfig;

use crate::deployment::connect::Connected;

/// Where runners are launched, as scaler knows it.
#[must_use]
pub fn launch_config(connected: &Connected) -> LaunchConfig {
    let deployment = &connected.deployment;
    LaunchConfig {
        stack: connected.stack.clone(),
        region: connected
            .sdk
            .region()
            .map(ToString::to_string)
            .unwrap_or_default(),
        cluster: deployment.cluster.clone(),
        subnets: deployment.subnets.split(',').map(str::to_owned).collect(),
        security_groups: vec![deployment.security_group.clone()],
        public_ip: deployment.assign_public_ip == "ENABLED",
        task_role: deployment.task_role.clone(),
        execution_role: deployment.execution_role.clone(),
        log_group: deployment.runner_logs.clone(),
        registration_url: deployment.url.trim_end_matches('/').to_owned(),
    }
}
