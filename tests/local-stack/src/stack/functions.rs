//! The functions as processes, for anyone who wants to see them die.
//!
//! The emulator runs each concurrent invocation of a function in a process of its own and keeps
//! idle ones for the next. A process that is killed while it works is an invocation lost, as when
//! Lambda loses a machine; the emulator says so in its log.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::description::Stack;
use super::places::Places;
use super::processes::living;

/// Lambda tells every function its name in this variable. Source: Lambda, defined runtime
/// environment variables.
const NAME: &str = "AWS_LAMBDA_FUNCTION_NAME=";

/// What the emulator says of an invocation whose process was gone before it answered.
const LOST: &str = ": Runtime exited before returning a response";

/// A process that runs one of the deployed functions.
#[derive(Debug)]
pub struct FunctionProcess {
    /// What it is: `webhook`, `scaler`, …
    pub function: String,
    pid: Pid,
    /// Means this process for ever, anyone who has its id later.
    handle: OwnedFd,
}

impl FunctionProcess {
    /// How often it has given up the processor to wait: it counts on while the process works, and
    /// stands still while it is idle. `None`: the process is gone.
    #[must_use]
    pub fn waits(&self) -> Option<u64> {
        let status =
            fs::read_to_string(format!("/proc/{}/status", self.pid.as_raw_nonzero())).ok()?;
        status
            .lines()
            .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))?
            .trim()
            .parse()
            .ok()
    }

    /// Ends it at once, whatever it does. `false`: it was gone already.
    #[must_use]
    pub fn kill(&self) -> bool {
        pidfd_send_signal(&self.handle, Signal::KILL).is_ok()
    }
}

/// The processes that run functions of this stack now, idle ones included.
///
/// # Errors
/// If processes cannot be listed.
pub fn function_processes(places: &Places, stack: &Stack) -> Result<Vec<FunctionProcess>> {
    let mut found = Vec::new();
    for pid in living(places)? {
        let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        // Read behind the handle: the id may be another's by now, and then it is not among the
        // stack's functions.
        let environment =
            fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
        let named = environment
            .split(|byte| *byte == 0)
            .find_map(|entry| entry.strip_prefix(NAME.as_bytes()));
        let function = named.and_then(|name| {
            stack
                .functions
                .iter()
                .find(|(_, deployed)| deployed.as_bytes() == name)
        });
        found.extend(function.map(|(function, _)| FunctionProcess {
            function: function.clone(),
            pid,
            handle,
        }));
    }
    Ok(found)
}

/// What the emulator has said so far, to count from.
#[derive(Clone, Copy, Debug)]
pub struct LogMark(usize);

impl LogMark {
    /// The end of the emulator's log as it is now.
    ///
    /// # Errors
    /// If there is no such log.
    pub fn now(places: &Places) -> Result<Self> {
        Ok(Self(log(places)?.len()))
    }

    /// How many invocations of each function were lost since, because their process was gone before
    /// it answered.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn lost_invocations(
        self,
        places: &Places,
        stack: &Stack,
    ) -> Result<BTreeMap<String, usize>> {
        let log = log(places)?;
        let text = String::from_utf8_lossy(log.get(self.0..).unwrap_or_default());
        Ok(stack
            .functions
            .iter()
            .map(|(function, deployed)| (function.clone(), lost_of(&text, deployed)))
            .collect())
    }
}

fn log(places: &Places) -> Result<Vec<u8>> {
    let path = places.log("ministack");
    fs::read(&path).with_context(|| format!("read {}", path.display()))
}

fn lost_of(log: &str, deployed: &str) -> usize {
    let line = format!("Lambda {deployed}{LOST}");
    log.lines().filter(|said| said.ends_with(&line)).count()
}

#[cfg(test)]
mod tests {
    use super::lost_of;

    #[test]
    fn lost_invocations_are_counted_by_function() {
        let log = "2026-11-22 16:19:53 WARNING [lambda] Lambda mayfly-webhook: Runtime exited before returning a response\n\
                   2026-11-22 16:19:53 WARNING [lambda] Lambda mayfly-scaler: Runtime exited before returning a response\n\
                   2026-11-22 16:19:53 INFO [lambda] ESM: Lambda mayfly-scaler processed 1 SQS messages\n";
        assert_eq!(
            (
                lost_of(log, "mayfly-webhook"),
                lost_of(log, "mayfly-scaler"),
                lost_of(log, "mayfly-sweeper")
            ),
            (1, 1, 0)
        );
    }
}
