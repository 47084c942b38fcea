//! What sends requests: the connections, the one GitHub that they lead to, and who is asking.

use std::sync::Arc;

use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT,
};
use http::{Method, Response, Uri};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use mayfly_domain::model::time::Timestamp;

use crate::connections::Connections;
use crate::jwt::Signer;
use crate::request::{NoResponse, Request, Sent, in_full};
use mayfly_domain::model::secret::Secret;

/// What GitHub calls us when it asks who called: required, else it answers 403 (docs.github.com,
/// "Getting started with the REST API", user agent).
const NAME: HeaderValue = HeaderValue::from_static(concat!("mayfly/", env!("CARGO_PKG_VERSION")));

/// The media type that GitHub recommends.
const JSON: HeaderValue = HeaderValue::from_static("application/vnd.github+json");

/// The version of the API that this crate is written for (docs.github.com, REST "API Versions").
const API_VERSION: (HeaderName, HeaderValue) = (
    HeaderName::from_static("x-github-api-version"),
    HeaderValue::from_static("2022-11-28"),
);

/// Who is asking.
#[derive(Clone)]
enum Caller {
    /// Without a name: for what everyone may read.
    Unauthenticated,
    /// The App itself, by a token signed for each request.
    App(Arc<Signer>),
    /// The holder of a token.
    Token(Secret),
}

/// Where a GitHub's REST API is.
struct Base {
    /// Scheme and host: `https://github.example.com`.
    host: String,
    /// What comes before each path, without a slash at the end: `/api/v3`, or nothing.
    path: String,
}

impl Base {
    fn new(uri: &Uri) -> Self {
        let path = uri.path().trim_end_matches('/');
        let whole = uri.to_string();
        let host = whole
            .trim_end_matches('/')
            .strip_suffix(path)
            .unwrap_or(&whole);
        Self {
            host: host.to_owned(),
            path: path.to_owned(),
        }
    }
}

/// Sends requests to one GitHub as one caller. A clone is cheap and shares the connections.
#[derive(Clone)]
pub(crate) struct Client {
    connections: Connections,
    base: Arc<Base>,
    caller: Caller,
}

impl Client {
    /// A caller without a name.
    pub(crate) fn unauthenticated(connections: Connections, base: &Uri) -> Self {
        Self {
            connections,
            base: Arc::new(Base::new(base)),
            caller: Caller::Unauthenticated,
        }
    }

    /// The App itself.
    pub(crate) fn app(connections: Connections, base: &Uri, signer: Signer) -> Self {
        Self {
            caller: Caller::App(Arc::new(signer)),
            ..Self::unauthenticated(connections, base)
        }
    }

    /// The same GitHub, asked with a token.
    pub(crate) fn with_token(&self, token: Secret) -> Self {
        Self {
            caller: Caller::Token(token),
            ..self.clone()
        }
    }

    /// A path of this GitHub's host as a path of its API: redirects have the whole.
    pub(crate) fn api_path<'p>(&self, path: &'p str) -> &'p str {
        path.strip_prefix(self.base.path.as_str())
            .filter(|rest| rest.starts_with('/'))
            .unwrap_or(path)
    }

    /// Sends `request` to `path` of this GitHub and waits for the head of the answer.
    ///
    /// # Errors
    /// Without an answer: where the request was lost.
    pub(crate) async fn send(
        &self,
        request: &Request,
        path: &str,
    ) -> Result<Response<Incoming>, NoResponse> {
        let request_to_send = self.prepare(request, path)?;
        self.connections
            .request(request_to_send)
            .await
            .map_err(|error| {
                // What is not surely harmless counts as sent.
                let sent = if error.is_connect() {
                    Sent::No
                } else {
                    Sent::Maybe
                };
                request.no_response(sent, in_full(&error))
            })
    }

    fn prepare(
        &self,
        request: &Request,
        path: &str,
    ) -> Result<http::Request<Full<Bytes>>, NoResponse> {
        let not_sent = |why: String| request.no_response(Sent::No, why);
        let mut builder = http::Request::builder()
            .method(request.method.clone())
            .uri(format!("{}{}{path}", self.base.host, self.base.path))
            .header(USER_AGENT, NAME)
            .header(ACCEPT, JSON)
            .header(API_VERSION.0, API_VERSION.1);
        if let Some(authorization) = self.authorization(request)? {
            builder = builder.header(AUTHORIZATION, authorization);
        }
        let body = match &request.body {
            Some(body) => {
                builder =
                    builder.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Bytes::from(body.to_string())
            }
            None => {
                if request.method == Method::POST {
                    // hyper leaves it out; a POST that does not say that it is empty may be
                    // answered 411 on the way.
                    builder = builder.header(CONTENT_LENGTH, HeaderValue::from_static("0"));
                }
                Bytes::new()
            }
        };
        builder
            .body(Full::new(body))
            .map_err(|error| not_sent(error.to_string()))
    }

    fn authorization(&self, request: &Request) -> Result<Option<HeaderValue>, NoResponse> {
        let token = match &self.caller {
            Caller::Unauthenticated => return Ok(None),
            Caller::Token(token) => token.clone(),
            Caller::App(signer) => {
                // By the system's clock: GitHub holds the dates against its own, whatever a caller
                // takes for the time.
                let now = Timestamp::from_millis(jiff::Timestamp::now().as_millisecond());
                let unusable = |why| {
                    request.no_response(
                        Sent::KeyUnusable,
                        format!("the App's private key cannot sign: {why}"),
                    )
                };
                Secret::new(signer.token(now).map_err(unusable)?)
            }
        };
        let header = HeaderValue::from_str(&format!("Bearer {}", token.expose()));
        let mut header = header.map_err(|_| {
            request.no_response(
                Sent::No,
                "the token holds characters that no header may have",
            )
        })?;
        header.set_sensitive(true);
        Ok(Some(header))
    }
}
