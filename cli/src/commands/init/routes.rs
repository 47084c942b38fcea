//! What each request to the page on loopback is answered.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Form, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    LOCATION, ORIGIN, REFERRER_POLICY, SET_COOKIE, X_CONTENT_TYPE_OPTIONS,
};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Router, body::Body};
use serde::Deserialize;

use super::callback_server::{CallbackServer, Outcome};
use super::manifest::{Choice, Scope};
use super::oauth_state::Refused;
use super::pages::{self, Defaults};
use crate::commands::loopback::{FOR_ANOTHER_HOST, has_cookie, is_for};

/// What every answer says: no script, no frame, nothing kept, and no address of ours in anyone's
/// log. Forms may go to GitHub, and from there to wherever one signs in: `form-action` would follow
/// the redirects.
const HEADERS: [(HeaderName, &str); 5] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (CACHE_CONTROL, "no-store"),
    // Not no-referrer: that would make the Origin of our own form null.
    (REFERRER_POLICY, "same-origin"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

type Shared = State<Arc<CallbackServer>>;

/// All routes.
pub(super) fn router(callback_server: Arc<CallbackServer>) -> Router {
    Router::new()
        .route("/", get(choose))
        .route("/manifest", post(manifest))
        .route("/callback", get(callback))
        .route("/done", get(done))
        .route("/{ticket}", get(enter))
        .fallback(async || refused(StatusCode::NOT_FOUND, "there is nothing here"))
        .layer(from_fn_with_state(
            Arc::clone(&callback_server),
            only_for_us,
        ))
        .with_state(callback_server)
}

/// Refuses whatever did not mean to come to this very server.
async fn only_for_us(State(callback_server): Shared, request: Request, next: Next) -> Response {
    let mut answer = if is_for(request.headers(), &callback_server.authority) {
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

/// The address that mayfly printed: good once.
async fn enter(State(callback_server): Shared, Path(ticket): Path<String>) -> Response {
    let Some(cookie) = callback_server.admit(&ticket) else {
        return refused(
            StatusCode::FORBIDDEN,
            "this address was opened before, or is another run's: start mayfly init again",
        );
    };
    let cookie = format!(
        "{}={cookie}; HttpOnly; SameSite=Strict; Path=/",
        callback_server.cookie_name()
    );
    (
        StatusCode::SEE_OTHER,
        [(LOCATION, "/".to_owned()), (SET_COOKIE, cookie)],
    )
        .into_response()
}

async fn choose(State(callback_server): Shared, headers: HeaderMap) -> Response {
    if !admitted(&callback_server, &headers) {
        return refused(
            StatusCode::FORBIDDEN,
            "open the address that mayfly printed",
        );
    }
    html(
        StatusCode::OK,
        pages::choose(
            &callback_server.about.stack,
            &callback_server.about.defaults,
            None,
        ),
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ScopeField {
    Organization,
    Repository,
}

#[derive(Deserialize)]
struct Fields {
    scope: ScopeField,
    organization: String,
    name: String,
}

async fn manifest(
    State(callback_server): Shared,
    headers: HeaderMap,
    Form(fields): Form<Fields>,
) -> Response {
    let own = headers
        .get(ORIGIN)
        .is_some_and(|origin| origin.as_bytes() == callback_server.origin().as_bytes());
    if !own || !admitted(&callback_server, &headers) {
        return refused(
            StatusCode::FORBIDDEN,
            "the form was not sent from mayfly's own page",
        );
    }
    let scope = match fields.scope {
        ScopeField::Organization => Scope::Organization,
        ScopeField::Repository => Scope::Repository,
    };
    match Choice::checked(scope, &fields.organization, &fields.name) {
        Ok(choice) => match callback_server.form(&choice) {
            Ok(form) => html(StatusCode::OK, form),
            Err(failure) => html(
                StatusCode::INTERNAL_SERVER_ERROR,
                pages::failed(&failure.problem),
            ),
        },
        Err(wrong) => {
            let defaults = Defaults {
                scope,
                organization: fields.organization,
                name: fields.name,
            };
            html(
                StatusCode::UNPROCESSABLE_ENTITY,
                pages::choose(&callback_server.about.stack, &defaults, Some(&wrong)),
            )
        }
    }
}

/// GitHub sends the browser here. The answer leads away at once: code and state leave the address
/// bar.
async fn callback(
    State(callback_server): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Response {
    if let Some(why) = not_navigated(&callback_server, &headers) {
        return refused(StatusCode::FORBIDDEN, why);
    }
    let field = |name: &str| query.get(name).map(String::as_str);
    if let Err(why) = callback_server.take(field("state"), field("code")) {
        let status = if why == Refused::Foreign {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::GONE
        };
        return refused(status, &why.to_string());
    }
    callback_server.send_to_last_page();
    callback_server.outcome().await;
    (StatusCode::SEE_OTHER, [(LOCATION, "/done")]).into_response()
}

/// A callback is someone's browser going from GitHub to here: no script's request, no picture on a
/// page, no form of another site.
fn not_navigated(callback_server: &CallbackServer, headers: &HeaderMap) -> Option<&'static str> {
    let said = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let origin = said("origin");
    if origin.is_some_and(|origin| {
        origin != callback_server.origin() && origin != callback_server.about.github
    }) {
        return Some("this request came from another site");
    }
    let embedded = said("sec-fetch-mode").is_some_and(|mode| mode != "navigate")
        || said("sec-fetch-dest").is_some_and(|dest| dest != "document");
    embedded.then_some("open this page in a window of its own")
}

async fn done(State(callback_server): Shared) -> Response {
    let outcome = callback_server.outcome().await;
    callback_server.last_page_is_shown();
    match outcome {
        Outcome::Made { name, install_url } => {
            html(StatusCode::OK, pages::made(&name, &install_url))
        }
        Outcome::Failed(problem) => html(StatusCode::OK, pages::failed(&problem)),
    }
}

fn admitted(callback_server: &CallbackServer, headers: &HeaderMap) -> bool {
    let name = callback_server.cookie_name();
    has_cookie(headers, &name, |value| callback_server.knows(value))
}

fn refused(status: StatusCode, why: &str) -> Response {
    html(status, pages::refused(why))
}

fn html(status: StatusCode, page: String) -> Response {
    (
        status,
        [(CONTENT_TYPE, "text/html; charset=utf-8")],
        Body::from(page),
    )
        .into_response()
}
