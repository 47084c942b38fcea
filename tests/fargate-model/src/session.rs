//! The processes of a task: found by their session, their directory or their environment, and
//! ended.

use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// How often the list of processes is read again before giving up: something that forks faster than
/// it is killed would keep us here for ever.
const ROUNDS: u32 = 200;

/// SIGTERM to one process; gone already is fine.
pub(crate) fn terminate(pid: u32) {
    signal(pid, Signal::TERM);
}

/// SIGKILL to everything of a task, again until nothing is left.
///
/// Belonging to the task is being in its session, or working in its directory or carrying the
/// directory in the environment: on Fargate not even a daemon outlives its container.
pub(crate) async fn kill_all(session: u32, directory: &Path) {
    for _ in 0..ROUNDS {
        let left = members(session, directory);
        if left.is_empty() {
            return;
        }
        for pid in left {
            signal(pid, Signal::KILL);
        }
        // The kernel takes a moment to bury them.
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// SIGKILL to everything of a task, once.
pub(crate) fn kill_once(session: u32, directory: &Path) {
    for pid in members(session, directory) {
        signal(pid, Signal::KILL);
    }
}

fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // The only failure possible for a process of ours is that it is gone.
        let _gone = kill_process(pid, signal);
    }
}

/// Live processes that belong to the task.
pub(crate) fn members(session: u32, directory: &Path) -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| belongs(*pid, session, directory))
        .collect()
}

fn belongs(pid: u32, session: u32, directory: &Path) -> bool {
    if pid == std::process::id() {
        return false;
    }
    // `pid (comm) state ppid pgrp session …`; comm may hold anything, so from the last parenthesis
    // on.
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    let mut fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let dead = matches!(fields.next(), None | Some("Z" | "X"));
    if dead {
        return false;
    }
    let in_session = fields.nth(2).and_then(|field| field.parse().ok()) == Some(session);
    in_session || works_in(pid, directory)
}

fn works_in(pid: u32, directory: &Path) -> bool {
    if fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(directory)) {
        return true;
    }
    let needle = directory.as_os_str().as_encoded_bytes();
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    !needle.is_empty()
        && environment
            .windows(needle.len())
            .any(|window| window == needle)
}

/// What the processes of a task use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Used {
    /// Memory that they have in RAM.
    pub(crate) memory_bytes: u64,
    /// Processor time of those that live, and of children that they have waited for.
    pub(crate) cpu_nanoseconds: u64,
}

/// Memory is counted in pages, and processor time in ticks. Both are the same on every Linux for x86-64
/// and Arm that people run this on. Source: `man 5 proc_pid_stat`.
const PAGE: u64 = 4096;
const TICK: u64 = 10_000_000;

/// What the processes of a task use now.
pub(crate) fn used(session: u32, directory: &Path) -> Used {
    let stats = members(session, directory)
        .into_iter()
        .filter_map(|pid| fs::read_to_string(format!("/proc/{pid}/stat")).ok());
    stats.fold(Used::default(), |sum, stat| {
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        // After the command's name come state (3), …, utime, stime, cutime, cstime (14 to 17), …, rss
        // (24).
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
        Used {
            memory_bytes: sum.memory_bytes + PAGE * field(24),
            cpu_nanoseconds: sum.cpu_nanoseconds + TICK * (14..=17).map(field).sum::<u64>(),
        }
    })
}
