//! Where something is replaced.

use mayfly_domain::model::time::Timestamp;

use crate::commands::init::setup_flow::Say;
use crate::failure::Failure;

/// Where something is replaced.
pub struct Place<'a, D, V> {
    /// GitHub.
    pub github_setup: &'a D,
    /// Where the secrets are.
    pub secrets_store: &'a V,
    /// The one who waits.
    pub teller: &'a dyn Say,
    /// What time it is.
    pub clock: &'a (dyn Fn() -> Timestamp + Send + Sync),
    /// The stack.
    pub stack: String,
}

impl<D, V> Place<'_, D, V> {
    /// The name of one of its parameters.
    pub(super) fn parameter(&self, what: &str) -> String {
        format!("/mayfly/{}/{what}", self.stack)
    }

    /// The parameter is not there.
    pub(super) fn missing(&self, what: &str) -> Failure {
        Failure::new(
            format!("there is no SSM parameter {}", self.parameter(what)),
            "this deployment has no App yet: mayfly init",
        )
    }
}
