//! What goes wrong by itself, as data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::system::{CallFault as Struck, PlatformRates, Port, PortCall};
use mayfly_github_model::faults as github;

/// Something that is down for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// GitHub's REST API.
    Github,
    /// GitHub's deliveries: they fail, and the list says so.
    Deliveries,
    /// ECS answers 500.
    Ecs,
    /// ECS refuses everything: the role may not.
    EcsRefuses,
    /// DynamoDB.
    Table,
    /// SQS.
    Queue,
    /// Parameter Store.
    Parameters,
}

impl Outage {
    /// The port whose calls all fail, if it is one.
    #[must_use]
    pub fn port(self) -> Option<Port> {
        match self {
            Self::Github => Some(Port::Github),
            Self::Ecs => Some(Port::Ecs),
            Self::Table => Some(Port::Table),
            Self::Queue => Some(Port::Queue),
            Self::Parameters => Some(Port::Parameters),
            Self::Deliveries | Self::EcsRefuses => None,
        }
    }
}

/// How a call goes wrong: [`Struck`] as data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are those of system::Strike")]
pub enum CallFaultKind {
    FailBefore,
    FailAfter,
    CrashBefore,
    CrashAfter,
    HangBefore,
    HangAfter,
    Throttle,
    Conflict,
    Slow,
}

impl CallFaultKind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::FailBefore,
        Self::FailAfter,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::HangBefore,
        Self::HangAfter,
        Self::Throttle,
        Self::Conflict,
        Self::Slow,
    ];

    /// As the system takes it. A slow call is slow by a time that follows from `draw`: up to so
    /// many milliseconds.
    #[must_use]
    pub fn fault(self, draw: u64, longest: u64) -> Struck {
        match self {
            Self::FailBefore => Struck::FailBefore,
            Self::FailAfter => Struck::FailAfter,
            Self::CrashBefore => Struck::CrashBefore,
            Self::CrashAfter => Struck::CrashAfter,
            Self::HangBefore => Struck::HangBefore,
            Self::HangAfter => Struck::HangAfter,
            Self::Throttle => Struck::Throttle,
            Self::Conflict => Struck::Conflict,
            Self::Slow => Struck::Slow(Duration::from_millis(
                100 + draw % longest.saturating_sub(100).max(1),
            )),
        }
    }

    /// Its kind, of a strike.
    #[must_use]
    pub fn of(call_fault: Struck) -> Self {
        match call_fault {
            Struck::FailBefore => Self::FailBefore,
            Struck::FailAfter => Self::FailAfter,
            Struck::CrashBefore => Self::CrashBefore,
            Struck::CrashAfter => Self::CrashAfter,
            Struck::HangBefore => Self::HangBefore,
            Struck::HangAfter => Self::HangAfter,
            Struck::Throttle => Self::Throttle,
            Struck::Conflict => Self::Conflict,
            Struck::Slow(_) => Self::Slow,
        }
    }

    /// A word for tables.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::FailBefore => "fail before",
            Self::FailAfter => "fail after",
            Self::CrashBefore => "crash before",
            Self::CrashAfter => "crash after",
            Self::HangBefore => "hang before",
            Self::HangAfter => "hang after",
            Self::Throttle => "throttle",
            Self::Conflict => "conflict",
            Self::Slow => "slow",
        }
    }
}

/// Milliseconds that a slow call is slow at most, where nothing else is said.
const SLOW: u64 = 6_000;

/// So many of a port's calls go wrong so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Whose calls; none is everyone's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Of which port, as [`Port`] is written.
    pub port: String,
    /// How.
    pub kind: CallFaultKind,
    /// How many, 0 to 1.
    pub share: f64,
    /// Only this operation, as [`PortCall`] names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Milliseconds that a slow one is slow at most; 6,000 if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_by: Option<u64>,
}

