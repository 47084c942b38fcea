//! What a test wants a job to be.

use super::words::{Action, Conclusion, Gate};
use crate::id::RunId;
use serde::{Deserialize, Serialize};

/// Faults of one job's deliveries, besides those that are switched on for all.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct JobDeliveries {
    /// Each arrives this often (0 and 1 are once).
    pub repeat: u32,
    /// These do not arrive and are shown as failures.
    pub lost: Vec<Action>,
    /// These are never made.
    pub never_made: Vec<Action>,
    /// The payloads of these have null for the job, as GitHub sends some (runs-on/runs-on#528).
    pub without_job: Vec<Action>,
    /// The payloads of these are of another form than any that is known.
    pub unreadable: Vec<Action>,
    /// All are this late.
    pub late_seconds: f64,
}

/// A job to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NewJob {
    /// `owner/name`; made if new.
    pub repository: String,
    /// Exactly what `runs-on` says. `{run_id}` becomes the run's id.
    pub labels: Vec<String>,
    /// How many like it.
    pub count: u32,
    /// How long it runs.
    pub seconds: f64,
    /// Makes the repository private, or public.
    pub private: Option<bool>,
    /// The name of the runner group that `runs-on` asks for: in no payload.
    pub runner_group: Option<String>,
    /// Part of this run; else each job has a run of its own.
    pub run_id: Option<RunId>,
    /// What it waits for first; `true` is an environment.
    #[serde(deserialize_with = "gate")]
    pub gate: Option<Gate>,
    /// Someone cancels it after these seconds.
    pub cancel_after: Option<f64>,
    /// How it ends if nothing happens.
    pub conclusion: Conclusion,
    /// How many steps it has.
    pub steps: u32,
    /// How many of the last ones are `if: always()`.
    pub always_steps: u32,
    /// Is preferred to older jobs when GitHub chooses: it takes their runners.
    pub thief: bool,
    /// Its name in the workflow.
    pub name: String,
    /// What started the run.
    pub event: String,
    /// The branch.
    pub branch: String,
    /// The run comes from a fork.
    pub fork: bool,
    /// Faults of its deliveries.
    pub deliveries: JobDeliveries,
}

/// A gate by its name, or `true` for the usual one.
fn gate<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Gate>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Said {
        Whether(bool),
        Which(Gate),
    }
    Ok(match Option::<Said>::deserialize(from)? {
        Some(Said::Which(gate)) => Some(gate),
        Some(Said::Whether(true)) => Some(Gate::Environment),
        Some(Said::Whether(false)) | None => None,
    })
}

impl Default for NewJob {
    fn default() -> Self {
        Self {
            repository: "acme/app".to_owned(),
            labels: Vec::new(),
            count: 1,
            seconds: 1.0,
            private: None,
            runner_group: None,
            run_id: None,
            gate: None,
            cancel_after: None,
            conclusion: Conclusion::Success,
            steps: 3,
            always_steps: 0,
            thief: false,
            name: "build".to_owned(),
            event: "push".to_owned(),
            branch: "main".to_owned(),
            fork: false,
            deliveries: JobDeliveries::default(),
        }
    }
}
