//! The one implementation of all ports: the ECS API.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws_sdk_ecs::Client;

/// One cluster, over the ECS API.
#[derive(Debug)]
pub struct Ecs {
    pub(crate) client: Client,
    pub(crate) cluster: String,
    /// ARNs of definitions that are known to exist, by family.
    definitions: Mutex<BTreeMap<String, String>>,
}

impl Ecs {
    /// The cluster of that ARN.
    #[must_use]
    pub fn new(client: Client, cluster: impl Into<String>) -> Self {
        Self {
            client,
            cluster: cluster.into(),
            definitions: Mutex::default(),
        }
    }

    /// What is known of definitions. Never held across a call.
    pub(crate) fn definitions(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        // What a panic may have left undone here is an entry that is asked for again.
        self.definitions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
