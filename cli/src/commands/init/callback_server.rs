//! The web server on loopback: gives out the form, and takes GitHub's answer.
//!
//! Who may come: anyone who was given the address. It is good once (it stands in the browser's
//! command line for a moment, where other users of the machine may read it) and is exchanged for a
//! cookie. Besides, the Host must be this server's own, so that no name of someone else's that
//! resolves to loopback (DNS rebinding) leads here, and forms must come from this server's own
//! pages.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use subtle::ConstantTimeEq as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use super::browser;
use super::manifest::Choice;
use super::oauth_state::{Code, OauthStates, Refused};
use super::pages::{self, Defaults};
use super::routes;
use crate::failure::Failure;
use crate::secrets_store;

/// What the pages are about.
#[derive(Clone, Debug)]
pub struct About {
    /// The stack.
    pub stack: String,
    /// GitHub, as people open it, without a slash at the end.
    pub github: String,
    /// Where deliveries are to go.
    pub webhook_url: String,
    /// What the form shows at first.
    pub defaults: Defaults,
}

/// What the last page says.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The App is there, and stored.
    Made {
        /// Its name.
        name: String,
        /// Where it is installed.
        install_url: String,
    },
    /// It is not; in words, without anything secret.
    Failed(String),
}

/// What comes back from GitHub.
#[derive(Debug)]
pub struct Arrival {
    /// To be exchanged for the App.
    pub code: Code,
    /// What was chosen on the form that it answers.
    pub choice: Choice,
}

/// What time it is.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Everything that a request is answered from.
pub struct CallbackServer {
    /// What the pages are about.
    pub about: About,
    /// `127.0.0.1:<port>`: the only Host.
    pub authority: String,
    ticket: Mutex<Option<String>>,
    cookie: String,
    guard: Mutex<OauthStates>,
    clock: Clock,
    arrivals: mpsc::UnboundedSender<Arrival>,
    outcome: watch::Sender<Option<Outcome>>,
    last_page: watch::Sender<LastPage>,
}

/// The page that a browser is sent to in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LastPage {
    /// No browser is on its way there.
    NotAwaited,
    /// One is.
    Awaited,
    /// It was there.
    Shown,
}

/// How long a browser may take to fetch the last page.
const LAST_PAGE: Duration = Duration::from_secs(3);

/// How long the last answers may take to go out.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// The server at work. It ends when this is dropped.
pub struct Served {
    /// What requests are answered from.
    pub callback_server: Arc<CallbackServer>,
    /// The address to open: good once.
    pub address: String,
    arrived: mpsc::UnboundedReceiver<Arrival>,
    leave: Option<oneshot::Sender<()>>,
    server: tokio::task::JoinHandle<()>,
}

impl Served {
    /// Begins to listen; port 0 is any that is free.
    ///
    /// # Errors
    ///
    /// If the port is taken, or the operating system has no randomness.
    pub async fn start(about: About, port: u16, clock: Clock) -> Result<Self, Failure> {
        let listening = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
        let bound =
            listening.and_then(|listener| listener.local_addr().map(|address| (listener, address)));
        let (listener, local) = bound.map_err(|error| {
            Failure::new(
                format!("listen on 127.0.0.1:{port}: {error}"),
                "say another --port, or none for any that is free",
            )
        })?;
        let (sender, arrived) = mpsc::unbounded_channel();
        let ticket = secrets_store::fresh()?.expose().to_owned();
        let callback_server = Arc::new(CallbackServer {
            about,
            authority: local.to_string(),
            ticket: Mutex::new(Some(ticket.clone())),
            cookie: secrets_store::fresh()?.expose().to_owned(),
            guard: Mutex::default(),
            clock,
            arrivals: sender,
            outcome: watch::Sender::new(None),
            last_page: watch::Sender::new(LastPage::NotAwaited),
        });
        let (leave, left) = oneshot::channel();
        let router = routes::router(Arc::clone(&callback_server));
        let server = tokio::spawn(async move {
            let until = async {
                let _ = left.await;
            };
            // It ends with the command: no one would hear of an error.
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
        let mut last = self.callback_server.last_page.subscribe();
        let _ = timeout(LAST_PAGE, last.wait_for(|page| *page != LastPage::Awaited)).await;
        if let Some(leave) = self.leave.take() {
            let _ = leave.send(());
        }
        let _ = timeout(LAST_ANSWERS, &mut self.server).await;
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic may have left half done here is a form that is asked for again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CallbackServer {
    /// `http://127.0.0.1:<port>`.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// The cookie's name: cookies are shared by all ports of a host.
    #[must_use]
    pub fn cookie_name(&self) -> String {
        format!(
            "mayfly_{}",
            self.authority.rsplit(':').next().unwrap_or_default()
        )
    }

    /// Exchanges the address's ticket for the cookie: once.
    #[must_use]
    pub fn admit(&self, ticket: &str) -> Option<&str> {
        let mut kept = lock(&self.ticket);
        let right = kept
            .as_ref()
            .is_some_and(|kept| bool::from(kept.as_bytes().ct_eq(ticket.as_bytes())));
        if !right {
            return None;
        }
        *kept = None;
        Some(&self.cookie)
    }

    /// True if this is the cookie that was given for the address.
    #[must_use]
    pub fn knows(&self, cookie: &str) -> bool {
        self.cookie.as_bytes().ct_eq(cookie.as_bytes()).into()
    }

    /// The page that posts the manifest to GitHub.
    ///
    /// # Errors
    ///
    /// If the operating system has no randomness.
    pub fn form(&self, choice: &Choice) -> Result<String, Failure> {
        let state = lock(&self.guard).issue(choice.clone(), (self.clock)())?;
        let manifest = choice.manifest(
            &self.about.webhook_url,
            &format!("{}/callback", self.origin()),
        );
        Ok(pages::confirm(
            choice,
            &choice.form_url(&self.about.github, &state),
            &format!("{manifest:#}"),
        ))
    }

    /// The same for a browser anywhere: an address that holds the form.
    ///
    /// # Errors
    ///
    /// If the operating system has no randomness.
    pub fn form_address(&self, choice: &Choice) -> Result<String, Failure> {
        let state = lock(&self.guard).issue(choice.clone(), (self.clock)())?;
        let manifest = choice.manifest(
            &self.about.webhook_url,
            &format!("{}/callback", self.origin()),
        );
        Ok(browser::form_address(
            &choice.form_url(&self.about.github, &state),
            &manifest.to_string(),
        ))
    }

    /// Takes GitHub's answer, wherever it came in, and hands it on.
    ///
    /// # Errors
    ///
    /// [`Refused`].
    pub fn take(&self, state: Option<&str>, code: Option<&str>) -> Result<(), Refused> {
        let (code, choice) = lock(&self.guard).take(state, code, (self.clock)())?;
        // No one listens any more only when the command is over.
        let _ = self.arrivals.send(Arrival { code, choice });
        Ok(())
    }

    /// A browser is sent to the last page.
    pub fn send_to_last_page(&self) {
        self.last_page.send_replace(LastPage::Awaited);
    }

    /// It came.
    pub fn last_page_is_shown(&self) {
        self.last_page.send_replace(LastPage::Shown);
    }

    /// Says on the last page how it ended.
    pub fn tell(&self, outcome: Outcome) {
        self.outcome.send_replace(Some(outcome));
    }

    /// How it ended; waits until that is known.
    pub async fn outcome(&self) -> Outcome {
        let mut told = self.outcome.subscribe();
        let known = told
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|outcome| outcome.clone());
        known.unwrap_or_else(|| Outcome::Failed("mayfly ended".to_owned()))
    }
}
