//! `mayfly init`.

pub mod browser;
pub mod callback_server;
pub mod loopback_server;
pub mod manifest;
pub mod oauth_state;
pub mod pages;
pub mod permissions;
mod routes;
pub mod setup_flow;
pub mod starter_file;
pub mod verify_delivery;

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use mayfly_config::secrets::GITHUB;
use mayfly_config::store::system_clock;
use mayfly_domain::model::app_key::AppKey;
use mayfly_domain::model::secret::Secret;

use self::callback_server::{Arrival, CallbackServer, Outcome, SetupContext};
use self::loopback_server::LoopbackServer;
use self::manifest::{Choice, Scope, proposed_name};
use self::pages::Defaults;
use self::permissions::install_url;
use self::setup_flow::{Answer, Begin, SetupFlow};
use crate::deployment::connect::connect;
use crate::deployment::secrets_store::{Existing, SecretsStore, fresh};
use crate::failure::{Exit, Failure};
use crate::github::setup::{GithubSetup, RealGithub, checked};
use crate::input::key_file;
use crate::input::pools_file::is_stdin;
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{BAD, CAUTION, GOOD, STRONG, Screen};

/// How the App comes to be.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
A page on this machine asks for the App's owner and name, and posts them to GitHub. GitHub creates the App and its key; mayfly stores them in your \
AWS account (SSM, SecureString). The key is never on the screen, in a file or in the browser.

Writes a first pools file; an existing file is not overwritten.

Examples:
  mayfly init
  mayfly init --organization acme --no-browser             # over SSH
  mayfly init --app-id 12345 --private-key-file app.pem    # an existing App
  mayfly init --github-url https://github.example.com      # GitHub Enterprise Server")]
pub struct Init {
    /// The organization that will own the App; the page asks, too
    #[arg(long, value_name = "LOGIN")]
    organization: Option<String>,
    /// Where runners register; the page asks, too [default: organization if there is one]
    #[arg(long, value_enum)]
    scope: Option<Scope>,
    /// The App's name; the page asks, too
    #[arg(long)]
    name: Option<String>,
    /// GitHub's address, for Enterprise Server; stored with the App's key [default: github.com]
    #[arg(long, value_name = "URL")]
    github_url: Option<String>,
    /// Open no browser: print an address for a browser anywhere, and take the answer from stdin
    #[arg(long, conflicts_with = "app_id")]
    no_browser: bool,
    /// The page's port; default: any that is free
    #[arg(long, default_value_t = 0, conflicts_with = "app_id")]
    port: u16,
    /// Where to write the pools file; - for stdout [default: pools.toml; with --json only in the
    /// answer]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Use this App instead of creating one
    #[arg(long, value_name = "ID", requires = "private_key_file")]
    app_id: Option<u64>,
    /// The App's private key: the file from GitHub; - for stdin
    #[arg(long, value_name = "FILE", requires = "app_id")]
    private_key_file: Option<PathBuf>,
    /// Read the webhook's secret from stdin instead of generating one
    #[arg(long, requires = "app_id")]
    webhook_secret_stdin: bool,
    /// Replace the App that the deployment has
    #[arg(long)]
    replace: bool,
    /// Do not wait until the App is installed
    #[arg(long)]
    no_wait: bool,
}

