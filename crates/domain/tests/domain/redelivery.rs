//! Deliveries that failed: whatever the list of deliveries does while it is read, and wherever
//! sweeper dies, each is asked for until it succeeded, and none after that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mayfly_domain::model::failed_delivery::{DeliveryGuid, Redelivery};
use mayfly_domain::model::id::DeliveryId;
use mayfly_domain::model::job::JobAction;
use mayfly_domain::model::outbox::{FollowUp, OutboxEntry};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::redelivery::{
    Attempt, DeliveryStatus, FIRST_LOOK, FIRST_WAIT, ListPass, ListProgress, OVERLAP, PageRead,
    REFUSED_TRIES, RedeliveryStep, delivery_statuses, redelivery_step, redelivery_window,
};
use proptest::prelude::*;

const REDELIVERY_WINDOW: Duration = Duration::from_secs(3 * 24 * 60 * 60);
const DAY: u64 = 24 * 60 * 60;
/// Attempts on a page, pages of a sweep and askings of a sweep: few, so that a short story has all
/// the edges.
const PAGE: usize = 3;
const PAGES: u32 = 2;
const ASKED: u32 = 2;

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_795_356_000_000).plus(Duration::from_secs(seconds))
}

fn failed(guid: &str, id: i64, first_at: Timestamp) -> Redelivery {
    Redelivery {
        guid: guid.parse().unwrap(),
        delivery: DeliveryId(id),
        first_at,
        action: JobAction::Queued,
        repository: None,
        refused: false,
    }
}

/// An attempt in GitHub's list, from some time on.
#[derive(Clone, Debug)]
struct Shown {
    attempt: Attempt,
    from: Timestamp,
}

/// GitHub: the list, and how many attempts at an event fail before one succeeds.
#[derive(Default)]
struct Github {
    list: Vec<Shown>,
    to_fail: BTreeMap<DeliveryGuid, u32>,
    forgets_cursors: bool,
}

impl Github {
    fn attempt(&mut self, guid: &DeliveryGuid, asked_for: bool, (now, lag): (Timestamp, u64)) {
        let left = self.to_fail.entry(guid.clone()).or_default();
        let succeeded = *left == 0;
        *left = left.saturating_sub(1);
        let id = i64::try_from(self.list.len()).unwrap();
        let attempt = Attempt {
            of: failed(guid.as_str(), id, now),
            asked_for,
            succeeded,
        };
        self.list.push(Shown {
            attempt,
            from: now.plus(Duration::from_secs(lag)),
        });
    }

    /// Newest first, from the attempt with this id on; none if that is not known.
    fn page(&mut self, from: Option<i64>, now: Timestamp) -> Option<(Vec<Attempt>, Option<i64>)> {
        let mut shown: Vec<&Attempt> = self
            .list
            .iter()
            .filter(|shown| shown.from <= now)
            .map(|shown| &shown.attempt)
            .collect();
        shown.sort_by_key(|attempt| std::cmp::Reverse((attempt.of.first_at, attempt.of.delivery)));
        let forgotten = from.is_some() && std::mem::take(&mut self.forgets_cursors);
        let start = match from {
            _ if forgotten => return None,
            None => 0,
            Some(id) => shown
                .iter()
                .position(|attempt| attempt.of.delivery.0 == id)?,
        };
        let page = shown
            .iter()
            .skip(start)
            .take(PAGE)
            .map(|attempt| (*attempt).clone())
            .collect();
        Some((
            page,
            shown.get(start + PAGE).map(|attempt| attempt.of.delivery.0),
        ))
    }

    /// Whether the list showed before this time that the event was delivered.
    fn succeeded(&self, guid: &DeliveryGuid, before: Timestamp) -> bool {
        self.list.iter().any(|shown| {
            shown.attempt.of.guid == *guid && shown.attempt.succeeded && shown.from < before
        })
    }
}

/// Sweeper, as far as deliveries go: what it keeps in the ledger, and nothing else from one sweep
/// to the next.
#[derive(Default)]
struct Sweeper {
    reading: ListProgress<i64>,
    follow_ups: BTreeMap<DeliveryGuid, OutboxEntry>,
    over: BTreeSet<DeliveryGuid>,
    /// What it asked for although its last whole look showed that it had succeeded.
    in_vain: Vec<DeliveryGuid>,
    /// GitHub says what time it is.
    told_the_time: bool,
}

/// It dies.
struct Killed;

/// So many steps are left to it.
struct Life(u32);

impl Life {
    fn step(&mut self) -> Result<(), Killed> {
        self.0 = self.0.checked_sub(1).ok_or(Killed)?;
        Ok(())
    }
}

