//! The whole way over HTTP: the page, GitHub's pages, the conversion, JWTs, and deliveries to an
//! endpoint that checks signatures.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use mayfly_cli::commands::init::setup_flow::{Answer, Begin, SetupFlow};
use mayfly_cli::commands::init::verify_delivery::DeliveryCheck;
use mayfly_cli::commands::init::{Given, existing, go_on, take};
use mayfly_cli::commands::rotate::fingerprint::fingerprint;
use mayfly_cli::commands::rotate::key;
use mayfly_cli::commands::rotate::place::Place;
use mayfly_cli::deployment::secrets_store::{Existing, Kept, SecretsStore, already_there};
use mayfly_cli::failure::Failure;
use mayfly_cli::github::setup::{GithubSetup as _, RealGithub, soon};
use mayfly_config::store::system_clock;
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::secret::Secret;
use mayfly_domain::model::signature::{WebhookSecret, verify};
use mayfly_github::{AppApi as _, WebhookUpdate};
use mayfly_github_model::key::KeyPair;
use mayfly_github_model::server::Server;
use reqwest::header::ORIGIN;
use rsa::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use crate::setup::fixture::{APP, Ears, GITHUB, SECRET, between};
use crate::setup::page::{Visit, header};

/// Making a key takes a while: a few for all tests.
pub(crate) static KEY: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());
static OTHER: LazyLock<KeyPair> = LazyLock::new(|| KeyPair::generate().unwrap());

/// Parameters in memory.
#[derive(Clone, Default)]
pub(crate) struct Drawer(pub(crate) Arc<Mutex<BTreeMap<String, (String, u64)>>>);

#[async_trait]
impl SecretsStore for Drawer {
    async fn read(&self, name: &str) -> Result<Option<Kept>, Failure> {
        let found = self.0.lock().unwrap().get(name).cloned();
        Ok(found.map(|(text, version)| Kept {
            text: Secret::new(text),
            version,
        }))
    }

    async fn write(&self, name: &str, text: &Secret, existing: Existing) -> Result<u64, Failure> {
        let mut all = self.0.lock().unwrap();
        let version = all.get(name).map_or(0, |(_, version)| *version);
        if version > 0 && existing == Existing::Keep {
            return Err(already_there(name));
        }
        all.insert(name.to_owned(), (text.expose().to_owned(), version + 1));
        Ok(version + 1)
    }

    async fn publish(&self, name: &str, text: &str) -> Result<(), Failure> {
        let mut all = self.0.lock().unwrap();
        let version = all.get(name).map_or(0, |(_, version)| *version);
        all.insert(name.to_owned(), (text.to_owned(), version + 1));
        Ok(())
    }
}

impl Drawer {
    fn text(&self, name: &str) -> String {
        self.0
            .lock()
            .unwrap()
            .get(name)
            .map(|(text, _)| text.clone())
            .unwrap_or_default()
    }

    fn json(&self, name: &str) -> Value {
        self.0
            .lock()
            .unwrap()
            .get(name)
            .map(|(text, _)| serde_json::from_str(text).unwrap())
            .unwrap_or_default()
    }
}

fn key_at(github: &Server, app_id: u64, pem: &str) -> AppKey {
    AppKey {
        app_id,
        private_key: Secret::new(pem),
        url: github.url.clone(),
    }
}

