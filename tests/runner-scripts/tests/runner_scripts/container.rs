//! One container: the command of the task definition in its own directory, environment and process
//! group.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use mayfly_test_support::repository::repository;

use crate::process::{eventually, signal};
use crate::server::{Reply, Server, answer, nobody};
use crate::{SECRET, TOKEN};

/// A run.sh that only tells what it was given.
const TELL: &str = "env -0 >\"$HOME/env\"; umask >\"$HOME/umask\"; echo $$ >\"$HOME/pid\"; exit 3";

/// A container that has not started yet.
pub(crate) struct Image {
    directory: PathBuf,
    environment: BTreeMap<String, String>,
    run: String,
    hook: bool,
    script: &'static str,
    user: Option<u32>,
}

/// True if the tests run as root, as the containers of a careless image do.
pub(crate) fn root() -> bool {
    fs::metadata("/proc/self").unwrap().uid() == 0
}

impl Image {
    /// Everything as it should be, with short waits.
    pub(crate) fn new(registrar: &str, credentials: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mayfly-scripts-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        fs::create_dir_all(directory.join("tmp")).unwrap();
        let image = Self {
            environment: BTreeMap::new(),
            run: TELL.to_owned(),
            hook: true,
            script: "entrypoint.sh",
            user: None,
            directory,
        };
        let home = image.directory.to_str().unwrap().to_owned();
        image
            .set("PATH", "/usr/local/bin:/usr/bin:/bin")
            .set("HOME", &home)
            .set("TMPDIR", &format!("{home}/tmp"))
            .set("MAYFLY_RUNNER_HOME", &home)
            .set("MAYFLY_URL", registrar)
            .set("MAYFLY_RUNNER", "linux/01jd3x0000000000000000000a")
            .set("MAYFLY_REGION", "eu-central-1")
            .set("MAYFLY_RETRY_MILLISECONDS", "5")
            // The tests may run as root; an image that does is refused without it.
            .set("RUNNER_ALLOW_RUNASROOT", "1")
            .set("AWS_CONTAINER_CREDENTIALS_FULL_URI", credentials)
            // As in a task of ECS's: the runner is watched, though nothing is told of it here.
            .set("ECS_CONTAINER_METADATA_URI_V4", &nobody())
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// The text of run.sh, after its first line.
    pub(crate) fn run_sh(mut self, text: &str) -> Self {
        text.clone_into(&mut self.run);
        self
    }

    /// Another script than the entry script, and no hook.
    pub(crate) fn script(mut self, name: &'static str) -> Self {
        self.script = name;
        self.without_hook()
    }

    pub(crate) fn without_hook(mut self) -> Self {
        self.hook = false;
        self
    }

    /// The text of the runner's own program, after its first line.
    pub(crate) fn runner(self, text: &str) -> Self {
        write_program(&self.directory.join("bin/Runner.Listener"), text);
        self
    }

    /// Puts a program into a directory that is first in PATH.
    pub(crate) fn program(self, name: &str, text: &str) -> Self {
        write_program(&self.directory.join("bin").join(name), text);
        let path = format!(
            "{}/bin:{}",
            self.directory.display(),
            self.environment["PATH"]
        );
        self.set("PATH", &path)
    }

    /// Its waits are a moment each, and written down: [`Container::slept`].
    pub(crate) fn sleepless(self) -> Self {
        let note = self.directory.join("slept");
        let sleep = format!("echo \"$1\" >>'{}'; exec /bin/sleep 0.02", note.display());
        self.set("MAYFLY_RETRY_MILLISECONDS", "1000")
            .program("sleep", &sleep)
    }

    /// A file in the runner's folder.
    pub(crate) fn file(self, name: &str, bytes: &[u8]) -> Self {
        fs::write(self.directory.join(name), bytes).unwrap();
        self
    }

    /// Another user than the tests' own; only root can do that.
    pub(crate) fn user(mut self, user: u32) -> Self {
        self.user = Some(user);
        self
    }

    /// Gives the runner's folder, and what is in it by now, to the image's user.
    pub(crate) fn owned(self) -> Self {
        let entries = fs::read_dir(&self.directory)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        for path in entries.chain([self.directory.clone()]) {
            chown(path, self.user, self.user).unwrap();
        }
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn start(self) -> Container {
        if !self.run.is_empty() {
            write_program(&self.directory.join("run.sh"), &self.run);
        }
        let out = fs::File::create(self.directory.join("stdout")).unwrap();
        let err = fs::File::create(self.directory.join("stderr")).unwrap();
        let mut command = Command::new(if self.user.is_some() {
            "setpriv"
        } else {
            "/bin/bash"
        });
        if let Some(user) = self.user {
            let ids = ["--reuid", "--regid"].map(|name| format!("{name}={user}"));
            command.args(ids).args(["--clear-groups", "/bin/bash"]);
        }
        command.args(["-c", &started(self.script), "mayfly"]);
        if self.hook {
            command.arg(started("job-started.sh"));
        }
        command.env_clear().envs(&self.environment).process_group(0);
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().unwrap();
        Container {
            child,
            directory: self.directory,
        }
    }

    /// Starts it and waits for its end.
    pub(crate) fn finish(self) -> Container {
        let mut container = self.start();
        container.status();
        container
    }
}

/// A container that was started; dropping it ends all of it.
pub(crate) struct Container {
    child: Child,
    directory: PathBuf,
}

impl Container {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Exit code, or minus the signal that ended it.
    pub(crate) fn status(&mut self) -> i32 {
        let status = eventually("the container's end", || self.child.try_wait().unwrap());
        status.code().unwrap_or_else(|| -status.signal().unwrap())
    }

    pub(crate) fn log(&self) -> String {
        ["stderr", "stdout"]
            .map(|name| self.file(name).unwrap_or_default())
            .concat()
    }

    /// A file in the container's home, if it exists.
    /// For how many seconds the scripts wanted to wait, one after the other.
    pub(crate) fn slept(&self) -> Vec<f64> {
        self.file("slept")
            .unwrap_or_default()
            .lines()
            .map(|line| line.parse().unwrap())
            .collect()
    }

    pub(crate) fn file(&self, name: &str) -> Option<String> {
        fs::read(self.directory.join(name))
            .ok()
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// The environment that run.sh saw.
    pub(crate) fn environment(&self) -> BTreeMap<String, String> {
        let text = self.file("env").unwrap_or_default();
        assert!(!text.is_empty(), "run.sh did not run: {}", self.log());
        let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    pub(crate) fn has_run(&self) -> bool {
        self.file("env").is_some()
    }

    /// What is left in the container's temporary directory.
    pub(crate) fn left_over(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.directory.join("tmp")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        signal("KILL", &format!("-{}", self.pid()));
        let _status = self.child.wait();
        if !std::thread::panicking() {
            let _gone = fs::remove_dir_all(&self.directory);
        }
    }
}

/// The answer of the ECS credentials endpoint.
pub(crate) fn credentials_json() -> String {
    let secret = SECRET.replace('\\', "\\\\").replace('"', "\\\"");
    format!(
        r#"{{"RoleArn":"arn:aws:iam::123456789012:role/task","AccessKeyId":"ASIAEXAMPLE","SecretAccessKey":"{secret}","Token":"{TOKEN}","Expiration":"2030-01-01T00:00:00Z"}}"#
    )
}

/// A credentials endpoint that works.
pub(crate) fn credentials() -> Server {
    Server::start(vec![answer(
        200,
        "Content-Type: application/json\r\n",
        &credentials_json(),
    )])
}

/// A container that asks this registrar, its credentials in order, run to its end.
pub(crate) fn ask(replies: Vec<Reply>) -> (Server, Container) {
    let registrar = Server::start(replies);
    let identity = credentials();
    let container = Image::new(&registrar.url(), &identity.url()).finish();
    (registrar, container)
}

/// The text of a script.
pub(crate) fn script(name: &str) -> String {
    let path = repository().unwrap().join("runner").join(name);
    fs::read_to_string(path).unwrap()
}

/// The text that is started: as the task definition has it.
fn started(name: &str) -> String {
    mayfly_ecs::without_comments(&script(name))
}

fn write_program(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, format!("#!/bin/bash\n{text}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}
