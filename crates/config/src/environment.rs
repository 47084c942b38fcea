//! The variables that `infra/template.yaml` gives the functions.

use std::collections::BTreeSet;

/// Variables that a function needs and that are absent or empty. The template and the function are
/// not of one version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("missing in the environment: {}", .0.iter().copied().collect::<Vec<_>>().join(", "))]
pub struct Missing(pub BTreeSet<&'static str>);

/// Where variables are read from; keeps those that are missing, so that all of them are named at
/// once.
pub struct Variables<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    missing: BTreeSet<&'static str>,
}

impl Variables<'_> {
    /// The text of a variable. If it is absent or empty, [`read`] fails in the end, whatever is
    /// done with the empty text that this returns.
    pub fn text(&mut self, name: &'static str) -> String {
        let value = (self.lookup)(name).filter(|value| !value.is_empty());
        value.unwrap_or_else(|| {
            self.missing.insert(name);
            String::new()
        })
    }

    /// A list with commas between its parts; at least one part.
    fn list(&mut self, name: &'static str) -> Vec<String> {
        let text = self.text(name);
        let parts: Vec<String> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        if parts.is_empty() {
            self.missing.insert(name);
        }
        parts
    }
}

/// Reads what a function needs, as
/// `read(|variables| (FunctionEnv::read(variables), LaunchEnv::read(variables)))`.
///
/// # Errors
///
/// [`Missing`] names every variable that is absent or empty.
pub fn read<T>(wanted: impl FnOnce(&mut Variables<'_>) -> T) -> Result<T, Missing> {
    read_from(&|name| std::env::var(name).ok(), wanted)
}

/// [`read`], from somewhere else than the process's environment.
///
/// # Errors
///
/// As [`read`].
pub fn read_from<T>(
    lookup: &dyn Fn(&str) -> Option<String>,
    wanted: impl FnOnce(&mut Variables<'_>) -> T,
) -> Result<T, Missing> {
    let mut variables = Variables {
        lookup,
        missing: BTreeSet::new(),
    };
    let values = wanted(&mut variables);
    if variables.missing.is_empty() {
        Ok(values)
    } else {
        Err(Missing(variables.missing))
    }
}

/// The settings of every function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionEnv {
    /// `MAYFLY_STACK`: the stack's name, first part of the names of everything it owns.
    pub stack: String,
    /// `MAYFLY_ACCOUNT`: the AWS account's id, 12 digits.
    pub account: String,
    /// `AWS_REGION`, from Lambda.
    pub region: String,
    /// `MAYFLY_TABLE`: the ledger's table.
    pub table: String,
    /// `MAYFLY_WAKE_QUEUE_URL`: the queue of wakes.
    pub wake_queue_url: String,
    /// `MAYFLY_CLUSTER`: the ECS cluster's ARN.
    pub cluster: String,
    /// `MAYFLY_POOLS_PARAMETER`: the SSM parameter that holds the pools file. Observer has the
    /// name, but may not read the parameter.
    pub pools_parameter: String,
}

impl FunctionEnv {
    /// Reads them.
    pub fn read(variables: &mut Variables<'_>) -> Self {
        Self {
            stack: variables.text("MAYFLY_STACK"),
            account: variables.text("MAYFLY_ACCOUNT"),
            region: variables.text("AWS_REGION"),
            table: variables.text("MAYFLY_TABLE"),
            wake_queue_url: variables.text("MAYFLY_WAKE_QUEUE_URL"),
            cluster: variables.text("MAYFLY_CLUSTER"),
            pools_parameter: variables.text("MAYFLY_POOLS_PARAMETER"),
        }
    }
}

/// `MAYFLY_WEBHOOK_SECRET_PARAMETER`, for webhook: the SSM parameter with the secret that signs
/// deliveries.
pub fn webhook_secret_parameter(variables: &mut Variables<'_>) -> String {
    variables.text("MAYFLY_WEBHOOK_SECRET_PARAMETER")
}

/// `MAYFLY_APP_PARAMETER`, for registrar and sweeper: the SSM parameter with the GitHub App's id
/// and key.
pub fn app_parameter(variables: &mut Variables<'_>) -> String {
    variables.text("MAYFLY_APP_PARAMETER")
}

/// `MAYFLY_ARCHIVE_BUCKET`, which sweeper is told if closed records are archived: an S3 bucket of the
/// stack's region.
#[must_use]
pub fn archive_bucket() -> Option<String> {
    let bucket = std::env::var("MAYFLY_ARCHIVE_BUCKET").ok();
    bucket.filter(|bucket| !bucket.is_empty())
}

/// scaler's further settings: everything that a task needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchEnv {
    /// `MAYFLY_SUBNETS`: subnets of several availability zones.
    pub subnets: Vec<String>,
    /// `MAYFLY_SECURITY_GROUPS`.
    pub security_groups: Vec<String>,
    /// `MAYFLY_ASSIGN_PUBLIC_IP` is `ENABLED`.
    pub assign_public_ip: bool,
    /// `MAYFLY_TASK_ROLE_ARN`: the role of tasks in pools without one of their own.
    pub task_role_arn: String,
    /// `MAYFLY_EXECUTION_ROLE_ARN`: what ECS itself uses to pull images and write logs.
    pub execution_role_arn: String,
    /// `MAYFLY_RUNNER_LOG_GROUP`: where the runners' output goes.
    pub runner_log_group: String,
    /// `MAYFLY_REGISTRATION_URL`: the API's base URL, without a slash at the end.
    pub registration_url: String,
}

