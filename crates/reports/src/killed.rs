//! Runners that were killed while they had a job, so that its failure is not taken for a failing
//! test.

use mayfly_config::pools_file::memory_in_words;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::size::Capacity;
use mayfly_domain::model::stop_request::StopRequest;
use mayfly_domain::model::story::{MemoryKill, Reason, TaskEnd};
use serde::Serialize;

/// What killed a runner at work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Killed {
    /// Its container used more memory than its task has; `certain` if ECS says so.
    OutOfMemory {
        /// ECS says so; else the signal and its coming from within the task are all that is known.
        certain: bool,
    },
    /// A user stopped it by force.
    Forced {
        /// Who.
        by: String,
    },
    /// AWS took its Spot capacity back.
    Spot,
    /// The runner itself failed.
    Failed {
        /// Its exit code.
        exit_code: i32,
    },
    /// Its task was stopped: by Mayfly at a limit, by another user, or by AWS.
    TaskStopped,
}

impl Killed {
    /// What killed a runner; none if it ended in peace, had no job, or is not gone.
    #[must_use]
    pub fn of(runner: &Runner) -> Option<Self> {
        if runner.closed_at.is_none() || runner.refused.is_some() {
            return None;
        }
        if runner.interrupted {
            return Some(Self::Spot);
        }
        // GitHub fails a job whose runner is taken away, which may be told before its task is gone.
        let by_force = |request: &&StopRequest| {
            request.force
                && runner.work.is_some()
                && runner.done_at.is_none_or(|done| done >= request.at)
        };
        if let Some(request) = runner.stop_request.as_ref().filter(by_force) {
            return Some(Self::Forced {
                by: request.by.clone(),
            });
        }
        // The runner itself ends with 0, however its job ended.
        if runner.work.is_none() || runner.done_at.is_some() || runner.exit_code == Some(0) {
            return None;
        }
        let end = runner.reason.as_ref().and_then(Reason::task_end);
        Some(match end.and_then(TaskEnd::memory_kill) {
            Some(told) => Self::OutOfMemory {
                certain: told == MemoryKill::Certain,
            },
            None => match runner.exit_code {
                Some(exit_code) if end.is_some_and(TaskEnd::is_from_within) => {
                    Self::Failed { exit_code }
                }
                _ => Self::TaskStopped,
            },
        })
    }

    /// One word for a table.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Spot => "interrupted",
            Self::Forced { .. } | Self::TaskStopped => "stopped",
            Self::Failed { .. } => "crashed",
            Self::OutOfMemory { .. } => "killed",
        }
    }

    /// What happened to the runner, as a clause:
    /// `its runner was killed: out of memory (exit code 137)`.
    #[must_use]
    pub fn in_words(&self, runner: &Runner) -> String {
        let reason = runner
            .reason
            .as_ref()
            .map_or_else(|| "ECS does not say why".to_owned(), Reason::to_string);
        match self {
            Self::OutOfMemory { certain: true } => {
                format!("its runner was killed: out of memory{}", exit(runner))
            }
            Self::OutOfMemory { certain: false } => format!(
                "its runner was killed: most likely out of memory{}",
                exit(runner)
            ),
            Self::Forced { by } => format!("its runner was stopped by {by} (mayfly stop --force)"),
            Self::Spot if runner.size.capacity == Capacity::Spot => {
                "AWS reclaimed the Spot capacity of its runner".to_owned()
            }
            Self::Spot => "AWS reclaimed the host of its runner".to_owned(),
            Self::Failed { exit_code } => format!("its runner failed (exit code {exit_code})"),
            Self::TaskStopped => format!("its runner's task was stopped: {reason}"),
        }
    }

    /// What would help.
    #[must_use]
    pub fn help(&self, runner: &Runner) -> Option<String> {
        match self {
            Self::OutOfMemory { .. } => Some(format!(
                "give pool {} more than {}, or have the job use less memory",
                runner.pool,
                memory_in_words(runner.size.memory_mib)
            )),
            Self::Spot if runner.size.capacity == Capacity::Spot => Some(format!(
                "let pool {} run such jobs again (rerun_interrupted), or run them on demand",
                runner.pool
            )),
            Self::Spot => Some(format!(
                "let pool {} run such jobs again (rerun_interrupted)",
                runner.pool
            )),
            Self::Failed { .. } | Self::TaskStopped => {
                Some(format!("see mayfly logs {}", runner.id))
            }
            Self::Forced { .. } => None,
        }
    }
}

fn exit(runner: &Runner) -> String {
    runner
        .exit_code
        .map(|code| format!(" (exit code {code})"))
        .unwrap_or_default()
}
