//! Tasks as local processes: each a session of its own, in a directory of its own, with a clean
//! environment.

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

/// A container that runs.
pub(crate) struct Running {
    task: TaskId,
    session: u32,
    child: Child,
    directory: PathBuf,
}

/// The search path of the runner's image.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Where images of one's own are, below the work directory.
const IMAGES: &str = "images";

/// The folder, below the stand-in's work directory, whose `run.sh` a container of this image has in
/// the place of the stock runner, if it is there when the container starts.
#[must_use]
pub fn folder_of_image(image: &str) -> PathBuf {
    Path::new(IMAGES).join(image.replace(['/', ':', '@'], "_"))
}

/// The tasks' processes.
pub(crate) struct Processes {
    runner_home: PathBuf,
    work_dir: PathBuf,
    region: String,
    /// Where the stand-in answers.
    base_url: String,
    /// Session (the main process's id) of every task that runs.
    sessions: Mutex<BTreeMap<TaskId, u32>>,
}

impl Processes {
    /// Tasks below `work_dir`, with the runner's stand-in at `runner_home`.
    ///
    /// # Errors
    /// If the directories cannot be made.
    pub(crate) fn new(
        runner_home: &Path,
        work_dir: &Path,
        region: &str,
        base_url: &str,
    ) -> Result<Self> {
        for part in ["tasks", "logs", IMAGES] {
            fs::create_dir_all(work_dir.join(part)).context("create the work directory")?;
        }
        Ok(Self {
            runner_home: runner_home
                .canonicalize()
                .context("find the runner's home")?,
            work_dir: work_dir.canonicalize().context("find the work directory")?,
            region: region.to_owned(),
            base_url: base_url.to_owned(),
            sessions: Mutex::default(),
        })
    }

    /// Starts a container. When this returns its processes can be signalled.
    ///
    /// # Errors
    /// If it cannot be started; nothing is left then.
    pub(crate) fn start(
        &self,
        spec: &ContainerSpec,
        credentials: Option<String>,
    ) -> Result<Running> {
        let directory = self.directory(&spec.task);
        let child = self
            .spawn(spec, &directory, credentials)
            .inspect_err(|_| remove(&directory))?;
        let session = child.id().context("read the main process's id")?;
        self.sessions().insert(spec.task.clone(), session);
        Ok(Running {
            task: spec.task.clone(),
            session,
            child,
            directory,
        })
    }

    /// Waits for a container's end and says its exit code, 128 + signal if a signal did it.
    /// Whatever it leaves running is killed, its directory removed.
    pub(crate) async fn end(&self, mut running: Running) -> i32 {
        let status = running.child.wait().await;
        session::kill_all(running.session, &running.directory).await;
        self.sessions().remove(&running.task);
        remove(&running.directory);
        // Waiting fails only for a child that is none; there is no better code for that.
        status.map_or(255, exit_code)
    }

    fn spawn(
        &self,
        spec: &ContainerSpec,
        directory: &Path,
        credentials: Option<String>,
    ) -> Result<Child> {
        let home = directory.join("home");
        let temporary = directory.join("tmp");
        for part in [&home, &temporary] {
            fs::create_dir_all(part).context("create the task's directory")?;
        }
        let own = self.work_dir.join(folder_of_image(&spec.image));
        let runner_home = if own.is_dir() {
            &own
        } else {
            &self.runner_home
        };
        let log = fs::File::create(self.log(&spec.task)).context("create the task's log")?;
        let mut command = Command::new("setsid");
        command
            // `setsid` executes the rest in place: its process id is the main process's and the
            // session's.
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
            .env(
                "ECS_CONTAINER_METADATA_URI_V4",
                format!("{}/_metadata/{}", self.base_url, spec.task),
            )
            .env("RUNNER_MANUALLY_TRAP_SIG", "1")
            // Anyone who runs the local stack may be root, which the stock image's user is not.
            .env("RUNNER_ALLOW_RUNASROOT", "1")
            .env("ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT", "1")
            .env("MAYFLY_RUNNER_HOME", runner_home)
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
            remove(&directory);
        }
    }

    /// The main process of a task that runs.
    pub(crate) fn session(&self, task: &TaskId) -> Option<u32> {
        self.sessions().get(task).copied()
    }

    /// What the task's processes use, if it runs.
    pub(crate) fn used(&self, task: &TaskId) -> Option<session::Used> {
        let session = self.session(task)?;
        Some(session::used(session, &self.directory(task)))
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

/// What cannot be removed costs disk and can be found by its name.
fn remove(directory: &Path) {
    let _left = fs::remove_dir_all(directory);
}

fn exit_code(status: ExitStatus) -> i32 {
    status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(255)
}
