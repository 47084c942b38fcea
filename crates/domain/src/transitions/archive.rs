//! What goes into the archive next, and when.
//!
//! The archive has a day's records once the day is over, in numbered parts. Names follow from the
//! day and the part alone, and the cursor moves after its part is stored, so a part that is written
//! twice replaces itself, and none is left out. That holds only if nothing joins a day any more once
//! it is read: a record that is written late is filed under a later day ([`filed_at`]).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::retention::Retention;
use crate::model::time::Timestamp;

/// A day has 24 hours: UTC knows no other ones, and leap seconds are not counted since 1970.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A record that is written longer than this after it closed is filed under the day on which it is
/// written. Most are written within seconds; a delivery that GitHub could not make comes minutes
/// later, after an outage days.
pub const FILED_LATE: Duration = Duration::from_secs(60 * 60);

/// How much longer a day is left alone. A write takes a minute at most from the time that it bears,
/// and the index follows the table by about a second
/// (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.html>, "eventually
/// consistent").
pub const SETTLES: Duration = Duration::from_secs(15 * 60);

/// A day in UTC: how many there were since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(i64);

impl Day {
    /// The day of a time.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        Self(at.seconds().div_euclid(24 * 60 * 60))
    }

    /// Its first moment.
    #[must_use]
    pub fn begins(self) -> Timestamp {
        Timestamp::from_millis(self.0.saturating_mul(24 * 60 * 60 * 1000))
    }

    /// The first moment of the next day.
    #[must_use]
    pub fn ends(self) -> Timestamp {
        self.begins().plus(DAY)
    }

    /// The day after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// From when on nothing joins it, so that it can be archived.
    #[must_use]
    pub fn settles(self) -> Timestamp {
        self.ends().plus(FILED_LATE + SETTLES)
    }
}

/// Under the day of which time a record is filed that closed at `closed_at` and is written at `now`.
#[must_use]
pub fn filed_at(closed_at: Timestamp, now: Timestamp) -> Timestamp {
    closed_at.max(now.minus(FILED_LATE))
}

/// The part that is written next. All days before its own, and all parts before it, are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveCursor<A> {
    /// The day.
    pub day: Day,
    /// Which part of it, from 0.
    pub part: u32,
    /// The record after which it begins; none at the first of the day.
    pub after: Option<A>,
}

impl<A> ArchiveCursor<A> {
    /// Where an archive begins that has nothing yet: with the oldest records that the pools file
    /// keeps.
    #[must_use]
    pub fn first(keep: Retention, now: Timestamp) -> Self {
        Self::of_day(Day::of(now.minus(keep.duration())))
    }

    fn of_day(day: Day) -> Self {
        Self {
            day,
            part: 0,
            after: None,
        }
    }

    /// True if the part can be written: its day has settled.
    #[must_use]
    pub fn is_due(&self, now: Timestamp) -> bool {
        now >= self.day.settles()
    }

    /// For how long the day could have been archived.
    #[must_use]
    pub fn overdue(&self, now: Timestamp) -> Duration {
        now.since(self.day.settles())
    }

    /// The part after this one, which ended with `last`; none: it was the day's last.
    #[must_use]
    pub fn following(&self, last: Option<A>) -> Self {
        match last {
            Some(last) => Self {
                day: self.day,
                part: self.part.saturating_add(1),
                after: Some(last),
            },
            None => Self::of_day(self.day.next()),
        }
    }
}
