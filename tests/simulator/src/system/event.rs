//! Who is told everything that happens: what traces are made of and invariants are held against.

use std::fmt;
use std::time::Duration;

use mayfly_domain::model::id::JobId;
use mayfly_domain::model::time::Timestamp;

use super::faults::{CallFault, PortCall};
use mayfly_fargate_model::{DesiredStatus, LastStatus};
use mayfly_github_model::jobs::{Conclusion, Status};

/// Is told what happens, in the order in which it happens.
///
/// It is called while the world is locked: it takes note and returns, and asks nothing of the
/// system it watches.
pub trait EventListener: Send {
    /// Something happened.
    fn saw(&mut self, at: Timestamp, event: &Event);
}

impl<F: FnMut(Timestamp, &Event) + Send> EventListener for F {
    fn saw(&mut self, at: Timestamp, event: &Event) {
        self(at, event);
    }
}

/// How an invocation ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It returned; what it said in short.
    Returned(String),
    /// Its process died.
    Crashed,
    /// Its time was up: Lambda ended it, and its process.
    TimedOut,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallOutcome {
    /// It went well.
    Done,
    /// The other side said no, as it may without any fault: a condition, a rate, a status.
    Refused(String),
    /// The faults struck: how, as far as the port can do it, and what the caller saw of it.
    Faulted(CallFault, &'static str),
}

impl CallOutcome {
    /// True if the other side had no more to give just then, by what was asked of it.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        matches!(self, Self::Refused(words) if words.contains("Throttling"))
    }
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A function was invoked. Numbers count the invocations of all functions.
    Began {
        /// Which function.
        who: &'static str,
        /// Which invocation.
        invocation: u64,
        /// In which process: numbers count the processes of all functions.
        process: u64,
        /// Why: a delivery's id, a path, pools.
        about: String,
    },
    /// An invocation ended.
    Ended {
        /// Which function.
        who: &'static str,
        /// Which invocation.
        invocation: u64,
        /// How.
        end: End,
    },
    /// A call came back, or its caller is gone.
    Called {
        /// The call.
        call: PortCall,
        /// Whose it was; none if it belongs to no invocation.
        invocation: Option<u64>,
        /// What became of it.
        handling: CallOutcome,
    },
    /// `RunTask` took effect.
    TaskStarted {
        /// The task's id.
        task: String,
        /// `<pool>/<runner id>`.
        started_by: String,
        /// Which function asked; `no one` if none did.
        by: &'static str,
    },
    /// `StopTask` reached ECS.
    StopAsked {
        /// The task's id.
        task: String,
        /// `<pool>/<runner id>`.
        started_by: String,
        /// The reason that was given.
        reason: String,
        /// Which function asked.
        by: &'static str,
    },
    /// ECS does not know a task that is there: anyone who answers is behind.
    TaskLeftOut {
        /// The task's id.
        task: String,
        /// `<pool>/<runner id>`.
        started_by: String,
        /// For so long from now on.
        lasts: Duration,
    },
    /// A task changed.
    TaskChanged {
        /// The task's id.
        task: String,
        /// `<pool>/<runner id>`.
        started_by: String,
        /// Where it is.
        last: LastStatus,
        /// Where ECS wants it.
        desired: DesiredStatus,
        /// Why it ends, in ECS's words.
        reason: Option<String>,
    },
    /// A container's main process ended.
    ContainerExited {
        /// The task's id.
        task: String,
        /// `<pool>/<runner id>`.
        started_by: String,
        /// Its code: 137 was killed.
        code: i32,
    },
    /// A container was answered by registrar, or by API Gateway for it.
    Answered {
        /// `/registration`, `/admission` or `/usage`.
        path: &'static str,
        /// The task's id, from the caller's identity; empty for a caller that is no task.
        task: String,
        /// What the body names: `<pool>/<runner id>`.
        runner: String,
        /// HTTP status.
        status: u16,
        /// `x-mayfly` was there: registrar said it.
        ours: bool,
        /// A registration was handed out.
        handed_out: bool,
    },
    /// GitHub made a registration.
    RunnerRegistered {
        /// GitHub's id.
        id: i64,
        /// Its name: `mayfly-<pool>-<runner id>-<registration attempt>`.
        name: String,
        /// GitHub's id of the repository that it is registered at; none at an organization.
        repository: Option<i64>,
        /// Which function asked.
        by: &'static str,
    },
    /// A registration is gone.
    RunnerRemoved {
        /// GitHub's id.
        id: i64,
        /// Its name.
        name: String,
        /// Why: `deleted`, `job_done`, `lost`, `forgotten`, `expired`.
        why: &'static str,
        /// Which function deleted it; `GitHub` if none did.
        by: &'static str,
    },
    /// GitHub gave a job to a runner, which has not begun it; or took it back (no runner).
    JobAssigned {
        /// The job.
        job: JobId,
        /// The runner's name.
        runner: Option<String>,
    },
    /// A job is in another state at GitHub.
    JobChanged {
        /// The job.
        job: JobId,
        /// None: it is new.
        from: Option<Status>,
        /// Its state now.
        to: Status,
        /// How it ended.
        conclusion: Option<Conclusion>,
        /// Who runs or ran it.
        runner: Option<String>,
    },
    /// A delivery left GitHub.
    DeliverySent {
        /// Of the event: a redelivery has the same.
        guid: String,
        /// Of this attempt.
        delivery: i64,
        /// The event's action.
        action: String,
        /// The job.
        job: Option<JobId>,
        /// Someone asked for it again, or it is a repetition.
        redelivery: bool,
    },
    /// A delivery was answered, as GitHub has it. 0: it was not.
    DeliveryAnswered {
        /// Of the event.
        guid: String,
        /// Of this attempt.
        delivery: i64,
        /// HTTP status.
        status: u16,
    },
    /// A wake is in the queue.
    WakeSent {
        /// The pool.
        pool: String,
        /// Which function sent it.
        by: &'static str,
    },
    /// Someone wrote a parameter.
    SettingsChanged {
        /// Its name.
        parameter: String,
        /// Its version now.
        version: u64,
    },
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Returned(words) => write!(f, "returned {words}"),
            Self::Crashed => f.write_str("crashed"),
            Self::TimedOut => f.write_str("timed out"),
        }
    }
}