impl LaunchEnv {
    /// Reads them.
    pub fn read(variables: &mut Variables<'_>) -> Self {
        Self {
            subnets: variables.list("MAYFLY_SUBNETS"),
            security_groups: variables.list("MAYFLY_SECURITY_GROUPS"),
            assign_public_ip: variables.text("MAYFLY_ASSIGN_PUBLIC_IP") == "ENABLED",
            task_role_arn: variables.text("MAYFLY_TASK_ROLE_ARN"),
            execution_role_arn: variables.text("MAYFLY_EXECUTION_ROLE_ARN"),
            runner_log_group: variables.text("MAYFLY_RUNNER_LOG_GROUP"),
            registration_url: variables
                .text("MAYFLY_REGISTRATION_URL")
                .trim_end_matches('/')
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_read() {
        let value = |name: &str| match name {
            "MAYFLY_SUBNETS" => Some("subnet-a, subnet-b,".to_owned()),
            "MAYFLY_ASSIGN_PUBLIC_IP" => Some("ENABLED".to_owned()),
            "MAYFLY_REGISTRATION_URL" => Some("https://api.example/".to_owned()),
            name => Some(format!("value of {name}")),
        };
        let (base, launch) = read_from(&value, |variables| {
            (FunctionEnv::read(variables), LaunchEnv::read(variables))
        })
        .unwrap();
        assert_eq!(base.table, "value of MAYFLY_TABLE");
        assert_eq!(launch.subnets, ["subnet-a", "subnet-b"]);
        assert!(launch.assign_public_ip);
        assert_eq!(launch.registration_url, "https://api.example");
    }

    #[test]
    fn everything_that_is_missing_is_named_at_once() {
        let value = |name: &str| match name {
            "MAYFLY_TABLE" | "AWS_REGION" => None,
            "MAYFLY_SUBNETS" => Some(" , ".to_owned()),
            "MAYFLY_CLUSTER" => Some(String::new()),
            name => Some(name.to_owned()),
        };
        let missing = read_from(&value, |variables| {
            (FunctionEnv::read(variables), LaunchEnv::read(variables))
        })
        .unwrap_err();
        assert_eq!(
            missing.to_string(),
            "missing in the environment: AWS_REGION, MAYFLY_CLUSTER, MAYFLY_SUBNETS, MAYFLY_TABLE"
        );
    }
}
