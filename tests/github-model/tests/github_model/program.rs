//! The program `github-model`: says where it is, and ends when told.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(30);

/// Ends the program with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Gone already is what it should be.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks again and again until there is an answer.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "no answer within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn start(folder: &Path) -> (Running, PathBuf) {
    let ready = folder.join("ready.json");
    let program = Command::new(std::env::var_os("CARGO_BIN_EXE_github-model").unwrap())
        .args(["--listen", "127.0.0.1:0", "--ready-file"])
        .arg(&ready)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    (Running(program), ready)
}

/// Sends SIGTERM and waits for the end.
fn terminate(program: &mut Running) -> ExitStatus {
    let sent = Command::new("kill")
        .arg(program.0.id().to_string())
        .status()
        .unwrap();
    assert!(sent.success());
    until(|| program.0.try_wait().unwrap())
}

#[test]
fn it_says_where_it_is_and_ends_on_sigterm() {
    let folder = tempfile::tempdir().unwrap();
    let (mut program, ready) = start(folder.path());
    let text = until(|| std::fs::read_to_string(&ready).ok());
    let url = serde_json::from_str::<serde_json::Value>(&text).unwrap()["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let address = url.strip_prefix("http://").unwrap();
    assert!(std::net::TcpStream::connect(address).is_ok());
    assert!(terminate(&mut program).success());
}

#[test]
fn a_wrong_option_is_said() {
    let output = Command::new(std::env::var_os("CARGO_BIN_EXE_github-model").unwrap())
        .args(["--port", "80"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("--port"));
}
