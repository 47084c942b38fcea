//! The stack's processes: started with a mark, found by it, ended by it.
//!
//! Process ids in a file are not enough: an `up` that is killed has not written the last one, the
//! emulator starts a process per function, and ids are used again. Every process inherits the mark
//! from the one that started it, so `/proc` tells which processes are this stack's, and a signal
//! goes through a handle (pidfd) that cannot mean another process.

use super::places::Places;
use anyhow::{Context, Result, bail};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Carries the path of the stack's directory, in the environment of each of its processes.
const MARK: &str = "MAYFLY_LOCAL_STACK";
/// The Fargate stand-in gives its tasks time to end; what takes longer is killed.
const GRACE: Duration = Duration::from_secs(5);
/// Between two looks at something that is awaited.
pub(super) const PAUSE: Duration = Duration::from_millis(50);

/// A process that `up` started and still watches.
pub(super) struct Started {
    pub(super) name: &'static str,
    child: Child,
}

impl Started {
    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails if the process has ended, with the end of what it printed.
    pub(super) fn check_alive(&mut self, places: &Places) -> Result<()> {
        match self
            .child
            .try_wait()
            .with_context(|| format!("look after {}", self.name))?
        {
            None => Ok(()),
            Some(status) => bail!(
                "{} ended with {status}: {}",
                self.name,
                end_of_log(places, self.name)
            ),
        }
    }

    /// Waits until the process ends by itself.
    pub(super) async fn finished(mut self, places: &Places) -> Result<()> {
        loop {
            match self
                .child
                .try_wait()
                .with_context(|| format!("wait for {}", self.name))?
            {
                Some(status) if status.success() => return Ok(()),
                Some(status) => bail!(
                    "{} ended with {status}: {}",
                    self.name,
                    end_of_log(places, self.name)
                ),
                None => tokio::time::sleep(PAUSE).await,
            }
        }
    }
}

/// Starts a process of the stack. It gets the command's environment and nothing of ours, and
/// outlives us.
pub(super) fn start(places: &Places, name: &'static str, command: &mut Command) -> Result<Started> {
    let log =
        File::create(places.log(name)).with_context(|| format!("create the log of {name}"))?;
    let errors = log
        .try_clone()
        .with_context(|| format!("create the log of {name}"))?;
    command.env(MARK, places.local());
    // A group of its own, so that the terminal's Ctrl-C reaches `up` alone, which then ends
    // everything in order.
    command
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors);
    let child = command
        .spawn()
        .with_context(|| format!("start {name} ({})", command.get_program().display()))?;
    Ok(Started { name, child })
}

/// Ends every process of the stack and says how many there were.
pub(super) async fn end_all(places: &Places) -> Result<usize> {
    let found = living(places)?.len();
    let deadline = Instant::now() + GRACE;
    signal_all(places, Signal::TERM)?;
    // A process may start another between the look and the signal: repeated until a look finds
    // none.
    while !living(places)?.is_empty() {
        if Instant::now() > deadline {
            signal_all(places, Signal::KILL)?;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(found)
}

/// The processes that carry the stack's mark.
pub(super) fn living(places: &Places) -> Result<Vec<Pid>> {
    let mark = format!("{MARK}={}", places.local().display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").context("list processes")? {
        let name = entry.context("list processes")?.file_name();
        let pid = name
            .to_str()
            .and_then(|text| text.parse().ok())
            .and_then(Pid::from_raw);
        found.extend(pid.filter(|pid| carries(*pid, &mark)));
    }
    Ok(found)
}

fn signal_all(places: &Places, signal: Signal) -> Result<()> {
    let mark = format!("{MARK}={}", places.local().display());
    for pid in living(places)? {
        // Gone in between is as good as ended. The mark is read again behind the handle, since the
        // id may be another's by now.
        if let Ok(handle) = pidfd_open(pid, PidfdFlags::empty())
            && carries(pid, &mark)
        {
            let _ = pidfd_send_signal(&handle, signal);
        }
    }
    Ok(())
}

/// Other users' processes cannot be read, and are not ours. Neither are we, should we have been
/// started by a task.
fn carries(pid: Pid, mark: &str) -> bool {
    let environment =
        fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
    pid != rustix::process::getpid()
        && environment
            .split(|byte| *byte == 0)
            .any(|entry| entry == mark.as_bytes())
}

fn end_of_log(places: &Places, name: &str) -> String {
    let path = places.log(name);
    let text = fs::read(&path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().rev().take(15).collect();
    let tail: Vec<&str> = lines.into_iter().rev().collect();
    format!("the end of {} says\n{}", path.display(), tail.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::{carries, end_all, living, start};
    use crate::stack::Places;
    use rustix::process::Pid;
    use std::fs;
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn places(name: &str) -> Places {
        let root = std::env::temp_dir().join(format!("mayfly-stack-{}-{name}", std::process::id()));
        let places = Places::below(root);
        fs::create_dir_all(places.local()).unwrap();
        places
    }

    async fn wait_for(places: &Places, count: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while living(places).unwrap().len() != count {
            assert!(
                Instant::now() < deadline,
                "{} processes instead of {count}",
                living(places).unwrap().len()
            );
            tokio::time::sleep(super::PAUSE).await;
        }
    }

    #[tokio::test]
    async fn children_of_a_dead_process_are_found_and_ended_although_they_ignore_sigterm() {
        let places = places("orphans");
        let script = "(trap '' TERM; while :; do sleep 1; done) & exit 0";
        let parent = start(&places, "parent", Command::new("bash").args(["-c", script])).unwrap();
        parent.finished(&places).await.unwrap();
        // The loop, and its sleep.
        wait_for(&places, 2).await;
        end_all(&places).await.unwrap();
        assert_eq!(living(&places).unwrap(), []);
        fs::remove_dir_all(places.local()).unwrap();
    }

    #[tokio::test]
    async fn processes_of_another_stack_are_left_alone() {
        let (ours, theirs) = (places("ours"), places("theirs"));
        let other = start(&theirs, "other", Command::new("sleep").arg("60")).unwrap();
        wait_for(&theirs, 1).await;
        assert_eq!(end_all(&ours).await.unwrap(), 0);
        let mark = format!("{}={}", super::MARK, theirs.local().display());
        let pid = Pid::from_raw(i32::try_from(other.id()).unwrap()).unwrap();
        assert!(carries(pid, &mark));
        end_all(&theirs).await.unwrap();
        for places in [ours, theirs] {
            fs::remove_dir_all(places.local()).unwrap();
        }
    }

    #[tokio::test]
    async fn a_process_that_fails_is_reported_with_the_end_of_its_log() {
        let places = places("failure");
        let process = start(
            &places,
            "broken",
            Command::new("bash").args(["-c", "echo no such thing >&2; exit 3"]),
        )
        .unwrap();
        let why = process.finished(&places).await.unwrap_err().to_string();
        assert!(
            why.contains("exit status: 3") && why.contains("no such thing"),
            "{why}"
        );
        fs::remove_dir_all(places.local()).unwrap();
    }
}
