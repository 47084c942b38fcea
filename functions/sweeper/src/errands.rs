//! Errands: what transitions left to be asked or done. The list is read from where the last sweep stopped; what is due is run, the oldest first.

use std::time::Duration;

use mayfly_domain::errand::{Errand, Open};
use mayfly_domain::pool::Pools;
use mayfly_domain::time::Timestamp;
use mayfly_domain::times;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::budget::Budget;
use crate::{Fleet, GitHub, Sweeper};

/// Pages of the list that one sweep reads at most: a thousand errands.
const PAGES: u32 = 5;

/// Where the next sweep goes on; none at the beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    after: Option<String>,
}

/// What came of one try.
pub(crate) enum Ran {
    /// It is settled, or nobody needs it any more.
    Done,
    /// To be tried again after this time, twice as long after each try.
    Again(Duration),
    /// To be tried again after exactly this time: it got somewhere.
    After(Duration),
}

impl<S: Store, F: Fleet, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Runs what is due.
    pub(crate) async fn run_errands(&self, pools: &Pools, budget: &Budget) -> anyhow::Result<()> {
        let cursor = self.ledger.cursor::<Place>("errands").await?;
        let mut after = cursor.at.after.clone();
        let mut open = Vec::new();
        for _ in 0..PAGES {
            let page = self.ledger.errands(after.as_deref()).await?;
            open.extend(page.open);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let now = self.now();
        open.retain(|open| is_turn_of(open, pools, now));
        open.sort_by_key(|open| open.since);
        for open in &open {
            if budget.over() {
                // What was read and not run is read again: the place stays.
                return Ok(());
            }
            self.run(open, pools, budget).await;
        }
        if after != cursor.at.after {
            self.ledger.move_cursor("errands", &cursor, Place { after }).await?;
        }
        Ok(())
    }

    async fn run(&self, open: &Open, pools: &Pools, budget: &Budget) {
        let ran = self.errand(open, pools, budget).await;
        let written = match &ran {
            Ok(Some(Ran::Done)) => self.ledger.errand_done(open).await,
            Ok(Some(Ran::Again(wait))) => self.ledger.errand_again(&open.again(*wait, self.now())).await,
            Ok(Some(Ran::After(wait))) => self.ledger.errand_again(&open.after(*wait, self.now())).await,
            Ok(None) => Ok(()),
            Err(problem) => {
                warn!(errand = %open.errand, "not done, it is tried again: {problem:#}");
                if let Some(installation) = open.installation {
                    self.heed(installation, problem, budget).await;
                }
                self.ledger.errand_again(&open.again(times::TICK, self.now())).await
            }
        };
        if let Err(problem) = written {
            warn!(errand = %open.errand, "what came of it was not written down, it is run again: {problem}");
        }
    }

    /// One try; none if its installation may be asked nothing now.
    async fn errand(&self, open: &Open, pools: &Pools, budget: &Budget) -> anyhow::Result<Option<Ran>> {
        match &open.errand {
            Errand::Redeliver(failed) => self.redeliver(open, failed, budget).await,
            Errand::Unregister(runner) => self.unregister((runner, open), budget).await,
            Errand::Ask(job) => self.ask_where((*job, open), pools, budget).await,
            Errand::Place { job, .. } => self.place(*job, pools).await,
            Errand::Rerun(job) => self.run_again((*job, open), pools, budget).await,
        }
    }
}

/// True if the errand is due. A job that no pool took waits for another pools file, or for the end of its day.
fn is_turn_of(open: &Open, pools: &Pools, now: Timestamp) -> bool {
    let worth_it = match &open.errand {
        Errand::Place { generation, .. } => *generation != pools.generation || now.since(open.since) >= times::QUEUED_AT_MOST,
        _ => true,
    };
    worth_it && open.due(now)
}
