//! A new secret for the webhook, without losing a delivery.
//!
//! | the parameter holds | what is known | what is next |
//! | --- | --- | --- |
//! | A | GitHub signs with A | write B beside it: `{current: B, previous: A}` |
//! | B and A | GitHub signs with A or B, one cannot see which | wait until all functions believe both, tell GitHub B, wait, drop A |
//! | B | GitHub signs with B | done |
//!
//! So the next step follows from the parameter alone, and setting the secret at GitHub twice
//! changes nothing: after an interruption at any point, run the command again. Two at a time are
//! told apart by the parameter's version.

use std::time::Duration;

use mayfly_config::secrets::{WebhookSecrets, write_webhook_secrets};
use mayfly_domain::model::id::DeliveryId;
use mayfly_domain::model::timeouts::SECRETS_FRESH;
use mayfly_github::{Deliveries, WebhookUpdate};
use serde::Serialize;
use tokio::time::sleep;

use super::place::Place;
use crate::deployment::secrets_store::{Existing, Kept, SecretsStore, app_of, fresh, secrets_of};
use crate::failure::Failure;
use crate::github::setup::{GithubSetup, patiently, soon};
use crate::terminal::time_format::Rfc3339;

/// Longer than a secret is believed: a function that read the parameter a moment before it was
/// written has it for that long, and calls take their time.
const BELIEVED: Duration = Duration::from_secs(SECRETS_FRESH.as_secs() + 30);

/// What was done, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rotated {
    /// An earlier run had begun it.
    pub resumed: bool,
    /// The parameter's version now.
    pub version: u64,
}

/// Replaces the secret, or goes on with that.
///
/// # Errors
///
/// If AWS or GitHub refuses, or someone else changes the parameter meanwhile. Deliveries are
/// accepted all the same: both secrets are valid.
pub async fn rotate<D: GithubSetup, V: SecretsStore>(
    place: &Place<'_, D, V>,
) -> Result<Rotated, Failure> {
    let name = place.parameter("webhook-secret");
    let kept = place
        .secrets_store
        .read(&name)
        .await?
        .ok_or_else(|| place.missing("webhook-secret"))?;
    let app = place.parameter("github-app");
    let key = place
        .secrets_store
        .read(&app)
        .await?
        .ok_or_else(|| place.missing("github-app"))?;
    let app = place.github_setup.enter(&app_of(&app, &key)?)?;
    // Before anything is written: a key that GitHub does not know would leave it half done.
    let known = patiently("read the App", || {
        mayfly_github::AppApi::app_info(&app, soon())
    })
    .await?;
    place.teller.say(&format!(
        "the App {} at GitHub, the secret in {name}",
        known.name
    ));

    let resumed = secrets_of(&name, &kept)?.previous.is_some();
    let both = if resumed {
        place
            .teller
            .say("continuing an earlier run: both secrets are accepted");
        kept
    } else {
        beside(place, &name, &kept).await?
    };
    let secrets = secrets_of(&name, &both)?;
    // Also if an earlier run may have waited already: the time of its write is from another clock
    // than ours.
    wait(place, "until every function accepts both secrets").await;

    same(place, &name, both.version).await?;
    let before: Vec<DeliveryId> = newest(&app).await?.iter().map(|one| one.id).collect();
    let wanted = WebhookUpdate {
        url: None,
        secret: Some(secrets.current.clone()),
    };
    patiently("set the new secret at GitHub", || {
        mayfly_github::AppApi::set_webhook_config(&app, &wanted, soon())
    })
    .await?;
    place.teller.say("GitHub signs with the new secret now");

    wait(
        place,
        "until what was signed with the old secret has arrived",
    )
    .await;
    accepted(&app, &before).await?;
    same(place, &name, both.version).await?;
    let alone = write_webhook_secrets(&WebhookSecrets {
        previous: None,
        ..secrets
    });
    let version = place
        .secrets_store
        .write(&name, &alone, Existing::Replace)
        .await?;
    if version != both.version + 1 {
        return Err(contended(&name));
    }
    Ok(Rotated { resumed, version })
}

/// Writes a new secret beside the one that is there.
async fn beside<D, V: SecretsStore>(
    place: &Place<'_, D, V>,
    name: &str,
    kept: &Kept,
) -> Result<Kept, Failure> {
    let secrets = WebhookSecrets {
        current: fresh()?,
        previous: Some(secrets_of(name, kept)?.current),
    };
    let text = write_webhook_secrets(&secrets);
    let version = place
        .secrets_store
        .write(name, &text, Existing::Replace)
        .await?;
    if version != kept.version + 1 {
        return Err(contended(name));
    }
    place.teller.say(&format!(
        "wrote a new secret beside the old one (version {version})"
    ));
    Ok(Kept { text, version })
}

/// The parameter must be unchanged: GitHub must get the secret that the functions accept.
async fn same<D, V: SecretsStore>(
    place: &Place<'_, D, V>,
    name: &str,
    version: u64,
) -> Result<(), Failure> {
    let now = place
        .secrets_store
        .read(name)
        .await?
        .ok_or_else(|| place.missing("webhook-secret"))?;
    if now.version == version {
        Ok(())
    } else {
        Err(contended(name))
    }
}

fn contended(name: &str) -> Failure {
    Failure::new(
        format!("someone else wrote the SSM parameter {name} in the meantime"),
        "only one rotation runs at a time: when the other one has ended, run mayfly rotate webhook-secret again; it continues from there",
    )
}

async fn wait<D, V>(place: &Place<'_, D, V>, why: &str) {
    let until = (place.clock)().plus(BELIEVED);
    place.teller.say(&format!(
        "waiting {}s {why}, {} UTC",
        BELIEVED.as_secs(),
        Rfc3339(until).clock()
    ));
    sleep(BELIEVED).await;
}

async fn newest(app: &impl Deliveries) -> Result<Vec<mayfly_github::DeliveryAttempt>, Failure> {
    Ok(
        patiently("list the App's deliveries", || app.deliveries(None, soon()))
            .await?
            .deliveries,
    )
}

/// Were all deliveries since then refused, the old secret would have to stay. 401 is webhook's
/// answer to a wrong signature.
async fn accepted(app: &impl Deliveries, before: &[DeliveryId]) -> Result<(), Failure> {
    let since: Vec<_> = newest(app)
        .await?
        .into_iter()
        .filter(|one| !before.contains(&one.id))
        .collect();
    let refused = since.iter().filter(|one| one.status_code == 401).count();
    if refused == 0 || since.iter().any(mayfly_github::DeliveryAttempt::succeeded) {
        return Ok(());
    }
    Err(Failure::new(
        format!(
            "{refused} deliveries were refused since GitHub began to sign with the new secret, and none was accepted"
        ),
        "both secrets stay accepted. See the log of the function webhook; then run mayfly rotate webhook-secret again",
    ))
}
