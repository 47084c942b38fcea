//! Event files: what the functions get, one file per kind, the same for tests, docs and
//! `make invoke-<function>`.
//!
//! They are made, never edited: `cargo run -p mayfly-local-stack --bin events` writes them, and a test
//! says when they are out of date. Deliveries come from the GitHub model, signed with the secret of
//! GitHub's own example, [`mayfly_github_model::hook::EXAMPLE_SECRET`].

mod console;
mod gateway;
mod runner;
mod tasks;
mod timers;
mod webhook;

use anyhow::Context as _;
use mayfly_test_support::repository::repository;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

/// The account of the local stack.
pub const ACCOUNT: &str = "000000000000";
/// Its region.
pub const REGION: &str = "us-east-1";
/// The stack's name.
pub const STACK: &str = "mayfly";
/// The runner that the files speak of, as ECS's `startedBy` writes it.
pub const RUNNER: &str = "linux/01kah2c4e6g8j0kmnpqrstvwxy";
/// Its task's id.
pub const TASK: &str = "4f1c0a6be7d94b3f8a25d6c7e8f90a1b";

/// The name GitHub knows that runner by: the third field is its mint.
#[must_use]
pub fn runner_name() -> String {
    format!("mayfly-{}-1", RUNNER.replace('/', "-"))
}

/// All files: `<function>/<kind>.json` and what is in them.
///
/// # Errors
/// When the model that deliveries come from cannot be made.
pub fn all() -> anyhow::Result<BTreeMap<String, Value>> {
    let mut files = webhook::all()?;
    files.extend(timers::all());
    files.extend(console::all());
    files.extend(tasks::all());
    files.extend(runner::all());
    Ok(files)
}

/// The repository's folder of event files.
///
/// # Errors
/// If this program lies outside of every clone.
pub fn folder() -> anyhow::Result<PathBuf> {
    Ok(repository()?.join("events"))
}

/// A file's text.
#[must_use]
pub fn text(content: &Value) -> String {
    format!("{content:#}\n")
}

/// Writes all files and removes those that no longer are.
///
/// # Errors
/// When the folder cannot be written.
pub fn write() -> anyhow::Result<()> {
    let files = all()?;
    let folder = folder()?;
    for path in present()? {
        let name = path
            .strip_prefix(&folder)
            .unwrap_or(&path)
            .to_string_lossy()
            .into_owned();
        if !files.contains_key(&name) {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    for (name, content) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("make {}", parent.display()))?;
        }
        fs::write(&path, text(&content)).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

/// The event files that lie in the folder.
///
/// # Errors
/// When it cannot be read.
pub fn present() -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let Ok(functions) = fs::read_dir(folder()?) else {
        return Ok(found);
    };
    for function in functions {
        let function = function.context("read the folder of event files")?.path();
        if !function.is_dir() {
            continue;
        }
        for file in
            fs::read_dir(&function).with_context(|| format!("read {}", function.display()))?
        {
            let path = file.context("read a folder of event files")?.path();
            if path.extension().is_some_and(|kind| kind == "json") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}
