//! What is known of a job when something is decided about it.

use crate::model::job::{JobRecord, WaitingJob};
use crate::model::pool::Pools;
use crate::model::runner::Runner;

/// A job that has a record.
#[derive(Clone, Copy, Debug)]
pub struct JobSnapshot<'a> {
    /// The active pools.
    pub pools: &'a Pools,
    /// Its record.
    pub record: &'a JobRecord,
    /// Its waiting row, if it has one.
    pub row: Option<&'a WaitingJob>,
    /// The open row of the runner that is said to have it, or holds it in reserve; whether that is
    /// so is decided by the transition.
    pub runner: Option<&'a Runner>,
}
