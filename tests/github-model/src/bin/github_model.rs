//! `github-model`: the GitHub model as a server, until SIGTERM.
//!
//! `github-model --listen 127.0.0.1:0 --ready-file <path> [--seed <number>] [--quiet]`

use anyhow::{Context as _, bail};
use mayfly_github_model::server::Server;
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::signal::unix::{SignalKind, signal};

struct Options {
    listen: SocketAddr,
    ready_file: Option<PathBuf>,
    seed: u64,
    log: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let options = options(std::env::args().skip(1))?;
    // Before the file says ready: anyone who reads it may end us.
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    let server = Server::start(options.listen, options.seed, options.log).await?;
    if let Some(path) = &options.ready_file {
        announce(path, &server.url)?;
    }
    println!("listening on {}", server.url);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn options(mut arguments: impl Iterator<Item = String>) -> anyhow::Result<Options> {
    let mut options = Options {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ready_file: None,
        seed: 1,
        log: true,
    };
    while let Some(name) = arguments.next() {
        if name == "--quiet" {
            options.log = false;
            continue;
        }
        let value = arguments
            .next()
            .with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => {
                options.listen = value
                    .parse()
                    .with_context(|| format!("read address {value}"))?
            }
            "--ready-file" => options.ready_file = Some(value.into()),
            "--seed" => {
                options.seed = value
                    .parse()
                    .with_context(|| format!("read seed {value}"))?
            }
            _ => bail!("unknown option {name}"),
        }
    }
    Ok(options)
}

/// Writes the address whole or not at all: anyone who waits for the file never reads half of it.
fn announce(path: &Path, url: &str) -> anyhow::Result<()> {
    let draft = path.with_extension("draft");
    let text = json!({ "url": url }).to_string();
    std::fs::write(&draft, text).with_context(|| format!("write {}", draft.display()))?;
    std::fs::rename(&draft, path).with_context(|| format!("write {}", path.display()))
}
