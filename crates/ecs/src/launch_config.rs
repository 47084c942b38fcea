//! Where runners are launched.

use mayfly_domain::model::pool::Pool;

/// What the stack has for its runners; the same for every pool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchConfig {
    /// The stack's name: begins the family of every task definition, which is all that scaler may
    /// run.
    pub stack: String,
    /// The region that the runners run in and sign their requests for.
    pub region: String,
    /// ARN of the ECS cluster.
    pub cluster: String,
    /// The subnets, in several availability zones if there are several.
    pub subnets: Vec<String>,
    /// The runners' security groups.
    pub security_groups: Vec<String>,
    /// Whether a task gets a public IP address: without one the subnets need another way out.
    pub public_ip: bool,
    /// ARN of the role that tasks run as when their pool has none of its own: it may ask for
    /// registration and nothing else.
    pub task_role: String,
    /// ARN of the role with which Fargate pulls images and writes logs.
    pub execution_role: String,
    /// The log group of the containers' output.
    pub log_group: String,
    /// Base URL of the registrar, without a slash at the end.
    pub registration_url: String,
}

impl LaunchConfig {
    /// ARN of the role that the pool's tasks run as. A pool names its own role without a path:
    /// roles of runners lie beside the stack's task role, and scaler may pass none from elsewhere.
    #[must_use]
    pub fn role_of(&self, pool: &Pool) -> String {
        match (&pool.task_role, self.task_role.rsplit_once('/')) {
            (Some(name), Some((path, _))) => format!("{path}/{name}"),
            _ => self.task_role.clone(),
        }
    }
}
