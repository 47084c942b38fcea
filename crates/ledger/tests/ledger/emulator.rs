//! Programs that answer DynamoDB's API, one process each for this test program, ended when the
//! program ends, however that is.

use std::io::{Read, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use mayfly_test_support::repository::repository;

/// A cold and busy machine takes its time to load them.
const START_LIMIT: Duration = Duration::from_secs(90);

/// The shell outlives us by a moment: it reads from a pipe that we hold open, and then ends the
/// program and removes what it wrote.
const KEEPER: &str = r#"place=$1; shift; "$@" >"$place/log" 2>&1 </dev/null & child=$!; read -r _; kill "$child"; wait "$child"; rm -rf "$place""#;

/// A program that is up.
struct Emulator {
    endpoint: String,
    /// The end of the pipe that it reads from tells it that we are gone.
    _keeper: Child,
}

/// Where `MiniStack` answers, which the stories run on; started first if it is not up.
pub(crate) fn ministack() -> &'static str {
    static EMULATOR: OnceLock<Emulator> = OnceLock::new();
    let begin = || {
        let program = repository().unwrap().join(".venv/bin/ministack");
        assert!(
            program.exists(),
            "{} is missing: run `make tools`",
            program.display()
        );
        start(|port| {
            let mut command = Command::new(&program);
            command.envs([
                ("GATEWAY_PORT", port.to_string().as_str()),
                ("BIND_HOST", "127.0.0.1"),
                ("MINISTACK_HOST", "127.0.0.1"),
            ]);
            command.envs([
                ("MINISTACK_REGION", "us-east-1"),
                ("AWS_ACCESS_KEY_ID", "test"),
                ("AWS_SECRET_ACCESS_KEY", "test"),
            ]);
            command
        })
    };
    &EMULATOR.get_or_init(begin).endpoint
}

/// Where Amazon's own `DynamoDB` Local answers; started first if it is not up. `None` where it is
/// not on this machine: `make test` brings it and requires it (`MAYFLY_DYNAMODB_LOCAL=required`).
pub(crate) fn dynamodb_local() -> Option<&'static str> {
    static EMULATOR: OnceLock<Option<Emulator>> = OnceLock::new();
    let begin = || {
        let program = repository().unwrap().join("target/dynamodb/serve");
        if program.exists() {
            return Some(start(|port| {
                let mut command = Command::new(&program);
                command.arg(port.to_string());
                command
            }));
        }
        assert!(
            std::env::var("MAYFLY_DYNAMODB_LOCAL").as_deref() != Ok("required"),
            "make dynamodb"
        );
        // Past the test's captured output: it is to be read where the tests pass, too.
        let _ = std::io::stderr()
            .write_all(b"not tested on DynamoDB Local: it is not here (make dynamodb)\n");
        None
    };
    EMULATOR
        .get_or_init(begin)
        .as_ref()
        .map(|emulator| emulator.endpoint.as_str())
}

fn start(program: impl FnOnce(u16) -> Command) -> Emulator {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let place = tempfile::tempdir().unwrap().keep();
    let program = program(port);
    let mut command = Command::new("/bin/bash");
    command
        .args(["-c", KEEPER, "keeper"])
        .arg(&place)
        .arg(program.get_program())
        .args(program.get_args());
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("TMPDIR", &place)
        .current_dir(&place);
    command.envs(
        program
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let mut keeper = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + START_LIMIT;
    while !answers(port) {
        let log = std::fs::read_to_string(place.join("log")).unwrap_or_default();
        assert!(
            keeper.try_wait().unwrap().is_none() && Instant::now() < deadline,
            "{program:?} does not answer: {log}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    Emulator {
        endpoint: format!("http://127.0.0.1:{port}"),
        _keeper: keeper,
    }
}

/// Asked without a client: this runs before any runtime may be relied on. Any answer will do, a
/// refusal too.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else {
        return false;
    };
    let request = "GET /_ministack/health HTTP/1.0\r\nHost: localhost\r\n\r\n";
    let mut answer = [0; 8];
    stream
        .set_read_timeout(Some(Duration::from_secs(5)))
        .is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream
            .read(&mut answer)
            .is_ok_and(|length| answer[..length].starts_with(b"HTTP/1."))
}
