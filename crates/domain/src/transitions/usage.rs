//! The usage that a container reports: which of it is trusted, and where it is recorded.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::job::JobRecord;
use crate::model::runner::Runner;
use crate::model::story::{StoryEvent, note};
use crate::model::time::Timestamp;
use crate::model::usage::{JobUsage, Usage};
use crate::transitions::changes::Changes;

/// Bytes in a MiB.
const MIB: u64 = 1024 * 1024;

/// CPU units of ECS in a vCPU. Source: ECS developer guide, "Task size"
/// (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task_definition_parameters.html>).
const UNITS: u64 = 1024;

/// What a container says of itself once its runner has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageReport {
    /// The runner that reports, `<pool>/<runner id>`.
    pub runner: String,
    /// Most memory that the container had at once, without the page cache that the kernel gives up
    /// first.
    pub memory_peak_bytes: u64,
    /// Processor time of all its processes.
    pub cpu_milliseconds: u64,
    /// How many of its processes the kernel killed for want of memory.
    #[serde(default)]
    pub memory_kills: u32,
}

/// Why a report is not written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageRefusal {
    /// The runner had no job, or one that was refused.
    NoJob,
    /// No container runs without memory.
    NoMemory,
    /// More memory than its task has.
    TooMuchMemory {
        /// What it says, in MiB.
        reported_mib: u64,
        /// What its task has, in MiB.
        task_mib: u32,
    },
    /// More processor time than its task can have had since it was asked for.
    TooMuchCpu {
        /// What it says, in seconds.
        reported_seconds: u64,
        /// What it can have had, in seconds.
        possible_seconds: u64,
    },
}

impl fmt::Display for UsageRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoJob => f.write_str("this runner has no job to report for"),
            Self::NoMemory => {
                f.write_str("memory_peak_bytes is 0: no container runs without memory")
            }
            Self::TooMuchMemory {
                reported_mib,
                task_mib,
            } => {
                write!(
                    f,
                    "memory_peak_bytes is {reported_mib} MiB, and the task has {task_mib} MiB"
                )
            }
            Self::TooMuchCpu {
                reported_seconds,
                possible_seconds,
            } => write!(
                f,
                "cpu_milliseconds is {reported_seconds} s, and the task can have had {possible_seconds} s since it was requested"
            ),
        }
    }
}

/// What a report changes: the runner's row, and the record of its job where that is known. The first
/// report stands: whatever runs in the container may send as many as it likes, and each that is
/// written costs money.
///
/// # Errors
///
/// [`UsageRefusal`]: nothing changes.
pub fn record_usage(
    runner: &Runner,
    job: Option<&JobRecord>,
    report: &UsageReport,
    now: Timestamp,
) -> Result<Changes, UsageRefusal> {
    let usage = believed(runner, report, now)?;
    if runner.usage.is_some() {
        return Ok(Changes::default());
    }
    let mut after = Runner {
        usage: Some(usage),
        ..runner.clone()
    };
    if usage.memory_kills > 0 {
        let event = StoryEvent::ProcessesKilled {
            count: usage.memory_kills,
            memory_mib: runner.size.memory_mib,
        };
        note(&mut after.story, now, event);
    }
    let record = job.and_then(|job| job.with_usage_of(&after, now));
    Ok(Changes {
        record,
        runner: Some(after),
        ..Changes::default()
    })
}

/// The report in whole units, if it can be true.
fn believed(runner: &Runner, report: &UsageReport, now: Timestamp) -> Result<Usage, UsageRefusal> {
    if runner.work.is_none() || runner.refused.is_some() {
        return Err(UsageRefusal::NoJob);
    }
    if report.memory_peak_bytes == 0 {
        return Err(UsageRefusal::NoMemory);
    }
    let size = &runner.size;
    let memory = report.memory_peak_bytes.div_ceil(MIB);
    let too_much_memory = UsageRefusal::TooMuchMemory {
        reported_mib: memory,
        task_mib: size.memory_mib,
    };
    let memory_peak_mib = u32::try_from(memory).map_err(|_| too_much_memory)?;
    if memory_peak_mib > size.memory_mib {
        return Err(too_much_memory);
    }
    // From the request on, which is before any of it ran: clocks differ, and a task may be quick.
    let lived = now.since(runner.requested_at).as_secs().saturating_add(1);
    let possible_seconds = lived.saturating_mul(u64::from(size.cpu)).div_ceil(UNITS);
    let seconds = report.cpu_milliseconds.div_ceil(1000);
    let too_much_cpu = UsageRefusal::TooMuchCpu {
        reported_seconds: seconds,
        possible_seconds,
    };
    let cpu_seconds = u32::try_from(seconds).map_err(|_| too_much_cpu)?;
    if seconds > possible_seconds {
        return Err(too_much_cpu);
    }
    Ok(Usage {
        memory_peak_mib,
        cpu_seconds,
        memory_kills: report.memory_kills,
    })
}

impl JobRecord {
    /// The record with what its runner reported; none if that is no news, or the runner did not work
    /// on this job.
    #[must_use]
    pub(crate) fn with_usage_of(&self, runner: &Runner, now: Timestamp) -> Option<Self> {
        let worked = self.runner.as_ref() == Some(&runner.id)
            && runner
                .work
                .as_ref()
                .is_some_and(|work| work.job == Some(self.id));
        let usage = runner.usage.filter(|_| worked && self.usage.is_none())?;
        let mut after = Self {
            usage: Some(JobUsage {
                usage,
                size: runner.size,
            }),
            ..self.clone()
        };
        if usage.memory_kills > 0 {
            let event = StoryEvent::ProcessesKilled {
                count: usage.memory_kills,
                memory_mib: runner.size.memory_mib,
            };
            note(&mut after.story, now, event);
        }
        Some(after)
    }
}
