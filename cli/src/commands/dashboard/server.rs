//! The web server on loopback. It answers only under its own address, and only browsers that came by
//! the address that was printed: other users of the machine, and pages of other sites, get nothing.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION, REFERRER_POLICY, REFRESH, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::secret::Secret;
use mayfly_reports::live_page;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;

use super::job_page;
use super::look::{Source, View};
use crate::commands::list_filter::pattern;
use crate::commands::loopback::{FOR_ANOTHER_HOST, has_cookie, is_for, listen};
use crate::deployment::secrets_store;
use crate::failure::Failure;

/// What every answer says: no script, no frame, nothing kept, and no address of ours in anyone's
/// log.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (CACHE_CONTROL, "no-store"),
    (REFERRER_POLICY, "no-referrer"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// The hours that the page shows by default.
const HOURS: u64 = 3;

/// The most hours that it shows.
const MOST_HOURS: u64 = 72;

/// What requests are answered from.
pub struct Server<S> {
    source: S,
    stack: String,
    region: String,
    authority: String,
    ticket: Secret,
    cookie: Secret,
}

type Shared<S> = State<Arc<Server<S>>>;

/// A server that listens.
pub struct Listening<S> {
    /// The address to open.
    pub address: String,
    listener: TcpListener,
    server: Arc<Server<S>>,
}

impl<S: Source + 'static> Listening<S> {
    /// Begins to listen on loopback; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// If the port is taken, or the operating system has no randomness.
    pub async fn start(source: S, stack: &str, region: &str, port: u16) -> Result<Self, Failure> {
        let (listener, local) = listen(port).await?;
        let server = Server {
            source,
            stack: stack.to_owned(),
            region: region.to_owned(),
            authority: local.to_string(),
            ticket: secrets_store::fresh()?,
            cookie: secrets_store::fresh()?,
        };
        Ok(Self {
            address: format!("http://{local}/open/{}", server.ticket.expose()),
            listener,
            server: Arc::new(server),
        })
    }

    /// Answers until the process ends.
    ///
    /// # Errors
    ///
    /// If the listener fails.
    pub async fn serve(self) -> Result<(), Failure> {
        axum::serve(self.listener, router(self.server))
            .await
            .map_err(|error| Failure::new(format!("serve the page on loopback: {error}"), ""))
    }
}

fn router<S: Source + 'static>(server: Arc<Server<S>>) -> Router {
    Router::new()
        .route("/", get(live::<S>))
        .route("/job/{job}", get(job::<S>))
        .route("/open/{ticket}", get(open::<S>))
        .fallback(async || refused(StatusCode::NOT_FOUND, "there is nothing here"))
        .layer(from_fn_with_state(Arc::clone(&server), only_here::<S>))
        .with_state(server)
}

/// Refuses what is addressed to another host: a page of another site may have its name lead here.
async fn only_here<S: Source + 'static>(
    State(server): Shared<S>,
    request: Request,
    next: Next,
) -> Response {
    let mut answer = if is_for(request.headers(), &server.authority) {
        next.run(request).await
    } else {
        refused(StatusCode::MISDIRECTED_REQUEST, FOR_ANOTHER_HOST)
    };
    for (name, value) in HEADERS {
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    answer
}

/// The address that mayfly printed: gives the browser its cookie.
async fn open<S: Source + 'static>(
    State(server): Shared<S>,
    Path(ticket): Path<String>,
) -> Response {
    if !bool::from(server.ticket.expose().as_bytes().ct_eq(ticket.as_bytes())) {
        return refused(
            StatusCode::FORBIDDEN,
            "this is another run's address: open the one that mayfly printed",
        );
    }
    let cookie = format!(
        "{}={}; HttpOnly; SameSite=Strict; Path=/",
        server.cookie_name(),
        server.cookie.expose()
    );
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)],
    )
        .into_response()
}

impl<S> Server<S> {
    /// Cookies are not told apart by port: servers side by side have names of their own.
    fn cookie_name(&self) -> String {
        let port = self.authority.rsplit(':').next().unwrap_or_default();
        format!("mayfly-dashboard-{port}")
    }

    fn admits(&self, headers: &HeaderMap) -> bool {
        has_cookie(headers, &self.cookie_name(), |value| {
            self.cookie
                .expose()
                .as_bytes()
                .ct_eq(value.as_bytes())
                .into()
        })
    }
}

fn not_admitted() -> Response {
    refused(
        StatusCode::FORBIDDEN,
        "open the address that mayfly printed",
    )
}

async fn live<S: Source + 'static>(
    State(server): Shared<S>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !server.admits(&headers) {
        return not_admitted();
    }
    let view = match view(&query) {
        Ok(view) => view,
        Err(why) => return refused(StatusCode::UNPROCESSABLE_ENTITY, &why),
    };
    match server.source.look(&view).await {
        Ok(look) => refreshing(live_page::live(&look, &view, &server.stack), view.refresh),
        Err(failure) => failed(&failure),
    }
}

/// What the address asks for.
fn view(query: &HashMap<String, String>) -> Result<View, String> {
    let given = |key: &str| {
        query
            .get(key)
            .map(String::as_str)
            .filter(|text| !text.is_empty())
    };
    let repository = given("repository")
        .map(|text| pattern(text).map_err(|why| format!("the repository {text:?}: {why}")))
        .transpose()?;
    let hours = match given("hours") {
        None => HOURS,
        Some(text) => text
            .parse()
            .ok()
            .filter(|hours| (1..=MOST_HOURS).contains(hours))
            .ok_or_else(|| format!("hours are 1 to {MOST_HOURS}, not {text:?}"))?,
    };
    Ok(View {
        repository,
        within: Duration::from_secs(hours * 3600),
        until: None,
        refresh: refreshes(query),
    })
}

async fn job<S: Source + 'static>(
    State(server): Shared<S>,
    Path(job): Path<String>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    if !server.admits(&headers) {
        return not_admitted();
    }
    let Ok(id) = job.parse().map(JobId) else {
        return refused(StatusCode::NOT_FOUND, "a job's id is a number");
    };
    match server.source.job(id).await {
        Ok(Some(report)) => refreshing(job_page::job(&report, &server.region), refreshes(&query)),
        Ok(None) => refused(
            StatusCode::NOT_FOUND,
            &format!("the ledger does not know job {id}"),
        ),
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> Response {
    refused(StatusCode::BAD_GATEWAY, &failure.to_string())
}

fn refused(status: StatusCode, why: &str) -> Response {
    html(status, job_page::problem("Mayfly", why))
}

/// True unless the reader turned it off.
fn refreshes(query: &HashMap<String, String>) -> bool {
    query.get("refresh").is_none_or(|wish| wish != "off")
}

/// A page that the browser asks for again.
fn refreshing(page: String, refresh: bool) -> Response {
    let mut answer = html(StatusCode::OK, page);
    if refresh {
        answer
            .headers_mut()
            .insert(REFRESH, HeaderValue::from(live_page::REFRESH));
    }
    answer
}

fn html(status: StatusCode, page: String) -> Response {
    (status, [(CONTENT_TYPE, "text/html; charset=utf-8")], page).into_response()
}
