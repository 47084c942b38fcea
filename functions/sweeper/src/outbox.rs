//! Follow-ups: what transitions left to be asked or done. Of each kind the list is read from where
//! the last sweep stopped; what is due is run, the oldest first. However long the list of one kind
//! is, the others have their turn in each sweep.

use std::collections::BTreeMap;

use futures::StreamExt;
use mayfly_domain::model::outbox::{FollowUp, KINDS, OutboxEntry};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_ledger::{Store, Versioned};
use mayfly_queue::Wakes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GitHub, Sweeper};
use crate::work_outcome::WorkOutcome;

/// Pages of each kind's list that one sweep reads at most: 600 follow-ups.
const PAGES: u32 = 3;

/// Jobs that one sweep matches at most after a change of the pools file, and how many at a time:
/// most belong to another fleet and cost a read and a write each.
const PLACES: usize = 600;
const PLACES_AT_ONCE: usize = 10;

/// Redeliveries that GitHub is asked for at once: a sweep's one by one would take longer than the
/// sweep. It takes 100 requests at a time (docs.github.com, "Rate limits for the REST API",
/// secondary limits).
const REDELIVERIES_AT_ONCE: usize = 5;

/// Where the next sweep goes on, by kind; none at the beginning of a kind's list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct MatchJobs {
    #[serde(default)]
    after: BTreeMap<String, String>,
}

