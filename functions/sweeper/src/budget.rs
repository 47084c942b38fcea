//! What one sweep may spend: time, calls to GitHub by installation, and redeliveries.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mayfly_domain::model::id::InstallationId;
use mayfly_domain::model::time::Timestamp;
use tokio::time::Instant;

use crate::listed_runners::Lists;

/// What a sweep asks GitHub for, in the order in which it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Duty {
    /// A runner costs money for nothing, or a job waits for the answer: both come of a registration
    /// that was paid with a call, and are as many at most.
    Urgent,
    /// Follow-ups.
    FollowUp,
    /// Whether runners are still at work. Nearly all are.
    Liveness,
    /// Whether jobs still wait. Nearly all do.
    WaitingJob,
    /// The round over repositories: takes what is left.
    RepositoryScan,
}

/// Most calls of one sweep for one installation, those that are urgent aside: 1,800 in an hour, of
/// the 5,000 that the smallest installation has (docs.github.com, "Rate limits for GitHub Apps").
/// The rest is left to registrations.
const CALLS: u32 = 30;

/// What each duty has of them, whatever the duties before it need.
const SHARES: [(Duty, u32); 4] = [
    (Duty::FollowUp, 8),
    (Duty::Liveness, 6),
    (Duty::WaitingJob, 4),
    (Duty::RepositoryScan, 8),
];

/// Most urgent calls of one sweep. A call that changes something counts 5 of the 900 points that an
/// installation has in a minute (docs.github.com, "Rate limits for the REST API", secondary
/// limits): so many leave some for registrations.
const URGENT: u32 = 130;

/// Most urgent calls that an installation may have saved up, and how many it gets a minute: 900 in
/// an hour, and one burst.
const SAVED: u32 = 300;
const SAVED_A_MINUTE: u32 = 15;

/// Most redeliveries that one sweep asks for. Requests of one App may be worth 900 points in a
/// minute; each of these counts 5, a page of the list 1: 760 with ten pages (docs.github.com, "Rate
/// limits for the REST API", secondary limits). The limit on content-generating requests there (80
/// a minute, 500 an hour) is about others: GitHub's OpenAPI description marks the operations that
/// create content too quickly (`x-github.triggersNotification`), 21 of them, and
/// `apps/redeliver-webhook-delivery` is none. If GitHub disagrees, it says so, and deliveries are
/// not read for as long as it says.
const REDELIVERIES: u32 = 150;

/// Most redeliveries that may be saved up, and how many more there are each minute. With ten pages
/// of the list a minute that is 4,900 requests at most in the first hour and 3,600 in each that
/// follows: GitHub publishes no hourly limit of requests with an App's JWT, and 5,000 is the lowest
/// of those that it does publish.
const REDELIVERIES_SAVED: u32 = 1_300;
const REDELIVERIES_A_MINUTE: u32 = 50;

/// What is left of something that comes back minute by minute, and since when that is so.
#[derive(Clone, Copy, Debug)]
struct Saved {
    left: u32,
    since: Timestamp,
}

impl Saved {
    /// What is left now, if so much can be saved up and so much comes back each minute.
    fn refill(&mut self, now: Timestamp, most: u32, a_minute: u32) -> u32 {
        let minutes = now.since(self.since).as_secs() / 60;
        let more = u32::try_from(minutes)
            .unwrap_or(u32::MAX)
            .saturating_mul(a_minute);
        self.left = self.left.saturating_add(more).min(most);
        self.since = self.since.plus(Duration::from_secs(minutes * 60));
        self.left
    }

    fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

/// Redeliveries that the App has saved up, as far as this process knows: deliveries that failed in
/// a burst are asked for at three times the lasting rate. They are the App's own requests, so no
/// installation goes short.
#[derive(Default)]
pub(crate) struct SavedRedeliveries(Mutex<Option<Saved>>);

impl SavedRedeliveries {
    fn saved(&self) -> MutexGuard<'_, Option<Saved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many one sweep may ask for now.
    pub(crate) fn left(&self, now: Timestamp) -> u32 {
        let mut saved = self.saved();
        let saved = saved.get_or_insert(Saved {
            left: REDELIVERIES_SAVED,
            since: now,
        });
        saved
            .refill(now, REDELIVERIES_SAVED, REDELIVERIES_A_MINUTE)
            .min(REDELIVERIES)
    }

