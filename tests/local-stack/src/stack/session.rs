//! A command that runs while the stack is up.

use super::lifecycle::{Ground, down, up};
use super::places::Places;
use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::process::ExitStatus;
use tokio::process::Command;
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

/// Brings the stack up, runs the command, and brings the stack down whatever became of it.
///
/// # Errors
/// If the stack does not come up or go down, or there is no such command.
pub async fn with(
    places: &Places,
    ground: Ground,
    program: &str,
    arguments: &[&str],
) -> Result<ExitStatus> {
    up(places, ground).await?;
    let ended = run(program, arguments).await;
    down(places).await?;
    ended
}

/// The terminal's Ctrl-C reaches the command as well, a SIGTERM is passed on; we outlive both to
/// bring the stack down.
async fn run(program: &str, arguments: &[&str]) -> Result<ExitStatus> {
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut child = Command::new(program)
        .args(arguments)
        .spawn()
        .with_context(|| format!("start {program}"))?;
    loop {
        tokio::select! {
            status = child.wait() => return status.with_context(|| format!("wait for {program}")),
            _ = ctrl_c() => {}
            _ = terminate.recv() => {
                // Not waited for yet, so the id is still its own.
                if let Some(pid) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::TERM);
                }
            }
        }
    }
}