impl Rate {
    /// A share of everyone's calls of a port.
    #[must_use]
    pub fn of(port: Port, kind: CallFaultKind, share: f64) -> Self {
        Self {
            who: None,
            port: port.to_string(),
            kind,
            share,
            operation: None,
            slow_by: None,
        }
    }

    /// Only those of one function.
    #[must_use]
    pub fn by(self, who: &str) -> Self {
        Self {
            who: Some(who.to_owned()),
            ..self
        }
    }

    /// Only those of one operation.
    #[must_use]
    pub fn on(self, operation: &str) -> Self {
        Self {
            operation: Some(operation.to_owned()),
            ..self
        }
    }

    /// Slow by so many milliseconds at most.
    #[must_use]
    pub fn up_to(self, milliseconds: u64) -> Self {
        Self {
            slow_by: Some(milliseconds),
            ..self
        }
    }

    /// True if the call is one of those that it is about.
    pub(in crate::simulation) fn concerns(&self, call: &PortCall) -> bool {
        self.port == call.port.to_string()
            && self.who.as_deref().is_none_or(|who| who == call.who)
            && self
                .operation
                .as_deref()
                .is_none_or(|operation| operation == call.operation)
    }

    /// What befalls a call that it strikes.
    pub(in crate::simulation) fn fault(&self, draw: u64) -> Struck {
        self.kind.fault(draw, self.slow_by.unwrap_or(SLOW))
    }
}

/// One call goes wrong: known by who makes it, and the how-many-th of its kind it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NthCallFault {
    /// Whose call.
    pub who: String,
    /// To whom.
    pub port: String,
    /// Which operation.
    pub operation: String,
    /// The how-many-th, from 0.
    pub nth: u64,
    /// How.
    pub kind: CallFaultKind,
    /// By how many milliseconds a slow one is slow; drawn if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slow_by: Option<u64>,
}

impl NthCallFault {
    /// What befalls the call.
    pub(in crate::simulation) fn fault(&self, draw: u64) -> Struck {
        match (self.kind, self.slow_by) {
            (CallFaultKind::Slow, Some(by)) => Struck::Slow(Duration::from_millis(by)),
            (kind, _) => kind.fault(draw, SLOW),
        }
    }
}

/// What Lambda, SQS and EventBridge do without being at fault: shares of all cases, see
/// [`PlatformRates`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(missing_docs, reason = "the names are those of system::Chances")]
pub struct PlatformSpec {
    pub cold_start: f64,
    pub scaler_late: f64,
    pub two_scalers: f64,
    pub wake_lost: f64,
    pub wake_repeated: f64,
    pub wake_late: f64,
    pub schedule_twice: f64,
    pub schedule_late: f64,
    pub schedule_skipped: f64,
}

impl PlatformSpec {
    /// As the system takes it.
    #[must_use]
    pub fn chances(&self) -> PlatformRates {
        PlatformRates {
            cold_start: self.cold_start,
            scaler_late: self.scaler_late,
            two_scalers: self.two_scalers,
            wake_lost: self.wake_lost,
            wake_repeated: self.wake_repeated,
            wake_late: self.wake_late,
            schedule_twice: self.schedule_twice,
            schedule_late: self.schedule_late,
            schedule_skipped: self.schedule_skipped,
            ..PlatformRates::default()
        }
    }
}

/// Everything that goes wrong by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FaultProfile {
    /// Shares of calls that go wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rates: Vec<Rate>,
    /// Calls that go wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<NthCallFault>,
    /// GitHub's own ways.
    #[serde(skip_serializing_if = "is_default")]
    pub github: github::Faults,
    /// What befalls tasks and their events.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ecs: Vec<mayfly_fargate_model::Fault>,
    /// What Lambda, SQS and EventBridge do.
    #[serde(skip_serializing_if = "is_default")]
    pub platform: PlatformSpec,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

impl FaultProfile {
    /// True if nothing goes wrong.
    #[must_use]
    pub fn is_none(&self) -> bool {
        is_default(self)
    }
}
