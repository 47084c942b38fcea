//! Closed records by the day they closed: what people ask about, reports are made of, and sweeper
//! archives. Nothing else is decided by it. A record that was written more than an hour after it
//! closed is filed under the day on which it was written
//! ([`mayfly_domain::transitions::archive::filed_at`]), so who asks for what closed since a time reads
//! up to now.

use std::time::Duration;

use async_trait::async_trait;
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::retention::Retention;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::key::Key;
use crate::ledger::Ledger;
use crate::store::{Item, StoreError, day, read};

/// The sparse index over closed records (`infra/template.yaml`): partition `day`, sort key
/// `closed_at`.
pub const INDEX: &str = "closed-by-day";

/// A day, and 24 hours.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// In which order closed records are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those that closed last come first.
    NewestFirst,
    /// Those that closed first come first.
    OldestFirst,
}

/// A time range. Both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeRange {
    /// The first moment.
    pub from: Timestamp,
    /// The last moment.
    pub to: Timestamp,
}

/// A part of one day of the index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The day in UTC, as `2026-11-22`.
    pub day: String,
    /// What closed then, or later.
    pub from: Timestamp,
    /// What closed then, or earlier.
    pub to: Timestamp,
    /// In which order.
    pub order: Order,
}

/// Where reading an index goes on: after this item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// Its key in the table.
    pub key: Key,
    /// When it closed.
    pub closed_at: Timestamp,
}

/// One page of the index.
#[derive(Clone, Debug, Default)]
pub struct ClosedPage {
    /// The items, in the order that was asked for.
    pub items: Vec<(Key, Item)>,
    /// Where to go on; none at the end.
    pub next: Option<After>,
}

/// The index over closed records.
#[async_trait]
pub trait History: Send + Sync {
    /// Records that closed within a span, after a place in it, at most `limit`. An index follows
    /// its table by a moment (it is eventually consistent).
    async fn closed(
        &self,
        span: &Span,
        after: Option<&After>,
        limit: i32,
    ) -> Result<ClosedPage, StoreError>;
}

/// What closed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closed {
    /// Jobs, in the order that was asked for.
    pub jobs: Vec<JobRecord>,
    /// Runners, the same.
    pub runners: Vec<Runner>,
    /// There is more than was to be read: nothing is known beyond this time.
    pub cut_at: Option<Timestamp>,
}

impl<S: History> Ledger<S> {
    /// Jobs and runners that closed within a time range. Reads at most `most` records. Expired
    /// records are left out, even if DynamoDB has not deleted them yet.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn closed(
        &self,
        range: TimeRange,
        order: Order,
        most: usize,
        now: Timestamp,
    ) -> Result<Closed, LedgerError> {
        // Nothing older is kept, whatever a pools file said; a day more, for GitHub's clock may say
        // when a job closed, and ours until when its record stays.
        let from = range.from.max(now.minus(Retention::MOST.duration() + DAY));
        let mut closed = Closed::default();
        let mut read_so_far = 0;
        let to = range.to;
        for day in days(from, to, order) {
            let span = Span {
                day,
                from,
                to,
                order,
            };
            let mut after: Option<After> = None;
            loop {
                let left = most.saturating_sub(read_so_far);
                if left == 0 {
                    closed.cut_at = after.map(|after| after.closed_at).or(closed.cut_at);
                    return Ok(closed);
                }
                let page = self
                    .store()
                    .closed(
                        &span,
                        after.as_ref(),
                        i32::try_from(left).unwrap_or(i32::MAX),
                    )
                    .await?;
                read_so_far += page.items.len();
                for (key, item) in page.items {
                    closed.cut_at = closed.add(&key, item, now)?.or(closed.cut_at);
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        closed.cut_at = None;
        Ok(closed)
    }
}

impl Closed {
    /// Adds a record; answers when it closed.
    fn add(
        &mut self,
        key: &Key,
        item: Item,
        now: Timestamp,
    ) -> Result<Option<Timestamp>, LedgerError> {
        let kept = |expires_at: Option<i64>| expires_at.is_none_or(|at| at > now.seconds());
        if key.pk.starts_with("job#") {
            let job: JobRecord = read(key, item)?;
            let closed_at = job.closed_at;
            self.jobs
                .extend(Some(job).filter(|job| kept(job.expires_at)));
            return Ok(closed_at);
        }
        if key.pk.starts_with("runner#") {
            let runner: Runner = read(key, item)?;
            let closed_at = runner.closed_at;
            self.runners
                .extend(Some(runner).filter(|runner| kept(runner.expires_at)));
            return Ok(closed_at);
        }
        Ok(None)
    }
}

/// The days between two times, in UTC.
fn days(from: Timestamp, to: Timestamp, order: Order) -> Vec<String> {
    let mut days = Vec::new();
    let mut at = from;
    while at <= to {
        days.push(day(at));
        at = at.plus(DAY);
    }
    let last = day(to);
    if from <= to && days.last() != Some(&last) {
        days.push(last);
    }
    if order == Order::NewestFirst {
        days.reverse();
    }
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22T23:00:00Z.
    const LATE: Timestamp = Timestamp::from_millis(1_795_388_400_000);

    #[test]
    fn every_day_that_a_time_touches_is_read_once() {
        let hours = |hours: u64| LATE.plus(Duration::from_secs(hours * 3600));
        assert_eq!(days(LATE, hours(0), Order::OldestFirst), ["2026-11-22"]);
        assert_eq!(
            days(LATE, hours(2), Order::OldestFirst),
            ["2026-11-22", "2026-11-23"]
        );
        assert_eq!(
            days(LATE, hours(24), Order::OldestFirst),
            ["2026-11-22", "2026-11-23"]
        );
        assert_eq!(
            days(LATE, hours(26), Order::NewestFirst),
            ["2026-11-24", "2026-11-23", "2026-11-22"]
        );
        assert!(days(hours(1), LATE, Order::NewestFirst).is_empty());
    }
}
