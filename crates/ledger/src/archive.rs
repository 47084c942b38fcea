//! Closed records for the archive: a part of a day's, as JSON lines.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::archive::{ArchiveCursor, Day};
use serde_json::Value;

use crate::error::LedgerError;
use crate::history::{After, History, Order, Span};
use crate::key::{self, Key};
use crate::ledger::Ledger;
use crate::outbox::Cursor;
use crate::store::{Item, REV, Store, day, read};
use crate::version::Versioned;

/// The name of the archive's cursor.
const LIST: &str = "archive";

/// Records of a part. A page of DynamoDB's ends at 1 MB, too, which is some 300 of them.
const RECORDS: i32 = 250;

/// Attributes that only the table needs.
const OF_THE_TABLE: [&str; 4] = ["pk", "sk", REV, "day"];

/// How far the archive is: the part to be written next, none in an archive that has nothing.
pub type ArchivePlace = Versioned<Cursor<Option<ArchiveCursor<After>>>>;

/// A part of a day's closed records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ArchivePart {
    /// The jobs, a line each.
    pub jobs: String,
    /// The runners, a line each.
    pub runners: String,
    /// The last record of this part; none if it is the day's last part.
    pub last: Option<After>,
}

impl<S: Store> Ledger<S> {
    /// How far the archive is.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn archive_place(&self) -> Result<ArchivePlace, LedgerError> {
        self.cursor(LIST).await
    }
}

impl<S: History> Ledger<S> {
    /// The records of a part. They are lines as the table has them, so that a field that a newer
    /// version wrote is archived by an older one, too.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn archive_part(
        &self,
        place: &ArchiveCursor<After>,
    ) -> Result<ArchivePart, LedgerError> {
        // A record may be filed under a later day than that on which it closed, or, by a clock of
        // GitHub's that is ahead, under an earlier one.
        let span = Span {
            day: day(place.day.begins()),
            from: Timestamp::default(),
            to: Timestamp::from_millis(i64::MAX),
            order: Order::OldestFirst,
        };
        let page = self
            .store()
            .closed(&span, place.after.as_ref(), RECORDS)
            .await?;
        let mut part = ArchivePart {
            last: page.next,
            ..ArchivePart::default()
        };
        for (key, item) in page.items {
            let lines = if key.pk.starts_with(key::JOB_PREFIX) {
                &mut part.jobs
            } else if key.pk.starts_with(key::RUNNER_PREFIX) {
                &mut part.runners
            } else {
                continue;
            };
            lines.push_str(&line(&key, item)?);
            lines.push('\n');
        }
        Ok(part)
    }
}

/// The text of a day in the names of the archive's objects.
#[must_use]
pub fn day_of(day_of: Day) -> String {
    day(day_of.begins())
}

fn line(key: &Key, item: Item) -> Result<String, LedgerError> {
    let own: HashMap<String, AttributeValue> = item
        .into_iter()
        .filter(|(name, _)| !OF_THE_TABLE.contains(&name.as_str()))
        .collect();
    let value: Value = read(key, own)?;
    Ok(value.to_string())
}
