//! States, endings, actions and gates, in GitHub's words.

use serde::{Deserialize, Serialize};

/// A job's state, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a runner.
    Queued,
    /// Waits for an environment's approval.
    Waiting,
    /// Waits for its concurrency group.
    Pending,
    /// Runs.
    InProgress,
    /// Is over.
    Completed,
}

/// How a job ended, in GitHub's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Well.
    Success,
    /// Badly.
    Failure,
    /// By someone's wish, or after 24 h in the queue.
    Cancelled,
    /// It was never to run.
    Skipped,
    /// After its time limit.
    TimedOut,
    /// Of a run: its workflow could not be started.
    StartupFailure,
}

macro_rules! words {
    ($kind:ident { $($variant:ident => $word:literal),+ $(,)? }) => {
        impl $kind {
            /// GitHub's word for it.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words!(Status {
    Queued => "queued", Waiting => "waiting", Pending => "pending", InProgress => "in_progress", Completed => "completed",
});
words!(Conclusion {
    Success => "success", Failure => "failure", Cancelled => "cancelled", Skipped => "skipped", TimedOut => "timed_out", StartupFailure => "startup_failure",
});

/// What a delivery of `workflow_job` says happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It waits for a runner, or so it seems.
    Queued,
    /// It waits for an approval.
    Waiting,
    /// It runs.
    InProgress,
    /// It is over.
    Completed,
}

words!(Action { Queued => "queued", Waiting => "waiting", InProgress => "in_progress", Completed => "completed" });

/// What keeps a job from being queued at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// An environment with reviewers: `queued`, `waiting`, and after the approval `queued` again,
    /// all for one id (cdk-github-runners#382).
    Environment,
    /// The same as one `queued` whose status is `waiting`, with a `deployment`: one of GitHub's own
    /// examples.
    Deployment,
    /// A concurrency group: `queued` with status `pending`, later `queued` again.
    Concurrency,
}