impl fmt::Display for CallOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Done => f.write_str("done"),
            Self::Refused(words) => write!(f, "refused: {words}"),
            Self::Faulted(call_fault, seen) => write!(f, "STRUCK: {call_fault}, {seen}"),
        }
    }
}

impl fmt::Display for Event {
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one sentence for each event"
    )]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Began {
                who,
                invocation,
                process,
                about,
            } => write!(f, "{who} {invocation} began in process {process}: {about}"),
            Self::Ended {
                who,
                invocation,
                end,
            } => write!(f, "{who} {invocation} {end}"),
            Self::Called {
                call,
                invocation,
                handling,
            } => match invocation {
                Some(number) => write!(f, "{call} (in {number}): {handling}"),
                None => write!(f, "{call}: {handling}"),
            },
            Self::TaskStarted {
                task,
                started_by,
                by,
            } => write!(f, "task {task} of {started_by} started by {by}"),
            Self::StopAsked {
                task,
                started_by,
                reason,
                by,
            } => write!(
                f,
                "task {task} of {started_by} is to stop, says {by}: {reason}"
            ),
            Self::TaskLeftOut {
                task,
                started_by,
                lasts,
            } => {
                write!(
                    f,
                    "task {task} of {started_by} is left out of reads for {} s",
                    lasts.as_secs()
                )
            }
            Self::TaskChanged {
                task,
                started_by,
                last,
                desired,
                reason,
            } => {
                write!(
                    f,
                    "task {task} of {started_by} is {} (to be {})",
                    last.name(),
                    desired.name()
                )?;
                reason
                    .as_ref()
                    .map_or(Ok(()), |reason| write!(f, ": {reason}"))
            }
            Self::ContainerExited {
                task,
                started_by,
                code,
            } => write!(
                f,
                "container of {started_by} (task {task}) exited with {code}"
            ),
            Self::Answered {
                path,
                task,
                runner,
                status,
                ours,
                handed_out,
            } => {
                let who = if *ours { "" } else { " by API Gateway" };
                let what = if *handed_out {
                    " with a registration"
                } else {
                    ""
                };
                write!(
                    f,
                    "{path} of {runner} (task {task}) answered {status}{who}{what}"
                )
            }
            Self::RunnerRegistered { id, name, by, .. } => {
                write!(f, "runner {name} ({id}) registered by {by}")
            }
            Self::RunnerRemoved { id, name, why, by } => {
                write!(f, "runner {name} ({id}) removed by {by}: {why}")
            }
            Self::JobAssigned { job, runner } => match runner {
                Some(runner) => write!(f, "job {job} given to {runner}"),
                None => write!(f, "job {job} taken back"),
            },
            Self::JobChanged {
                job,
                from,
                to,
                conclusion,
                runner,
            } => {
                write!(
                    f,
                    "job {job} {} -> {}",
                    from.map_or("new", Status::word),
                    to.word()
                )?;
                conclusion.map_or(Ok(()), |conclusion| write!(f, " ({})", conclusion.word()))?;
                runner
                    .as_ref()
                    .map_or(Ok(()), |runner| write!(f, " on {runner}"))
            }
            Self::DeliverySent {
                guid,
                delivery,
                action,
                job,
                redelivery,
            } => {
                let again = if *redelivery { " again" } else { "" };
                write!(f, "delivery {delivery} ({guid}) sent{again}: {action}")?;
                job.map_or(Ok(()), |job| write!(f, " of job {job}"))
            }
            Self::DeliveryAnswered {
                guid,
                delivery,
                status,
            } => write!(f, "delivery {delivery} ({guid}) answered {status}"),
            Self::WakeSent { pool, by } => write!(f, "wake of {pool} sent by {by}"),
            Self::SettingsChanged { parameter, version } => {
                write!(f, "{parameter} is at version {version}")
            }
        }
    }
}
