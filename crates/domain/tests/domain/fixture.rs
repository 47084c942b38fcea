//! What the tests share: builders, deliveries, random pools.

pub(crate) mod builders;
pub(crate) mod changes;
pub(crate) mod coverage;
pub(crate) mod deliveries;
pub(crate) mod snapshots;
pub(crate) mod stories;
