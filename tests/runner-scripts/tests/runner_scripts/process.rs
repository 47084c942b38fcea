//! What /proc tells about processes, and signals for them.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

/// Longest time that anything here may take; far above what it does take.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// Polls until there is something, or fails saying what was waited for.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// Sends a signal; `target` may be `-<group>`. A process that is gone is no failure.
pub(crate) fn signal(name: &str, target: &str) {
    let command = format!("kill -{name} -- {target} 2>/dev/null");
    Command::new("bash")
        .args(["-c", &command])
        .status()
        .unwrap();
}

/// The process of this group whose command line, blanks between the words, passes the test. A
/// subshell has its shell's command line: the shell is meant.
pub(crate) fn find(group: u32, test: impl Fn(&str) -> bool) -> Option<u32> {
    let mut found = members(group);
    found.retain(|pid| command_line(*pid).is_some_and(|line| test(&line)));
    found
        .iter()
        .copied()
        .find(|pid| stat(*pid).is_some_and(|(_, parent, _)| !found.contains(&parent)))
}

/// The processes of a group that are alive.
pub(crate) fn members(group: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").unwrap();
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(state, _, of)| of == group && state != "Z"))
        .collect()
}

/// The children of a process that are alive.
pub(crate) fn children(group: u32, parent: u32) -> Vec<u32> {
    let all = members(group).into_iter();
    all.filter(|pid| stat(*pid).is_some_and(|(_, of, _)| of == parent))
        .collect()
}

/// The words of a command line with blanks between them.
pub(crate) fn command_line(pid: u32) -> Option<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(String::from_utf8_lossy(&bytes).replace('\0', " "))
}

/// State, parent and process group: what follows the command name in /proc/<pid>/stat.
fn stat(pid: u32) -> Option<(String, u32, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((
        state,
        fields.next()?.parse().ok()?,
        fields.next()?.parse().ok()?,
    ))
}