impl Init {
    /// Sets the App up.
    ///
    /// # Errors
    ///
    /// If AWS or GitHub refuses, or there is an App already.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let github = self.github();
        checked(&github)?;
        let out = Out::of(self.out.as_deref(), screen);
        out.is_free()?;
        let given = self.given()?;
        let answer = block_on(async {
            let connected = connect(global).await?;
            connected.announce(screen);
            let flow = SetupFlow {
                github_setup: &RealGithub,
                secrets_store: &connected.secrets_store(),
                teller: screen,
                github,
                webhook_url: format!("{}/webhook", connected.deployment.url),
                stack: connected.stack.clone(),
                existing: if self.replace {
                    Existing::Replace
                } else {
                    Existing::Keep
                },
            };
            match (flow.begin().await?, given) {
                (begun, Some(given)) => existing(&flow, begun, &given, !self.no_wait).await,
                (Begin::GoOn(key), None) => {
                    let flow = SetupFlow {
                        github: key.url.clone(),
                        ..flow
                    };
                    if self.github_url.is_some() && self.github() != key.url {
                        let problem = format!(
                            "the App {} that an earlier run stored is of {}",
                            key.app_id, key.url
                        );
                        return Err(Failure::new(
                            problem,
                            "omit --github-url to continue with it, or pass --replace",
                        ));
                    }
                    screen.say(format_args!(
                        "continuing with the App {} that an earlier run stored",
                        key.app_id
                    ));
                    go_on(&flow, &key, None, !self.no_wait).await
                }
                (Begin::Afresh, None) => Box::pin(self.make(&flow, screen)).await,
            }
        })?;
        show(screen, &answer, &out)
    }

    /// The GitHub that was named, without a slash at the end.
    fn github(&self) -> String {
        self.github_url
            .as_deref()
            .unwrap_or(GITHUB)
            .trim_end_matches('/')
            .to_owned()
    }

    /// The App that was named, and its webhook's secret.
    fn given(&self) -> Result<Option<Given>, Failure> {
        let Some((app_id, file)) = self.app_id.zip(self.private_key_file.as_ref()) else {
            return Ok(None);
        };
        if self.webhook_secret_stdin && key_file::is_stdin(file) {
            return Err(Failure::new(
                "the key and the webhook's secret cannot both come from stdin",
                "put the key in a file",
            ));
        }
        let key = AppKey {
            app_id,
            private_key: key_file::read(file)?,
            url: self.github(),
        };
        let secret = if self.webhook_secret_stdin {
            Some(key_file::secret_from_stdin()?)
        } else {
            None
        };
        Ok(Some(Given { key, secret }))
    }

    fn defaults(&self, stack: &str) -> Result<Defaults, Failure> {
        let organization = self.organization.clone().unwrap_or_default();
        let scope = self.scope.unwrap_or(Scope::Organization);
        // Without an owner's name only chance makes it unique.
        let chance = fresh()?.expose().chars().take(4).collect::<String>();
        let name = self
            .name
            .clone()
            .unwrap_or_else(|| proposed_name(stack, &organization, &chance));
        Ok(Defaults {
            scope,
            organization,
            name,
        })
    }

    /// Makes an App by way of a browser.
    async fn make<D: GithubSetup, V: SecretsStore>(
        &self,
        flow: &SetupFlow<'_, D, V>,
        screen: &Screen,
    ) -> Result<Answer, Failure> {
        let defaults = self.defaults(&flow.stack)?;
        let choice = Choice::checked(defaults.scope, &defaults.organization, &defaults.name);
        let about = SetupContext {
            stack: flow.stack.clone(),
            github: flow.github.clone(),
            webhook_url: flow.webhook_url.clone(),
            defaults,
        };
        let mut served = LoopbackServer::start(about, self.port, Arc::new(system_clock)).await?;
        let arrival = if self.no_browser {
            let choice = choice.map_err(|wrong| {
                Failure::new(wrong.problem, "without a browser, pass --organization LOGIN, or --scope repository for your own account")
            })?;
            Box::pin(without_browser(&mut served, &choice, screen)).await?
        } else {
            let opened = browser::open(&served.address);
            let verb = if opened {
                "Opening this page in your browser"
            } else {
                "Open this page in a browser on this machine"
            };
            screen.say(format_args!(
                "{verb} (Ctrl-C cancels; nothing is stored yet): {STRONG}{}{STRONG:#}",
                served.address
            ));
            served.arrival().await?
        };
        let exchanged = take(flow, &served.callback_server, &arrival).await;
        let answer = match exchanged {
            Ok((key, secret)) => go_on(flow, &key, secret, !self.no_wait).await,
            Err(failure) => Err(failure),
        };
        served.end().await;
        answer
    }
}

/// Exchanges an arrival for the App, and says on the page how that went.
///
/// # Errors
///
/// As [`SetupFlow::exchange`].
pub async fn take<D: GithubSetup, V: SecretsStore>(
    flow: &SetupFlow<'_, D, V>,
    callback_server: &CallbackServer,
    arrival: &Arrival,
) -> Result<(AppKey, Option<Secret>), Failure> {
    match flow.exchange(&arrival.code).await {
        Ok(made) => {
            callback_server.tell(Outcome::Made {
                name: made.app.name.clone(),
                install_url: install_url(&made.app),
            });
            Ok((flow.key_of(&made), made.webhook_secret))
        }
        Err(failure) => {
            callback_server.tell(Outcome::Failed(failure.problem.clone()));
            Err(failure)
        }
    }
}

/// An App that is there already.
pub struct Given {
    /// Its id and key.
    pub key: AppKey,
    /// What its deliveries are to be signed with; none is a fresh one.
    pub secret: Option<Secret>,
}

/// Sets up with an App that is there already.
///
/// # Errors
///
/// If the key is not the App's, or GitHub or AWS refuses.
pub async fn existing<D: GithubSetup, V: SecretsStore>(
    flow: &SetupFlow<'_, D, V>,
    begun: Begin,
    given: &Given,
    wait: bool,
) -> Result<Answer, Failure> {
    let app = flow.known(&given.key).await?;
    // What an earlier run stored of the same App may stand; of another one it is kept, unless it
    // was said otherwise.
    if begun != Begin::GoOn(given.key.clone()) {
        flow.keep(&given.key).await?;
    }
    flow.teller
        .say(&format!("stored the App {} ({})", app.name, app.id));
    go_on(flow, &given.key, given.secret.clone(), wait).await
}

