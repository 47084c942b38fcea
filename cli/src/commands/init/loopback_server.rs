//! The web server on loopback: listens until the command is over.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::callback_server::{Arrival, CallbackServer, Clock, SetupContext};
use super::routes;
use crate::commands::loopback::listen;
use crate::failure::Failure;

/// How long a browser may take to fetch the last page.
const LAST_PAGE: Duration = Duration::from_secs(3);

/// How long the last answers may take to go out.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The server at work. It ends when this is dropped.
pub struct LoopbackServer {
    /// What requests are answered from.
    pub callback_server: Arc<CallbackServer>,
    /// The address to open: good once.
    pub address: String,
    arrived: mpsc::UnboundedReceiver<Arrival>,
    leave: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<()>,
}

impl LoopbackServer {
    /// Begins to listen; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// If the port is taken, or the operating system has no randomness.
    pub async fn start(about: SetupContext, port: u16, clock: Clock) -> Result<Self, Failure> {
        let (listener, local) = listen(port).await?;
        let (sender, arrived) = mpsc::unbounded_channel();
        let (callback_server, ticket) =
            CallbackServer::new(about, local.to_string(), clock, sender)?;
        let callback_server = Arc::new(callback_server);
        let (leave, left) = oneshot::channel();
        let router = routes::router(Arc::clone(&callback_server));
        let server = tokio::spawn(async move {
            let until = async {
                let _ = left.await;
            };
            // It ends with the command, so an error would go unseen.
            let _ = axum::serve(listener, router)
                .with_graceful_shutdown(until)
                .await;
        });
        Ok(Self {
            address: format!("http://{local}/{ticket}"),
            callback_server,
            arrived,
            leave: Some(leave),
            server,
        })
    }

    /// Waits for GitHub's answer.
    ///
    /// # Errors
    ///
    /// If the server ended.
    pub async fn arrival(&mut self) -> Result<Arrival, Failure> {
        self.arrived
            .recv()
            .await
            .ok_or_else(|| Failure::new("the page on loopback ended", "start again"))
    }

    /// Ends the server once the browser has the last page, but waits no longer than a moment.
    pub async fn end(mut self) {
        let _ = timeout(LAST_PAGE, self.callback_server.last_page_is_not_awaited()).await;
        if let Some(leave) = self.leave.take() {
            let _ = leave.send(());
        }
        let _ = timeout(LAST_ANSWERS, &mut self.server).await;
    }
}

impl Drop for LoopbackServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}
