//! One event, handed to one deployed function.

use super::aws::Aws;
use super::description::Stack;
use super::machine;
use super::places::Places;
use anyhow::{Context, Result};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Above the longest timeout of a function, which is sweeper's 55 s.
const LIMIT: Duration = Duration::from_secs(60);

/// Hands the event in a file to a function of the running stack, and gives back what it answered
/// and whether it failed.
///
/// # Errors
/// If no stack is up, there is no such function, or the file is not JSON.
pub async fn invoke(places: &Places, function: &str, event: &Path) -> Result<(Value, bool)> {
    let stack = Stack::read(places)?;
    let name = stack
        .functions
        .get(function)
        .with_context(|| format!("find function {function}"))?;
    let text = fs::read(event).with_context(|| format!("read {}", event.display()))?;
    let event =
        serde_json::from_slice(&text).with_context(|| format!("understand {}", event.display()))?;
    Aws::new(stack.aws_endpoint, machine::client(LIMIT)?)
        .invoke(name, &event)
        .await
}
