//! Every example of a delivery that GitHub publishes, signed by GitHub's own library, gets the
//! right answer.
//!
//! The examples are those of npm `@octokit/webhooks-examples`, signed by
//! `@octokit/webhooks-methods`; `make openapi` puts both into one file.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot prepare its ground has to fail, and says where"
)]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mayfly_config::parameter::{Parameter, ParameterStore, Unreadable};
use mayfly_config::store::{Parameters, Settings};
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::time::Timestamp;
use mayfly_dynamodb_model::{Handle, Model};
use mayfly_ledger::Ledger;
use mayfly_queue::{NotSent, Wakes};
use mayfly_test_support::repository::repository;
use mayfly_webhook::{Deps, Outcome, Request, Webhook};
use serde::Deserialize;
use serde_json::{Value, json};

/// Pools that would take the jobs of GitHub's examples: their accounts, their labels, public
/// repositories too.
const TAKING: &str = r#"
[github]
accounts = ["octo-org", "Codertocat", "wolfy1339", "lineville"]
[defaults]
cpu = 2
memory = "8 GiB"
max = 3
public = true
[pools.gpu]
labels = ["gpu", "db-app", "dc-03"]
[pools.hosted]
labels = ["ubuntu-latest"]
[pools.k8s]
labels = ["self-hosted", "k8s"]
"#;

/// The same with pools that take no public repository, as pools do if nothing is said.
fn private_only() -> String {
    TAKING.replace("public = true", "public = false")
}

/// The same for another account.
fn strangers() -> String {
    TAKING.replace(
        r#""octo-org", "Codertocat", "wolfy1339", "lineville""#,
        r#""acme""#,
    )
}

#[derive(Deserialize)]
struct Examples {
    secret: String,
    deliveries: Vec<Example>,
}

#[derive(Deserialize)]
struct Example {
    event: String,
    json: Signed,
    form: Signed,
}

#[derive(Clone, Deserialize)]
struct Signed {
    content_type: String,
    body: String,
    signature: String,
}

impl Example {
    fn payload(&self) -> Value {
        serde_json::from_str(&self.json.body).unwrap()
    }
}

fn examples() -> Examples {
    let file = repository().unwrap().join("target/openapi/examples.json");
    let text = std::fs::read_to_string(file)
        .map_err(|error| format!("{error}: run `make openapi`"))
        .unwrap();
    serde_json::from_str(&text).unwrap()
}

struct Fixed(Vec<Parameter>);

#[async_trait]
impl ParameterStore for Fixed {
    async fn read(&self, names: &[&str]) -> Result<Vec<Parameter>, Unreadable> {
        Ok(self
            .0
            .iter()
            .filter(|one| names.contains(&one.name.as_str()))
            .cloned()
            .collect())
    }
}

#[derive(Clone, Default)]
struct Bell(Arc<Mutex<Vec<String>>>);

#[async_trait]
impl Wakes for Bell {
    async fn wake(&self, pool: &PoolName) -> Result<(), NotSent> {
        self.0.lock().unwrap().push(pool.to_string());
        Ok(())
    }
}

/// The function over a ledger of its own.
struct World {
    webhook: Webhook<Ledger<Handle>, Bell>,
    table: Model,
    bell: Bell,
}

impl World {
    fn new(pools: &str, secret: &str) -> Self {
        let parameter = |name: &str, value: String| Parameter {
            name: name.to_owned(),
            value,
            version: 1,
        };
        let store = Fixed(vec![
            parameter("pools", pools.to_owned()),
            parameter("secret", json!({ "current": secret }).to_string()),
        ]);
        let names = Parameters {
            pools: Some("pools".to_owned()),
            webhook_secret: Some("secret".to_owned()),
            github_app: None,
        };
        let clock = || Timestamp::from_millis(1_795_356_000_000);
        let (table, bell) = (Model::new(), Bell::default());
        let deps = Deps {
            wakes: bell.clone(),
            clock: Box::new(clock),
        };
        let webhook = Webhook::new(
            table.ledger("webhook"),
            Settings::new(store, names, Box::new(clock)),
            deps,
        );
        Self {
            webhook,
            table,
            bell,
        }
    }

