//! What is not written down: values that are as they were at the beginning. Each read of a pool reads
//! all its rows, and is paid for by their bytes; an attribute's name takes as much room as its value
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html>).

/// For `skip_serializing_if`, beside `default`.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// The first of numbers that begin at 1, for `default`.
pub(crate) const fn first() -> u32 {
    1
}

/// For `skip_serializing_if`, beside [`first`].
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "the signature is serde's"
)]
pub(crate) const fn is_first(number: &u32) -> bool {
    *number == first()
}
