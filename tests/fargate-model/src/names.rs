//! Identifiers: operations, task ids and ARNs.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The ECS operations the model answers, by their names on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[expect(missing_docs, reason = "the names are AWS's own and say it all")]
pub enum Operation {
    CreateCluster,
    DescribeClusters,
    RegisterTaskDefinition,
    DescribeTaskDefinition,
    ListTaskDefinitions,
    DeregisterTaskDefinition,
    RunTask,
    StopTask,
    DescribeTasks,
    ListTasks,
}

impl Operation {
    const ALL: [(&'static str, Self); 10] = [
        ("CreateCluster", Self::CreateCluster),
        ("DescribeClusters", Self::DescribeClusters),
        ("RegisterTaskDefinition", Self::RegisterTaskDefinition),
        ("DescribeTaskDefinition", Self::DescribeTaskDefinition),
        ("ListTaskDefinitions", Self::ListTaskDefinitions),
        ("DeregisterTaskDefinition", Self::DeregisterTaskDefinition),
        ("RunTask", Self::RunTask),
        ("StopTask", Self::StopTask),
        ("DescribeTasks", Self::DescribeTasks),
        ("ListTasks", Self::ListTasks),
    ];

    /// The operation of that name, if the model knows it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, operation)| *operation)
    }

    /// The name on the wire.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(_, operation)| *operation == self)
            .map_or("", |(name, _)| name)
    }

    /// Whether the answer is a view of tasks that may lag behind the truth.
    pub(crate) fn reads_tasks(self) -> bool {
        matches!(self, Self::DescribeTasks | Self::ListTasks)
    }
}

/// A task's id: the last part of its ARN, 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct TaskId(String);

impl TaskId {
    pub(crate) fn drawn(draw: u128) -> Self {
        Self(format!("{draw:032x}"))
    }

    /// The id in a task ARN or the bare id itself.
    #[must_use]
    pub fn of(arn_or_id: &str) -> Self {
        Self(arn_or_id.rsplit('/').next().unwrap_or(arn_or_id).to_owned())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Account and region: what every ARN here begins with.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) region: String,
    pub(crate) account: String,
}

impl Home {
    fn arn(&self, resource: &str) -> String {
        format!("arn:aws:ecs:{}:{}:{resource}", self.region, self.account)
    }

    pub(crate) fn cluster(&self, name: &str) -> String {
        self.arn(&format!("cluster/{name}"))
    }

    pub(crate) fn task(&self, cluster: &str, id: &TaskId) -> String {
        self.arn(&format!("task/{cluster}/{id}"))
    }

    pub(crate) fn container(&self, cluster: &str, id: &TaskId, container: &str) -> String {
        self.arn(&format!("container/{cluster}/{id}/{container}"))
    }

    pub(crate) fn definition(&self, family: &str, revision: u32) -> String {
        self.arn(&format!("task-definition/{family}:{revision}"))
    }

    /// The resource part of an ARN of this account and region, or the text itself if it is no ARN.
    /// `None` for an ARN of somewhere else.
    pub(crate) fn resource<'a>(&self, text: &'a str, kind: &str) -> Option<&'a str> {
        if text.starts_with("arn:") {
            text.strip_prefix(&self.arn(kind))?.strip_prefix('/')
        } else {
            Some(text)
        }
    }
}
