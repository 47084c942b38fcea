//! Deliveries: made, waiting, on their way, answered. The list that `GET /app/hook/deliveries`
//! shows.

use super::hook::Hook;
use super::id::{DeliveryId, InstallationId, JobId, RepositoryId};
use super::model::{Change, Journal};
use super::settings::after;
use super::signature::sign;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// What will become of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// It is sent.
    Send,
    /// It is not sent; the list says that it failed.
    Lose,
    /// It is sent, but its answer counts as a 502.
    Misread,
}

/// How a hand-made delivery is signed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signing {
    /// As it should be.
    #[default]
    Valid,
    /// With another secret.
    Wrong,
    /// Not at all.
    Missing,
    /// With these characters.
    Literal(String),
}

/// What came back.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// When it was sent.
    pub at: Timestamp,
    /// How long the answer took, in seconds.
    pub duration: f64,
    /// `OK`, or what was wrong.
    pub status: String,
    /// The HTTP status; 0 without an answer.
    pub code: u16,
    /// The answer's headers.
    pub headers: BTreeMap<String, String>,
    /// The answer's body.
    pub body: String,
}

impl Outcome {
    /// What GitHub notes for an answer of this HTTP status.
    #[must_use]
    pub fn answered(at: Timestamp, code: u16) -> Self {
        let status = if (200..300).contains(&code) {
            "OK".to_owned()
        } else {
            format!("Invalid HTTP Response: {code}")
        };
        Self {
            at,
            duration: 0.0,
            status,
            code,
            headers: BTreeMap::new(),
            body: String::new(),
        }
    }

    /// What GitHub notes when there is no answer.
    #[must_use]
    pub fn unanswered(at: Timestamp, words: &str) -> Self {
        Self {
            at,
            duration: 0.0,
            status: words.to_owned(),
            code: 0,
            headers: BTreeMap::new(),
            body: String::new(),
        }
    }

    /// Whether GitHub is content.
    #[must_use]
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// It leaves at this time.
    Due(Timestamp),
    /// It has left.
    Sent,
    /// It is over.
    Over(Outcome),
}

/// One attempt to deliver one event.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Of this attempt.
    pub id: DeliveryId,
    /// Of the event: a redelivery keeps it.
    pub guid: String,
    /// `workflow_job`, `ping`, …
    pub event: String,
    /// The event's action, if it has one.
    pub action: Option<String>,
    /// Which installation it is for.
    pub installation: Option<InstallationId>,
    /// Which repository it is about.
    pub repository: Option<RepositoryId>,
    /// Which job it is about.
    pub job: Option<JobId>,
    /// Someone asked for it again.
    pub redelivery: bool,
    /// The payload.
    pub payload: String,
    /// Not GitHub's doing: in no list of GitHub's.
    pub forged: bool,
    /// How it is signed.
    pub signing: Signing,
    /// Headers that replace GitHub's.
    pub headers: BTreeMap<String, String>,
    /// What becomes of it.
    pub handling: Handling,
    /// Where it stands.
    pub stage: Stage,
    /// What was sent.
    pub sent: BTreeMap<String, String>,
}

impl Delivery {
    fn leaves(&self) -> Change {
        Change::Sent {
            id: self.id,
            guid: self.guid.clone(),
            action: self.action.clone(),
            job: self.job,
            redelivery: self.redelivery,
        }
    }

    /// Since when GitHub shows it.
    fn shown_since(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Over(outcome) if !self.forged => Some(outcome.at),
            _ => None,
        }
    }

    fn note_outcome(&self, journal: &mut Journal) {
        if let Stage::Over(outcome) = &self.stage {
            journal.note(|| Change::Answered {
                id: self.id,
                guid: self.guid.clone(),
                code: outcome.code,
            });
        }
    }
}

/// A request that someone has to make now.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// To be given back with the outcome.
    pub id: DeliveryId,
    /// Where to.
    pub url: String,
    /// Names in lower case.
    pub headers: BTreeMap<String, String>,
    /// The bytes.
    pub body: Vec<u8>,
}

/// All deliveries.
#[derive(Debug, Clone, Default)]
pub struct Deliveries {
    all: BTreeMap<DeliveryId, Delivery>,
    due: BTreeSet<(Timestamp, DeliveryId)>,
    /// The finished ones that GitHub shows, by the time of their end.
    over: BTreeSet<(Timestamp, DeliveryId)>,
    /// Those that it does not show yet: when it does, the time of their end.
    unlisted: BTreeSet<(Timestamp, Timestamp, DeliveryId)>,
    /// Seconds after its end at which it may show one first.
    listed_late: f64,
    last: i64,
}

impl Deliveries {
    /// None of them, but the ids go on.
    #[must_use]
    pub fn cleared(&self) -> Self {
        Self {
            last: self.last,
            ..Self::default()
        }
    }

    /// Adds one. Its id is given here, so that ids grow with time.
    pub fn insert(&mut self, mut delivery: Delivery) -> DeliveryId {
        self.last += 1;
        delivery.id = DeliveryId(39_000_000_000 + self.last);
        if let Stage::Due(at) = delivery.stage {
            self.due.insert((at, delivery.id));
        }
        let id = delivery.id;
        self.all.insert(id, delivery);
        id
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, id: DeliveryId) -> Option<&Delivery> {
        self.all.get(&id)
    }

