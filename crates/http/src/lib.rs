//! HTTP as functions speak it, with AWS and with GitHub: HTTP/1.1, TLS by ring, the certificates
//! that the operating system trusts (`SSL_CERT_FILE` included), and connections that are kept for a
//! while.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use hyper::body::Body;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// How long an idle connection is trusted. A Lambda function is frozen between invocations and does
/// not see its connections closed: a POST on one of those fails half-way, and the caller cannot know
/// whether it was carried out. AWS closes idle connections after some 20 s and more, GitHub after
/// about a minute.
const IDLE: Duration = Duration::from_secs(15);

/// A pool of connections, over TLS where the address says so.
pub type Client<B> = legacy::Client<HttpsConnector<HttpConnector>, B>;

/// The operating system trusts no certificate, so that no server can prove who it is.
#[derive(Clone, Debug, thiserror::Error)]
#[error("no trusted certificates were found{0}")]
pub struct NoCertificates(String);

/// The certificates that the operating system trusts, read and parsed once in a process: that is a
/// third of what a function's cold start over TLS costs.
///
/// # Errors
///
/// [`NoCertificates`], with what the system said. The next call looks again.
pub fn system_certificates() -> Result<Arc<RootCertStore>, NoCertificates> {
    static READ: OnceLock<Arc<RootCertStore>> = OnceLock::new();
    if let Some(roots) = READ.get() {
        return Ok(Arc::clone(roots));
    }
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(found.certs);
    if usable == 0 {
        let problems = found.errors.iter().map(|error| format!(": {error}"));
        return Err(NoCertificates(problems.collect()));
    }
    Ok(Arc::clone(READ.get_or_init(|| Arc::new(roots))))
}

/// A client that trusts these certificates; a connection may take as long as `connect`.
///
/// # Errors
///
/// If the TLS library does not know the versions of TLS that it says it does.
pub fn client<B>(
    connect: Duration,
    trusted: impl Into<Arc<RootCertStore>>,
) -> Result<Client<B>, rustls::Error>
where
    B: Body + Send,
    B::Data: Send,
{
    let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(connect));
    tcp.enforce_http(false);
    let mut client = legacy::Client::builder(TokioExecutor::new());
    client.pool_timer(TokioTimer::new()).pool_idle_timeout(IDLE);
    Ok(client.build(HttpsConnector::from((tcp, tls))))
}
