//! The connections to GitHub.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::app::misconfigured;
use crate::error::CallError;

/// How long the TCP connection may take: GitHub is never that far away, and the rest of the call
/// needs its time.
const CONNECT: Duration = Duration::from_secs(3);

/// How long an idle connection is trusted. A Lambda is frozen between invocations and does not see
/// its connections closed; a POST on one of those fails half-way, and no one knows whether a
/// registration was made. GitHub keeps idle connections for about a minute, so these are given up
/// well before.
const IDLE: Duration = Duration::from_secs(15);

/// HTTP/1.1, over TLS where the address says so.
pub(crate) type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// A pool of connections that trusts what the operating system trusts (`SSL_CERT_FILE` included,
/// for an Enterprise Server with a certificate of its own).
///
/// # Errors
/// When the system trusts no certificate.
pub(crate) fn connections() -> Result<Connections, CallError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_connect_timeout(Some(CONNECT));
    tcp.set_nodelay(true);
    let tls = HttpsConnectorBuilder::new()
        .with_provider_and_native_roots(Arc::new(rustls::crypto::ring::default_provider()))
        .map_err(|error| misconfigured(format!("no trusted certificates were found: {error}")))?
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Ok(Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(TokioTimer::new())
        .build(tls))
}
