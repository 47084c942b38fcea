//! What observer needs of the ledger.

use mayfly_domain::model::task::Task;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::runners::TaskUpdate;
use mayfly_ledger::{Ledger, LedgerError, Store};

/// Keeps what is known of tasks.
pub trait Records: Send + Sync {
    /// Writes down what ECS says of a task. An event that is not newer than the record changes
    /// nothing.
    ///
    /// # Errors
    /// [`LedgerError`]: nothing or everything may have been written; the same call again is right
    /// in both cases.
    fn task_seen(
        &self,
        task: &Task,
        now: Timestamp,
    ) -> impl Future<Output = Result<TaskUpdate, LedgerError>> + Send;
}

impl<S: Store> Records for Ledger<S> {
    async fn task_seen(&self, task: &Task, now: Timestamp) -> Result<TaskUpdate, LedgerError> {
        Ledger::task_seen(self, task, now).await
    }
}
