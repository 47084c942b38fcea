//! Recovers deliveries that failed: reads GitHub's list of deliveries from where the last sweep
//! stopped, and requests the failed ones again.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use futures::stream::{self, TryStreamExt};
use mayfly_domain::model::failed_delivery::{DeliveryGuid, Redelivery};
use mayfly_domain::model::job::JobAction;
use mayfly_domain::model::outbox::OutboxEntry;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::redelivery::{
    self, Attempt, DeliveryStatus, FIRST_WAIT, ListPass, ListProgress, PageRead, RedeliveryStep,
};
use mayfly_github::{CallError, DeliveriesPage, DeliveryAttempt, DeliveryCursor, Redelivered};
use mayfly_ledger::outbox::Cursor;
use mayfly_ledger::{Store, Versioned};
use mayfly_queue::Wakes;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::budget::Budget;
use crate::sweeper::{EcsPort, GITHUB_CALL, GitHub, Sweeper};
use crate::work_outcome::WorkOutcome;

/// Pages of the list that one sweep reads at most: 1,000 attempts, some 330 jobs. A larger burst
/// takes several sweeps; 20,000 jobs an hour are sustained indefinitely.
const PAGES: u32 = 10;

/// News of a page that are written at once.
const AT_ONCE: usize = 10;

/// The name of the place in the list.
const LIST: &str = "deliveries";

type Place = Versioned<Cursor<ListProgress<DeliveryCursor>>>;

