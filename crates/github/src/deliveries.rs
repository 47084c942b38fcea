//! What the App's webhook delivered, and what it should deliver again.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use http::header::LINK;
use http::{HeaderMap, Uri};
use mayfly_domain::model::id::{DeliveryId, InstallationId, InvalidName, RepositoryId};
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::redelivery;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use crate::error::CallError;
use crate::github::Github;
use crate::reply::Reply;
use crate::request::Request;
use crate::timestamp;

/// Deliveries on one page: the most that the API gives.
const PAGE: usize = 100;

/// A place in the list of deliveries, as GitHub names it. It stays the same place while the list
/// grows at its head, and may be kept; nothing says for how long GitHub knows it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeliveryCursor(String);

impl DeliveryCursor {
    /// The longest one that is kept, in bytes. Those that GitHub gives have some twenty.
    pub const MAX_LENGTH: usize = 256;

    /// As it stands in a query, percent-encoded where GitHub did so.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for DeliveryCursor {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let refuse = |problem| {
            Err(InvalidName {
                what: "cursor",
                value: value.chars().take(40).collect(),
                problem,
            })
        };
        if value.is_empty() || value.len() > Self::MAX_LENGTH {
            return refuse("must have 1 to 256 bytes");
        }
        // `&` and `#` would end the query's field, and whatever no URL may hold would end it
        // sooner.
        let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~%=+/:,".contains(&b);
        if !value.bytes().all(allowed) {
            return refuse("may contain only letters, digits and -._~%=+/:,");
        }
        Ok(Self(value.to_owned()))
    }
}

impl TryFrom<String> for DeliveryCursor {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, InvalidName> {
        value.parse()
    }
}

impl From<DeliveryCursor> for String {
    fn from(cursor: DeliveryCursor) -> Self {
        cursor.0
    }
}

impl fmt::Display for DeliveryCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One attempt to deliver one event, as GitHub's list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryAttempt {
    /// Of this attempt.
    pub id: DeliveryId,
    /// Of the event: all attempts at it share it.
    pub guid: String,
    /// When it was made, by GitHub's clock.
    pub delivered_at: Timestamp,
    /// Someone asked for it; else it is GitHub's first attempt.
    pub redelivery: bool,
    /// The HTTP status that came back; 0 if there was no answer.
    pub status_code: u16,
    /// The event: `workflow_job`.
    pub event: String,
    /// The event's action, if it has one: `queued`.
    pub action: Option<String>,
    /// The installation that it is for.
    pub installation: Option<InstallationId>,
    /// The repository that it is about.
    pub repository: Option<RepositoryId>,
    /// When GitHub held it back because there were too many.
    pub throttled_at: Option<Timestamp>,
}

impl DeliveryAttempt {
    /// Whether GitHub was content with the answer. An event is delivered when any attempt of its
    /// GUID was.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status_code)
    }
}

/// A part of the list of deliveries, newest first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveriesPage {
    /// Attempts, newest first by the time they were made. One whose answer was slow comes to stand
    /// among older ones.
    pub deliveries: Vec<DeliveryAttempt>,
    /// Where the list goes on; none at its end.
    pub next: Option<DeliveryCursor>,
    /// When GitHub showed it, by GitHub's clock (the answer's `Date`, RFC 9110, section 6.6.1);
    /// none if it does not say.
    pub shown_at: Option<Timestamp>,
}

/// The result of requesting a redelivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Redelivered {
    /// GitHub will make another attempt, under the same GUID (202).
    Asked,
    /// It will not, with its words (400, 404, 422): too old, which is 3 days on github.com and 7 on
    /// Enterprise Server (docs.github.com, "Redelivering webhooks"), or gone.
    Impossible(String),
}

/// Looks at what was delivered, and asks for it again. Made as the App itself: what is asked here
/// spends the App's own limits, no installation's, and so [`CallError::RateLimited`] says nothing
/// about any installation.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// A page of at most 100 attempts: the newest, or those from `after` on. One call. What cannot
    /// be read is left out.
    ///
    /// # Errors
    /// [`CallError::Refused`] when GitHub does not know `after` (any more): begin with the newest.
    /// [`CallError::Unavailable`] also when GitHub says that the list goes on, but not so that it
    /// can be understood: an end that is none would lose what comes after it.
    async fn deliveries(
        &self,
        after: Option<&DeliveryCursor>,
        by: Instant,
    ) -> Result<DeliveriesPage, CallError>;

    /// Asks for a delivery again. One call.
    ///
    /// # Errors
    /// After [`CallError::Unavailable`] it may have been asked for: asking again is harmless, for
    /// what is delivered twice has the same GUID. [`CallError::Refused`] for refusals that are not
    /// about this delivery (403).
    async fn redeliver(&self, delivery: DeliveryId, by: Instant) -> Result<Redelivered, CallError>;

    /// For how long GitHub redelivers what it could not deliver. No call: it follows from where the
    /// App's key belongs.
    ///
    /// # Errors
    /// When the App's key cannot be read.
    async fn redelivery_window(&self) -> Result<Duration, CallError>;
}

#[derive(Deserialize)]
struct Wire {
    id: DeliveryId,
    guid: String,
    #[serde(deserialize_with = "timestamp::required")]
    delivered_at: Timestamp,
    #[serde(default)]
    redelivery: bool,
    status_code: Option<i64>,
    event: String,
    action: Option<String>,
    installation_id: Option<InstallationId>,
    repository_id: Option<RepositoryId>,
    #[serde(default, deserialize_with = "timestamp::shown")]
    throttled_at: Option<Timestamp>,
}

