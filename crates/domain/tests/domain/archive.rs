//! The archive of closed records: whatever fails and however often, nothing is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::retention::Retention;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::archive::{ArchiveCursor, Day, FILED_LATE, SETTLES, filed_at};
use proptest::prelude::*;

use crate::fixture::builders::NOW;

const HOUR: Duration = Duration::from_secs(60 * 60);

/// How long a write may take from the time that it bears.
const WRITE: Duration = Duration::from_secs(60);

/// Where a record lies in the index: its day, when it closed, its number.
type Place = (Day, Timestamp, u32);

/// What happens, in an order that is drawn.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Time passes.
    Passes(Duration),
    /// A record that closed so long ago is written.
    Closes(Duration),
    /// A record is written again, as when a job opens and closes once more.
    WrittenAgain(usize),
    /// Sweeper writes a part. It may die once the part is stored, before the cursor has moved.
    Sweeps { part: usize, dies: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let minutes =
        |least: u64, most: u64| (least..most).prop_map(|minutes| Duration::from_secs(60 * minutes));
    prop_oneof![
        2 => minutes(1, 900).prop_map(Step::Passes),
        3 => minutes(0, 30).prop_map(Step::Closes),
        1 => minutes(0, 6_000).prop_map(Step::Closes),
        1 => (0_usize..50).prop_map(Step::WrittenAgain),
        4 => (1_usize..4, any::<bool>()).prop_map(|(part, dies)| Step::Sweeps { part, dies }),
    ]
}

/// The table's index, the bucket, and what the cursor says.
struct World {
    now: Timestamp,
    index: BTreeSet<Place>,
    /// Where a record lies now, by its number.
    filed: BTreeMap<u32, Place>,
    bucket: BTreeMap<(Day, u32), Vec<u32>>,
    cursor: ArchiveCursor<Place>,
}

impl World {
    fn new() -> Self {
        Self {
            now: NOW,
            index: BTreeSet::new(),
            filed: BTreeMap::new(),
            bucket: BTreeMap::new(),
            cursor: ArchiveCursor::first(Retention::LEAST, NOW),
        }
    }

    fn write(&mut self, record: u32, closed_at: Timestamp) {
        let place = (Day::of(filed_at(closed_at, self.now)), closed_at, record);
        if let Some(before) = self.filed.insert(record, place) {
            self.index.remove(&before);
        }
        self.index.insert(place);
        // The index shows it a moment later, and the time passes that a write takes.
        self.now = self.now.plus(WRITE);
    }

    /// As sweeper does it: read a page, store it, move the cursor.
    fn sweep(&mut self, part: usize, dies: bool) {
        if !self.cursor.is_due(self.now) {
            return;
        }
        let of_day = self.index.iter().filter(|place| place.0 == self.cursor.day);
        let mut rest = of_day.filter(|place| self.cursor.after.is_none_or(|after| **place > after));
        let page: Vec<Place> = rest.by_ref().take(part).copied().collect();
        let last = rest.next().and(page.last().copied());
        let records = page.iter().map(|place| place.2).collect();
        self.bucket
            .insert((self.cursor.day, self.cursor.part), records);
        if !dies {
            self.cursor = self.cursor.following(last);
        }
    }

    /// The parts of all days that the cursor has passed.
    fn archived(&self, day: Day) -> Vec<u32> {
        let parts = self.bucket.range((day, 0)..(day.next(), 0));
        parts.flat_map(|(_, records)| records.clone()).collect()
    }
}

proptest! {
    #[test]
    fn each_record_of_a_day_that_the_cursor_has_passed_is_in_its_parts_once(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = World::new();
        let mut made = 0;
        for step in steps {
            match step {
                Step::Passes(time) => world.now = world.now.plus(time),
                Step::Closes(ago) => {
                    made += 1;
                    world.write(made, world.now.minus(ago));
                }
                Step::WrittenAgain(which) => {
                    let known = world.filed.values().nth(which).copied();
                    if let Some((_, closed_at, record)) = known {
                        world.write(record, closed_at);
                    }
                }
                Step::Sweeps { part, dies } => {
                    // Days without records are many: the archive begins a month ago.
                    while world.cursor.is_due(world.now)
                        && !world.index.iter().any(|place| place.0 == world.cursor.day)
                    {
                        world.sweep(1, false);
                    }
                    world.sweep(part, dies);
                }
            }
            for (day, _, record) in &world.index {
                if *day < world.cursor.day {
                    let times = world.archived(*day).iter().filter(|one| *one == record).count();
                    prop_assert_eq!(times, 1, "record {} of {:?}", record, day);
                }
            }
        }
    }

    #[test]
    fn nothing_joins_a_day_that_is_due(closed in -6_000_i64..1, takes in 0_u64..61) {
        let closed_at = Timestamp::from_millis(NOW.millis() + closed * 60_000);
        let written_at = NOW.plus(Duration::from_secs(takes));
        let day = Day::of(filed_at(closed_at, NOW));
        let cursor = ArchiveCursor::<()> { day, part: 0, after: None };
        prop_assert!(!cursor.is_due(written_at));
        prop_assert!(day.settles().since(written_at) >= SETTLES - WRITE);
    }
}

#[test]
fn a_record_is_filed_under_the_day_on_which_it_closed_unless_it_is_written_late() {
    assert_eq!(filed_at(NOW.minus(HOUR), NOW), NOW.minus(HOUR));
    assert_eq!(filed_at(NOW.minus(72 * HOUR), NOW), NOW.minus(FILED_LATE));
    // GitHub's clock may be ahead of ours.
    assert_eq!(filed_at(NOW.plus(HOUR), NOW), NOW.plus(HOUR));
}

#[test]
fn an_archive_begins_with_what_is_kept_and_says_how_far_it_is_behind() {
    let cursor = ArchiveCursor::<()>::first(Retention::LEAST, NOW);
    assert_eq!(cursor.day, Day::of(NOW.minus(30 * 24 * HOUR)));
    let settles = cursor.day.settles();
    assert_eq!(settles.since(cursor.day.ends()), FILED_LATE + SETTLES);
    assert_eq!(
        (
            cursor.is_due(settles.minus(Duration::from_millis(1))),
            cursor.is_due(settles)
        ),
        (false, true)
    );
    assert_eq!(cursor.overdue(settles.plus(HOUR)), HOUR);
    let next = cursor.following(None);
    assert_eq!((next.day, next.part), (cursor.day.next(), 0));
    let part = cursor.following(Some(()));
    assert_eq!((part.day, part.part, part.after), (cursor.day, 1, Some(())));
}
