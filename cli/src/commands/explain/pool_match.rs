//! Which pool a job goes to, and why that one.

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::matching::{MatchQuery, Verdict};
use mayfly_domain::model::pool::Pools;
use serde::Serialize;

use crate::commands::matching::because;

/// What one pool says to a job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolVerdict {
    /// The pool.
    pub pool: PoolName,
    /// Why it does not take it; none if it does.
    pub because: Option<String>,
}

/// How a job was matched.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Matched {
    /// The pool that has it.
    pub pool: Option<PoolName>,
    /// The version of the pools file that placed it.
    pub version: u64,
    /// The active version, by which the pools are asked here.
    pub active_version: u64,
    /// What each pool says to it by the active version.
    pub pools: Vec<PoolVerdict>,
}

/// Asks every active pool about a job.
#[must_use]
pub fn matched(record: &JobRecord, pools: &Pools) -> Matched {
    let asked = MatchQuery {
        labels: &record.labels,
        repository: Some(&record.repository),
        run: Some((record.run, record.attempt)),
    };
    let said = pools.verdicts(asked).into_iter();
    Matched {
        pool: record.pool.clone(),
        version: record.pools_version,
        active_version: pools.version,
        pools: said
            .map(|(pool, verdict)| PoolVerdict {
                pool: pool.name.clone(),
                because: (verdict != Verdict::Takes)
                    .then(|| because(pool, &verdict))
                    .flatten(),
            })
            .collect(),
    }
}

impl Matched {
    /// The pool that takes the job by the active version.
    #[must_use]
    pub fn taker(&self) -> Option<&PoolName> {
        self.pools
            .iter()
            .find(|said| said.because.is_none())
            .map(|said| &said.pool)
    }

    /// In words: why the pool that has it, and why not the others.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.version != self.active_version {
            words.push(format!(
                "placed by version {} of the pools file; by version {}, which is active now:",
                self.version, self.active_version
            ));
        }
        words.extend(self.pools.iter().map(|said| match &said.because {
            None if self.pool.as_ref() == Some(&said.pool) => {
                format!(
                    "{} takes it: it offers all of the job's labels, one of the pool's own among them",
                    said.pool
                )
            }
            None => format!("{} takes it", said.pool),
            Some(because) => format!("{}: {because}", said.pool),
        }));
        words
    }
}
