//! What befalls the calls of functions to the world outside.
//!
//! Every call of every port is shown to the [`FaultInjector`] before it leaves. What a port cannot
//! do is mapped to the nearest thing it can; the [`EventListener`](super::Listener) hears what was
//! really done ([`CallOutcome`](super::Fate)).
//!
//! | | table | ECS | GitHub | queue | parameters |
//! | --- | --- | --- | --- | --- | --- |
//! | `FailBefore` | error, nothing done | 500 | 502 | not sent | unreadable |
//! | `FailAfter` | done; a plain conditional write mostly meets itself and is a conflict | 500, done | 502, done | "not sent", but sent | unreadable |
//! | `Throttle` | as `FailBefore` | `ThrottlingException` | 429 with `retry-after` | as `FailBefore` | as `FailBefore` |
//! | `Conflict` | where DynamoDB knows it, else `FailBefore` | as `Throttle` | as `FailBefore` | as `FailBefore` | as `FailBefore` |
//! | `HangBefore`, `HangAfter` | an error once the SDK has tried three times | no answer: the SDK tries again after 3 s | no answer until the caller's time is up | as the table | as the table |
//! | `CrashBefore`, `CrashAfter` | the invocation dies, and its process with it | the same | the same | the same | the same |
//! | `Slow` | the way there and back takes so much longer | the same, per attempt | the same | the same | the same |
//!
//! S3 is as the queue.
//!
//! After `CrashBefore` the request may still arrive, a drawn time later: it had left. A call that
//! is under way when its caller dies or gives up goes on.

use std::fmt;
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;

/// What a function talks to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Port {
    /// DynamoDB.
    Table,
    /// ECS; each HTTP request of the SDK is a call of its own.
    Ecs,
    /// GitHub's REST API.
    Github,
    /// SQS.
    Queue,
    /// Parameter Store.
    Parameters,
    /// S3, which only sweeper talks to, and only where there is an archive.
    Archive,
}

impl Port {
    /// Those that every story has.
    pub const ALL: [Self; 5] = [
        Self::Table,
        Self::Ecs,
        Self::Github,
        Self::Queue,
        Self::Parameters,
    ];
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Table => "DynamoDB",
            Self::Ecs => "ECS",
            Self::Github => "GitHub",
            Self::Queue => "SQS",
            Self::Parameters => "SSM",
            Self::Archive => "S3",
        })
    }
}

/// A call of a function to the world outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortCall {
    /// `webhook`, `scaler`, `registrar`, `observer` or `sweeper`.
    pub who: &'static str,
    /// What it talks to.
    pub port: Port,
    /// AWS's name of the operation (`RunTask`), or the adapter's for GitHub (`generate-jitconfig`).
    pub operation: &'static str,
    /// Keys and ids, for the trace.
    pub about: String,
    /// The how-many-th call of this operation by this function it is, from 0: what a fault is known
    /// by, whatever else changes.
    pub nth: u64,
}

impl fmt::Display for PortCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            who,
            port,
            operation,
            about,
            nth,
        } = self;
        write!(f, "{who} {port} {operation} #{nth} {about}")
    }
}

/// How a call goes wrong. `Before`: nothing was done; `After`: it was done, and its caller cannot
/// know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFault {
    /// An error; nothing was done.
    FailBefore,
    /// An error, although it was done.
    FailAfter,
    /// The invocation dies before the call is answered; it may arrive all the same, later.
    CrashBefore,
    /// The invocation dies once it is done.
    CrashAfter,
    /// No answer; nothing was done.
    HangBefore,
    /// No answer, although it was done.
    HangAfter,
    /// Too many calls: refused.
    Throttle,
    /// Someone else was at it: refused.
    Conflict,
    /// It takes so much longer.
    Slow(Duration),
}

impl fmt::Display for CallFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FailBefore => f.write_str("failed"),
            Self::FailAfter => f.write_str("failed after it was done"),
            Self::CrashBefore => f.write_str("crashed before it was done"),
            Self::CrashAfter => f.write_str("crashed after it was done"),
            Self::HangBefore => f.write_str("no answer, not done"),
            Self::HangAfter => f.write_str("no answer, but done"),
            Self::Throttle => f.write_str("throttled"),
            Self::Conflict => f.write_str("conflict"),
            Self::Slow(by) => write!(f, "slow by {} ms", by.as_millis()),
        }
    }
}

/// Decides what befalls calls. It is asked once for each, in the order in which they leave.
pub trait FaultInjector: Send {
    /// What befalls this call, if anything.
    fn fault(&mut self, call: &PortCall, now: Timestamp) -> Option<CallFault>;
}

impl<F: FnMut(&PortCall, Timestamp) -> Option<CallFault> + Send> FaultInjector for F {
    fn fault(&mut self, call: &PortCall, now: Timestamp) -> Option<CallFault> {
        self(call, now)
    }
}
