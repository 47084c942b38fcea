//! The connections to GitHub.

use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;

use crate::error::{CallError, misconfigured};

/// How long the TCP connection may take: GitHub is never that far away, and the rest of the call
/// needs its time.
const CONNECT: Duration = Duration::from_secs(3);

/// HTTP/1.1, over TLS where the address says so.
pub(crate) type Connections = mayfly_http::Client<Full<Bytes>>;

/// A pool of connections that trusts what the operating system trusts (`SSL_CERT_FILE` included,
/// for an Enterprise Server with a certificate of its own).
///
/// # Errors
/// When the system trusts no certificate.
pub(crate) fn connections() -> Result<Connections, CallError> {
    let trusted =
        mayfly_http::system_certificates().map_err(|none| misconfigured(none.to_string()))?;
    mayfly_http::client(CONNECT, trusted)
        .map_err(|error| misconfigured(format!("TLS cannot be set up: {error}")))
}
