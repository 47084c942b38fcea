//! Whether deliveries arrive: GitHub's own list of them says so.
//!
//! GitHub pings an App's webhook once, when the App is made, and has no call for another ping. That
//! first one fails here: the secret that signs it reaches AWS only afterwards. So it is asked for
//! again, under the same GUID and signed again. Where it is older than the list goes back, what
//! GitHub told of an installation does as well; a job's events are left alone, for they mean
//! something.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_domain::model::id::DeliveryId;
use mayfly_domain::model::timeouts::SECRETS_FRESH;
use mayfly_github::{Deliveries, DeliveryAttempt, Redelivered};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use crate::failure::Failure;
use crate::github::setup::{patiently, soon};

/// Between two looks at the list.
const LOOK: Duration = Duration::from_secs(3);

/// Between two requests for the same delivery.
const AGAIN: Duration = Duration::from_secs(20);

/// How long the ping of a new App may take to show: GitHub's deliveries can take minutes
/// (docs.github.com, "Troubleshooting webhooks"), but there is no point in waiting for one that may
/// never have been made.
const FIRST_SIGN: Duration = Duration::from_secs(60);

/// How long a delivery is tried: functions that had another secret believe it for so long, and
/// GitHub takes its time.
const PATIENCE: Duration = Duration::from_secs(SECRETS_FRESH.as_secs() + 90);

/// Pages of a hundred deliveries that are searched for something that may be sent again.
const PAGES: usize = 3;

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum DeliveryCheck {
    /// A delivery arrived, and its signature was accepted.
    Arrived {
        /// What was delivered: `ping`.
        event: String,
        /// What the endpoint answered.
        status: u16,
    },
    /// What was delivered was not accepted, to the last.
    Refused {
        /// What was delivered.
        event: String,
        /// What the endpoint answered last; 0 is no answer.
        status: u16,
    },
    /// There is nothing that GitHub could send again.
    Nothing,
}

/// Deliveries that were there before: whatever became of them proves nothing.
#[derive(Clone, Debug, Default)]
pub struct Before(BTreeSet<DeliveryId>);

/// Looks at the list as it is now.
///
/// # Errors
///
/// If GitHub does not answer.
pub async fn before(app: &impl Deliveries) -> Result<Before, Failure> {
    Ok(Before(
        list(app).await?.into_iter().map(|one| one.id).collect(),
    ))
}

async fn list(app: &impl Deliveries) -> Result<Vec<DeliveryAttempt>, Failure> {
    let (mut all, mut after) = (Vec::new(), None);
    for _ in 0..PAGES {
        let page = patiently("list the App's deliveries", || {
            app.deliveries(after.as_ref(), soon())
        })
        .await?;
        all.extend(page.deliveries);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(all)
}

/// Waits for a delivery that arrives, and asks for one.
///
/// # Errors
///
/// If GitHub does not answer.
pub async fn see(app: &impl Deliveries, before: &Before) -> Result<DeliveryCheck, Failure> {
    let begun = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut dead = BTreeSet::new();
    loop {
        let all = list(app).await?;
        let fresh: Vec<&DeliveryAttempt> = all
            .iter()
            .filter(|one| !before.0.contains(&one.id))
            .collect();
        if let Some(one) = fresh.iter().find(|one| one.succeeded()) {
            return Ok(DeliveryCheck::Arrived {
                event: one.event.clone(),
                status: one.status_code,
            });
        }
        let waited = begun.elapsed();
        let candidate = all
            .iter()
            .find(|one| repeatable(one) && !dead.contains(&one.guid));
        if waited > PATIENCE || (waited > FIRST_SIGN && candidate.is_none() && asked.is_none()) {
            let last = fresh.first().map(|one| DeliveryCheck::Refused {
                event: one.event.clone(),
                status: one.status_code,
            });
            return Ok(last.unwrap_or(DeliveryCheck::Nothing));
        }
        if let Some(one) = candidate.filter(|_| asked.is_none_or(|at| at.elapsed() >= AGAIN)) {
            match patiently("request a redelivery", || app.redeliver(one.id, soon())).await? {
                Redelivered::Asked => asked = Some(Instant::now()),
                Redelivered::Impossible(_) => {
                    dead.insert(one.guid.clone());
                }
            }
        }
        sleep(LOOK).await;
    }
}

/// What means nothing to anyone when it comes twice, or late.
fn repeatable(delivery: &DeliveryAttempt) -> bool {
    matches!(
        delivery.event.as_str(),
        "ping" | "installation" | "installation_repositories"
    )
}
