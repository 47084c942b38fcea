//! A batch of wakes: one task and one deadline per pool, failures reported per pool.

use std::collections::BTreeMap;

use anyhow::anyhow;
use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent, SqsMessage};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_ledger::Store;
use mayfly_queue::{Wake, Wakes};
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::plans::snapshots_apart;
use crate::scaler::{EcsPort, Scaler};

/// The messages for one pool.
#[derive(Default)]
struct Group {
    messages: Vec<String>,
    sent: Vec<Option<Timestamp>>,
}

impl Group {
    /// When the newest of them was sent; a message without a time may be from this moment.
    fn newest(&self) -> Option<Timestamp> {
        let sent: Option<Vec<Timestamp>> = self.sent.iter().copied().collect();
        sent?.into_iter().max()
    }
}

impl<S: Store, F: EcsPort, W: Wakes> Scaler<S, F, W> {
    /// Looks at every pool that the batch names.
    ///
    /// A pool that fails leaves the others alone: its own messages come back after the visibility
    /// timeout, all of them, because a FIFO queue must not see a later one pass an earlier one.
    pub async fn handle(&self, batch: SqsEvent) -> SqsBatchResponse {
        let mut groups: BTreeMap<PoolName, Group> = BTreeMap::new();
        for message in batch.records {
            match Wake::parse(message.body.as_deref().unwrap_or_default()) {
                Ok(wake) => {
                    let group = groups.entry(wake.pool).or_default();
                    group.sent.push(sent_at(&message));
                    // Lambda always gives an id. Without one, all messages of the batch come back:
                    // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
                    group.messages.push(message.message_id.unwrap_or_default());
                }
                // It can never become a wake: keeping it would only hold up its group.
                Err(problem) => {
                    error!(message.id = message.message_id.unwrap_or_default(), error = %problem, "dropped a message that is not a wake")
                }
            }
        }
        let served = groups.into_iter().map(|(pool, group)| async move {
            if self.seen_since(&pool, group.newest()) {
                return Vec::new();
            }
            // As if this process had died: what was under way may have been done, and the next look
            // sees.
            let gave_up = |_| Err(anyhow!("no answer from AWS within {} s", timeouts::SCALER_GIVES_UP.as_secs()));
            match timeout(timeouts::SCALER_GIVES_UP, self.serve(&pool)).await.unwrap_or_else(gave_up) {
                Ok(()) => Vec::new(),
                Err(problem) => {
                    warn!(pool.name = %pool, error = format!("{problem:#}"), "could not serve the pool: its wakes are delivered again");
                    group.messages
                }
            }
        });
        let failed = futures::future::join_all(served)
            .await
            .into_iter()
            .flatten();
        let mut response = SqsBatchResponse::default();
        response.batch_item_failures.extend(failed.map(|id| {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = id;
            failure
        }));
        response
    }

    /// True if this process began a successful look at the pool well after the newest wake was
    /// sent: whatever it was sent for has been seen.
    fn seen_since(&self, pool: &PoolName, newest: Option<Timestamp>) -> bool {
        let looked = self.last_snapshot(pool);
        let seen = newest
            .zip(looked)
            .is_some_and(|(sent, (looked, _))| sent.plus(timeouts::WAKE_SEEN) < looked);
        if seen {
            info!(pool.name = %pool, "skipped a wake: the pool was planned after the wake was sent");
        }
        seen
    }

    fn last_snapshot(&self, pool: &PoolName) -> Option<(Timestamp, usize)> {
        self.looked
            .lock()
            .ok()
            .and_then(|looked| looked.get(pool).copied())
    }

    pub(crate) fn has_read(&self, pool: &PoolName, at: Timestamp, rows: usize) {
        if let Ok(mut looked) = self.looked.lock() {
            looked.insert(pool.clone(), (at, rows));
        }
    }

    /// Waits until the pool may be looked at again. Each run reads every row of the pool, and in a
    /// burst wakes never end. With a pause of a millisecond for each row, the rows read in a second
    /// stay the same, however large the pool is.
    pub(crate) async fn wait_between_snapshots(&self, pool: &PoolName) {
        let Some((began, rows)) = self.last_snapshot(pool) else {
            return;
        };
        let since = self.now().since(began);
        tokio::time::sleep(snapshots_apart(rows).saturating_sub(since)).await;
    }
}

/// When the message was sent: milliseconds since 1970, as text.
fn sent_at(message: &SqsMessage) -> Option<Timestamp> {
    let millis = message.attributes.get("SentTimestamp")?;
    millis.parse().ok().map(Timestamp::from_millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An older one says nothing of what the newer one was sent for.
    #[test]
    fn of_a_batch_the_newest_wake_counts_and_one_without_a_time_is_from_this_moment() {
        let at = |second: i64| Some(Timestamp::from_millis(second * 1_000));
        let newest = |sent: &[Option<Timestamp>]| {
            let sent = sent.to_vec();
            let group = Group {
                sent,
                ..Group::default()
            };
            group.newest()
        };
        assert_eq!(newest(&[at(1)]), at(1));
        assert_eq!(newest(&[at(1), at(3), at(2)]), at(3));
        for unknown in [[None, at(3)], [at(3), None]] {
            assert_eq!(newest(&unknown), None);
        }
        assert_eq!(newest(&[]), None);
    }
}
