//! Deliveries that GitHub could not make, and the asking for them.
//!
//! GitHub delivers an event once. GitHub lists delivery attempts, newest first. The list grows
//! while it is read, and an attempt may appear in it late. A request for redelivery causes another
//! attempt, under the same GUID. So sweeper reads the list from its head down to where the last
//! complete reading began, and records failures before its cursor moves. It requests an event until
//! an attempt succeeds, or until GitHub no longer accepts requests for it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::failed_delivery::{DeliveryGuid, Redelivery};
use crate::model::outbox::OutboxEntry;
use crate::model::time::Timestamp;

/// The first reading ever goes back so far. Deliveries that failed during setup are minutes old. An
/// App that existed before has days of failures; requesting those would start runners for jobs that
/// are long over.
pub const FIRST_LOOK: Duration = Duration::from_secs(60 * 60);

/// How far each reading goes beyond the place where the last one began: the list sorts an attempt
/// by the time it was made, but shows it only once it is over (10 s, 30 s on Enterprise Server) and
/// GitHub has stored it.
pub const OVERLAP: Duration = Duration::from_secs(3 * 60);

/// The wait after the first asking; twice as long after each, up to an hour.
pub const FIRST_WAIT: Duration = Duration::from_secs(60);

/// How often an event is requested that webhook refused for its content: the same bytes get the
/// same answer, unless another version of webhook understands them. Others are asked for as long as
/// GitHub has them.
pub const REFUSED_TRIES: u32 = 3;

/// GitHub makes no further attempt after this time. Source: docs.github.com, "Redelivering
/// webhooks": 3 days.
const REDELIVERY_WINDOW: Duration = Duration::from_secs(3 * 24 * 60 * 60);

/// The same on Enterprise Server: 7 days.
const REDELIVERY_WINDOW_OF_SERVER: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// How long this GitHub makes further attempts.
#[must_use]
pub fn redelivery_window(github_url: &str) -> Duration {
    let host = github_url
        .trim_start_matches("https://")
        .split(['/', ':'])
        .next()
        .unwrap_or_default();
    if host == "github.com" || host.ends_with(".ghe.com") {
        REDELIVERY_WINDOW
    } else {
        REDELIVERY_WINDOW_OF_SERVER
    }
}

/// An attempt to deliver an event about a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// What it was to deliver; `delivery` and `first_at` are the attempt's own.
    pub of: Redelivery,
    /// Someone asked for it.
    pub asked_for: bool,
    /// It succeeded.
    pub succeeded: bool,
}

/// What a page of the list says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeliveryStatus {
    /// This event was delivered: it is not requested again, whatever else the list shows.
    Delivered(DeliveryGuid),
    /// This event was not delivered, unless it is known that a later attempt did it.
    Failed(Redelivery),
}

/// What follows from a page, in the order in which it is to be written. `delivered` are the GUIDs
/// that succeeded further up.
///
/// Every event has one first attempt. A failure counts only there, so that an attempt that someone
/// asked for needlessly, and that failed, opens nothing again. A first attempt that succeeded is no
/// news: nothing was ever opened for it.
#[must_use]
pub fn delivery_statuses(
    page: &[Attempt],
    delivered: &mut BTreeSet<DeliveryGuid>,
) -> Vec<DeliveryStatus> {
    let succeeded = page.iter().filter(|attempt| attempt.succeeded);
    let mut news = Vec::new();
    for attempt in succeeded {
        if delivered.insert(attempt.of.guid.clone()) && attempt.asked_for {
            news.push(DeliveryStatus::Delivered(attempt.of.guid.clone()));
        }
    }
    let failed = page.iter().filter(|attempt| {
        !attempt.asked_for && !attempt.succeeded && !delivered.contains(&attempt.of.guid)
    });
    news.extend(failed.map(|attempt| DeliveryStatus::Failed(attempt.of.clone())));
    news
}

/// A reading of the list that is not through.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPass<C> {
    /// When it began.
    pub began: Timestamp,
    /// The newest attempt when it began, by GitHub's clock; none if the list was empty.
    pub top: Option<Timestamp>,
    /// When GitHub showed the head of the list, by GitHub's clock; none if it did not say so.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub shown_at: Option<Timestamp>,
    /// It is through when it comes to an attempt that is older.
    pub down_to: Timestamp,
    /// Where it goes on; none at the head of the list.
    pub next: Option<C>,
}

