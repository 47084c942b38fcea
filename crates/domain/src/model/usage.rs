//! What a runner's container used, by its own report.
//!
//! The report comes from a container that runs other people's code. Nothing but that job's own
//! figures, and advice made of many of them, goes by it.

use serde::{Deserialize, Serialize};

use crate::model::size::Size;
use crate::model::stored::is_default;

/// What a container used from its start to its report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Most memory that it had at once, in MiB, rounded up. The page cache that the kernel gives up
    /// first (`inactive_file`) is not counted, as `docker stats` does not: else every build that
    /// reads many files would seem to need all that there is. Source:
    /// <https://docs.docker.com/reference/cli/docker/container/stats/>.
    pub memory_peak_mib: u32,
    /// Processor time of all its processes, in seconds, rounded up: two vCPUs that are busy for a
    /// second are two.
    pub cpu_seconds: u32,
    /// How many of its processes the kernel killed because the task's memory was used up
    /// (`oom_kill`). Source:
    /// <https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files>.
    #[serde(default, skip_serializing_if = "is_default")]
    pub memory_kills: u32,
}

/// What a job's runner used, and how large that runner was: the job's pool may be of another size by
/// now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobUsage {
    /// What was used.
    #[serde(flatten)]
    pub usage: Usage,
    /// The size of the task.
    pub size: Size,
}
