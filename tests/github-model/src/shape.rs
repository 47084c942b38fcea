//! What GitHub's answers and payloads look like. The shapes follow GitHub's published OpenAPI
//! description, which a test holds them to.

pub mod account;
pub mod delivery;
pub mod installation;
pub mod job;
pub mod payload;
pub mod repository;
pub mod run;
pub mod runner;

use jiff::Timestamp;

/// Where things are.
#[derive(Debug, Clone)]
pub struct Urls {
    /// The REST API: like GitHub Enterprise Server's, below `/api/v3`.
    pub api: String,
    /// The pages, and what runners talk to.
    pub html: String,
}

impl Urls {
    /// GitHub at this address. Only github.com has its API at a host of its own.
    #[must_use]
    pub fn new(url: &str) -> Self {
        let html = url.trim_end_matches('/').to_owned();
        let api = if html == "https://github.com" {
            "https://api.github.com".to_owned()
        } else {
            format!("{html}/api/v3")
        };
        Self { api, html }
    }
}

/// A time as GitHub writes it: whole seconds, UTC.
#[must_use]
pub fn iso(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// A node id: opaque, but it looks the part.
#[must_use]
pub fn node(kind: &str, id: i64) -> String {
    use base64::Engine as _;
    let id = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id.to_be_bytes());
    format!("{kind}_kwDO{id}")
}
