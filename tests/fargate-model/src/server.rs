//! The listener: connections that can end without an answer.

use super::awslogs::Awslogs;
use super::control::routes;
use super::credentials::Credentials;
use super::delivery::{Observer, Target};
use super::flags::Flags;
use super::host::Host;
use super::model::Fargate;
use super::processes::Processes;
use super::recording::recorded;
use anyhow::{Context, Result};
use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tower::ServiceExt;

/// Marks a response that must not be sent: the connection is closed instead.
#[derive(Clone, Copy)]
struct HangUp;

/// A response that closes the connection without a byte.
pub(crate) fn hang_up() -> Response {
    let mut response = ().into_response();
    response.extensions_mut().insert(HangUp);
    response
}

/// A stand-in that runs.
pub struct Server {
    url: String,
    host: Arc<Host>,
    loops: [JoinHandle<()>; 2],
}

/// Starts the stand-in; it answers when this returns.
///
/// # Errors
/// If the address cannot be bound or the directories cannot be used.
pub async fn serve(flags: Flags) -> Result<Server> {
    let listener = TcpListener::bind(flags.listen).await.context("listen")?;
    let url = format!(
        "http://{}",
        listener.local_addr().context("read own address")?
    );
    let region = flags.settings.region.clone();
    let client = reqwest::Client::builder()
        .no_proxy()
        .build()
        .context("build the HTTP client")?;
    let processes = Processes::new(&flags.runner_home, &flags.work_dir, &region, &url)?;
    let credentials = Credentials::new(&url, &region, flags.aws_endpoint.clone(), client.clone());
    let logs = Awslogs::new(flags.aws_endpoint.clone(), &region, client.clone());
    let target = Target {
        endpoint: flags.aws_endpoint,
        function: flags.observer_function,
    };
    let observer = Observer::new(&region, target, client);
    let host = Host::new(
        Fargate::new(flags.settings),
        processes,
        credentials,
        (observer, logs),
    );
    let mut routes = routes(Arc::clone(&host));
    if let Some(file) = &flags.requests {
        routes = recorded(routes, file)?;
    }
    let accepting = tokio::spawn(accept(listener, routes));
    let driving = tokio::spawn(Arc::clone(&host).drive());
    if let Some(path) = &flags.ready_file {
        announce(path, &url).context("write the ready file")?;
    }
    Ok(Server {
        url,
        host,
        loops: [accepting, driving],
    })
}

impl Server {
    /// Where it answers, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Kills all tasks and stops answering.
    pub async fn shut_down(self) {
        for running in &self.loops {
            running.abort();
        }
        // New tasks can come no more: their loop has to be over before the last look for processes.
        for running in self.loops {
            let _aborted = running.await;
        }
        self.host.processes.kill_everything().await;
    }
}

/// In one step, so that anyone who waits for the file never reads half of it.
fn announce(path: &Path, url: &str) -> io::Result<()> {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, json!({ "url": url }).to_string())?;
    std::fs::rename(&draft, path)
}

async fn accept(listener: TcpListener, routes: Router) {
    loop {
        // Failures of accept are about one connection or about too many open files: both pass.
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(stream, routes.clone()))),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
    }
}

async fn connection(stream: TcpStream, routes: Router) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let routes = routes.clone();
        async move {
            let response = routes
                .oneshot(request.map(axum::body::Body::new))
                .await
                .unwrap_or_else(|never| match never {});
            match response.extensions().get::<HangUp>() {
                Some(HangUp) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
                None => Ok(response),
            }
        }
    });
    // The other side may go away at any time; no one is left to be told.
    let _ended = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
