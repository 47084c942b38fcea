//! Everything that can go wrong, as properties of the model.

use super::names::Operation;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// `RunTask`: HTTP 200 with `failures[]`, no capacity in that zone, subnet or capacity
    /// provider.
    NoCapacity,
    /// `RunTask`: HTTP 200 with `failures[]`, the vCPU quota is used up.
    NoQuota,
    /// `ThrottlingException`, nothing done.
    Throttled,
    /// HTTP 500 before anything was done.
    ServerErrorBefore,
    /// HTTP 500 although the work was done.
    ServerErrorAfter,
    /// The connection is closed before anything was done.
    NoAnswerBefore,
    /// The connection is closed although the work was done.
    NoAnswerAfter,
    /// The work is done at once, the answer comes after `milliseconds`.
    SlowAnswer,
    /// HTTP 400 with `code` and `message`, nothing done.
    Refused,
    /// The task takes `milliseconds` more to start.
    SlowStart,
    /// The image cannot be pulled; `reason` replaces the usual words.
    PullFailure,
    /// The container ends with `exit_code` after `milliseconds`, without ever having run its
    /// command.
    DiesBeforeAsking,
    /// Spot reclaims the task `milliseconds` after it runs: warning and SIGTERM, then the end.
    SpotInterruption,
    /// The host under the task is retired, on demand or on Spot, `milliseconds` after it runs:
    /// SIGTERM, then the end.
    HostRetired,
    /// The host under the task is found unhealthy, on demand or on Spot, `milliseconds` after it
    /// runs: SIGTERM, then the end.
    HostUnhealthy,
    /// The event is never delivered.
    EventLost,
    /// The event is delivered `copies` times (default 2).
    EventRepeated,
    /// The event is delivered `milliseconds` late.
    EventLate,
    /// The event is held back until the task's next one has gone out, at most `milliseconds`
    /// (default 3,000).
    EventReordered,
    /// `DescribeTasks` and `ListTasks` show the tasks as they were `milliseconds` ago.
    ReadLag,
    /// `DescribeTasks` and `ListTasks` do not know a task that is there, for `milliseconds`
    /// (default 50,000) from the first such read on: who answers is behind. Then it is there again
    /// for some minutes at least.
    LeftOut,
    /// The task metadata endpoint has no stats of the container: 404.
    MetadataMissing,
    /// The task metadata endpoint answers after `milliseconds` (default 60,000).
    MetadataHangs,
    /// The task metadata endpoint tells of more memory and processor time than any task has.
    MetadataLies,
}

/// One fault: what, for which calls or tasks, and how often.
///
/// Filters that are left out match everything. `operations` left out means `RunTask` for what
/// happens to a call, and both reads for `read_lag` and `left_out`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// The calls it befalls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operations: Vec<Operation>,
    /// Only tasks (or `RunTask` calls) whose `startedBy` begins so: a pool with its slash, or one
    /// runner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_by: Option<String>,
    /// Only events with this `lastStatus`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_status: Option<String>,
    /// `no_capacity`: only this zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub availability_zone: Option<String>,
    /// `no_capacity`: only this subnet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subnet: Option<String>,
    /// `no_capacity`, `no_quota`: only `FARGATE` or `FARGATE_SPOT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_provider: Option<String>,
    /// How often: after so many times it is gone. `None`: until it is cleared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// So many matching occasions pass unharmed first.
    #[serde(default)]
    pub after: u32,
    /// Of the occasions left, so many in a hundred.
    #[serde(default = "always")]
    pub percent: u8,
    /// A length of time, by kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milliseconds: Option<u64>,
    /// `dies_before_asking`: the exit code, 1 if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// `event_repeated`: how many copies in all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copies: Option<u32>,
    /// `refused`: the exception.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// `refused`: the message. `pull_failure`: the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

fn always() -> u8 {
    100
}

impl Fault {
    /// A fault of that kind that befalls everything until it is cleared.
    #[must_use]
    pub fn of(kind: FaultKind) -> Self {
        Self {
            kind,
            operations: Vec::new(),
            started_by: None,
            last_status: None,
            availability_zone: None,
            subnet: None,
            capacity_provider: None,
            times: None,
            after: 0,
            percent: always(),
            milliseconds: None,
            exit_code: None,
            copies: None,
            code: None,
            reason: None,
        }
    }

    /// The same fault, so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self {
            times: Some(times),
            ..self
        }
    }

    pub(crate) fn wait(&self, otherwise: u64) -> Duration {
        Duration::from_millis(self.milliseconds.unwrap_or(otherwise))
    }

    fn befalls(&self, occasion: &Occasion<'_>) -> bool {
        let same = |wanted: &Option<String>, is: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| is == Some(wanted))
        };
        let operation = match occasion.operation {
            None => true,
            Some(operation) if self.operations.is_empty() => {
                let of_reads = matches!(self.kind, FaultKind::ReadLag | FaultKind::LeftOut);
                operation == Operation::RunTask || (of_reads && operation.reads_tasks())
            }
            Some(operation) => self.operations.contains(&operation),
        };
        let started_by = self.started_by.as_deref().is_none_or(|wanted| {
            occasion
                .started_by
                .is_some_and(|started_by| started_by.starts_with(wanted))
        });
        operation
            && started_by
            && same(&self.last_status, occasion.last_status)
            && same(&self.availability_zone, occasion.availability_zone)
            && same(&self.subnet, occasion.subnet)
            && same(&self.capacity_provider, occasion.capacity_provider)
    }
}

/// What a fault may befall: a call, a placement, a task or an event.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Occasion<'a> {
    pub(crate) operation: Option<Operation>,
    pub(crate) started_by: Option<&'a str>,
    pub(crate) last_status: Option<&'a str>,
    pub(crate) availability_zone: Option<&'a str>,
    pub(crate) subnet: Option<&'a str>,
    pub(crate) capacity_provider: Option<&'a str>,
}

/// The faults in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Faults {
    faults: Vec<Fault>,
}

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.faults.clear();
    }

    pub(crate) fn all(&self) -> &[Fault] {
        &self.faults
    }

    /// True if one of this kind is in force.
    pub(crate) fn has(&self, kind: FaultKind) -> bool {
        self.faults.iter().any(|fault| fault.kind == kind)
    }

    /// The first fault of one of these kinds that strikes now; it counts as used.
    pub(crate) fn inject(
        &mut self,
        kinds: &[FaultKind],
        occasion: &Occasion<'_>,
        draw: u128,
    ) -> Option<Fault> {
        let matching = |fault: &&mut Fault| kinds.contains(&fault.kind) && fault.befalls(occasion);
        let fault = self
            .faults
            .iter_mut()
            .filter(|fault| fault.times != Some(0))
            .find(matching)?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        if draw % 100 >= u128::from(fault.percent) {
            return None;
        }
        fault.times = fault.times.map(|times| times - 1);
        let struck = fault.clone();
        self.faults.retain(|fault| fault.times != Some(0));
        Some(struck)
    }
}
