//! The model behind HTTP: a clock, a socket, and a worker that sends what is due.

mod deliver;
mod requests;

use super::deliveries::Outgoing;
use super::key::KeyPair;
use super::model::Model;
use anyhow::Context as _;
use axum::Router;
use jiff::Timestamp;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

/// How long the worker sleeps at most: what changes meanwhile wakes it.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Deliveries on their way at once. GitHub paces a burst, too; without this, the local stack would
/// start a process for each.
const ON_THEIR_WAY: usize = 20;

/// The model and what tells that it changed.
#[derive(Debug)]
pub(crate) struct Shared {
    model: Mutex<Model>,
    /// Wakes the worker.
    due: Notify,
    /// Wakes the polls.
    changed: Notify,
    log: bool,
}

impl Shared {
    /// The model, for as long as the guard lives: never across an await.
    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        // A panic in a test's thread leaves the model as it was: still the best there is.
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Someone changed something.
    pub(crate) fn wake(&self) {
        self.due.notify_one();
        self.changed.notify_waiters();
    }
}

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens: `http://127.0.0.1:<port>`.
    pub url: String,
    shared: Arc<Shared>,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Starts one.
    ///
    /// # Errors
    /// When the address is taken, or no key can be made.
    pub async fn start(listen: SocketAddr, seed: u64, log: bool) -> anyhow::Result<Self> {
        let key = tokio::task::spawn_blocking(KeyPair::generate)
            .await
            .context("make the App's key")??;
        Self::start_with(listen, seed, log, &key).await
    }

    /// Starts one whose App has this key: making one takes a while.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start_with(
        listen: SocketAddr,
        seed: u64,
        log: bool,
        key: &KeyPair,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(listen)
            .await
            .with_context(|| format!("listen on {listen}"))?;
        let url = format!(
            "http://{}",
            listener.local_addr().context("learn the port")?
        );
        let model = Model::new(&url, key, seed, Timestamp::now());
        let shared = Arc::new(Shared {
            model: Mutex::new(model),
            due: Notify::new(),
            changed: Notify::new(),
            log,
        });
        let router = Router::new()
            .fallback(requests::answer)
            .with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move {
            // It ends with the task that it runs in.
            let _ = axum::serve(listener, router).await;
        });
        let client = deliver::client().context("make the client that delivers")?;
        let working = tokio::spawn(work(Arc::clone(&shared), client));
        Ok(Self {
            url,
            shared,
            tasks: vec![serving, working],
        })
    }

    /// Looks at the model, or changes it, between two requests.
    pub fn with<T>(&self, look: impl FnOnce(&mut Model) -> T) -> T {
        let result = look(&mut self.shared.model());
        self.shared.wake();
        result
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Lets time pass in the model, and sends what is due.
async fn work(shared: Arc<Shared>, client: reqwest::Client) {
    let lanes = Arc::new(Semaphore::new(ON_THEIR_WAY));
    loop {
        let (outgoing, next): (Vec<Outgoing>, _) = {
            let mut model = shared.model();
            let now = Timestamp::now();
            model.advance(now);
            (model.take_due(now), model.next_deadline())
        };
        shared.changed.notify_waiters();
        for one in outgoing {
            let (shared, client, lanes) = (Arc::clone(&shared), client.clone(), Arc::clone(&lanes));
            tokio::spawn(async move {
                // It is never closed: the lane is there until the delivery is over.
                let _lane = lanes.acquire().await;
                let id = one.id;
                let outcome = deliver::send(&client, one).await;
                shared.model().settle(id, outcome);
            });
        }
        let sleep = next.map_or(LONGEST_SLEEP, |at| {
            Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or(Duration::ZERO)
        });
        // At least a moment: a deadline that cannot be met must not spin.
        let sleep = sleep.clamp(Duration::from_millis(5), LONGEST_SLEEP);
        let _ = tokio::time::timeout(sleep, shared.due.notified()).await;
    }
}