    /// Status, outcome and reason of the answer.
    async fn answer(&self, event: &str, signed: &Signed, base64: bool) -> (u16, Outcome, String) {
        let headers = [
            ("content-type", signed.content_type.as_str()),
            ("x-github-event", event),
            ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ("x-hub-signature-256", &signed.signature),
        ];
        let headers = headers
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let body = if base64 {
            STANDARD.encode(&signed.body)
        } else {
            signed.body.clone()
        };
        let answer = self
            .webhook
            .answer(&Request {
                headers,
                body: Some(body),
                is_base64_encoded: base64,
            })
            .await;
        (answer.status, answer.outcome, answer.reason)
    }

    /// Items of the ledger.
    fn items(&self) -> usize {
        self.table.dump().len()
    }

    /// The state of the one job that the ledger has.
    fn state(&self) -> Option<String> {
        let records = self.table.dump();
        let record = records.iter().find(|(key, _)| key.contains("record"))?.1;
        record["state"].as_str().map(str::to_owned)
    }
}

/// Each `workflow_job` example, in GitHub's order: what it is, and what becomes of it where a pool
/// takes its labels: status, state of the job, pool woken.
const EXPECTED: [(&str, u16, Option<&str>, Option<&str>); 8] = [
    ("in_progress, octo-org, no installation", 200, None, None),
    ("completed, Codertocat, no installation", 200, None, None),
    ("completed, Codertocat, no installation", 200, None, None),
    (
        "in_progress, Codertocat, installation",
        202,
        Some("running"),
        None,
    ),
    (
        "in_progress, wolfy1339, installation",
        202,
        Some("running"),
        None,
    ),
    // Queued, although it names a runner.
    (
        "queued, Codertocat, installation",
        202,
        Some("queued"),
        Some("hosted"),
    ),
    // The action says queued, the status waiting: an environment holds it back.
    (
        "queued, lineville, installation",
        202,
        Some("blocked"),
        None,
    ),
    (
        "waiting, lineville, installation",
        202,
        Some("blocked"),
        None,
    ),
];

fn described(example: &Example) -> String {
    let payload = example.payload();
    let owner = payload["repository"]["full_name"]
        .as_str()
        .unwrap()
        .split('/')
        .next()
        .unwrap();
    let installation = if payload.get("installation").is_some() {
        "installation"
    } else {
        "no installation"
    };
    format!(
        "{}, {owner}, {installation}",
        payload["action"].as_str().unwrap()
    )
}

