//! Names of repositories, for the tags of the tasks that are started for their jobs.

use std::collections::{BTreeMap, BTreeSet};

use futures::StreamExt;
use mayfly_domain::model::id::RepositoryId;
use mayfly_domain::transitions::plan::Plan;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use tracing::debug;

use crate::scaler::{EcsPort, Scaler};

/// Reads under way at a time.
const AT_ONCE: usize = 10;

impl<S: Store, F: EcsPort, W: Wakes> Scaler<S, F, W> {
    /// The names of the repositories that the plan launches for, as far as they are known: webhook
    /// writes each down. Read once for each process. A name that cannot be read is not worth a
    /// launch: its tag has the number then.
    pub(crate) async fn names(&self, plan: &Plan) -> BTreeMap<RepositoryId, String> {
        let wanted: BTreeSet<RepositoryId> = plan
            .launch
            .iter()
            .filter_map(|start| start.repository)
            .collect();
        let mut names: BTreeMap<RepositoryId, String> = self
            .repositories
            .lock()
            .map(|known| {
                wanted
                    .iter()
                    .filter_map(|id| Some((*id, known.get(id)?.clone())))
                    .collect()
            })
            .unwrap_or_default();
        let unknown: Vec<RepositoryId> = wanted
            .into_iter()
            .filter(|id| !names.contains_key(id))
            .collect();
        let reading = futures::stream::iter(unknown).map(|id| async move {
            let read = self.ledger.repository(id).await.inspect_err(|problem| {
                debug!("could not read the name of repository {id}: {problem}")
            });
            read.ok().flatten().map(|seen| (id, seen.repository.name))
        });
        let read: Vec<(RepositoryId, String)> = reading
            .buffer_unordered(AT_ONCE)
            .filter_map(|read| async { read })
            .collect()
            .await;
        if let Ok(mut known) = self.repositories.lock() {
            known.extend(read.iter().cloned());
        }
        names.extend(read);
        names
    }
}
