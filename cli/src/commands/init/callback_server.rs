//! What the web server on loopback answers from: it gives out the form, and takes GitHub's answer.
//!
//! Who may come: anyone who was given the address. It is good once (it stands in the browser's
//! command line for a moment, where other users of the machine may read it) and is exchanged for a
//! cookie. Besides, the Host must be this server's own, so that no name of someone else's that
//! resolves to loopback (DNS rebinding) leads here, and forms must come from this server's own
//! pages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mayfly_domain::model::time::Timestamp;
use subtle::ConstantTimeEq as _;
use tokio::sync::{mpsc, watch};

use super::browser;
use super::manifest::Choice;
use super::oauth_state::{Code, OauthStates, Refused};
use super::pages::{self, Defaults};
use crate::deployment::secrets_store;
use crate::failure::Failure;

/// What the pages are about.
#[derive(Clone, Debug)]
pub struct SetupContext {
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
    pub about: SetupContext,
    /// `127.0.0.1:<port>`: the only Host.
    pub authority: String,
    ticket: Mutex<Option<String>>,
    cookie: String,
    oauth_states: Mutex<OauthStates>,
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic may have left half done here is a form that is asked for again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl CallbackServer {
    /// Answers about this to requests for `authority`. What arrives from GitHub goes to `arrivals`.
    /// Also the ticket: the path that is good once.
    ///
    /// # Errors
    ///
    /// If the operating system has no randomness.
    pub fn new(
        about: SetupContext,
        authority: String,
        clock: Clock,
        arrivals: mpsc::UnboundedSender<Arrival>,
    ) -> Result<(Self, String), Failure> {
        let ticket = secrets_store::fresh()?.expose().to_owned();
        let callback_server = Self {
            about,
            authority,
            ticket: Mutex::new(Some(ticket.clone())),
            cookie: secrets_store::fresh()?.expose().to_owned(),
            oauth_states: Mutex::default(),
            clock,
            arrivals,
            outcome: watch::Sender::new(None),
            last_page: watch::Sender::new(LastPage::NotAwaited),
        };
        Ok((callback_server, ticket))
    }

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
        let state = lock(&self.oauth_states).issue(choice.clone(), (self.clock)())?;
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
        let state = lock(&self.oauth_states).issue(choice.clone(), (self.clock)())?;
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
        let (code, choice) = lock(&self.oauth_states).take(state, code, (self.clock)())?;
        // There is always a listener until the command ends.
        let _ = self.arrivals.send(Arrival { code, choice });
        Ok(())
    }

    /// A browser is sent to the last page.
    pub fn send_to_last_page(&self) {
        self.last_page.send_replace(LastPage::Awaited);
    }

    /// Waits until no browser is on its way to the last page.
    pub async fn last_page_is_not_awaited(&self) {
        let mut last = self.last_page.subscribe();
        let _ = last.wait_for(|page| *page != LastPage::Awaited).await;
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