#[tokio::test]
#[ignore = "needs the packages that `make openapi` installs"]
async fn every_published_job_is_recorded_where_a_pool_takes_it() {
    let Examples { secret, deliveries } = examples();
    let jobs: Vec<&Example> = deliveries
        .iter()
        .filter(|one| one.event == "workflow_job")
        .collect();
    assert_eq!(
        jobs.len(),
        EXPECTED.len(),
        "GitHub publishes others now: say what is right for them"
    );
    for (example, (what, status, state, woken)) in jobs.into_iter().zip(EXPECTED) {
        assert_eq!(described(example), what);
        for (signed, base64) in [(&example.json, false), (&example.form, true)] {
            let world = World::new(TAKING, &secret);
            let answer = world.answer(&example.event, signed, base64).await;
            let expected = if status == 202 {
                Outcome::Recorded
            } else {
                Outcome::Ignored
            };
            assert_eq!(
                (answer.0, answer.1),
                (status, expected),
                "{what}: {}",
                answer.2
            );
            assert_eq!(world.state().as_deref(), state, "{what}");
            assert_eq!(
                world.bell.0.lock().unwrap().first().map(String::as_str),
                woken,
                "{what}"
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs the packages that `make openapi` installs"]
async fn a_published_job_leaves_no_more_than_its_repositorys_name_where_its_account_is_not_served()
{
    let Examples { secret, deliveries } = examples();
    let world = World::new(&strangers(), &secret);
    for example in deliveries.iter().filter(|one| one.event == "workflow_job") {
        let answer = world.answer(&example.event, &example.json, false).await;
        assert_eq!(
            (answer.0, answer.1),
            (200, Outcome::Ignored),
            "{}: {}",
            described(example),
            answer.2
        );
    }
    assert_eq!(
        world.items(),
        1,
        "all are of one repository, which is looked at once its account is served"
    );
}

/// Their repositories are public: they are on record, for a pools file that may take them tomorrow,
/// and nothing waits or is woken.
#[tokio::test]
#[ignore = "needs the packages that `make openapi` installs"]
async fn no_published_job_waits_where_public_repositories_are_refused() {
    let Examples { secret, deliveries } = examples();
    let mut recorded = 0;
    for example in deliveries.iter().filter(|one| one.event == "workflow_job") {
        let world = World::new(&private_only(), &secret);
        let answer = world.answer(&example.event, &example.json, false).await;
        let what = described(example);
        let expected = match what.as_str() {
            "in_progress, octo-org, no installation" | "completed, Codertocat, no installation" => {
                (200, Outcome::Ignored)
            }
            what if what.starts_with("in_progress") => (202, Outcome::Recorded),
            _ => (202, Outcome::Unplaced),
        };
        assert_eq!((answer.0, answer.1), expected, "{what}: {}", answer.2);
        assert_ne!(world.state().as_deref(), Some("queued"), "{what}");
        assert!(world.bell.0.lock().unwrap().is_empty(), "{what}");
        assert!(
            !world
                .table
                .dump()
                .iter()
                .any(|(key, _)| key.contains("pool#")),
            "{what}"
        );
        recorded += world.state().map_or(0, |_| 1);
    }
    assert_eq!(recorded, 5);
}

#[tokio::test]
#[ignore = "needs the packages that `make openapi` installs"]
async fn every_other_published_event_is_ignored() {
    let Examples { secret, deliveries } = examples();
    let world = World::new(TAKING, &secret);
    let mut events = std::collections::BTreeSet::new();
    for example in deliveries.iter().filter(|one| one.event != "workflow_job") {
        for (signed, base64) in [(&example.json, false), (&example.form, true)] {
            let answer = world.answer(&example.event, signed, base64).await;
            assert_eq!(
                (answer.0, answer.1),
                (200, Outcome::Ignored),
                "{}: {}",
                example.event,
                answer.2
            );
        }
        events.insert(example.event.as_str());
    }
    assert!(events.len() > 50 && events.contains("ping"), "{events:?}");
    assert_eq!(world.items(), 0);
}

#[tokio::test]
#[ignore = "needs the packages that `make openapi` installs"]
async fn no_published_job_passes_with_a_signature_that_is_not_its_own() {
    let Examples { secret, deliveries } = examples();
    let world = World::new(TAKING, &secret);
    for example in deliveries.iter().filter(|one| one.event == "workflow_job") {
        let of_the_form = Signed {
            signature: example.form.signature.clone(),
            ..example.json.clone()
        };
        let changed = Signed {
            body: example.json.body.replacen("\"id\":", "\"id\": ", 1),
            ..example.json.clone()
        };
        let cut = Signed {
            signature: example.json.signature[..70].to_owned(),
            ..example.json.clone()
        };
        for forged in [of_the_form, changed, cut] {
            let answer = world.answer(&example.event, &forged, false).await;
            assert_eq!(
                (answer.0, answer.1),
                (401, Outcome::Refused),
                "{}: {}",
                described(example),
                answer.2
            );
        }
    }
    assert_eq!(world.items(), 0);
}
