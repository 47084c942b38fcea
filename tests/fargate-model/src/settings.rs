//! What the modelled account is like.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Properties of the account, the region and the pace of its tasks.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Region in ARNs, events and availability zones.
    pub region: String,
    /// Account id in ARNs and events, 12 digits.
    pub account: String,
    /// From `RunTask` to `RUNNING`, in milliseconds. On AWS about 47,000 for the runner's image.
    pub start_delay_ms: u64,
    /// From the end of the container to `STOPPED` (the interface is given back), in milliseconds.
    pub stop_delay_ms: u64,
    /// Cap on the container definition's `stopTimeout`, in milliseconds, so that tests need not
    /// wait 30 s.
    pub stop_timeout_ms: Option<u64>,
    /// Clusters of the account. Empty: every cluster that a call names exists.
    pub clusters: Vec<String>,
    /// Subnets and their availability zones. Empty: every subnet exists, its zone follows from its
    /// name.
    pub subnets: BTreeMap<String, String>,
    /// Quota "Fargate On-Demand vCPU resource count" (L-3032A538); `None`: no limit.
    pub vcpu_quota: Option<u32>,
    /// Quota "Fargate Spot vCPU resource count" (L-36FBB829); `None`: no limit.
    pub spot_vcpu_quota: Option<u32>,
    /// Tasks that may live at once; more find no capacity. Protects the machine that runs them.
    pub max_tasks: usize,
    /// Whether AWS's request rates are enforced.
    pub throttled: bool,
    /// How far `DescribeTasks` and `ListTasks` lag behind, in milliseconds.
    pub read_lag_ms: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            region: "us-east-1".to_owned(),
            account: "000000000000".to_owned(),
            start_delay_ms: 300,
            stop_delay_ms: 50,
            stop_timeout_ms: None,
            clusters: Vec::new(),
            subnets: BTreeMap::new(),
            vcpu_quota: None,
            spot_vcpu_quota: None,
            max_tasks: 100,
            throttled: true,
            read_lag_ms: 0,
        }
    }
}

impl Settings {
    pub(crate) fn read_lag(&self) -> Duration {
        Duration::from_millis(self.read_lag_ms)
    }

    pub(crate) fn knows_cluster(&self, name: &str) -> bool {
        self.clusters.is_empty() || self.clusters.iter().any(|known| known == name)
    }

    /// The availability zone of a subnet; `None` if there is no such subnet.
    pub(crate) fn zone(&self, subnet: &str) -> Option<String> {
        if self.subnets.is_empty() {
            let sum: u32 = subnet.bytes().map(u32::from).sum();
            let letter = char::from_u32(u32::from(b'a') + sum % 3).unwrap_or('a');
            return Some(format!("{}{letter}", self.region));
        }
        self.subnets.get(subnet).cloned()
    }
}
