//! What people do while the story goes on.

use serde::{Deserialize, Serialize};

use super::{Outage, PoolsFile};
use mayfly_github_model::jobs::Gate;

/// Something that someone does at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Act {
    /// Seconds after the beginning.
    pub at: f64,
    /// What.
    #[serde(flatten)]
    pub action: Action,
}

/// Jobs that come together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Batch {
    /// Its name in the scenario: other actions speak of its jobs.
    pub id: u32,
    /// `owner/name`.
    pub repository: String,
    /// `runs-on`.
    pub labels: Vec<String>,
    /// How many.
    pub count: u32,
    /// How long each runs.
    pub seconds: f64,
    /// All are jobs of one run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub one_run: bool,
    /// What they wait for first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
    /// The runner group that `runs-on` names: in no payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_group: Option<String>,
}

/// When a job is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// When the act's time has come.
    Then,
    /// As soon as a task was started in the pools' cluster after the act's time.
    AtLaunch,
    /// As soon as a registration that fits the job exists.
    AtRegistration,
    /// As soon as a runner was given the job.
    AtAssignment,
    /// As soon as it runs.
    AtStart,
}

/// A delivery that is not GitHub's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fake {
    /// Signed with another secret.
    WronglySigned,
    /// Not signed.
    Unsigned,
    /// Signed with something that is no signature.
    Nonsense,
}

/// A caller that is not the runner it says it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stranger {
    /// A task of ours that speaks for another one.
    OtherTask,
    /// A session of the right role that is no task.
    NoTask,
    /// The right session name under another role.
    OtherRole,
    /// The right session name in another account.
    OtherAccount,
    /// The task itself, whose runner has its registration: whatever runs in its container asks for
    /// more.
    Itself,
}

/// What someone does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Action {
    /// Pushes: jobs come to be.
    Queue(Batch),
    /// Cancels a job.
    Cancel {
        /// Which batch.
        batch: u32,
        /// Which of its jobs.
        job: u32,
        /// When, from the act's time on.
        moment: Moment,
    },
    /// Opens a job's gate.
    Approve {
        /// Which batch.
        batch: u32,
    },
    /// Keeps a job's gate closed for good.
    Reject {
        /// Which batch.
        batch: u32,
    },
    /// Runs a job again that is over.
    Rerun {
        /// Which batch.
        batch: u32,
        /// Which of its jobs.
        job: u32,
    },
    /// Applies a pools file.
    Apply(PoolsFile),
    /// Writes a pools file that is of no use past `mayfly apply`.
    Spoil,
    /// Something is down for a while.
    Down {
        /// What.
        what: Outage,
        /// For how long.
        seconds: u64,
    },
    /// Gives a repository another name.
    Rename {
        /// `owner/name`.
        repository: String,
        /// The new name, without the owner.
        to: String,
        /// GitHub sends those on who use the old one; else another repository has it from now on.
        redirects: bool,
    },
    /// Deletes a repository: GitHub shows nothing of it any more, and delivers nothing about it.
    Delete {
        /// `owner/name`.
        repository: String,
    },
    /// Transfers a repository to another account: it keeps its id.
    Transfer {
        /// `owner/name`.
        repository: String,
        /// The account's login. One that the story does not know has no App.
        to: String,
        /// GitHub sends those on who use the old name; else another repository has it from now on.
        redirects: bool,
    },
    /// Makes a repository private, or public.
    Show {
        /// `owner/name`.
        repository: String,
        /// Whether it is private from now on.
        private: bool,
    },
    /// Makes a repository read-only, or takes that back.
    Archive {
        /// `owner/name`.
        repository: String,
        /// Whether.
        on: bool,
    },
    /// Adds a repository to those that the App is on, or takes it away.
    Cover {
        /// `owner/name`.
        repository: String,
        /// Whether the App is on it.
        on: bool,
    },
    /// An administrator deletes a runner of ours at GitHub: one without a job, if there is one.
    Unregister,
    /// Takes the App off an account.
    Uninstall {
        /// Its login.
        account: String,
    },
    /// Puts it there again, on all repositories.
    Install {
        /// Its login.
        account: String,
    },
    /// Suspends the App on an account.
    Suspend {
        /// Its login.
        account: String,
    },
    /// Takes that back.
    Resume {
        /// Its login.
        account: String,
    },
    /// From now on GitHub refuses runners of a repository or organization.
    Refuse {
        /// `owner/name`, or a login.
        place: String,
        /// 403, 404 or 422.
        status: u16,
    },
    /// Takes that back.
    Allow {
        /// `owner/name`, or a login.
        place: String,
    },
    /// Sends a delivery that is not GitHub's.
    Forge {
        /// How it is signed.
        fake: Fake,
        /// The action that it tells.
        action: String,
    },
    /// Asks for a registration and an admission that are not its own.
    Intrude {
        /// Who.
        stranger: Stranger,
    },
    /// Registers a runner of his own under the name of one of ours, and takes a job with it.
    Impersonate {
        /// `owner/name`.
        repository: String,
        /// Labels of his runner.
        labels: Vec<String>,
    },
    /// Registers a runner of his own under the name of one of ours, idle or at work, where that
    /// name is free, and works off a job of his own with it.
    Double {
        /// `owner/name`.
        repository: String,
        /// Labels of his runner.
        labels: Vec<String>,
    },
    /// Starts the task of one of our runners once more, as anyone may who has rights in the
    /// cluster.
    Copy {
        /// Its command is replaced by one that does nothing and does not end.
        idle: bool,
    },
    /// Takes back the capacity of a Spot task.
    Reclaim,
    /// A container dies: of a busy runner, if there is one.
    Kill,
    /// From now on containers stay when their job is over (or no longer).
    Hang {
        /// Whether.
        on: bool,
    },
}