    /// One was asked for.
    pub(crate) fn spend(&self) {
        if let Some(saved) = self.saved().as_mut() {
            saved.spend();
        }
    }
}

/// Urgent calls that installations have saved up, as far as this process knows.
#[derive(Default)]
pub(crate) struct Savings(Mutex<BTreeMap<InstallationId, Saved>>);

impl Savings {
    fn all(&self) -> MutexGuard<'_, BTreeMap<InstallationId, Saved>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many there are now.
    pub(crate) fn left(&self, installation: InstallationId, now: Timestamp) -> u32 {
        let mut all = self.all();
        all.entry(installation)
            .or_insert(Saved {
                left: SAVED,
                since: now,
            })
            .refill(now, SAVED, SAVED_A_MINUTE)
    }

    /// One was made.
    pub(crate) fn spend(&self, installation: InstallationId) {
        if let Some(saved) = self.all().get_mut(&installation) {
            saved.spend();
        }
    }
}

/// What one installation has left in a sweep.
#[derive(Clone, Copy, Debug, Default)]
struct Calls {
    left: u32,
    urgent: u32,
}

impl Calls {
    /// Takes one call for a duty, if it has one left: of its own share, or of what no later duty
    /// has a share in.
    fn take(&mut self, duty: Duty) -> bool {
        if duty == Duty::Urgent {
            let may = self.urgent > 0;
            self.urgent = self.urgent.saturating_sub(1);
            return may;
        }
        let later: u32 = SHARES
            .iter()
            .filter(|(other, _)| *other > duty)
            .map(|(_, share)| share)
            .sum();
        let may = self.left > later;
        if may {
            self.left -= 1;
        }
        may
    }
}

/// What is left of a sweep.
pub(crate) struct Budget {
    until: Instant,
    ecs_until: Instant,
    calls: Mutex<BTreeMap<InstallationId, Calls>>,
    duty: Mutex<Duty>,
    /// What GitHub listed in this sweep.
    pub(crate) lists: tokio::sync::Mutex<Lists>,
    redeliveries: Mutex<Redeliveries>,
}

/// How many events may be requested from GitHub; none until it is known whether the App may ask at
/// all.
#[derive(Clone, Copy, Default)]
struct Redeliveries {
    left: u32,
    seen: Option<Timestamp>,
}

impl Budget {
    /// Nothing is begun after `until`; no open runner is held against what ECS says after
    /// `ecs_until`.
    pub(crate) fn new(ecs_until: Instant, until: Instant) -> Self {
        Self {
            until,
            ecs_until,
            calls: Mutex::default(),
            duty: Mutex::new(Duty::Urgent),
            lists: tokio::sync::Mutex::default(),
            redeliveries: Mutex::default(),
        }
    }

    fn redeliveries(&self) -> MutexGuard<'_, Redeliveries> {
        self.redeliveries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// So many events may be asked for. `seen` is when the last whole reading of the list of
    /// deliveries began.
    pub(crate) fn may_redeliver(&self, left: u32, seen: Option<Timestamp>) {
        *self.redeliveries() = Redeliveries { left, seen };
    }

    /// When the last whole reading of the list of deliveries began.
    pub(crate) fn deliveries_seen(&self) -> Option<Timestamp> {
        self.redeliveries().seen
    }

    /// Takes one redelivery, if there is one left.
    pub(crate) fn take_redelivery(&self) -> bool {
        let mut redeliveries = self.redeliveries();
        let may = redeliveries.left > 0;
        redeliveries.left = redeliveries.left.saturating_sub(1);
        may
    }

    /// From now on calls are for this.
    pub(crate) fn begin(&self, duty: Duty) {
        *self.duty.lock().unwrap_or_else(PoisonError::into_inner) = duty;
    }