pub(crate) fn anywhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// What stands for the function webhook: believes what is signed with the secret that is stored.
pub(crate) async fn endpoint(drawer: &Drawer) -> String {
    let take = async |State(drawer): State<Drawer>, headers: HeaderMap, body: Bytes| {
        let secret = drawer.json(SECRET)["current"]
            .as_str()
            .and_then(|text| WebhookSecret::new(Secret::new(text)));
        let signature = headers
            .get("x-hub-signature-256")
            .and_then(|value| value.to_str().ok());
        match verify(secret.as_slice(), signature, &body) {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::UNAUTHORIZED,
        }
    };
    let listener = tokio::net::TcpListener::bind(anywhere()).await.unwrap();
    let url = format!("http://{}/webhook", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/webhook", post(take))
        .with_state(drawer.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

pub(crate) fn flow<'a>(
    github: &str,
    drawer: &'a Drawer,
    ears: &'a Ears,
    webhook_url: &str,
) -> SetupFlow<'a, RealGithub, Drawer> {
    SetupFlow {
        github_setup: &RealGithub,
        secrets_store: drawer,
        teller: ears,
        github: github.to_owned(),
        webhook_url: webhook_url.to_owned(),
        stack: "mayfly".to_owned(),
        existing: Existing::Keep,
    }
}

/// What mayfly does meanwhile in the terminal.
pub(crate) async fn in_the_terminal(
    flow: &SetupFlow<'_, RealGithub, Drawer>,
    visit: &mut Visit,
) -> Result<Answer, Failure> {
    let arrival = visit.served.arrival().await?;
    let (key, secret) = take(flow, &visit.served.callback_server, &arrival).await?;
    go_on(flow, &key, secret, true).await
}

fn unescaped(html: &str) -> String {
    html.replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// What a browser does from the page to the last page; what the last page says.
async fn browse(
    client: &reqwest::Client,
    form: reqwest::RequestBuilder,
    done: impl Fn(&str) -> reqwest::RequestBuilder,
) -> String {
    let page = form.send().await.unwrap().text().await.unwrap();
    let action = unescaped(between(&page, "<form method=\"post\" action=\"", "\""));
    let manifest = unescaped(between(&page, "name=\"manifest\" value=\"", "\""));
    let page = client
        .post(&action)
        .form(&[("manifest", &manifest)])
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let draft = between(&page, "name=\"draft\" value=\"", "\"").to_owned();
    let host = action.split("/organizations/").next().unwrap();
    let confirm = client
        .post(format!("{host}/settings/apps/confirm"))
        .form(&[("draft", draft.as_str()), ("name", "mayfly-acme")]);
    let back = confirm.send().await.unwrap();
    assert_eq!(back.status(), 302);
    let answer = client.get(header(&back, "location")).send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/done".to_owned())
    );
    done("/done").send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn an_app_is_made_as_a_browser_goes() {
    let github = Server::start_with(anywhere(), 1, false, &KEY)
        .await
        .unwrap();
    github.with(|model| model.provide_key(OTHER.clone()));
    let (drawer, ears) = (Drawer::default(), Ears::default());
    let webhook = endpoint(&drawer).await;
    let flow = flow(&github.url, &drawer, &ears, &webhook);
    assert_eq!(flow.begin().await.unwrap(), Begin::Afresh);
    let mut visit = Visit::start(&github.url, &webhook).await;
    visit.enter().await;
    let (client, cookie, origin) = (visit.client.clone(), visit.cookie.clone(), visit.origin());
    let form = visit.form().header(ORIGIN, visit.origin());
    let url = github.url.clone();
    let browsing = async move {
        let done = browse(&client, form, |path| {
            client
                .get(format!("{origin}{path}"))
                .header("cookie", &cookie)
        })
        .await;
        let install = unescaped(between(&done, "id=\"install\" href=\"", "\""));
        assert_eq!(install, format!("{url}/apps/mayfly-acme/installations/new"));
        assert_eq!(client.post(&install).send().await.unwrap().status(), 200);
        done
    };
    let (answer, done) = tokio::join!(in_the_terminal(&flow, &mut visit), browsing);
    let answer = answer.unwrap();
    assert!(
        matches!(answer.deliveries, DeliveryCheck::Arrived { .. }),
        "{:?}",
        answer.deliveries
    );
    assert_eq!(answer.findings, []);
    assert_eq!(answer.installations[0].account.as_deref(), Some("acme"));
    let stored = drawer.json(APP);
    assert_eq!(
        stored,
        json!({ "app_id": answer.app_id, "private_key": OTHER.private_pem, "url": github.url })
    );
    assert_eq!(drawer.text(GITHUB), github.url);
    // Nothing secret in what anyone reads.
    let signs = github.with(|model| (model.hook.secret.clone(), model.hook.content_type.mime()));
    assert_eq!(
        (drawer.json(SECRET), signs.1),
        (json!({ "current": signs.0 }), "application/json")
    );
    for secret in [&signs.0, OTHER.private_pem.lines().nth(1).unwrap()] {
        assert!(!format!("{done}{answer:?}{}", ears.heard()).contains(secret));
    }
}

#[tokio::test]
async fn an_app_that_is_there_is_set_up_by_its_key() {
    let github = Server::start_with(anywhere(), 2, false, &KEY)
        .await
        .unwrap();
    github.with(|model| {
        model.hook.url = Some("http://127.0.0.1:9/elsewhere".to_owned());
        model.ping(jiff::Timestamp::now());
    });
    let (drawer, ears) = (Drawer::default(), Ears::default());
    let webhook = endpoint(&drawer).await;
    let flow = flow(&github.url, &drawer, &ears, &webhook);
    let key = key_at(&github, 1_234_567, &KEY.private_pem);
    let given = Given {
        key,
        secret: Some(Secret::new("a secret of one's own")),
    };
    let answer = existing(&flow, Begin::Afresh, &given, true).await.unwrap();
    assert!(
        matches!(answer.deliveries, DeliveryCheck::Arrived { .. }),
        "{:?}",
        answer.deliveries
    );
    assert_eq!(
        github.with(|model| (model.hook.url.clone(), model.hook.secret.clone())),
        (Some(webhook), "a secret of one's own".to_owned())
    );
    assert_eq!(answer.installations.len(), 3);
}

#[tokio::test]
async fn a_key_that_is_not_the_app_s_is_neither_stored_nor_shown() {
    let github = Server::start_with(anywhere(), 3, false, &KEY)
        .await
        .unwrap();
    let (drawer, ears) = (Drawer::default(), Ears::default());
    let flow = flow(&github.url, &drawer, &ears, "http://127.0.0.1:9/webhook");
    let broken =
        "-----BEGIN RSA PRIVATE KEY-----\nhush\n-----END RSA PRIVATE KEY-----\n".to_owned();
    for (app_id, pem) in [
        (1_234_567, OTHER.private_pem.clone()),
        (7, KEY.private_pem.clone()),
        (1_234_567, broken),
    ] {
        let given = Given {
            key: key_at(&github, app_id, &pem),
            secret: None,
        };
        let Err(failure) = existing(&flow, Begin::Afresh, &given, true).await else {
            panic!("it is not the App's")
        };
        assert!(
            !failure.hint.is_empty() && !failure.to_string().contains(pem.lines().nth(1).unwrap()),
            "{failure}"
        );
    }
    assert!(drawer.0.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_new_key_is_tried_before_it_is_stored() {
    let github = Server::start_with(anywhere(), 4, false, &KEY)
        .await
        .unwrap();
    let (drawer, ears) = (Drawer::default(), Ears::default());
    let old = json!({ "app_id": 1_234_567, "private_key": KEY.private_pem, "url": github.url })
        .to_string();
    drawer
        .0
        .lock()
        .unwrap()
        .insert(APP.to_owned(), (old.clone(), 1));
    let place = Place {
        github_setup: &RealGithub,
        secrets_store: &drawer,
        teller: &ears,
        clock: &system_clock,
        stack: "mayfly".to_owned(),
    };
    let failure = key::rotate(&place, Secret::new(OTHER.private_pem.clone()))
        .await
        .unwrap_err();
    assert!(
        failure
            .problem
            .contains("does not accept the App's id and private key"),
        "{failure}"
    );
    assert_eq!(drawer.0.lock().unwrap()[APP], (old, 1));
}

#[tokio::test]
async fn the_app_s_own_affairs_are_read_and_changed() {
    let github = Server::start_with(anywhere(), 5, false, &KEY)
        .await
        .unwrap();
    let key = key_at(&github, 1_234_567, &KEY.private_pem);
    let app = RealGithub.enter(&key).unwrap();
    let now = app.app_info(soon()).await.unwrap();
    assert_eq!(
        (now.id, now.slug.as_str(), now.events.as_slice()),
        (1_234_567, "mayfly", &["workflow_job".to_owned()][..])
    );
    assert_eq!(
        now.owner
            .as_ref()
            .map(|owner| (owner.login.as_str(), owner.organization)),
        Some(("acme", true))
    );
    let accounts = app
        .installations(soon())
        .await
        .unwrap()
        .into_iter()
        .filter_map(|one| one.account)
        .map(|account| account.login);
    assert_eq!(accounts.collect::<Vec<_>>(), ["acme", "globex", "mona"]);
    let wanted = WebhookUpdate {
        url: Some("https://mayfly.test/webhook".to_owned()),
        secret: Some(Secret::new("n3w")),
    };
    let changed = app.set_webhook_config(&wanted, soon()).await.unwrap();
    assert_eq!(changed, app.webhook_config(soon()).await.unwrap());
    assert_eq!(
        (
            changed.url.as_str(),
            changed.content_type.as_str(),
            changed.insecure
        ),
        ("https://mayfly.test/webhook", "json", false)
    );
    assert_eq!(github.with(|model| model.hook.secret.clone()), "n3w");
    // Without an address it stays where it was.
    app.set_webhook_config(
        &WebhookUpdate {
            url: None,
            secret: Some(Secret::new("n3wer")),
        },
        soon(),
    )
    .await
    .unwrap();
    assert_eq!(
        app.webhook_config(soon()).await.unwrap().url,
        "https://mayfly.test/webhook"
    );
    // Without a secret the one that it has signs on.
    app.set_webhook_config(
        &WebhookUpdate {
            url: Some("https://elsewhere.test/webhook".to_owned()),
            secret: None,
        },
        soon(),
    )
    .await
    .unwrap();
    assert_eq!(
        app.webhook_config(soon()).await.unwrap().url,
        "https://elsewhere.test/webhook"
    );
    assert_eq!(github.with(|model| model.hook.secret.clone()), "n3wer");
}

#[tokio::test]
async fn a_code_is_in_no_error() {
    let github = Server::start_with(anywhere(), 6, false, &KEY)
        .await
        .unwrap();
    let error = RealGithub
        .convert(&github.url, "0123456789abcdef", soon())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("/app-manifests/{code}/conversions answered 404"),
        "{error}"
    );
    assert!(!format!("{error:?}").contains("0123456789abcdef"));
}

#[test]
fn a_key_is_named_as_on_github_s_page() {
    let der = KEY.public.to_public_key_der().unwrap();
    let expected = format!(
        "SHA256:{}",
        base64::engine::general_purpose::STANDARD.encode(Sha256::digest(der.as_bytes()))
    );
    assert_eq!(
        fingerprint(&Secret::new(KEY.private_pem.clone())),
        Some(expected)
    );
    assert_eq!(
        fingerprint(&Secret::new(
            "-----BEGIN RSA PRIVATE KEY-----\nhush\n-----END RSA PRIVATE KEY-----"
        )),
        None
    );
}
