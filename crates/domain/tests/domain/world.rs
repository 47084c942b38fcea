//! What the tests share: builders, deliveries, random pools.

pub(crate) mod builders;
pub(crate) mod cover;
pub(crate) mod deliveries;
pub(crate) mod looks;
pub(crate) mod stories;
