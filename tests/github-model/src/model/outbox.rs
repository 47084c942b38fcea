//! What happened becomes deliveries, and what may befall them is drawn here.

use super::Model;
use crate::deliveries::{Delivery, Handling, Signing, Stage};
use crate::id::{DeliveryId, InstallationId, JobId};
use crate::jobs::Action;
use crate::settings::after;
use crate::shape;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A delivery that a test makes up.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HandMade {
    /// `X-GitHub-Event`.
    pub event: String,
    /// The payload, if it is JSON.
    #[serde(default)]
    pub payload: Option<Value>,
    /// The payload as text, if it is not.
    #[serde(default)]
    pub text: Option<String>,
    /// How it is signed.
    #[serde(default)]
    pub signing: Signing,
    /// Its GUID; else a fresh one.
    #[serde(default)]
    pub guid: Option<String>,
    /// Headers that replace GitHub's.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
}

/// Something that concerns the App itself.
pub(super) struct Notification {
    pub(super) event: &'static str,
    pub(super) action: Option<&'static str>,
    pub(super) installation: Option<InstallationId>,
    pub(super) payload: String,
}

/// The fate of one event's deliveries, drawn once.
struct Draw {
    copies: u32,
    handling: Handling,
    due: Timestamp,
}

impl Model {
    /// Something happened to a job: the App hears of it, if it is installed there.
    pub(super) fn emit(&mut self, id: JobId, action: Action, now: Timestamp) {
        let Some(job) = self.jobs.get(id) else { return };
        let repository = job.repository;
        let installation = self
            .accounts
            .installation_for(repository)
            .filter(|one| one.suspended_at.is_none());
        let Some(installation) = installation.map(|one| one.id) else {
            return;
        };
        // An App hears only of what it asked for (manifest, or its settings).
        if self.hook.url.is_none() || !self.app.events.iter().any(|event| event == "workflow_job") {
            return;
        }
        let mut payload = shape::payload::workflow_job(self, job, action);
        if job.wish.deliveries.without_job.contains(&action) {
            payload["workflow_job"] = Value::Null;
        }
        if job.wish.deliveries.unreadable.contains(&action) {
            payload["workflow_job"]["id"] = Value::from("new");
        }
        let payload = payload.to_string();
        let Some(draw) = self.draw(id, action, now) else {
            return;
        };
        let guid = self.chance.guid();
        for copy in 0..draw.copies {
            self.deliveries.insert(Delivery {
                id: DeliveryId(0),
                guid: guid.clone(),
                event: "workflow_job".to_owned(),
                action: Some(action.word().to_owned()),
                installation: Some(installation),
                repository: Some(repository),
                job: Some(id),
                redelivery: copy > 0,
                payload: payload.clone(),
                forged: false,
                signing: Signing::Valid,
                headers: BTreeMap::new(),
                handling: draw.handling,
                stage: Stage::Due(draw.due),
                sent: BTreeMap::new(),
            });
        }
    }

    /// Draws what becomes of an event; none if GitHub never makes a delivery of it.
    fn draw(&mut self, id: JobId, action: Action, now: Timestamp) -> Option<Draw> {
        let own = self.jobs.get(id)?.wish.deliveries.clone();
        let faults = &self.faults.deliveries;
        let repository = self
            .jobs
            .get(id)
            .map(|job| self.accounts.full_name(job.repository))
            .unwrap_or_default();
        let struck = faults.concerns(Some(action.word()), &repository);
        let chance = &mut self.chance;
        let mut hits = |share: f64| struck && chance.hits(share);
        if own.never_made.contains(&action) || hits(faults.never_made) {
            return None;
        }
        let handling = if own.lost.contains(&action) || hits(faults.lost) {
            Handling::Lose
        } else if hits(faults.answered_5xx) {
            Handling::Misread
        } else {
            Handling::Send
        };
        let copies = if hits(faults.repeated) {
            faults.times
        } else {
            own.repeat
        }
        .max(1);
        let mut wait = own.late_seconds;
        if hits(faults.late) {
            wait += faults.late_by;
        }
        if hits(faults.reordered) {
            wait += faults.window * self.chance.share();
        }
        Some(Draw {
            copies,
            handling,
            due: after(now, wait),
        })
    }

    /// GitHub asks whether anyone is there.
    pub fn ping(&mut self, now: Timestamp) -> DeliveryId {
        let payload = shape::payload::ping(self).to_string();
        self.notify(
            Notification {
                event: "ping",
                action: None,
                installation: None,
                payload,
            },
            now,
        )
    }

    /// The App is told of something that concerns itself: every App is, whatever events it asked
    /// for.
    pub(super) fn notify(&mut self, news: Notification, now: Timestamp) -> DeliveryId {
        let Notification {
            event,
            action,
            installation,
            payload,
        } = news;
        let guid = self.chance.guid();
        self.deliveries.insert(Delivery {
            id: DeliveryId(0),
            guid,
            event: event.to_owned(),
            action: action.map(str::to_owned),
            installation,
            repository: None,
            job: None,
            redelivery: false,
            payload,
            forged: false,
            signing: Signing::Valid,
            headers: BTreeMap::new(),
            handling: Handling::Send,
            stage: Stage::Due(now),
            sent: BTreeMap::new(),
        })
    }

    /// Someone who is not GitHub sends something.
    pub fn forge(&mut self, made: HandMade, now: Timestamp) -> DeliveryId {
        let guid = made.guid.unwrap_or_else(|| self.chance.guid());
        let action = made
            .payload
            .as_ref()
            .and_then(|payload| payload.get("action")?.as_str().map(str::to_owned));
        let payload = made
            .text
            .or_else(|| made.payload.map(|payload| payload.to_string()))
            .unwrap_or_default();
        self.deliveries.insert(Delivery {
            id: DeliveryId(0),
            guid,
            event: made.event,
            action,
            installation: None,
            repository: None,
            job: None,
            redelivery: false,
            payload,
            forged: true,
            signing: made.signing,
            headers: made.headers,
            handling: Handling::Send,
            stage: Stage::Due(now),
            sent: BTreeMap::new(),
        })
    }

    /// Sends a delivery again. None if it is unknown, unfinished or too old.
    pub fn redeliver(&mut self, id: DeliveryId, now: Timestamp) -> Option<DeliveryId> {
        let faults = &self.faults.deliveries;
        let struck = self.deliveries.get(id).is_some_and(|former| {
            let repository = former
                .repository
                .map(|id| self.accounts.full_name(id))
                .unwrap_or_default();
            faults.concerns(former.action.as_deref(), &repository)
        });
        // Another attempt comes to grief like the first one, as long as what was in its way is
        // there.
        let handling = if struck && self.chance.hits(faults.lost) {
            Handling::Lose
        } else if struck && self.chance.hits(faults.answered_5xx) {
            Handling::Misread
        } else {
            Handling::Send
        };
        self.deliveries
            .again(id, self.settings.redelivery_limit, handling, now)
    }
}