    /// All of them, oldest first.
    pub fn all(&self) -> impl DoubleEndedIterator<Item = &Delivery> {
        self.all.values()
    }

    /// When the next one leaves.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Whether any is waiting or on its way.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.due.is_empty() && self.all.values().all(|one| one.stage != Stage::Sent)
    }

    /// Those that leave now.
    pub fn take_due(
        &mut self,
        hook: &Hook,
        app_id: i64,
        journal: &mut Journal,
        now: Timestamp,
    ) -> Vec<Outgoing> {
        let mut outgoing = Vec::new();
        while let Some((at, id)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, id));
            let Some(delivery) = self.all.get_mut(&id) else {
                continue;
            };
            journal.note(|| delivery.leaves());
            match (&hook.url, delivery.handling) {
                (None, _) => {
                    delivery.stage = Stage::Over(Outcome::unanswered(now, "no webhook URL"))
                }
                (Some(_), Handling::Lose) => {
                    delivery.stage =
                        Stage::Over(Outcome::unanswered(now, "failed to connect to host"));
                }
                (Some(url), Handling::Send | Handling::Misread) => {
                    delivery.stage = Stage::Sent;
                    let body = hook.content_type.encode(&delivery.payload);
                    let headers = headers(delivery, hook, app_id, &body);
                    delivery.sent.clone_from(&headers);
                    outgoing.push(Outgoing {
                        id,
                        url: url.clone(),
                        headers,
                        body,
                    });
                }
            }
            delivery.note_outcome(journal);
            let ended = delivery.shown_since();
            self.ended(id, ended);
        }
        outgoing
    }

    /// What came back for one that left.
    pub fn settle(&mut self, id: DeliveryId, outcome: Outcome, journal: &mut Journal) {
        if let Some(delivery) = self.all.get_mut(&id).filter(|one| one.stage == Stage::Sent) {
            let at = outcome.at;
            delivery.stage = Stage::Over(match delivery.handling {
                Handling::Misread => Outcome::answered(at, 502),
                Handling::Send | Handling::Lose => outcome,
            });
            delivery.note_outcome(journal);
            let ended = delivery.shown_since();
            self.ended(id, ended);
        }
    }

    /// One of them is over, since then: it gets into the list.
    fn ended(&mut self, id: DeliveryId, at: Option<Timestamp>) {
        let Some(at) = at else { return };
        if self.listed_late > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "a share of a thousand")]
            let share = (id.0.wrapping_mul(2_654_435_761) >> 8).rem_euclid(1_000) as f64 / 1_000.0;
            self.unlisted
                .insert((after(at, self.listed_late * share), at, id));
        } else {
            self.over.insert((at, id));
        }
    }

    /// Puts into the list what gets there by now; from now on it takes up to so many seconds.
    pub fn list(&mut self, listed_late: f64, now: Timestamp) {
        self.listed_late = listed_late;
        while let Some((shown, at, id)) = self
            .unlisted
            .first()
            .copied()
            .filter(|(shown, _, _)| *shown <= now)
        {
            self.unlisted.remove(&(shown, at, id));
            self.over.insert((at, id));
        }
    }

    /// The finished ones that GitHub shows, newest first.
    pub fn shown(&self) -> impl Iterator<Item = (&Delivery, &Outcome)> {
        let finished = self
            .over
            .iter()
            .rev()
            .filter_map(|(_, id)| self.all.get(id));
        finished.filter_map(|one| match &one.stage {
            Stage::Over(outcome) => Some((one, outcome)),
            Stage::Due(_) | Stage::Sent => None,
        })
    }

    /// Sends one again: same GUID, new id. None if it is unknown, unfinished or older than `limit`
    /// seconds.
    pub fn again(
        &mut self,
        id: DeliveryId,
        limit: f64,
        handling: Handling,
        now: Timestamp,
    ) -> Option<DeliveryId> {
        let former = self.all.get(&id)?;
        let Stage::Over(outcome) = &former.stage else {
            return None;
        };
        if now > after(outcome.at, limit) {
            return None;
        }
        let copy = Delivery {
            redelivery: true,
            handling,
            stage: Stage::Due(now),
            ..former.clone()
        };
        Some(self.insert(copy))
    }
}

/// The headers of a delivery. `X-Hub-Signature` (SHA-1) is left out: no one may rely on it.
fn headers(delivery: &Delivery, hook: &Hook, app_id: i64, body: &[u8]) -> BTreeMap<String, String> {
    let mut headers: BTreeMap<String, String> = [
        ("accept", "*/*".to_owned()),
        ("content-type", hook.content_type.mime().to_owned()),
        ("user-agent", "GitHub-Hookshot/044aadd".to_owned()),
        ("x-github-delivery", delivery.guid.clone()),
        ("x-github-event", delivery.event.clone()),
        ("x-github-hook-id", "511222333".to_owned()),
        ("x-github-hook-installation-target-id", app_id.to_string()),
        (
            "x-github-hook-installation-target-type",
            "integration".to_owned(),
        ),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let signature = match &delivery.signing {
        Signing::Valid => Some(sign(&hook.secret, body)),
        Signing::Wrong => Some(sign(&format!("{} not", hook.secret), body)),
        Signing::Missing => None,
        Signing::Literal(text) => Some(text.clone()),
    };
    headers.extend(signature.map(|value| ("x-hub-signature-256".to_owned(), value)));
    headers.extend(
        delivery
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone())),
    );
    headers
}