impl Sweeper {
    fn sweep(
        &mut self,
        github: &mut Github,
        life: &mut Life,
        (now, lag): (Timestamp, u64),
    ) -> Result<(), Killed> {
        self.read(github, life, now)?;
        let mut due: Vec<OutboxEntry> = self
            .follow_ups
            .values()
            .filter(|open| open.due(now))
            .cloned()
            .collect();
        due.sort_by_key(|open| open.since);
        let mut left = ASKED;
        for open in due {
            let FollowUp::RedeliverWebhook(delivery) = &open.follow_up else {
                continue;
            };
            match redelivery_step(
                &open,
                delivery,
                self.reading.looked_at,
                REDELIVERY_WINDOW,
                now,
            ) {
                RedeliveryStep::Request if left > 0 && !self.over.contains(&delivery.guid) => {
                    left -= 1;
                    life.step()?;
                    if self
                        .reading
                        .looked_at
                        .is_some_and(|at| github.succeeded(&delivery.guid, at))
                    {
                        self.in_vain.push(delivery.guid.clone());
                    }
                    github.attempt(&delivery.guid, true, (now, lag));
                    life.step()?;
                    self.follow_ups.insert(
                        delivery.guid.clone(),
                        open.retry_with_backoff(FIRST_WAIT, now),
                    );
                }
                RedeliveryStep::Request
                | RedeliveryStep::Wait
                | RedeliveryStep::TooLate
                | RedeliveryStep::Refused => {}
            }
        }
        Ok(())
    }