impl From<Wire> for DeliveryAttempt {
    fn from(wire: Wire) -> Self {
        Self {
            id: wire.id,
            guid: wire.guid,
            delivered_at: wire.delivered_at,
            redelivery: wire.redelivery,
            // Whatever is no HTTP status is no answer.
            status_code: wire
                .status_code
                .and_then(|code| code.try_into().ok())
                .unwrap_or(0),
            event: wire.event,
            action: wire.action,
            installation: wire.installation_id,
            repository: wire.repository_id,
            throttled_at: wire.throttled_at,
        }
    }
}

#[async_trait]
impl Deliveries for Github {
    async fn deliveries(
        &self,
        after: Option<&DeliveryCursor>,
        by: Instant,
    ) -> Result<DeliveriesPage, CallError> {
        let from = after
            .map(|cursor| format!("&cursor={cursor}"))
            .unwrap_or_default();
        let request = Request::get(
            "list-deliveries",
            format!("/app/hook/deliveries?per_page={PAGE}{from}"),
        );
        let reply = self.reply_to_app(&request, by).await?.success(self.now())?;
        let items: Vec<Value> = match reply.read() {
            Ok(items) => items,
            Err(why) => return Err(reply.unreadable(why)),
        };
        let deliveries = reply
            .each::<Wire>(items)
            .into_iter()
            .map(DeliveryAttempt::from)
            .collect();
        match next(&reply) {
            Ok(next) => Ok(DeliveriesPage {
                deliveries,
                next,
                shown_at: timestamp::of(&reply.headers),
            }),
            Err(why) => Err(reply.unreadable(why)),
        }
    }

    async fn redeliver(&self, delivery: DeliveryId, by: Instant) -> Result<Redelivered, CallError> {
        let request = Request::post_empty(
            "redeliver",
            format!("/app/hook/deliveries/{delivery}/attempts"),
        );
        match self.reply_to_app(&request, by).await?.success(self.now()) {
            Ok(_) => Ok(Redelivered::Asked),
            Err(CallError::Refused {
                status: 400 | 404 | 422,
                message,
                ..
            }) => Ok(Redelivered::Impossible(message)),
            Err(error) => Err(error),
        }
    }

    async fn redelivery_window(&self) -> Result<Duration, CallError> {
        Ok(redelivery::redelivery_window(self.app().await?.url()))
    }
}

/// Where the list goes on. Only the cursor: the request is made to our own GitHub, wherever the
/// link leads.
///
/// # Errors
/// When it does go on, but no one can say where.
fn next(reply: &Reply) -> Result<Option<DeliveryCursor>, String> {
    let Some(link) = link_to_next(&reply.headers) else {
        return Ok(None);
    };
    let uri: Uri = link
        .parse()
        .map_err(|_| "the link to the next page is not a URL".to_owned())?;
    let fields = uri.query().unwrap_or_default().split('&');
    let cursor = fields
        .filter_map(|field| field.strip_prefix("cursor="))
        .next_back();
    let cursor = cursor.ok_or_else(|| "the link to the next page has no cursor".to_owned())?;
    cursor.parse().map(Some).map_err(|error: InvalidName| {
        format!("the link to the next page has another cursor than expected: {error}")
    })
}

/// The address of `rel="next"` in the `Link` headers (RFC 8288).
fn link_to_next(headers: &HeaderMap) -> Option<&str> {
    let values = headers
        .get_all(LINK)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let links = values
        .flat_map(|value| value.split('<').skip(1))
        .filter_map(|link| link.split_once('>'));
    let is_next = |attributes: &str| {
        attributes
            .split([';', ','])
            .any(|one| ["rel=\"next\"", "rel=next"].contains(&one.trim()))
    };
    links
        .filter(|(_, attributes)| is_next(attributes))
        .map(|(address, _)| address)
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(links: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for link in links {
            headers.append(LINK, link.parse().unwrap());
        }
        link_to_next(&headers).map(str::to_owned)
    }

    #[test]
    fn next_page_is_found_among_other_links() {
        let expected =
            Some("https://api.github.com/app/hook/deliveries?per_page=1&cursor=v1_5".to_owned());
        let next =
            r#"<https://api.github.com/app/hook/deliveries?per_page=1&cursor=v1_5>; rel="next""#;
        let former =
            r#"<https://api.github.com/app/hook/deliveries?per_page=1&cursor=v1_9>; rel="prev""#;
        assert_eq!(found(&[next]), expected);
        assert_eq!(found(&[former, next]), expected);
        let both: &'static str = Box::leak(format!("{former}, {next}").into_boxed_str());
        assert_eq!(found(&[both]), expected);
        for none in [&[][..], &[former], &["nonsense"], &["<x>; rel=\"nextish\""]] {
            assert_eq!(found(none), None, "{none:?}");
        }
    }

    #[test]
    fn cursor_cannot_leave_its_field_of_the_query() {
        for good in [
            "v1_12077215967",
            "djE%3D",
            "Y3Vyc29yOnYyOpK5==",
            "a.b-c~d/e+f:g,h",
        ] {
            assert_eq!(good.parse::<DeliveryCursor>().unwrap().as_str(), good);
            let json = serde_json::to_string(good).unwrap();
            let cursor: DeliveryCursor = serde_json::from_str(&json).unwrap();
            assert_eq!(serde_json::to_string(&cursor).unwrap(), json);
        }
        let long = "x".repeat(257);
        for bad in [
            "",
            "a&status=success",
            "a#",
            "a b",
            "a\r\nb",
            "ä",
            "a?b",
            "<a>",
            &long,
        ] {
            assert!(bad.parse::<DeliveryCursor>().is_err(), "{bad}");
            assert!(
                serde_json::from_value::<DeliveryCursor>(Value::from(bad)).is_err(),
                "{bad}"
            );
        }
    }
}
