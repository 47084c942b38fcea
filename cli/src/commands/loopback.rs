//! What the servers on loopback share (`init`, `dashboard`): how they listen, and whom they answer.

use std::net::{Ipv4Addr, SocketAddr};

use axum::http::header::{COOKIE, HOST, HeaderMap};
use tokio::net::TcpListener;

use crate::failure::Failure;

/// What a request for another host is answered.
pub(crate) const FOR_ANOTHER_HOST: &str = "this server answers under its own address only";

/// Begins to listen on 127.0.0.1; port 0 is any that is free.
///
/// # Errors
///
/// If the port is taken.
pub(crate) async fn listen(port: u16) -> Result<(TcpListener, SocketAddr), Failure> {
    let listening = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    listening
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        .map_err(|error| {
            Failure::new(
                format!("could not listen on 127.0.0.1:{port}: {error}"),
                "pass another --port, or omit it to use any free port",
            )
        })
}

/// True if a request names this host and no other: a page of another site may have its name lead
/// here.
pub(crate) fn is_for(headers: &HeaderMap, authority: &str) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    hosts
        .next()
        .is_some_and(|host| host.as_bytes() == authority.as_bytes())
        && hosts.next().is_none()
}

/// True if a request has a cookie of this name whose value is right.
pub(crate) fn has_cookie(headers: &HeaderMap, name: &str, is_right: impl Fn(&str) -> bool) -> bool {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .any(|(named, value)| named == name && is_right(value))
}