    fn read(&mut self, github: &mut Github, life: &mut Life, now: Timestamp) -> Result<(), Killed> {
        let mut delivered = BTreeSet::new();
        for _ in 0..PAGES {
            let passage: ListPass<i64> = self.reading.current_pass(REDELIVERY_WINDOW, now);
            let Some((page, next)) = github.page(passage.next, now) else {
                self.reading = self.reading.restarted();
                return Ok(());
            };
            for one in delivery_statuses(&page, &mut delivered) {
                life.step()?;
                self.record(one, now);
            }
            life.step()?;
            let times: Vec<Timestamp> = page.iter().map(|attempt| attempt.of.first_at).collect();
            let read = PageRead {
                times: &times,
                next,
                shown_at: self.told_the_time.then_some(now),
            };
            self.reading = self.reading.after(&passage, read);
            if self.reading.pass.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// As the ledger's `record_delivered` and `record_undelivered` do.
    fn record(&mut self, news: DeliveryStatus, now: Timestamp) {
        match news {
            DeliveryStatus::Delivered(guid) => {
                self.follow_ups.remove(&guid);
                self.over.insert(guid);
            }
            DeliveryStatus::Failed(failed) if !self.over.contains(&failed.guid) => {
                let since = failed.first_at;
                let open = || OutboxEntry {
                    since,
                    ..OutboxEntry::new(
                        FollowUp::RedeliverWebhook(failed.clone()),
                        None,
                        now,
                        Duration::ZERO,
                    )
                };
                self.follow_ups
                    .entry(failed.guid.clone())
                    .or_insert_with(open);
            }
            DeliveryStatus::Failed(_) => {}
        }
    }
}

#[derive(Clone, Debug)]
enum Op {
    /// Events whose delivery fails so many times, and shows in the list so many seconds late.
    Events(Vec<(u32, u64)>),
    /// Someone else asks for an event again.
    ByHand(prop::sample::Index),
    /// Time passes, and sweeper works until it dies.
    Sweep {
        after: u64,
        steps: u32,
        lag: u64,
    },
    ForgetCursors,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let lag = 0..OVERLAP.as_secs();
    let events = prop::collection::vec(
        (prop_oneof![Just(0), Just(0), 1..4_u32], lag.clone()),
        1..12,
    );
    let steps = prop_oneof![Just(1_000_u32), 0..20_u32];
    prop::collection::vec(
        prop_oneof![
            3 => events.prop_map(Op::Events),
            1 => any::<prop::sample::Index>().prop_map(Op::ByHand),
            6 => (1..70_u64, steps, lag).prop_map(|(after, steps, lag)| Op::Sweep { after, steps, lag }),
            1 => Just(Op::ForgetCursors),
        ],
        1..40,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_failed_is_asked_for_until_it_succeeded_and_never_after(ops in ops(), told_the_time: bool) {
        let mut sweeper = Sweeper { told_the_time, ..Sweeper::default() };
        let (mut github, mut now, mut count) = (Github::default(), at(0), 0);
        let mut guids: Vec<DeliveryGuid> = Vec::new();
        let quiet = (0..400).map(|_| Op::Sweep { after: 60, steps: 1_000, lag: 0 });
        for op in ops.into_iter().chain(quiet) {
            match op {
                Op::Events(events) => for (fails, lag) in events {
                    count += 1;
                    let guid: DeliveryGuid = format!("guid-{count}").parse().unwrap();
                    github.to_fail.insert(guid.clone(), fails);
                    github.attempt(&guid, false, (now, lag));
                    guids.push(guid);
                },
                Op::ByHand(which) => if !guids.is_empty() {
                    let guid = which.get(&guids).clone();
                    github.attempt(&guid, true, (now, 0));
                },
                Op::Sweep { after, steps, lag } => {
                    now = now.plus(Duration::from_secs(after));
                    let _ = sweeper.sweep(&mut github, &mut Life(steps), (now, lag));
                    prop_assert!(sweeper.in_vain.is_empty(), "asked for although the last whole look showed its success: {:?}", sweeper.in_vain);
                }
                Op::ForgetCursors => github.forgets_cursors = true,
            }
        }
        for guid in &guids {
            prop_assert!(github.succeeded(guid, now), "{guid} was never delivered: {:?}", sweeper.follow_ups.get(guid));
        }
        prop_assert!(sweeper.follow_ups.is_empty(), "{:?}", sweeper.follow_ups);
    }
}

#[test]
fn an_event_that_succeeded_at_once_or_failed_when_asked_for_opens_nothing() {
    let attempt = |guid: &str, id, asked_for, succeeded| Attempt {
        of: failed(guid, id, at(0)),
        asked_for,
        succeeded,
    };
    let page = [
        attempt("later", 9, true, true),
        attempt("again", 8, true, false),
        attempt("plain", 7, false, true),
        attempt("bad", 6, false, false),
        attempt("later", 5, false, false),
    ];
    let mut delivered = BTreeSet::new();
    let expected = [
        DeliveryStatus::Delivered("later".parse().unwrap()),
        DeliveryStatus::Failed(page[3].of.clone()),
    ];
    assert_eq!(delivery_statuses(&page, &mut delivered), expected);
    // Further down in the same reading.
    assert_eq!(
        delivery_statuses(&[attempt("later", 4, false, false)], &mut delivered),
        []
    );
}

/// A page of attempts of these times, that goes on there.
fn page(times: &[Timestamp], next: Option<i64>) -> PageRead<'_, i64> {
    PageRead {
        times,
        next,
        shown_at: None,
    }
}

#[test]
fn the_first_reading_goes_back_an_hour_and_later_ones_to_where_the_last_began() {
    let reading = ListProgress::<i64>::default();
    let first = reading.current_pass(REDELIVERY_WINDOW, at(10_000));
    assert_eq!(
        (first.down_to, first.next),
        (at(10_000).minus(FIRST_LOOK), None)
    );
    // A page that goes on is followed by the next one, one that reaches back far enough by none.
    let going = reading.after(&first, page(&[at(9_999), at(9_000)], Some(7)));
    assert_eq!(
        (
            going.read_to,
            going.current_pass(REDELIVERY_WINDOW, at(10_060)).next
        ),
        (None, Some(7))
    );
    let passage = going.current_pass(REDELIVERY_WINDOW, at(10_060));
    let done = going.after(&passage, page(&[at(8_000), at(6_000)], Some(8)));
    assert_eq!(
        (done.read_to, done.looked_at, done.pass.is_none()),
        (Some(at(9_999)), Some(at(10_000)), true)
    );
    assert_eq!(
        done.current_pass(REDELIVERY_WINDOW, at(10_120)).down_to,
        at(9_999).minus(OVERLAP)
    );
    // After a long sleep: what GitHub delivers no more is not read.
    assert_eq!(
        done.current_pass(REDELIVERY_WINDOW, at(10_000 + 9 * DAY))
            .down_to,
        at(10_000 + 6 * DAY)
    );
}

/// Sweep by sweep: a burst of thirty, and then nothing more. Only a reading that may miss some of
/// it goes through it.
#[test]
fn what_a_burst_left_in_the_list_is_gone_through_no_more_once_all_of_it_must_be_there() {
    let (mut github, mut sweeper) = (
        Github::default(),
        Sweeper {
            told_the_time: true,
            ..Sweeper::default()
        },
    );
    let minute = |minute: u64| at(60 * minute);
    for number in 0..30 {
        github.attempt(
            &format!("burst-{number}").parse().unwrap(),
            false,
            (at(0), 0),
        );
    }
    let sweep = |sweeper: &mut Sweeper, github: &mut Github, now| {
        assert!(sweeper.sweep(github, &mut Life(1_000), (now, 0)).is_ok())
    };
    (1..=20).for_each(|number| sweep(&mut sweeper, &mut github, minute(number)));
    for number in 21..=40 {
        sweep(&mut sweeper, &mut github, minute(number));
        assert!(
            sweeper.reading.pass.is_none(),
            "minute {number}: {:?}",
            sweeper.reading
        );
    }
    // What is lost then is found by the next sweep.
    let lost: DeliveryGuid = "lost".parse().unwrap();
    github.to_fail.insert(lost.clone(), 1);
    github.attempt(&lost, false, (minute(40).plus(Duration::from_secs(30)), 0));
    sweep(&mut sweeper, &mut github, minute(41));
    assert!(sweeper.follow_ups.contains_key(&lost));
}

#[test]
fn an_empty_list_keeps_the_place() {
    let reading = ListProgress::<i64> {
        read_to: Some(at(5)),
        ..ListProgress::default()
    };
    let after = reading.after(
        &reading.current_pass(REDELIVERY_WINDOW, at(60)),
        page(&[], None),
    );
    assert_eq!(
        (after.read_to, after.looked_at),
        (Some(at(5)), Some(at(60)))
    );
}

#[test]
fn a_place_in_the_list_is_read_back_as_it_was_written() {
    let passage = ListPass {
        began: at(1),
        top: Some(at(0)),
        shown_at: Some(at(1)),
        down_to: at(0),
        next: Some(7_i64),
    };
    for reading in [
        ListProgress::default(),
        ListProgress {
            pass: Some(passage),
            not_before: Some(at(9)),
            read_to: Some(at(2)),
            looked_at: Some(at(3)),
            shown_at: Some(at(4)),
        },
    ] {
        let json = serde_json::to_string(&reading).unwrap();
        assert_eq!(
            serde_json::from_str::<ListProgress<i64>>(&json).unwrap(),
            reading,
            "{json}"
        );
    }
}

#[test]
fn an_event_is_asked_for_at_once_then_when_its_outcome_could_be_seen_and_not_after_three_days() {
    let delivery = failed("a", 1, at(0));
    let open = OutboxEntry::new(
        FollowUp::RedeliverWebhook(delivery.clone()),
        None,
        at(100),
        Duration::ZERO,
    );
    let turn = |open: &OutboxEntry, looked_at: Option<u64>, now| {
        redelivery_step(
            open,
            &delivery,
            looked_at.map(at),
            REDELIVERY_WINDOW,
            at(now),
        )
    };
    assert_eq!(turn(&open, None, 100), RedeliveryStep::Request);
    let asked = open.retry_with_backoff(FIRST_WAIT, at(100));
    assert_eq!(turn(&asked, None, 160), RedeliveryStep::Wait);
    assert_eq!(turn(&asked, Some(100), 160), RedeliveryStep::Wait);
    assert_eq!(turn(&asked, Some(160), 160), RedeliveryStep::Request);
    assert_eq!(turn(&open, None, 3 * DAY), RedeliveryStep::Request);
    assert_eq!(turn(&open, None, 3 * DAY + 1), RedeliveryStep::TooLate);
}

#[test]
fn an_event_that_webhook_refused_for_what_it_holds_is_asked_for_three_times() {
    let asked_until = |refused| {
        let delivery = Redelivery {
            refused,
            ..failed("a", 1, at(0))
        };
        let mut open = OutboxEntry::new(
            FollowUp::RedeliverWebhook(delivery.clone()),
            None,
            at(100),
            Duration::ZERO,
        );
        while redelivery_step(
            &open,
            &delivery,
            Some(open.not_before),
            REDELIVERY_WINDOW,
            open.not_before,
        ) == RedeliveryStep::Request
        {
            open = open.retry_with_backoff(FIRST_WAIT, open.not_before);
        }
        (
            open.tries,
            redelivery_step(
                &open,
                &delivery,
                Some(open.not_before),
                REDELIVERY_WINDOW,
                open.not_before,
            ),
        )
    };
    assert_eq!(asked_until(true), (REFUSED_TRIES, RedeliveryStep::Refused));
    assert_eq!(asked_until(false).1, RedeliveryStep::TooLate);
    let asked = |status| Redelivery::is_refusal(status);
    assert!(
        [400, 413, 415].into_iter().all(asked)
            && ![0, 200, 401, 403, 404, 429, 500, 502, 503, 504]
                .into_iter()
                .any(asked)
    );
}

#[test]
fn enterprise_server_keeps_deliveries_longer() {
    let days = |url: &str| redelivery_window(url).as_secs() / DAY;
    let urls = [
        "https://github.com",
        "https://acme.ghe.com",
        "https://github.example.com",
        "https://github.com.example.com",
        "https://10.0.0.1:8443",
    ];
    assert_eq!(urls.map(days), [3, 3, 7, 7, 7]);
}

#[test]
fn a_guid_that_could_leave_its_place_in_a_key_is_refused() {
    for good in ["72d3162e-cc78-11e3-81ab-4c9367dc0958", "a", &"x".repeat(64)] {
        assert_eq!(good.parse::<DeliveryGuid>().unwrap().as_str(), good);
    }
    for bad in ["", "a#b", "a b", "ä", "a/b", &"x".repeat(65)] {
        assert!(bad.parse::<DeliveryGuid>().is_err(), "{bad}");
    }
}
