//! When DynamoDB drops what has expired.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use mayfly_ledger::key::Key;
use mayfly_ledger::store::Item;

/// The attribute that says when an item expires: seconds since 1970 (`infra/template.yaml`).
const EXPIRES_AT: &str = "expires_at";

/// DynamoDB drops an expired item within a few days, and nothing hides it before.
/// Source: <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html>.
const LATE: u64 = 2 * 24 * 60 * 60;

/// Half of what expires is gone so soon, which is as DynamoDB does it while it has little to do.
const SOON: u64 = 10 * 60;

/// The second at which an item is gone, if it ever expires: each has a moment of its own.
pub(super) fn gone_at(key: &Key, item: &Item) -> Option<i64> {
    let expires_at: i64 = item.get(EXPIRES_AT)?.as_n().ok()?.parse().ok()?;
    let mut hasher = DefaultHasher::new();
    (&key.pk, &key.sk, expires_at).hash(&mut hasher);
    let draw = hasher.finish();
    let late = (draw >> 1) % if draw.is_multiple_of(2) { SOON } else { LATE };
    expires_at.checked_add_unsigned(1 + late)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;
    use aws_sdk_dynamodb::types::AttributeValue;
    use mayfly_ledger::store::{Expect, Write};

    const NOW: i64 = 1_795_356_000;

    fn key(number: usize) -> Key {
        Key {
            pk: "sweeper".to_owned(),
            sk: format!("delivery#{number}"),
        }
    }

    fn expires(at: i64) -> Item {
        Item::from([(EXPIRES_AT.to_owned(), AttributeValue::N(at.to_string()))])
    }

    #[test]
    fn an_expired_item_is_seen_until_it_is_dropped_some_time_later_and_one_that_was_renewed_stays()
    {
        let mut table = Table::default();
        for number in 0..100 {
            table
                .write(Write::Put(key(number), expires(NOW), Expect::Any))
                .unwrap();
        }
        table
            .write(Write::Put(key(7), expires(NOW + 1_000_000), Expect::Any))
            .unwrap();
        let mut left = |now: i64| {
            table.drop_expired(now);
            (0..100)
                .filter(|number| table.get(&key(*number), false).is_some())
                .count()
        };
        assert_eq!(left(NOW), 100);
        let soon = left(NOW + 600);
        assert!((30..70).contains(&soon), "{soon}");
        assert!(left(NOW + 24 * 3_600) > 5);
        assert_eq!(left(NOW + 49 * 3_600), 1);
        assert!(table.get(&key(7), false).is_some());
    }
}