/// Sets up with an App whose key is stored.
///
/// # Errors
///
/// If GitHub or AWS refuses.
pub async fn go_on<D: GithubSetup, V: SecretsStore>(
    flow: &SetupFlow<'_, D, V>,
    key: &AppKey,
    secret: Option<Secret>,
    wait: bool,
) -> Result<Answer, Failure> {
    let before = flow.sign(key, secret).await?;
    flow.finish(key, &before, wait).await
}

/// Prints an address for a browser anywhere, and takes what comes back from stdin, or on loopback
/// if the browser gets there.
async fn without_browser(
    served: &mut LoopbackServer,
    choice: &Choice,
    screen: &Screen,
) -> Result<Arrival, Failure> {
    let address = served.callback_server.form_address(choice)?;
    screen.say(format_args!(
        "1. Paste this into the address bar of a browser that is signed in to GitHub, on any machine:\n\n{address}\n\n\
         2. Press the button, and create the App.\n\
         3. GitHub sends the browser to {}/callback?… . If the browser cannot open that page, that is fine: copy its\n   \
         address from the address bar, and paste it here.\n",
        served.callback_server.origin()
    ));
    let mut lines = browser::lines();
    let mut typing = true;
    loop {
        tokio::select! {
            arrival = served.arrival() => return arrival,
            line = lines.recv(), if typing => match line {
                None => typing = false,
                Some(line) if line.trim().is_empty() => {}
                Some(line) => {
                    let taken = browser::pasted(&line)
                        .map_err(str::to_owned)
                        .and_then(|(state, code)| served.callback_server.take(Some(&state), Some(&code)).map_err(|why| why.to_string()));
                    if let Err(why) = taken {
                        screen.say(format_args!("{CAUTION}not accepted:{CAUTION:#} {why}"));
                    }
                }
            },
        }
    }
}

/// Where the pools file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Out {
    /// To this file, which must not exist.
    File(PathBuf),
    /// To stdout.
    Stdout,
    /// Only into the answer as JSON.
    Answer,
}

impl Out {
    fn of(asked: Option<&Path>, screen: &Screen) -> Self {
        match asked {
            Some(file) if is_stdin(file) && screen.json() => Self::Answer,
            Some(file) if is_stdin(file) => Self::Stdout,
            Some(file) => Self::File(file.to_owned()),
            None if screen.json() => Self::Answer,
            None => Self::File(PathBuf::from(FILE)),
        }
    }

    /// Fails before anything is created if the file is there.
    fn is_free(&self) -> Result<(), Failure> {
        match self {
            Self::File(file) if file.symlink_metadata().is_ok() => Err(taken(file)),
            _ => Ok(()),
        }
    }

    /// Writes the file. What cannot be written goes to stdout: the App exists by now.
    fn write(&self, text: &str, screen: &Screen) {
        let file = match self {
            Self::Answer => return,
            Self::Stdout => return screen.print(text.trim_end()),
            Self::File(file) => file,
        };
        let written = File::options()
            .write(true)
            .create_new(true)
            .open(file)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        match written {
            Ok(()) => screen.say(format_args!("wrote {}", file.display())),
            Err(error) => {
                screen.say(format_args!(
                    "{CAUTION}warning:{CAUTION:#} cannot write {}: {error}; here is the file:",
                    file.display()
                ));
                screen.print(text.trim_end());
            }
        }
    }
}

/// The pools file's usual name.
const FILE: &str = "pools.toml";

fn taken(file: &Path) -> Failure {
    Failure::new(
        format!("{} exists already", file.display()),
        "mayfly init does not overwrite it: pass --out with another name, or --out - for stdout",
    )
}

fn show(screen: &Screen, answer: &Answer, out: &Out) -> Result<Exit, Failure> {
    for finding in &answer.findings {
        screen.say(format_args!(
            "{BAD}missing:{BAD:#} {}\n  {}",
            finding.problem, finding.fix
        ));
    }
    out.write(&answer.pools_file, screen);
    if screen.json() {
        screen.print_json(answer)?;
    }
    if !answer.findings.is_empty() {
        return Ok(Exit::Failed);
    }
    let file = if let Out::File(file) = out {
        file.display().to_string()
    } else {
        FILE.to_owned()
    };
    screen.say(format_args!(
        "{GOOD}set up.{GOOD:#} Next: edit {file}, mayfly check {file}, mayfly apply {file}"
    ));
    Ok(Exit::Done)
}
