//! Answers that do not come, or come apart: may a registration exist?

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mayfly_domain::model::id::{InstallationId, JobId, OwnerId, RepositoryId};
use mayfly_domain::model::target::Repository;
use mayfly_github::{CallError, Github, Jobs as _, RegisterError, Registrations as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::Instant;

use crate::stub::{Key, START, Stub, name, registered, repository, soon, token};

/// What happens to the request for a registration, once it has arrived.
#[derive(Clone, Copy, Debug)]
enum ServerBehavior {
    /// Nothing, for ever.
    Silence,
    /// The connection ends.
    Closed,
    /// The answer breaks off in the middle.
    CutShort,
    /// The answer has no end.
    Endless,
}

/// A server that hands out tokens and deals so with the rest.
async fn server(behavior: ServerBehavior) -> (String, Arc<Mutex<usize>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let arrived = Arc::new(Mutex::new(0));
    let count = Arc::clone(&arrived);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, behavior, Arc::clone(&count)));
        }
    });
    (url, arrived)
}

async fn connection(mut stream: TcpStream, behavior: ServerBehavior, arrived: Arc<Mutex<usize>>) {
    while let Some(request) = request(&mut stream).await {
        if request.contains("access_tokens") {
            let body = token(1, 3600).2;
            let answer = format!(
                "HTTP/1.1 201 Created\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
            continue;
        }
        *arrived.lock().unwrap() += 1;
        match behavior {
            ServerBehavior::Silence => std::future::pending().await,
            ServerBehavior::Closed => return,
            ServerBehavior::CutShort => {
                let _ = stream
                    .write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 9000\r\n\r\n{\"runner\":")
                    .await;
                return;
            }
            ServerBehavior::Endless => {
                let _ = stream
                    .write_all(b"HTTP/1.1 201 Created\r\ncontent-length: 99000000000\r\n\r\n")
                    .await;
                while stream.write_all(&[b' '; 65536]).await.is_ok() {}
                return;
            }
        }
    }
}

/// One request, headers and body; none once the connection has ended.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut text = String::new();
    loop {
        let mut part = [0; 4096];
        let count = stream
            .read(&mut part)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        text.push_str(&String::from_utf8_lossy(&part[..count]));
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse::<usize>()
                .ok()
        });
        if body.len() >= length.unwrap_or_default() {
            return Some(text);
        }
    }
}

#[tokio::test]
async fn registration_that_was_asked_for_and_not_answered_may_exist() {
    for behavior in [
        ServerBehavior::Silence,
        ServerBehavior::Closed,
        ServerBehavior::CutShort,
        ServerBehavior::Endless,
    ] {
        let (url, arrived) = server(behavior).await;
        let github = Github::new(Key::at(&url), || START);
        // The shortest budget that a call may begin with, and a little: the silent server uses it
        // up.
        let by = Instant::now() + Duration::from_millis(1500);
        let error = github
            .register(&repository(9), &name(1), by)
            .await
            .unwrap_err();
        assert!(
            matches!(error, RegisterError::Unsure { .. }),
            "{behavior:?}: {error:?}"
        );
        assert_eq!(*arrived.lock().unwrap(), 1, "{behavior:?}: asked once");
    }
}

#[tokio::test]
async fn server_that_cannot_be_reached_has_registered_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let github = Github::new(Key::at(&url), || START);
    let error = github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap_err();
    assert!(
        matches!(&error, RegisterError::Unavailable { message, .. } if message.contains("refused")),
        "{error:?}"
    );
}

#[tokio::test]
async fn server_that_goes_away_after_the_token_has_registered_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        request(&mut stream).await.unwrap();
        drop(listener);
        let body = token(1, 3600).2;
        let answer = format!(
            "HTTP/1.1 201 Created\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let github = Github::new(Key::at(&url), || START);
    let error = github
        .register(&repository(9), &name(1), soon())
        .await
        .unwrap_err();
    serving.await.unwrap();
    assert!(
        matches!(error, RegisterError::Unavailable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn nothing_is_asked_when_no_time_is_left() {
    let stub = Stub::always(registered()).await;
    let error = stub
        .github()
        .register(&repository(9), &name(1), Instant::now())
        .await
        .unwrap_err();
    assert!(
        matches!(error, RegisterError::Unavailable { .. }),
        "{error:?}"
    );
    assert_eq!(stub.asked().len(), 0);
}

/// Asks about a job with a minute left. What came of it, and how many seconds it took.
async fn asked_patiently(url: &str) -> (CallError, u64) {
    let github = Github::new(Key::at(url), || START);
    let began = Instant::now();
    let repository = Repository {
        id: RepositoryId(9),
        name: "acme/app".to_owned(),
        owner: OwnerId(5),
        private: true,
    };
    let error = github
        .job(
            InstallationId(1),
            &repository,
            JobId(1),
            began + Duration::from_secs(60),
        )
        .await
        .unwrap_err();
    (error, began.elapsed().as_secs())
}

#[tokio::test(start_paused = true)]
async fn server_that_says_nothing_is_given_up_after_12_seconds_however_much_time_is_left() {
    // Connections are made by the system, and no one reads from them.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (error, seconds) =
        asked_patiently(&format!("http://{}", listener.local_addr().unwrap())).await;
    assert!(matches!(error, CallError::Unavailable { .. }), "{error:?}");
    assert_eq!(seconds, 12);
}

#[tokio::test(start_paused = true)]
async fn server_that_takes_no_connection_is_given_up_after_3_seconds() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    // It fills the queue: what else wants to connect hears nothing.
    let _first = std::net::TcpStream::connect(address).unwrap();
    let (error, seconds) = asked_patiently(&format!("http://{address}")).await;
    assert!(matches!(error, CallError::Unavailable { .. }), "{error:?}");
    assert_eq!(seconds, 3);
}
