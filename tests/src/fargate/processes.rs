//! Tasks as local processes: each a session of its own, in a directory of its own, with a clean environment.

use super::life::ContainerSpec;
use super::names::TaskId;
use super::session;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::process::{Child, Command};

/// How a container ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// With this exit code; 128 + signal if a signal did it.
    Exited(i32),
    /// It never began.
    NotStarted(String),
}

/// The search path of the runner's image.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The tasks' processes.
pub(crate) struct Processes {
    runner_home: PathBuf,
    work_dir: PathBuf,
    region: String,
    /// Session (the main process's id) of every task that runs; `None` while it is being started.
    sessions: Mutex<BTreeMap<TaskId, u32>>,
}

impl Processes {
    /// Tasks below `work_dir`, with the runner's stand-in at `runner_home`.
    ///
    /// # Errors
    /// If the directories cannot be made.
    pub(crate) fn new(runner_home: &Path, work_dir: &Path, region: &str) -> Result<Self> {
        for part in ["tasks", "logs"] {
            fs::create_dir_all(work_dir.join(part)).context("create the work directory")?;
        }
        Ok(Self {
            runner_home: runner_home.canonicalize().context("find the runner's home")?,
            work_dir: work_dir.canonicalize().context("find the work directory")?,
            region: region.to_owned(),
            sessions: Mutex::default(),
        })
    }

    /// Runs a container to its end; whatever it leaves running is killed, its directory removed.
    pub(crate) async fn run(&self, spec: &ContainerSpec, credentials: Option<String>) -> Ended {
        let directory = self.directory(&spec.task);
        let mut child = match self.start(spec, &directory, credentials) {
            Ok(child) => child,
            Err(error) => return Ended::NotStarted(format!("{error:#}")),
        };
        let session = child.id().unwrap_or_default();
        self.sessions().insert(spec.task.clone(), session);
        let status = child.wait().await;
        session::kill_all(session, &directory).await;
        self.sessions().remove(&spec.task);
        // What cannot be removed costs disk and is found again by its name.
        let _left = fs::remove_dir_all(&directory);
        match status {
            Ok(status) => Ended::Exited(exit_code(status)),
            Err(error) => Ended::NotStarted(error.to_string()),
        }
    }

    fn start(&self, spec: &ContainerSpec, directory: &Path, credentials: Option<String>) -> Result<Child> {
        let home = directory.join("home");
        let temporary = directory.join("tmp");
        for part in [&home, &temporary] {
            fs::create_dir_all(part).context("create the task's directory")?;
        }
        let log = fs::File::create(self.log(&spec.task)).context("create the task's log")?;
        let mut command = Command::new("setsid");
        command
            // `setsid` executes the rest in place: its process id is the main process's and the session's.
            .args(&spec.command)
            .current_dir(&home)
            .env_clear()
            .env("PATH", PATH)
            .env("HOME", &home)
            .env("TMPDIR", &temporary)
            .env("HOSTNAME", format!("ip-{}.internal", spec.task))
            .env("AWS_REGION", &self.region)
            .env("AWS_DEFAULT_REGION", &self.region)
            .env("AWS_EXECUTION_ENV", "AWS_ECS_FARGATE")
            .env("RUNNER_MANUALLY_TRAP_SIG", "1")
            .env("ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT", "1")
            .env("MAYFLY_RUNNER_HOME", &self.runner_home)
            .envs(&spec.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the task's log")?)
            .stderr(log);
        // The local stack finds what a killed stand-in left behind by this.
        if let Some(stack) = std::env::var_os("MAYFLY_LOCAL_STACK") {
            command.env("MAYFLY_LOCAL_STACK", stack);
        }
        if let Some(url) = credentials {
            command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", url);
        }
        command.spawn().context("start the main process")
    }

    /// SIGTERM to the task's main process.
    pub(crate) fn terminate(&self, task: &TaskId) {
        if let Some(session) = self.session(task) {
            session::terminate(session);
        }
    }

    /// SIGKILL to all of the task.
    pub(crate) fn kill(&self, task: &TaskId) {
        if let Some(session) = self.session(task) {
            session::kill_once(session, &self.directory(task));
        }
    }

    /// Kills everything; nothing is left when this returns.
    pub(crate) async fn kill_everything(&self) {
        let sessions = self.sessions().clone();
        for (task, session) in sessions {
            let directory = self.directory(&task);
            session::kill_all(session, &directory).await;
            let _left = fs::remove_dir_all(&directory);
        }
    }

    /// The main process of a task that runs.
    pub(crate) fn session(&self, task: &TaskId) -> Option<u32> {
        self.sessions().get(task).copied()
    }

    /// Where the task's output goes.
    pub(crate) fn log(&self, task: &TaskId) -> PathBuf {
        self.work_dir.join("logs").join(format!("{task}.log"))
    }

    fn directory(&self, task: &TaskId) -> PathBuf {
        self.work_dir.join("tasks").join(task.as_str())
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<TaskId, u32>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn exit_code(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255)
}
