//! Holds calls and payloads to GitHub's published OpenAPI descriptions, with a checker of someone
//! else's (ajv).
//!
//! The descriptions are packages of the npm registry, too large to keep here:
//! `tests/openapi/fetch.py` installs them into `target/openapi` from the lock file beside it.

use crate::repository::repository;
use anyhow::{Context as _, bail, ensure};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// Checks so far, in this process.
static CHECKS: AtomicU32 = AtomicU32::new(0);

/// A payload and what GitHub's description calls it: `workflow-job-queued`.
pub type Payload = (String, Value);

/// Where the packages are installed.
fn packages() -> anyhow::Result<PathBuf> {
    Ok(repository()?.join("target/openapi"))
}

/// Checks exchanges, as `GET /_model/exchanges` shows them, and payloads. Returns the checker's
/// last words.
///
/// # Errors
/// When the packages are missing, or with every problem that was found.
pub fn check(exchanges: &Value, payloads: &[Payload]) -> anyhow::Result<String> {
    let packages = packages()?;
    ensure!(
        packages.join("node_modules/ajv").is_dir(),
        "the packages are missing: run `python3 tests/openapi/fetch.py`"
    );
    let payloads: Vec<Value> = payloads
        .iter()
        .map(|(name, payload)| json!({ "name": name, "payload": payload }))
        .collect();
    // One file for each caller: tests run side by side.
    let file = packages.join(format!(
        "calls-{}-{}.json",
        std::process::id(),
        CHECKS.fetch_add(1, Ordering::Relaxed)
    ));
    std::fs::write(
        &file,
        json!({ "exchanges": exchanges, "payloads": payloads }).to_string(),
    )
    .context("write the calls")?;
    let checker = repository()?.join("tests/openapi/check.mjs");
    let run = Command::new("node")
        .arg(checker)
        .arg(&packages)
        .arg(&file)
        .output()
        .context("run node")?;
    // Tokens lie in it.
    std::fs::remove_file(&file).context("remove the calls")?;
    let words = String::from_utf8_lossy(&run.stdout).into_owned();
    if !run.status.success() {
        bail!("{words}{}", String::from_utf8_lossy(&run.stderr));
    }
    Ok(words)
}
