//! Why AWS takes back a task: Spot capacity, and hosts that fail or are retired.

use serde::{Deserialize, Serialize};

/// Why AWS took a task back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interruption {
    /// It needs its Spot capacity.
    Spot,
    /// It retires the host under the task.
    HostRetired,
    /// The host under the task is not healthy.
    HostUnhealthy,
}

impl Interruption {
    /// What ECS's code for a task that stopped tells; none if AWS did not take it back. Source: ECS
    /// API reference, `Task`, `stopCode`
    /// (<https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_Task.html>).
    #[must_use]
    pub fn of_code(stop_code: &str) -> Option<Self> {
        Some(match stop_code {
            "SpotInterruption" => Self::Spot,
            "TerminationNotice" => Self::HostRetired,
            "InfrastructureHealth" => Self::HostUnhealthy,
            _ => return None,
        })
    }

    /// In words for the user.
    #[must_use]
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Spot => "AWS reclaimed its Spot capacity",
            Self::HostRetired => "AWS reclaimed it: the host under it is retired",
            Self::HostUnhealthy => "AWS reclaimed it: the host under it is not healthy",
        }
    }
}
