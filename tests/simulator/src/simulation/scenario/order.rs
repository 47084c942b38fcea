//! Orderly stories: nothing is lost and nothing fails, but anything may be slow, late, repeated and
//! out of order. There promises are exact.

use std::time::Duration;

use mayfly_domain::model::timeouts;

use super::{Action, CallFaultKind, FaultProfile, Scenario, Timing};
use mayfly_fargate_model::FaultKind;
use mayfly_github_model::faults as github;
use mayfly_github_model::jobs::Gate;

/// What answering a delivery, looking at a pool and sending a launch take together at most, where
/// nothing is slow or late.
const AT_ONCE: Duration = Duration::from_secs(25);

/// From RUNNING to the first request that is taken.
const TO_ASK: Duration = Duration::from_secs(60);

/// What calls that are slow may add to that: a plan that is older than 2 s is dropped, and its
/// wakes come back after the visibility timeout. Three in a row are as many as stories of some
/// hundred looks bring about.
const SLOWNESS: Duration = Duration::from_secs(3 * 45);

/// What launches may add that are not answered: one is sent again at the first look
/// [`times::RESEND_AFTER`], which comes with a tick, or its wake comes back.
const UNANSWERED: Duration = Duration::from_secs(3 * 60);

impl Scenario {
    /// True if nothing is lost and nothing fails, and no one interferes: what people want and how
    /// late the world is are all that happens.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        // A task that is given up because it starts too late has failed.
        let starts =
            Duration::from_secs(self.start_seconds) + self.longest(FaultKind::SlowStart) + TO_ASK
                < timeouts::START_TIMEOUT;
        starts
            && !self.is_throttled()
            && self.faults.is_orderly()
            && self.acts.iter().all(|act| act.action.is_orderly())
    }

    /// How long a job may wait without a task, although its pool has room, once the delivery that
    /// tells of it was answered.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let FaultProfile {
            rates,
            calls: strikes,
            platform: unkindness,
            ecs,
            ..
        } = &self.faults;
        let mut long = AT_ONCE;
        // Until one runner of the size has asked, only five are tried.
        long += Duration::from_secs(self.start_seconds) + self.longest(FaultKind::SlowStart);
        // Who is told late that a runner has gone sees the room late.
        long += self.longest(FaultKind::EventLate) + self.longest(FaultKind::EventReordered);
        // What GitHub gives late looks free for as long, and clocks that differ make all waits as
        // much longer.
        let Timing {
            assign_after,
            clocks,
            ..
        } = &self.timing;
        long += Duration::try_from_secs_f64(*assign_after).unwrap_or_default();
        long += Duration::from_millis(
            2 * clocks
                .values()
                .map(|by| by.unsigned_abs())
                .max()
                .unwrap_or_default(),
        );
        let when = |is: bool, more: Duration| if is { more } else { Duration::ZERO };
        long += when(!rates.is_empty(), SLOWNESS);
        long += when(
            !strikes.is_empty() || ecs.iter().any(|fault| fault.kind == FaultKind::SlowAnswer),
            UNANSWERED,
        );
        let chances = unkindness.chances();
        long += when(unkindness.wake_late > 0.0, chances.wake_late_by);
        long += when(
            unkindness.scaler_late > 0.0,
            chances.scaler_late_by + timeouts::WAKE_VISIBILITY,
        );
        long + when(unkindness.two_scalers > 0.0, timeouts::WAKE_VISIBILITY * 2)
    }

    /// The longest time of a kind of fault.
    fn longest(&self, kind: FaultKind) -> Duration {
        let of_kind = self.faults.ecs.iter().filter(|fault| fault.kind == kind);
        Duration::from_millis(
            of_kind
                .filter_map(|fault| fault.milliseconds)
                .max()
                .unwrap_or_default(),
        )
    }

    /// Tasks that may have been started for jobs that then needed none: one for each job that was
    /// cancelled before it began, and for each gate that GitHub announces as if there were none;
    /// one in the place of each container that was killed.
    pub(in crate::simulation) fn needless_tasks(&self, cancelled: usize) -> usize {
        let gates = self
            .batches()
            .filter(|batch| batch.gate == Some(Gate::Environment))
            .map(|batch| batch.count)
            .sum::<u32>();
        let kills = self
            .acts
            .iter()
            .filter(|act| act.action == Action::Kill)
            .count();
        cancelled + kills + usize::try_from(gates).unwrap_or(usize::MAX)
    }
}

impl Action {
    /// True if it disturbs no one: what people want, and a container that dies.
    #[must_use]
    pub fn is_orderly(&self) -> bool {
        matches!(
            self,
            Self::Queue(_)
                | Self::Cancel { .. }
                | Self::Approve { .. }
                | Self::Reject { .. }
                | Self::Rerun { .. }
                | Self::Kill
        )
    }
}

impl FaultProfile {
    fn is_orderly(&self) -> bool {
        // A call that is not made is no more than a late one if it is made again, in the same way,
        // by who made it: a launch is.
        let launch = |who: &str, operation: &str| who == "scaler" && operation == "RunTask";
        let rates = self
            .rates
            .iter()
            .all(|rate| rate.kind == CallFaultKind::Slow);
        let strikes = self.calls.iter().all(|call_fault| {
            call_fault.kind == CallFaultKind::Slow
                || launch(&call_fault.who, &call_fault.operation)
                    && matches!(
                        call_fault.kind,
                        CallFaultKind::HangBefore | CallFaultKind::HangAfter
                    )
        });
        let late = [
            FaultKind::SlowAnswer,
            FaultKind::SlowStart,
            FaultKind::EventRepeated,
            FaultKind::EventLate,
            FaultKind::EventReordered,
            FaultKind::ReadLag,
        ];
        let unkindness = &self.platform;
        rates
            && strikes
            && self.ecs.iter().all(|fault| late.contains(&fault.kind))
            && unkindness.wake_lost == 0.0
            && unkindness.schedule_skipped == 0.0
            && github_is_orderly(&self.github)
    }
}

fn github_is_orderly(faults: &github::Faults) -> bool {
    let github::Faults {
        deliveries,
        api,
        refused,
        too_old,
        forgets_idle_after,
        ..
    } = faults;
    let lost = [
        deliveries.never_made,
        deliveries.lost,
        deliveries.answered_5xx,
    ];
    let failed = [
        api.server_error,
        api.answer_lost,
        api.primary_limit,
        api.secondary_limit,
        *too_old,
        *forgets_idle_after,
    ];
    refused.is_empty() && lost.iter().chain(&failed).all(|share| *share == 0.0)
}
