//! How large items are, and what reading and writing them is billed as.

use aws_sdk_dynamodb::types::AttributeValue;
use mayfly_ledger::store::Item;

/// Bytes of an item: attribute names and values. Source: DynamoDB developer guide, "Item sizes and
/// formats".
#[must_use]
pub fn item_bytes(item: &Item) -> usize {
    item.iter()
        .map(|(name, value)| name.len() + value_bytes(value))
        .sum()
}

fn value_bytes(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number_bytes(number),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(numbers) => numbers.iter().map(|number| number_bytes(number)).sum(),
        // Lists and maps cost 3 bytes, and one more for each member.
        AttributeValue::L(values) => {
            3 + values
                .iter()
                .map(|value| 1 + value_bytes(value))
                .sum::<usize>()
        }
        AttributeValue::M(members) => {
            3 + members
                .iter()
                .map(|(name, value)| 1 + name.len() + value_bytes(value))
                .sum::<usize>()
        }
        _ => 1,
    }
}

/// About one byte for two digits, and one more.
fn number_bytes(number: &str) -> usize {
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    digits.div_ceil(2) + 1 + usize::from(number.starts_with('-'))
}

/// Units of a strongly consistent read of so many bytes: one for each 4 KB begun. Reading nothing
/// costs one, too.
pub(super) fn read_units(bytes: usize) -> u64 {
    units(bytes, 4096)
}

/// Units of a write: one for each KB begun.
pub(super) fn write_units(bytes: usize) -> u64 {
    units(bytes, 1024)
}

fn units(bytes: usize, of: usize) -> u64 {
    u64::try_from(bytes.div_ceil(of).max(1)).unwrap_or(u64::MAX)
}