/// A part of one kind's list.
#[derive(Default)]
struct Part {
    open: Vec<Versioned<OutboxEntry>>,
    next: Option<String>,
}

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Runs what is due.
    pub(crate) async fn run_outbox(&self, pools: &Pools, budget: &Budget) -> anyhow::Result<()> {
        let cursor = self.ledger.cursor::<MatchJobs>("outbox").await?;
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
            self.ledger
                .move_cursor(&cursor, MatchJobs { after })
                .await?;
        }
        Ok(())
    }

    /// What this sweep reads of each kind's list. Most often all of it is one page.
    async fn parts(&self, from: &MatchJobs) -> anyhow::Result<Vec<Part>> {
        let mut parts: Vec<Part> = KINDS.iter().map(|_| Part::default()).collect();
        if from.after.is_empty() {
            let page = self.ledger.outbox_page("", None).await?;
            if page.next.is_none() {
                for open in page.entries {
                    let name = open.follow_up.to_string();
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
                let page = self.ledger.outbox_page(kind, part.next.as_deref()).await?;
                part.open.extend(page.entries);
                part.next = page.next;
                if part.next.is_none() {
                    break;
                }
            }
        }
        Ok(parts)
    }

    /// Runs those of one kind that are due, as many as the sweep can. False if some were left.
    async fn run_due(
        &self,
        mut open: Vec<Versioned<OutboxEntry>>,
        pools: &Pools,
        budget: &Budget,
    ) -> bool {
        let now = self.now();
        open.retain(|open| is_turn_of(open, pools, now));
        open.sort_by_key(|open| open.since);
        let (places, others): (Vec<_>, Vec<_>) = open
            .into_iter()
            .partition(|open| matches!(open.follow_up, FollowUp::MatchJob { .. }));
        // Redeliveries share no budget of calls with the others and depend on nothing that these
        // change: after a burst that was refused there are hundreds.
        let at_once = if others
            .iter()
            .all(|open| matches!(open.follow_up, FollowUp::RedeliverWebhook(_)))
        {
            REDELIVERIES_AT_ONCE
        } else {
            1
        };
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

    async fn run(&self, open: &Versioned<OutboxEntry>, pools: &Pools, budget: &Budget) {
        let ran = self.perform(open, pools, budget).await;
        let written = match &ran {
            Ok(Some(WorkOutcome::Done)) => self.ledger.complete_outbox_entry(open).await,
            Ok(Some(WorkOutcome::Again(wait))) => {
                self.ledger
                    .reschedule_outbox_entry(open, open.retry_with_backoff(*wait, self.now()))
                    .await
            }
            Ok(Some(WorkOutcome::After(wait))) => {
                self.ledger
                    .reschedule_outbox_entry(open, open.retry_after(*wait, self.now()))
                    .await
            }
            Ok(Some(WorkOutcome::Still(pools_version))) => {
                self.ledger
                    .reschedule_outbox_entry(open, open.matched_by(*pools_version))
                    .await
            }
            Ok(None) => Ok(()),
            Err(problem) => {
                warn!(follow_up = %open.follow_up, error = format!("{problem:#}"), "could not complete the follow-up: it is tried again");
                if let Some(installation) = open.installation {
                    self.note_rate_limit(installation, problem, budget).await;
                }
                self.ledger
                    .reschedule_outbox_entry(
                        open,
                        open.retry_with_backoff(timeouts::TICK, self.now()),
                    )
                    .await
            }
        };
        if let Err(problem) = written {
            warn!(follow_up = %open.follow_up, error = %problem, "could not record the follow-up's result: it is run again");
        }
    }

    /// One try; none if its installation may be asked nothing now.
    async fn perform(
        &self,
        open: &OutboxEntry,
        pools: &Pools,
        budget: &Budget,
    ) -> anyhow::Result<Option<WorkOutcome>> {
        match &open.follow_up {
            FollowUp::RedeliverWebhook(failed) => self.redeliver(open, failed, budget).await,
            FollowUp::DeregisterRunner(runner) => self.deregister_stale(runner, open, budget).await,
            FollowUp::CheckJob(job) => self.check_job(*job, open, pools, budget).await,
            FollowUp::MatchJob { job, .. } => self.match_job(*job, pools).await,
            FollowUp::RerunJob(job) => self.run_again(*job, open, pools, budget).await,
        }
    }
}

/// True if the follow-up is due. A job that no pool took waits for another pools file, or for the
/// end of its day.
fn is_turn_of(open: &OutboxEntry, pools: &Pools, now: Timestamp) -> bool {
    let worth_it = match &open.follow_up {
        FollowUp::MatchJob { pools_version, .. } => {
            *pools_version != pools.version || now.since(open.since) >= timeouts::QUEUED_AT_MOST
        }
        _ => true,
    };
    worth_it && open.due(now)
}

#[cfg(test)]
mod tests {
    use mayfly_domain::model::id::{InstallationId, JobId};

    use super::*;

    #[test]
    fn a_job_that_no_pool_took_has_its_turn_with_another_pools_file_and_at_the_end_of_its_day() {
        let now = Timestamp::from_millis(1_795_356_000_000);
        let text = r#"
            [github]
            accounts = ["acme"]
            [pools.linux]
            labels = ["self-hosted", "mayfly"]
            cpu = 1
            memory = "2 GiB"
            max = 10
        "#;
        let pools = |version| mayfly_config::pools_file::parse(text, version);
        let unplaced = FollowUp::MatchJob {
            job: JobId(7),
            pools_version: 3,
        };
        let entry = OutboxEntry::new(unplaced, InstallationId(1), now, Default::default());
        let day = now.plus(timeouts::QUEUED_AT_MOST);
        let just_before = Timestamp::from_millis(day.millis() - 1);
        for (version, at, turn) in [
            (3, now, false),
            (4, now, true),
            (3, just_before, false),
            (3, day, true),
        ] {
            assert_eq!(
                is_turn_of(&entry, &pools(version).unwrap(), at),
                turn,
                "{version} {at:?}"
            );
        }
        let asked = OutboxEntry::new(
            FollowUp::CheckJob(JobId(7)),
            InstallationId(1),
            now,
            timeouts::TICK,
        );
        let turn = |at| is_turn_of(&asked, &pools(3).unwrap(), at);
        assert_eq!((turn(now), turn(now.plus(timeouts::TICK))), (false, true));
    }
}