impl<S: Store, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Reads what GitHub has delivered since, and creates follow-ups that request what failed.
    pub(crate) async fn read_deliveries(&self, budget: &Budget) -> anyhow::Result<()> {
        let mut place: Place = self
            .ledger
            .cursor(LIST)
            .await
            .context("read the place in the list of deliveries")?;
        if let Some(until) = place.at.not_before.filter(|until| self.now() < *until) {
            info!(
                until = until.seconds(),
                "GitHub rate-limits the App: this sweep does not read its deliveries"
            );
            return Ok(());
        }
        budget.may_redeliver(self.redeliveries.left(self.now()), place.at.looked_at);
        let github = &self.deps.github;
        let window = github
            .redelivery_window()
            .await
            .context("read the App's key")?;
        let mut delivered = BTreeSet::new();
        for _ in 0..PAGES {
            if budget.over() {
                return Ok(());
            }
            let passage = place.at.current_pass(window, self.now());
            let page = match github
                .deliveries(passage.next.as_ref(), Instant::now() + GITHUB_CALL)
                .await
            {
                Ok(page) => page,
                Err(problem) => return self.not_read(&place, &passage, problem, budget).await,
            };
            self.write_down(&page, &mut delivered, window)
                .await
                .context("record what was not delivered")?;
            // Only now: anyone who reads on may rely on all that came before.
            let times: Vec<Timestamp> =
                page.deliveries.iter().map(|one| one.delivered_at).collect();
            let read = PageRead {
                times: &times,
                next: page.next,
                shown_at: page.shown_at,
            };
            let after = place.at.after(&passage, read);
            let Some(moved) = self.ledger.move_cursor(&place, after).await? else {
                info!("another sweep reads the list of deliveries");
                return Ok(());
            };
            place = moved;
            if place.at.pass.is_none() {
                budget.may_redeliver(self.redeliveries.left(self.now()), place.at.looked_at);
                return Ok(());
            }
        }
        let began = place
            .at
            .pass
            .as_ref()
            .map_or(0, |passage| passage.began.seconds());
        warn!(
            began,
            "the list of deliveries is longer than one sweep can read: the next one continues"
        );
        Ok(())
    }

    /// Some of a page at once: an outage fills it with failures.
    async fn write_down(
        &self,
        page: &DeliveriesPage,
        delivered: &mut BTreeSet<DeliveryGuid>,
        window: Duration,
    ) -> anyhow::Result<()> {
        let attempts: Vec<Attempt> = page.deliveries.iter().filter_map(attempt).collect();
        let now = self.now();
        let news = redelivery::delivery_statuses(&attempts, delivered);
        stream::iter(news.into_iter().map(Ok))
            .try_for_each_concurrent(AT_ONCE, |news| async move {
                match news {
                    DeliveryStatus::Delivered(guid) => self.ledger.record_delivered(&guid, window, now).await,
                    DeliveryStatus::Failed(failed) => {
                        warn!(delivery.id = %failed.guid, repository.id = failed.repository.map(|id| id.0), "GitHub could not deliver workflow_job {}", in_words(failed.action));
                        self.ledger.record_undelivered(&failed, now).await
                    }
                }
            })
            .await?;
        Ok(())
    }

    async fn not_read(
        &self,
        place: &Place,
        passage: &ListPass<DeliveryCursor>,
        problem: CallError,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        match &problem {
            CallError::RateLimited { until, .. } => self.app_must_wait(*until, budget).await?,
            CallError::Refused { .. } if passage.next.is_some() => {
                // Nothing is lost: the new reading goes down to where this one did.
                self.ledger.move_cursor(place, place.at.restarted()).await?;
            }
            CallError::Refused { .. }
            | CallError::Unavailable { .. }
            | CallError::Misconfigured { .. } => {}
        }
        Err(problem).context("read the list of deliveries")
    }

    /// The App's limits are its own: only this duty pauses.
    async fn app_must_wait(&self, until: Timestamp, budget: &Budget) -> anyhow::Result<()> {
        budget.may_redeliver(0, None);
        let place: Place = self.ledger.cursor(LIST).await?;
        let waiting = ListProgress {
            not_before: Some(until),
            ..place.at.clone()
        };
        self.ledger
            .move_cursor(&place, waiting)
            .await
            .context("record that GitHub told the App to wait")
            .map(drop)
    }

    /// Asks for one event.
    pub(crate) async fn redeliver(
        &self,
        open: &OutboxEntry,
        failed: &Redelivery,
        budget: &Budget,
    ) -> anyhow::Result<Option<WorkOutcome>> {
        let github = &self.deps.github;
        let window = github
            .redelivery_window()
            .await
            .context("read the App's key")?;
        match redelivery::redelivery_step(
            open,
            failed,
            budget.deliveries_seen(),
            window,
            self.now(),
        ) {
            RedeliveryStep::Wait => return Ok(None),
            RedeliveryStep::TooLate => {
                self.given_up(failed, "it is too old for GitHub to try again", open.tries)
                    .await;
                return Ok(Some(WorkOutcome::Done));
            }
            RedeliveryStep::Refused => {
                warn!(
                    delivery.id = %failed.guid, repository.id = failed.repository.map(|id| id.0),
                    "webhook cannot read a workflow_job {} delivery, requested {} times: gave it up, its job is found by asking GitHub",
                    in_words(failed.action), open.tries
                );
                self.ledger
                    .record_delivered(&failed.guid, window, self.now())
                    .await?;
                return Ok(Some(WorkOutcome::Done));
            }
            RedeliveryStep::Request => {}
        }
        if !budget.take_redelivery() {
            return Ok(None);
        }
        if self.ledger.is_delivered(&failed.guid).await? {
            return Ok(Some(WorkOutcome::Done));
        }
        self.redeliveries.spend();
        match github
            .redeliver(failed.delivery, Instant::now() + GITHUB_CALL)
            .await
        {
            Ok(Redelivered::Asked) => {
                info!(redelivered_deliveries = 1, delivery.id = %failed.guid, "asked GitHub to deliver workflow_job {} again", in_words(failed.action));
                Ok(Some(WorkOutcome::Again(FIRST_WAIT)))
            }
            Ok(Redelivered::Impossible(why)) => {
                self.given_up(failed, &format!("it does not try again: {why}"), open.tries)
                    .await;
                // Its attempts are still in the list.
                self.ledger
                    .record_delivered(&failed.guid, window, self.now())
                    .await?;
                Ok(Some(WorkOutcome::Done))
            }
            Err(CallError::RateLimited { until, .. }) => {
                self.app_must_wait(until, budget).await?;
                Ok(None)
            }
            Err(problem) => Err(problem).context("ask for another attempt"),
        }
    }

    async fn given_up(&self, failed: &Redelivery, why: &str, tries: u32) {
        let known = match failed.repository {
            Some(id) => self
                .ledger
                .repository(id)
                .await
                .ok()
                .flatten()
                .map(|known| known.repository.name),
            None => None,
        };
        let repository = known
            .or_else(|| failed.repository.map(|id| format!("repository {id}")))
            .unwrap_or_else(|| "no repository".to_owned());
        error!(
            delivery.id = %failed.guid,
            "GitHub could not deliver workflow_job {} of {repository}, requested {tries} times, and {why}. If its job still matters, it is found by asking GitHub. Check that the webhook's URL is right and answers: mayfly doctor",
            in_words(failed.action)
        );
    }
}

fn in_words(action: JobAction) -> &'static str {
    match action {
        JobAction::Queued => "queued",
        JobAction::Waiting => "waiting",
        JobAction::InProgress => "in_progress",
        JobAction::Completed => "completed",
    }
}

/// The attempt, if webhook would do anything with the event.
fn attempt(shown: &DeliveryAttempt) -> Option<Attempt> {
    if shown.event != "workflow_job" {
        return None;
    }
    let action = match shown.action.as_deref()? {
        "queued" => JobAction::Queued,
        "waiting" => JobAction::Waiting,
        "in_progress" => JobAction::InProgress,
        "completed" => JobAction::Completed,
        _ => return None,
    };
    let guid = shown
        .guid
        .parse()
        .inspect_err(|problem| warn!(error = %problem, "a delivery in GitHub's list cannot be read: it is left out"))
        .ok()?;
    let refused = Redelivery::is_refusal(shown.status_code);
    let of = Redelivery {
        guid,
        delivery: shown.id,
        first_at: shown.delivered_at,
        action,
        repository: shown.repository,
        refused,
    };
    Some(Attempt {
        of,
        asked_for: shown.redelivery,
        succeeded: shown.succeeded(),
    })
}