/// How far the list has been read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListProgress<C> {
    /// The newest attempt when the last whole reading began, by GitHub's clock: all older ones have
    /// been read.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub read_to: Option<Timestamp>,
    /// When that reading began, by our clock.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub looked_at: Option<Timestamp>,
    /// When that reading began, by GitHub's clock. After a burst and then silence `read_to` stays
    /// the end of the burst, and each reading would go through all of it again.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub shown_at: Option<Timestamp>,
    /// The reading under way.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub pass: Option<ListPass<C>>,
    /// GitHub told the App to wait until then.
    #[serde(default = "none", skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
}

/// Serde's own default would ask that a cursor has one.
const fn none<T>() -> Option<T> {
    None
}

/// A page of the list of deliveries.
#[derive(Clone, Copy, Debug)]
pub struct PageRead<'a, C> {
    /// When the attempts on it were made, newest first, whatever they were about.
    pub times: &'a [Timestamp],
    /// Where the list goes on.
    pub next: Option<C>,
    /// When GitHub showed it, by its clock.
    pub shown_at: Option<Timestamp>,
}

impl<C> Default for ListProgress<C> {
    fn default() -> Self {
        Self {
            read_to: None,
            looked_at: None,
            shown_at: None,
            pass: None,
            not_before: None,
        }
    }
}

impl<C: Clone> ListProgress<C> {
    /// The reading to go on with, or a new one.
    #[must_use]
    pub fn current_pass(&self, window: Duration, now: Timestamp) -> ListPass<C> {
        self.pass.clone().unwrap_or_else(|| {
            // By then all that was made before the last reading began stands in the list, whether
            // anything newer does or not.
            let down_to = self
                .read_to
                .max(self.shown_at)
                .map_or_else(|| now.minus(FIRST_LOOK), |read_to| read_to.minus(OVERLAP));
            // What is older, GitHub delivers no more.
            ListPass {
                began: now,
                top: None,
                shown_at: None,
                down_to: down_to.max(now.minus(window)),
                next: None,
            }
        })
    }

    /// How far the list has been read after this page. What the page says must have been written
    /// before this is.
    #[must_use]
    pub fn after(&self, passage: &ListPass<C>, page: PageRead<'_, C>) -> Self {
        let PageRead {
            times,
            next,
            shown_at,
        } = page;
        let top = passage.top.or_else(|| times.iter().max().copied());
        let shown_at = if passage.next.is_none() {
            shown_at
        } else {
            passage.shown_at
        };
        let through = next.is_none() || times.last().is_some_and(|at| *at < passage.down_to);
        if through {
            // An empty list leaves the place as it is: nothing new can have been missed.
            let read_to = self.read_to.max(top);
            return Self {
                read_to,
                looked_at: Some(passage.began),
                shown_at,
                pass: None,
                not_before: self.not_before,
            };
        }
        Self {
            pass: Some(ListPass {
                top,
                shown_at,
                next,
                ..passage.clone()
            }),
            ..self.clone()
        }
    }

    /// The same without the reading under way: its place in the list is not known any more.
    #[must_use]
    pub fn restarted(&self) -> Self {
        Self {
            pass: None,
            ..self.clone()
        }
    }
}

/// What is to be done about an event that was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedeliveryStep {
    /// GitHub is to be asked for another attempt.
    Request,
    /// The result of the last request is not known yet.
    Wait,
    /// The time is over after which GitHub makes no further attempt.
    TooLate,
    /// Webhook has refused it often enough: it can never be understood.
    Refused,
}

/// What is to be done about an event whose follow-up is due. `looked_at` is when the last whole
/// reading of the list began.
///
/// An event is requested again only after a reading that began late enough to show the result of
/// the last request: a list that takes many sweeps to read may already hold the success.
#[must_use]
pub fn redelivery_step(
    open: &OutboxEntry,
    delivery: &Redelivery,
    looked_at: Option<Timestamp>,
    window: Duration,
    now: Timestamp,
) -> RedeliveryStep {
    // No wait is shorter than the first, so the last asking was at least that long before.
    let shown = || looked_at.is_some_and(|at| at >= open.not_before.minus(FIRST_WAIT / 2));
    if now.since(delivery.first_at) > window {
        RedeliveryStep::TooLate
    } else if open.tries > 0 && !shown() {
        RedeliveryStep::Wait
    } else if delivery.refused && open.tries >= REFUSED_TRIES {
        RedeliveryStep::Refused
    } else {
        RedeliveryStep::Request
    }
}
