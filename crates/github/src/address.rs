//! Where the REST API of a GitHub is.

use http::Uri;

/// A GitHub address that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("GitHub's url {url:?} {problem}")]
pub struct BadAddress {
    /// The address as given.
    pub url: String,
    /// What is wrong with it, and what is allowed.
    pub problem: &'static str,
}

/// The address of the REST API of the GitHub that people open at `url`.
///
/// github.com has `api.github.com`; a tenant on `ghe.com` has `api.` before its own host
/// (docs.github.com, "Getting started with the REST API", data residency); an Enterprise Server
/// answers under `/api/v3` of its own host ("About the REST API", GHES edition).
///
/// # Errors
/// When `url` is no plain `https` address of a host. `http` is taken for loopback only: tokens
/// travel on it.
pub(crate) fn api_base(url: &str) -> Result<Uri, BadAddress> {
    let refuse = |problem| BadAddress {
        url: url.to_owned(),
        problem,
    };
    let uri: Uri = url
        .trim_end_matches('/')
        .parse()
        .map_err(|_| refuse("is not a URL: use https://<host>"))?;
    let authority = uri
        .authority()
        .filter(|authority| !authority.as_str().contains('@'));
    let authority = authority.ok_or_else(|| refuse("names no host: use https://<host>"))?;
    if uri.query().is_some() || uri.path().contains("//") {
        return Err(refuse("has more than host and path: use https://<host>"));
    }
    let scheme = uri.scheme_str().unwrap_or_default();
    let loopback = matches!(authority.host(), "localhost" | "127.0.0.1" | "[::1]");
    if scheme != "https" && !(scheme == "http" && loopback) {
        return Err(refuse("must be https: tokens travel on it"));
    }
    let host = authority.as_str().to_ascii_lowercase();
    let path = uri.path().trim_end_matches('/');
    let base = if host == "github.com" || host.ends_with(".ghe.com") {
        format!("{scheme}://api.{host}")
    } else {
        format!("{scheme}://{host}{path}/api/v3")
    };
    base.parse()
        .map_err(|_| refuse("is not a URL: use https://<host>"))
}

/// The address of the REST API of the GitHub that people open at `url`, as text without a slash at
/// the end.
///
/// # Errors
/// When `url` is no plain `https` address of a host (`http` for loopback).
pub fn api_url(url: &str) -> Result<String, BadAddress> {
    Ok(api_base(url)?.to_string().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_github_has_its_api_address() {
        for (url, base) in [
            ("https://github.com", "https://api.github.com/"),
            ("https://GitHub.com/", "https://api.github.com/"),
            ("https://octo.ghe.com", "https://api.octo.ghe.com/"),
            (
                "https://github.example.com",
                "https://github.example.com/api/v3",
            ),
            (
                "https://github.example.com:8443/",
                "https://github.example.com:8443/api/v3",
            ),
            (
                "https://example.com/github/",
                "https://example.com/github/api/v3",
            ),
            ("http://127.0.0.1:4000", "http://127.0.0.1:4000/api/v3"),
            ("http://[::1]:4000", "http://[::1]:4000/api/v3"),
        ] {
            assert_eq!(api_base(url).unwrap().to_string(), base, "{url}");
        }
    }

    #[test]
    fn addresses_that_would_leak_or_lead_nowhere_are_refused() {
        for url in [
            "",
            "github.com",
            "/x",
            "http://github.example.com",
            "ftp://x",
            "https://a:b@x",
            "https://x?y",
            "https://x//y",
        ] {
            assert!(api_base(url).is_err(), "{url}");
        }
    }
}
