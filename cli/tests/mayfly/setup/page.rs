//! The page on loopback: whom it answers, and which callbacks it believes.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mayfly_cli::commands::init::callback_server::{Outcome, SetupContext};
use mayfly_cli::commands::init::loopback_server::LoopbackServer;
use mayfly_cli::commands::init::manifest::Scope;
use mayfly_cli::commands::init::pages::Defaults;
use mayfly_domain::model::time::Timestamp;
use reqwest::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::{Client, RequestBuilder, Response, redirect};

use crate::setup::fixture::between;

/// The page, a clock that can be set, and someone who visits.
pub(crate) struct Visit {
    pub(crate) served: LoopbackServer,
    millis: Arc<AtomicI64>,
    pub(crate) client: Client,
    pub(crate) cookie: String,
}

pub(crate) fn about(github: &str, webhook_url: &str) -> SetupContext {
    let defaults = Defaults {
        scope: Scope::Organization,
        organization: "acme".to_owned(),
        name: "mayfly-acme".to_owned(),
    };
    SetupContext {
        stack: "mayfly".to_owned(),
        github: github.to_owned(),
        webhook_url: webhook_url.to_owned(),
        defaults,
    }
}

impl Visit {
    pub(crate) async fn start(github: &str, webhook_url: &str) -> Self {
        let millis = Arc::new(AtomicI64::new(1_795_356_000_000));
        let clock = Arc::clone(&millis);
        let clock = Arc::new(move || Timestamp::from_millis(clock.load(Ordering::Relaxed)));
        let served = LoopbackServer::start(about(github, webhook_url), 0, clock)
            .await
            .unwrap();
        let client = Client::builder()
            .no_proxy()
            .redirect(redirect::Policy::none())
            .build()
            .unwrap();
        Self {
            served,
            millis,
            client,
            cookie: String::new(),
        }
    }

    /// One who has opened the address.
    async fn entered() -> Self {
        let mut visit = Self::start("https://github.test", "https://mayfly.test/webhook").await;
        visit.enter().await;
        visit
    }

    pub(crate) async fn enter(&mut self) {
        let answer = self.client.get(&self.served.address).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), header(&answer, LOCATION.as_str())),
            (303, "/".to_owned())
        );
        let cookie = header(&answer, SET_COOKIE.as_str());
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
            "{cookie}"
        );
        self.cookie = cookie.split(';').next().unwrap().to_owned();
    }

    pub(crate) fn origin(&self) -> String {
        self.served.callback_server.origin()
    }

    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client
            .get(format!("{}{path}", self.origin()))
            .header(COOKIE, &self.cookie)
    }

    /// The form of the page, filled in.
    pub(crate) fn form(&self) -> RequestBuilder {
        let fields = [
            ("scope", "organization"),
            ("organization", "acme"),
            ("name", "mayfly-acme"),
        ];
        self.client
            .post(format!("{}/manifest", self.origin()))
            .header(COOKIE, &self.cookie)
            .form(&fields)
    }

    /// The state of a form that was given out.
    async fn state(&self) -> String {
        let page = self
            .form()
            .header(ORIGIN, self.origin())
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        between(&page, "settings/apps/new?state=", "\"").to_owned()
    }

    async fn callback(&self, state: &str) -> (u16, String) {
        told(self.get(&format!("/callback?code=c0de&state={state}"))).await
    }

    fn pass(&self, seconds: i64) {
        self.millis.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    fn made(&self) {
        self.served.callback_server.tell(Outcome::Made {
            name: "mayfly-acme".to_owned(),
            install_url: "https://github.test/install".to_owned(),
        });
    }
}

pub(crate) fn header(answer: &Response, name: &str) -> String {
    answer
        .headers()
        .get(name)
        .map(|value| value.to_str().unwrap().to_owned())
        .unwrap_or_default()
}

/// Status, and what a refusal says.
async fn told(request: RequestBuilder) -> (u16, String) {
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let said = text
        .split_once("id=\"refused\" class=\"bad\">")
        .map(|(_, rest)| between(rest, "", "<").to_owned());
    (status, said.unwrap_or_default())
}

