//! What the money for a runner bought: its start-up, its work, or nothing.

use serde::Serialize;

use crate::model::price::NanoDollars;
use crate::model::runner::Runner;
use crate::model::time::Timestamp;

/// The cost of an ended runner, divided by what it did while it was paid for. The parts sum to the
/// cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Spend {
    /// From the image pull to the beginning of its job.
    pub start_up: NanoDollars,
    /// From the beginning of its job to the end of its task.
    pub work: NanoDollars,
    /// Of a runner that had no job: all of it.
    pub unused: NanoDollars,
}

impl Spend {
    /// All of it.
    #[must_use]
    pub fn total(self) -> NanoDollars {
        NanoDollars(
            self.start_up
                .0
                .saturating_add(self.work.0)
                .saturating_add(self.unused.0),
        )
    }

    /// What ran no job: all of it but the work.
    #[must_use]
    pub fn waste(self) -> NanoDollars {
        NanoDollars(self.start_up.0.saturating_add(self.unused.0))
    }

    /// Another runner's beside it.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |one: NanoDollars, other: NanoDollars| NanoDollars(one.0.saturating_add(other.0));
        Self {
            start_up: sum(self.start_up, other.start_up),
            work: sum(self.work, other.work),
            unused: sum(self.unused, other.unused),
        }
    }
}

impl Runner {
    /// When its job began, as far as is known.
    fn work_began(&self) -> Option<Timestamp> {
        self.work.as_ref().map(|work| work.since)
    }

    /// What its cost bought; none while it is open, or if its price is not known.
    #[must_use]
    pub fn spend(&self) -> Option<Spend> {
        let cost = self.cost?;
        let Some(began) = self.work_began() else {
            return Some(Spend {
                unused: cost,
                ..Spend::default()
            });
        };
        let times = &self.timeline;
        let from = times.pull_started.or(times.started);
        let to = times.stopped.or(self.closed_at);
        let start_up = match (from, to) {
            (Some(from), Some(to)) => share(cost, began.min(to).since(from), to.since(from)),
            _ => NanoDollars(0),
        };
        Some(Spend {
            start_up,
            work: NanoDollars(cost.0 - start_up.0),
            unused: NanoDollars(0),
        })
    }
}

/// The part of a cost that falls on `part` of the whole time, rounded down; never more than the
/// cost.
fn share(cost: NanoDollars, part: std::time::Duration, whole: std::time::Duration) -> NanoDollars {
    let (part, whole) = (part.min(whole).as_millis(), whole.as_millis());
    if whole == 0 {
        return NanoDollars(0);
    }
    let share = u128::from(cost.0) * part / whole;
    NanoDollars(u64::try_from(share).unwrap_or(cost.0))
}
