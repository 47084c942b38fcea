//! Where the pages' figures come from.

use async_trait::async_trait;
use mayfly_domain::model::id::JobId;
pub use mayfly_reports::look::{Look, View, gather};

use crate::commands::explain::report::JobReport;
use crate::failure::Failure;

/// Where the page's figures come from.
#[async_trait]
pub trait Source: Send + Sync {
    /// How things are.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    async fn look(&self, view: &View) -> Result<Look, Failure>;

    /// A job; none if the ledger does not know it.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked.
    async fn job(&self, job: JobId) -> Result<Option<JobReport>, Failure>;
}