#[tokio::test]
async fn the_address_is_good_once() {
    let visit = Visit::entered().await;
    assert_eq!(
        visit
            .client
            .get(&visit.served.address)
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(visit.get("/").send().await.unwrap().status(), 200);
    assert_eq!(
        visit
            .client
            .get(format!("{}/", visit.origin()))
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    let strange = visit.get("/").header(COOKIE, "mayfly_1=x");
    assert_eq!(
        strange.send().await.unwrap().status(),
        200,
        "a cookie more changes nothing"
    );
}

#[tokio::test]
async fn nobody_else_s_name_leads_here() {
    let visit = Visit::entered().await;
    let port = visit.origin().rsplit(':').next().unwrap().to_owned();
    for host in [
        "evil.test",
        &format!("evil.test:{port}"),
        &format!("localhost:{port}"),
        "127.0.0.1",
        &format!("127.0.0.1.evil.test:{port}"),
    ] {
        for path in ["/", "/callback?code=a&state=b", "/done", "/manifest"] {
            assert_eq!(
                visit
                    .get(path)
                    .header(HOST, host)
                    .send()
                    .await
                    .unwrap()
                    .status(),
                421,
                "{host} {path}"
            );
        }
    }
}

#[tokio::test]
async fn the_form_comes_from_the_page_itself() {
    let visit = Visit::entered().await;
    let own = visit.origin();
    for origin in [
        None,
        Some("https://evil.test"),
        Some("null"),
        Some("https://github.test"),
        Some("http://127.0.0.1"),
    ] {
        let form = origin
            .into_iter()
            .fold(visit.form(), |form, origin| form.header(ORIGIN, origin));
        assert_eq!(form.send().await.unwrap().status(), 403, "{origin:?}");
    }
    let bare = visit
        .client
        .post(format!("{own}/manifest"))
        .header(ORIGIN, &own);
    let bare = bare.form(&[
        ("scope", "organization"),
        ("organization", "acme"),
        ("name", "mayfly"),
    ]);
    assert_eq!(
        bare.send().await.unwrap().status(),
        403,
        "without the cookie"
    );
    let page = visit
        .form()
        .header(ORIGIN, &own)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("action=\"https://github.test/organizations/acme/settings/apps/new?state="),
        "{page}"
    );
    assert!(
        page.contains("&quot;organization_self_hosted_runners&quot;: &quot;write&quot;"),
        "{page}"
    );
}

#[tokio::test]
async fn what_cannot_be_is_asked_again() {
    let visit = Visit::entered().await;
    let wrong = [
        ("scope", "organization"),
        ("organization", "<acme>"),
        ("name", "mayfly"),
    ];
    let form = visit
        .client
        .post(format!("{}/manifest", visit.origin()))
        .header(COOKIE, &visit.cookie)
        .header(ORIGIN, visit.origin());
    let answer = form.form(&wrong).send().await.unwrap();
    assert_eq!(answer.status(), 422);
    let page = answer.text().await.unwrap();
    assert_eq!(page.matches("role=\"alert\"").count(), 1, "{page}");
    assert!(
        page.contains("is not an organization") && page.contains("value=\"&lt;acme&gt;\""),
        "{page}"
    );
    let form = visit
        .client
        .post(format!("{}/manifest", visit.origin()))
        .header(COOKIE, &visit.cookie)
        .header(ORIGIN, visit.origin());
    assert_eq!(
        form.form(&[("scope", "everything")])
            .send()
            .await
            .unwrap()
            .status(),
        422
    );
}

#[tokio::test]
async fn pages_run_nothing_and_are_kept_nowhere() {
    let visit = Visit::entered().await;
    let answer = visit.get("/").send().await.unwrap();
    let policy = header(&answer, "content-security-policy");
    assert!(
        policy.starts_with("default-src 'none'") && policy.contains("frame-ancestors 'none'"),
        "{policy}"
    );
    assert_eq!(header(&answer, "cache-control"), "no-store");
    assert_eq!(header(&answer, "referrer-policy"), "same-origin");
}

#[tokio::test]
async fn a_callback_with_another_state_is_refused() {
    let visit = Visit::entered().await;
    visit.state().await;
    let (status, said) = visit.callback("0123456789").await;
    assert_eq!(
        (status, said.contains("its state differs")),
        (403, true),
        "{said}"
    );
    assert_eq!(told(visit.get("/callback?code=c0de")).await.0, 403);
}

#[tokio::test]
async fn a_callback_that_is_replayed_is_refused() {
    let mut visit = Visit::entered().await;
    let state = visit.state().await;
    visit.made();
    assert_eq!(visit.callback(&state).await.0, 303);
    assert_eq!(visit.served.arrival().await.unwrap().code.expose(), "c0de");
    let (status, said) = visit.callback(&state).await;
    assert_eq!(
        (status, said.contains("used already")),
        (410, true),
        "{said}"
    );
}

#[tokio::test]
async fn a_stale_callback_is_refused() {
    let visit = Visit::entered().await;
    let state = visit.state().await;
    visit.pass(3_601);
    let (status, said) = visit.callback(&state).await;
    assert_eq!(
        (status, said.contains("more than an hour old")),
        (410, true),
        "{said}"
    );
}

#[tokio::test]
async fn a_callback_that_another_site_makes_is_refused() {
    let mut visit = Visit::entered().await;
    let state = visit.state().await;
    let path = format!("/callback?code=c0de&state={state}");
    for (name, value) in [
        ("origin", "https://evil.test"),
        ("origin", "null"),
        ("sec-fetch-mode", "no-cors"),
        ("sec-fetch-dest", "image"),
    ] {
        assert_eq!(
            told(visit.get(&path).header(name, value)).await.0,
            403,
            "{name}: {value}"
        );
    }
    // None of them has spoiled it for the one who was meant.
    visit.made();
    let navigated = visit
        .get(&path)
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    let answer = navigated.send().await.unwrap();
    assert_eq!(
        (answer.status().as_u16(), header(&answer, "location")),
        (303, "/done".to_owned())
    );
    assert_eq!(
        visit.served.arrival().await.unwrap().choice.name,
        "mayfly-acme"
    );
}

#[tokio::test]
async fn a_failure_is_told_on_the_last_page_and_the_server_ends() {
    let visit = Visit::entered().await;
    let state = visit.state().await;
    visit.served.callback_server.tell(Outcome::Failed(
        "GitHub answers 404: <Not Found>".to_owned(),
    ));
    assert_eq!(visit.callback(&state).await.0, 303);
    let done = visit
        .get("/done")
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        done.contains("GitHub answers 404: &lt;Not Found&gt;") && !done.contains("c0de"),
        "{done}"
    );
    let (again, Visit { served, .. }) = (visit.get("/done"), visit);
    served.end().await;
    assert!(again.send().await.is_err());
}

#[tokio::test]
async fn an_answer_that_was_pasted_counts_like_one_that_came() {
    let mut visit = Visit::entered().await;
    let choice =
        mayfly_cli::commands::init::manifest::Choice::checked(Scope::Repository, "", "mayfly")
            .unwrap();
    let address = visit.served.callback_server.form_address(&choice).unwrap();
    use base64::Engine as _;
    let page = base64::engine::general_purpose::STANDARD
        .decode(address.rsplit_once(',').unwrap().1)
        .unwrap();
    let page = String::from_utf8(page).unwrap();
    let state = between(&page, "settings/apps/new?state=", "\"").to_owned();
    visit
        .served
        .callback_server
        .take(Some("other"), Some("c0de"))
        .unwrap_err();
    visit
        .served
        .callback_server
        .take(Some(&state), Some("c0de"))
        .unwrap();
    assert_eq!(visit.served.arrival().await.unwrap().choice, choice);
    assert_eq!(visit.callback(&state).await.0, 410);
}