    /// What calls are for now.
    pub(crate) fn duty(&self) -> Duty {
        *self.duty.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn calls(&self) -> MutexGuard<'_, BTreeMap<InstallationId, Calls>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// True when nothing more is to be begun.
    pub(crate) fn over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// True when no more open runners are to be held against what ECS says: GitHub must have its
    /// turn, too.
    pub(crate) fn over_for_ecs(&self) -> bool {
        Instant::now() >= self.ecs_until
    }

    /// No more calls for this installation in this sweep.
    pub(crate) fn close(&self, installation: InstallationId) {
        self.calls().insert(installation, Calls::default());
    }

    /// Gives an installation the calls of one sweep, unless it has had them: none if it is not
    /// `free`, and of the urgent ones no more than it has saved up.
    pub(crate) fn open(
        &self,
        installation: InstallationId,
        free: bool,
        savings: &Savings,
        now: Timestamp,
    ) {
        let calls = if free {
            Calls {
                left: CALLS,
                urgent: savings.left(installation, now).min(URGENT),
            }
        } else {
            Calls::default()
        };
        self.calls().entry(installation).or_insert(calls);
    }

    /// Takes one call, if there is one left, an urgent one of what was saved up, too; none if it is
    /// not known yet how many there are.
    pub(crate) fn take(&self, installation: InstallationId, savings: &Savings) -> Option<bool> {
        let duty = self.duty();
        let may = self.calls().get_mut(&installation)?.take(duty);
        if may && duty == Duty::Urgent {
            savings.spend(installation);
        }
        Some(may)
    }

    /// A question was more calls than the one that was taken for it.
    pub(crate) fn also(&self, installation: InstallationId, more: u32) {
        let duty = self.duty();
        if let Some(calls) = self.calls().get_mut(&installation) {
            for _ in 0..more {
                calls.take(duty);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_duty_has_its_share_whatever_those_before_it_need() {
        let mut calls = Calls {
            left: CALLS,
            urgent: 2,
        };
        let mut all_of = |duty| (0..1_000).filter(|_| calls.take(duty)).count();
        assert_eq!(all_of(Duty::Urgent), 2);
        let rest = [
            Duty::FollowUp,
            Duty::Liveness,
            Duty::WaitingJob,
            Duty::RepositoryScan,
        ]
        .map(&mut all_of);
        assert_eq!(rest, [12, 6, 4, 8]);
        let mut calls = Calls {
            left: CALLS,
            urgent: 0,
        };
        assert_eq!(
            (0..1_000)
                .filter(|_| calls.take(Duty::RepositoryScan))
                .count(),
            30,
            "the last one takes what is left"
        );
    }

    #[test]
    fn redeliveries_are_saved_up_for_a_burst_and_stay_below_githubs_limits() {
        let saved = SavedRedeliveries::default();
        let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
        let minute = |minute: i64| {
            let left = saved.left(at(minute));
            (0..left).for_each(|_| saved.spend());
            left
        };
        let minutes: Vec<u32> = (0..120).map(minute).collect();
        let (pages, hour) = (10, |of: &[u32]| of.iter().sum::<u32>());
        assert!(
            minutes.iter().all(|asked| 5 * asked + pages <= 900),
            "points in a minute: {minutes:?}"
        );
        assert!(
            minutes.windows(60).all(|of| hour(of) + 60 * pages <= 5_000),
            "requests in an hour: {minutes:?}"
        );
        assert_eq!(minutes[..7], [150; 7], "a burst of a thousand");
        assert_eq!(hour(&minutes[60..]), 60 * REDELIVERIES_A_MINUTE);
        assert_eq!(saved.left(at(120 + 600)), REDELIVERIES, "saved up again");
    }

    /// Each sweep has a budget of its own, the installation's limit is one for all of them.
    #[test]
    fn urgent_calls_of_all_sweeps_together_are_no_more_than_were_saved_up() {
        let (savings, installation) = (Savings::default(), InstallationId(1));
        let sweep = |minute: i64| {
            let budget = Budget::new(Instant::now(), Instant::now());
            assert_eq!(budget.take(installation, &savings), None);
            let now = Timestamp::from_millis(minute * 60_000);
            budget.open(installation, true, &savings, now);
            (0..1_000)
                .filter(|_| budget.take(installation, &savings) == Some(true))
                .count()
        };
        assert_eq!(
            [0, 0, 0, 0, 1, 2].map(sweep),
            [130, 130, 40, 0, 15, 15],
            "300 at once, and 15 a minute"
        );
        let limited = Budget::new(Instant::now(), Instant::now());
        limited.open(
            installation,
            false,
            &savings,
            Timestamp::from_millis(1 << 40),
        );
        assert_eq!(limited.take(installation, &savings), Some(false));
    }

    #[test]
    fn urgent_calls_are_saved_up_and_no_more_than_a_burst() {
        let (savings, installation) = (Savings::default(), InstallationId(1));
        let at = |minutes: i64| Timestamp::from_millis(minutes * 60_000);
        assert_eq!(savings.left(installation, at(0)), SAVED);
        for _ in 0..SAVED {
            savings.spend(installation);
        }
        assert_eq!(
            [0, 1, 5, 600].map(|minutes| savings.left(installation, at(minutes))),
            [0, 15, 75, SAVED]
        );
        let hour = URGENT.min(SAVED_A_MINUTE) * 60 + SAVED + CALLS * 60;
        assert!(
            hour <= 3_000,
            "{hour} calls of 5,000 in an hour, the rest is for registrations"
        );
    }
}
