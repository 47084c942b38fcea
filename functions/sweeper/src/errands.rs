//! Errands: what transitions left to be asked or done. Of each kind the list is read from where the last sweep stopped; what is due is run, the oldest
//! first. However long the list of one kind is, the others have their turn in each sweep.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use mayfly_domain::model::errand::{Errand, KINDS, Open};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::times;
use mayfly_ledger::Store;
use mayfly_queue::Wakes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::budget::Budget;
use crate::{Fleet, GitHub, Sweeper};

/// Pages of each kind's list that one sweep reads at most: 600 errands.
const PAGES: u32 = 3;

/// Jobs that one sweep matches at most after a change of the pools file, and how many at a time: most belong to another fleet and cost a read and a write each.
const PLACES: usize = 600;
const PLACES_AT_ONCE: usize = 10;

/// Redeliveries that GitHub is asked for at once: a sweep's one by one would take longer than the sweep. It takes 100 requests at a time (docs.github.com, "Rate
/// limits for the REST API", secondary limits).
const REDELIVERIES_AT_ONCE: usize = 5;

/// Where the next sweep goes on, by kind; none at the beginning of a kind's list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Places {
    #[serde(default)]
    after: BTreeMap<String, String>,
}

/// A part of one kind's list.
#[derive(Default)]
struct Part {
    open: Vec<Open>,
    next: Option<String>,
}

/// What came of one try.
pub(crate) enum Ran {
    /// It is settled, or nobody needs it any more.
    Done,
    /// To be tried again after this time, twice as long after each try.
    Again(Duration),
    /// To be tried again after exactly this time: it got somewhere.
    After(Duration),
    /// No pool takes the job by this version of the pools file either.
    Still(u64),
}

impl<S: Store, F: Fleet, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Runs what is due.
    pub(crate) async fn run_errands(&self, pools: &Pools, budget: &Budget) -> anyhow::Result<()> {
        let cursor = self.ledger.cursor::<Places>("errands").await?;
        let mut after = cursor.at.after.clone();
        for (kind, part) in KINDS.into_iter().zip(self.parts(&cursor.at).await?) {
            if budget.over() || !self.run_due(part.open, pools, budget).await {
                // What was read and not run is read again: the place stays.
                continue;
            }
            match part.next {
                Some(next) => after.insert(kind.to_owned(), next),
                None => after.remove(kind),
            };
        }
        if after != cursor.at.after {
            self.ledger.move_cursor("errands", &cursor, Places { after }).await?;
        }
        Ok(())
    }

    /// What this sweep reads of each kind's list. Most often all of it is one page.
    async fn parts(&self, from: &Places) -> anyhow::Result<Vec<Part>> {
        let mut parts: Vec<Part> = KINDS.iter().map(|_| Part::default()).collect();
        if from.after.is_empty() {
            let page = self.ledger.errands("", None).await?;
            if page.next.is_none() {
                for open in page.open {
                    let name = open.errand.to_string();
                    if let Some(kind) = KINDS.iter().position(|kind| name.starts_with(kind)) {
                        parts[kind].open.push(open);
                    }
                }
                return Ok(parts);
            }
        }
        for (kind, part) in KINDS.into_iter().zip(&mut parts) {
            part.next = from.after.get(kind).cloned();
            for _ in 0..PAGES {
                let page = self.ledger.errands(kind, part.next.as_deref()).await?;
                part.open.extend(page.open);
                part.next = page.next;
                if part.next.is_none() {
                    break;
                }
            }
        }
        Ok(parts)
    }

    /// Runs those of one kind that are due, as many as the sweep can. False if some were left.
    async fn run_due(&self, mut open: Vec<Open>, pools: &Pools, budget: &Budget) -> bool {
        let now = self.now();
        open.retain(|open| is_turn_of(open, pools, now));
        open.sort_by_key(|open| open.since);
        let (places, others): (Vec<Open>, Vec<Open>) = open.into_iter().partition(|open| matches!(open.errand, Errand::Place { .. }));
        // Redeliveries share no budget of calls with the others and depend on nothing that these change: after a burst that was refused there are hundreds.
        let at_once = if others.iter().all(|open| matches!(open.errand, Errand::Redeliver(_))) { REDELIVERIES_AT_ONCE } else { 1 };
        futures::stream::iter(&others)
            .for_each_concurrent(at_once, |open| async move {
                if !budget.over() {
                    self.run(open, pools, budget).await;
                }
            })
            .await;
        futures::stream::iter(places.iter().take(PLACES))
            .for_each_concurrent(PLACES_AT_ONCE, |open| async move {
                if !budget.over() {
                    self.run(open, pools, budget).await;
                }
            })
            .await;
        !budget.over() && places.len() <= PLACES
    }

    async fn run(&self, open: &Open, pools: &Pools, budget: &Budget) {
        let ran = self.errand(open, pools, budget).await;
        let written = match &ran {
            Ok(Some(Ran::Done)) => self.ledger.errand_done(open).await,
            Ok(Some(Ran::Again(wait))) => self.ledger.errand_again(&open.again(*wait, self.now())).await,
            Ok(Some(Ran::After(wait))) => self.ledger.errand_again(&open.after(*wait, self.now())).await,
            Ok(Some(Ran::Still(generation))) => self.ledger.errand_again(&open.matched_by(*generation)).await,
            Ok(None) => Ok(()),
            Err(problem) => {
                warn!(errand = %open.errand, error = format!("{problem:#}"), "could not complete the follow-up: it is tried again");
                if let Some(installation) = open.installation {
                    self.heed(installation, problem, budget).await;
                }
                self.ledger.errand_again(&open.again(times::TICK, self.now())).await
            }
        };
        if let Err(problem) = written {
            warn!(errand = %open.errand, error = %problem, "could not record the follow-up's result: it is run again");
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
