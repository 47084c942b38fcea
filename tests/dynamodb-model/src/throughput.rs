//! What the table gives a second: each partition key, and all of them together.

use std::collections::BTreeMap;
use std::sync::Arc;

use mayfly_domain::model::time::Timestamp;

use crate::bucket::Bucket;

/// Units that a partition key gives a second.
///
/// Nothing beyond a second's worth is saved up. The 300 s of unused capacity that DynamoDB keeps,
/// and the capacity that it moves to where it is asked for, do not lift what a partition gives.
/// Source:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html>.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throughput {
    /// Read units.
    pub reads: u32,
    /// Write units.
    pub writes: u32,
}

impl Default for Throughput {
    /// Source:
    /// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html>.
    fn default() -> Self {
        Self {
            reads: 3_000,
            writes: 1_000,
        }
    }
}

/// A new table that is paid by request gives 12,000 read and 4,000 write units a second, four times
/// what one partition gives. Source:
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>,
/// "Initial throughput". That it gives more once more was asked of it is left out.
const PARTITIONS: f64 = 4.0;

/// Tells the time.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Reads, or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Read,
    Write,
}

/// What is left of both.
struct Left {
    reads: Bucket,
    writes: Bucket,
}

impl Left {
    fn of(&mut self, way: Way) -> &mut Bucket {
        match way {
            Way::Read => &mut self.reads,
            Way::Write => &mut self.writes,
        }
    }
}

/// What is left at each key, and of the table.
pub(super) struct Partitions {
    pub(super) throughput: Throughput,
    now: Now,
    keys: BTreeMap<String, Left>,
    table: Left,
    pub(super) throttled: u64,
}

impl Partitions {
    pub(super) fn new(throughput: Throughput, now: Now) -> Self {
        let table = full(throughput, PARTITIONS, now());
        Self {
            throughput,
            now,
            keys: BTreeMap::new(),
            table,
            throttled: 0,
        }
    }

    /// Whether every one of these keys, and the table, gives something now.
    pub(super) fn let_in<'a>(&mut self, keys: impl IntoIterator<Item = &'a str>, way: Way) -> bool {
        let (rate, now) = (rate(self.throughput, way), (self.now)());
        let whole = PARTITIONS * rate;
        let mut all = self.table.of(way).lets_in(whole, whole, now);
        for key in keys {
            // A key that nothing was asked of has everything left.
            all &= self
                .keys
                .get_mut(key)
                .is_none_or(|left| left.of(way).lets_in(rate, rate, now));
        }
        self.throttled += u64::from(!all);
        all
    }

    /// That many units were used.
    pub(super) fn spend(&mut self, key: &str, way: Way, units: u64) {
        let (rate, now) = (rate(self.throughput, way), (self.now)());
        let units = f64::from(u32::try_from(units).unwrap_or(u32::MAX));
        let whole = PARTITIONS * rate;
        self.table.of(way).lets_in(whole, whole, now);
        self.table.of(way).spend(units);
        if !self.keys.contains_key(key) {
            self.keys
                .insert(key.to_owned(), full(self.throughput, 1.0, now));
        }
        if let Some(left) = self.keys.get_mut(key) {
            left.of(way).lets_in(rate, rate, now);
            left.of(way).spend(units);
        }
    }
}

fn rate(throughput: Throughput, way: Way) -> f64 {
    f64::from(match way {
        Way::Read => throughput.reads,
        Way::Write => throughput.writes,
    })
}

fn full(throughput: Throughput, times: f64, now: Timestamp) -> Left {
    let of = |way| Bucket::full(times * rate(throughput, way), now);
    Left {
        reads: of(Way::Read),
        writes: of(Way::Write),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// Partitions that give 10 reads and 2 writes a second, and the milliseconds of their clock.
    fn partitions() -> (Partitions, Arc<AtomicI64>) {
        let millis = Arc::new(AtomicI64::new(1_795_356_000_000));
        let clock = Arc::clone(&millis);
        let now: Now = Arc::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
        (
            Partitions::new(
                Throughput {
                    reads: 10,
                    writes: 2,
                },
                now,
            ),
            millis,
        )
    }

    #[test]
    fn a_key_gives_so_many_units_a_second_and_other_keys_and_the_other_way_are_not_touched_by_it() {
        let (mut partitions, millis) = partitions();
        assert!(partitions.let_in(["a"], Way::Read));
        partitions.spend("a", Way::Read, 10);
        assert!(!partitions.let_in(["a"], Way::Read));
        assert!(partitions.let_in(["a"], Way::Write) && partitions.let_in(["b"], Way::Read));
        assert!(!partitions.let_in(["b", "a"], Way::Read));
        assert_eq!(partitions.throttled, 2);
        millis.fetch_add(100, Ordering::Relaxed);
        assert!(partitions.let_in(["a"], Way::Read));
    }

    #[test]
    fn all_keys_together_get_no_more_than_the_table_gives() {
        let (mut partitions, _) = partitions();
        for key in ["a", "b", "c", "d"] {
            assert!(partitions.let_in([key], Way::Write));
            partitions.spend(key, Way::Write, 2);
        }
        assert!(!partitions.let_in(["e"], Way::Write));
    }
}
