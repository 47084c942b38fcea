//! An HTTP server whose answers are bytes: it can be as wrong as a test wants.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How the server treats one connection.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Writes these bytes and closes.
    Bytes(Vec<u8>),
    /// Reads the request, then says nothing until the client leaves.
    Hang,
    /// Writes these bytes, then this chunk for ever.
    Flood(Vec<u8>, Vec<u8>),
}

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) at: Instant,
    pub(crate) line: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Request {
    /// The value of a header, named in lower case; empty if it is absent.
    pub(crate) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

/// A running server. Its threads end with the test's process.
pub(crate) struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Server {
    /// Gives each connection the next of `replies`; the last one repeats.
    pub(crate) fn start(replies: Vec<Reply>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        thread::spawn(move || {
            for (index, stream) in listener.incoming().enumerate() {
                let reply = replies[index.min(replies.len() - 1)].clone();
                let record = Arc::clone(&record);
                thread::spawn(move || serve(stream.unwrap(), &reply, &record));
            }
        });
        Self { port, seen }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until this many requests have come.
    pub(crate) fn wait_for(&self, count: usize) -> Vec<Request> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let requests = self.requests();
            if requests.len() >= count {
                return requests;
            }
            assert!(
                Instant::now() < deadline,
                "only {} of {count} requests came",
                requests.len()
            );
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A URL on loopback where no one listens.
pub(crate) fn nobody() -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port())
}

/// A well-formed answer; `headers` are whole lines, each with its line end.
pub(crate) fn answer(status: u16, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(format!("HTTP/1.1 {status} Whatever\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}").into_bytes())
}

/// An answer of the registrar: it carries `x-mayfly: 1`.
pub(crate) fn mayfly(status: u16, body: &str) -> Reply {
    answer(status, "X-Mayfly: 1\r\n", body)
}

fn serve(mut stream: TcpStream, reply: &Reply, record: &Mutex<Vec<Request>>) {
    let Some(request) = read(&mut stream) else {
        return;
    };
    record.lock().unwrap().push(request);
    match reply {
        Reply::Bytes(bytes) => {
            let _gone = stream.write_all(bytes);
        }
        Reply::Hang => {
            let _end = stream.read_to_end(&mut Vec::new());
        }
        Reply::Flood(head, chunk) => {
            let mut going = stream.write_all(head).is_ok();
            while going {
                going = stream.write_all(chunk).is_ok();
            }
        }
    }
}

fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head_end = loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        bytes.push(byte[0]);
        if bytes.ends_with(b"\r\n\r\n") {
            break bytes.len();
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let mut lines = head.lines();
    let line = lines.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    let mut request = Request {
        at: Instant::now(),
        line,
        headers,
        body: String::new(),
    };
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    stream.read_exact(&mut body).ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
