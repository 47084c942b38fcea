//! What was found, and how bad it is.

use serde::Serialize;

use crate::failure::Failure;

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// The caller's identity, and whether it is in the deployment's account.
    Credentials,
    /// This machine's clock.
    Clock,
    /// The pools file, and how starts go.
    Pools,
    /// The safety net.
    Sweeper,
    /// The GitHub App, and where it is installed.
    App,
    /// Where GitHub delivers to.
    Webhook,
    /// The results of its deliveries.
    Deliveries,
    /// What the account may run.
    Quota,
    /// Whether alarms notify someone of what goes wrong.
    Alarms,
    /// What a runner reaches, as a task that tried it tells.
    Network,
    /// The roles that tasks get.
    Roles,
}

impl Area {
    /// Its name, as JSON has it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Credentials => "credentials",
            Self::Clock => "clock",
            Self::Pools => "pools",
            Self::Sweeper => "sweeper",
            Self::App => "app",
            Self::Webhook => "webhook",
            Self::Deliveries => "deliveries",
            Self::Quota => "quota",
            Self::Alarms => "alarms",
            Self::Network => "network",
            Self::Roles => "roles",
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As it should be.
    Good,
    /// It could not be looked at: no error by itself.
    Unknown,
    /// Jobs run, and something is likely to bite.
    Warning,
    /// Jobs do not run, or will not.
    Error,
}

/// What `--fix` can do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Tell GitHub where to deliver, and how. The secret stays.
    SetHook {
        /// Where to.
        url: String,
    },
    /// Make a runner group.
    MakeGroup {
        /// Of this organization.
        organization: String,
        /// Its name.
        name: String,
    },
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is about.
    pub area: Area,
    /// How bad it is.
    pub level: Level,
    /// What was found, in words.
    pub what: String,
    /// What to do about it, in words.
    pub fix: Option<String>,
    /// What `--fix` does about it.
    pub repair: Option<Repair>,
}

impl Finding {
    /// Something is as it should be.
    #[must_use]
    pub fn good(area: Area, what: impl Into<String>) -> Self {
        Self::new(area, Level::Good, what.into(), "")
    }

    /// Something is likely to bite.
    #[must_use]
    pub fn warning(area: Area, what: impl Into<String>, fix: impl AsRef<str>) -> Self {
        Self::new(area, Level::Warning, what.into(), fix.as_ref())
    }

    /// Something keeps jobs from running.
    #[must_use]
    pub fn error(area: Area, what: impl Into<String>, fix: impl AsRef<str>) -> Self {
        Self::new(area, Level::Error, what.into(), fix.as_ref())
    }

    /// Something could not be looked at.
    #[must_use]
    pub fn unknown(area: Area, what: impl Into<String>, fix: impl AsRef<str>) -> Self {
        Self::new(area, Level::Unknown, what.into(), fix.as_ref())
    }

    /// Something could not be looked at, and why.
    #[must_use]
    pub fn not_seen(area: Area, why: &Failure) -> Self {
        Self::unknown(area, &*why.problem, &why.hint)
    }

    /// The same, with what `--fix` does about it.
    #[must_use]
    pub fn repairable(self, repair: Repair) -> Self {
        Self {
            repair: Some(repair),
            ..self
        }
    }

    fn new(area: Area, level: Level, what: String, fix: &str) -> Self {
        Self {
            area,
            level,
            what,
            fix: (!fix.is_empty()).then(|| fix.to_owned()),
            repair: None,
        }
    }
}
