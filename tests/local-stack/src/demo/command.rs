//! What someone who was not there asks afterwards, with the command that people have:
//! `mayfly status`, and `mayfly explain` of a job whose runner was given another one.

use anyhow::{Context, Result};
use mayfly_domain::model::id::JobId;
use tokio::process::Command;

use crate::inspect::Snapshot;
use crate::stack::{Places, Stack};

/// A job whose runner GitHub gave to another one, if that happened.
fn robbed(ledger: &Snapshot) -> Option<JobId> {
    let lost = ledger.closed.iter().find(|runner| {
        let job = runner.work.as_ref().and_then(|work| work.job);
        job.is_some() && runner.reserved.is_some() && job != runner.reserved
    });
    lost?.reserved
}

/// Asks, and shows what is answered. `false`: an answer was a failure.
pub(super) async fn ask(places: &Places, stack: &Stack, ledger: &Snapshot) -> Result<bool> {
    let mut well = mayfly(places, stack, &["status"]).await?;
    if let Some(job) = robbed(ledger) {
        println!("\na job whose runner GitHub gave to another one:");
        well &= mayfly(places, stack, &["explain", &job.to_string()]).await?;
    }
    println!();
    Ok(well)
}

/// Runs the command as its user does, its output on this terminal. `false`: it failed.
async fn mayfly(places: &Places, stack: &Stack, arguments: &[&str]) -> Result<bool> {
    println!("$ mayfly {}", arguments.join(" "));
    let mut command = Command::new(places.binary("mayfly"));
    command
        .args(arguments)
        .env_clear()
        .env("HOME", places.local())
        .envs(stack.environment());
    let status = command
        .status()
        .await
        .context("run mayfly (make models builds it)")?;
    Ok(status.success())
}
