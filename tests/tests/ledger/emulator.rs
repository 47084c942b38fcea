//! MiniStack: one process for this test program, ended when the program ends, however that is.

use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mayfly_tests::repository::repository;

/// A cold and busy machine takes its time to load the emulator.
const START_LIMIT: Duration = Duration::from_secs(90);

/// The emulator, up.
struct Emulator {
    endpoint: String,
    /// The end of the pipe that it reads from tells it that we are gone.
    _shell: Child,
}

/// Where it answers; started first if it is not up.
pub(crate) fn endpoint() -> &'static str {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    &EMULATOR.get_or_init(start).endpoint
}

fn start() -> Emulator {
    let program = repository().unwrap().join(".venv/bin/ministack");
    assert!(program.exists(), "{} is missing: run `make tools`", program.display());
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let place = tempfile::tempdir().unwrap().keep();
    // The shell outlives us by a moment: it reads from a pipe that we hold open, and then ends the emulator and what it wrote.
    let script = r#""$0" >"$1/log" 2>&1 </dev/null & child=$!; read -r _; kill "$child"; wait "$child"; rm -rf "$1""#;
    let mut command = Command::new("/bin/bash");
    command.args(["-c", script]).arg(program).arg(&place).current_dir(&place);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("TMPDIR", &place);
    command.envs([("GATEWAY_PORT", port.to_string().as_str()), ("BIND_HOST", "127.0.0.1"), ("MINISTACK_HOST", "127.0.0.1")]);
    command.envs([("MINISTACK_REGION", "us-east-1"), ("AWS_ACCESS_KEY_ID", "test"), ("AWS_SECRET_ACCESS_KEY", "test")]);
    let mut shell = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + START_LIMIT;
    while !answers(port) {
        let log = std::fs::read_to_string(place.join("log")).unwrap_or_default();
        assert!(shell.try_wait().unwrap().is_none() && Instant::now() < deadline, "the emulator does not answer: {log}");
        std::thread::sleep(Duration::from_millis(50));
    }
    Emulator { endpoint: format!("http://127.0.0.1:{port}"), _shell: shell }
}

/// Asked without a client: this runs before any runtime may be relied on.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let request = "GET /_ministack/health HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let mut answer = [0; 16];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && std::io::Write::write_all(&mut stream, request.as_bytes()).is_ok()
        && stream.read(&mut answer).is_ok_and(|length| answer[..length].windows(3).any(|part| part == b"200"))
}
