//! A user's request that a runner ends (`mayfly stop`).

use serde::{Deserialize, Serialize};

use crate::model::story::Reason;
use crate::model::time::Timestamp;

/// Someone's request that a runner that GitHub may know ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StopRequest {
    /// When it was said.
    pub at: Timestamp,
    /// Who said it.
    pub by: String,
    /// Even if it has a job, which fails then.
    pub force: bool,
}

impl StopRequest {
    /// Why the runner ends.
    #[must_use]
    pub fn reason(&self) -> Reason {
        Reason::StoppedBy {
            by: self.by.clone(),
        }
    }
}
