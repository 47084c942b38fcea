//! What the stack takes from the machine it runs on.

use super::places::Places;
use anyhow::{Context, Result, ensure};
use reqwest::Client;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

/// Lambda's name for this machine's processor: the functions run here as they are.
pub(super) fn architecture() -> &'static str {
    if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x86_64"
    }
}

/// A client for loopback: a proxy that the user may have set would not find it.
pub(super) fn client(limit: Duration) -> Result<Client> {
    Client::builder()
        .no_proxy()
        .timeout(limit)
        .build()
        .context("make an HTTP client")
}

/// A loopback port that no one listens on. The emulator wants its port by name; should someone take
/// it in between, it says so and `up` fails.
pub(super) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

/// Refuses to start on something that is not there, and says which command makes it.
pub(super) fn check_tools(places: &Places) -> Result<()> {
    let wanted = [
        (places.python_tools().join("ministack"), "make tools"),
        (places.python_tools().join("sam"), "make tools"),
        (
            places.infra().join("../target/sam/local/template.yaml"),
            "make build",
        ),
        (places.binary("github-model"), "make build"),
        (places.binary("fargate-model"), "make build"),
    ];
    for (path, command) in wanted {
        ensure!(
            path.exists(),
            "{} is missing: run `{command}`",
            path.display()
        );
    }
    Ok(())
}
