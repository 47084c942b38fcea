//! `mayfly rotate`.

pub mod fingerprint;
pub mod key;
pub mod place;
pub mod secret;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde::Serialize;

use self::place::Place;
use crate::deployment::connect::connect;
use crate::failure::{Exit, Failure};
use crate::github::setup::RealGithub;
use crate::input::key_file;
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{GOOD, Screen};

/// What is to be replaced.
#[derive(Clone, Debug, Args)]
pub struct Rotate {
    #[command(subcommand)]
    what: What,
}

#[derive(Clone, Debug, Subcommand)]
enum What {
    /// Replace the secret that signs deliveries, without losing a delivery
    #[command(after_help = "\
Writes a new secret beside the old one, waits until every function accepts both (5 minutes), sets it at GitHub, waits again, and drops
the old one: about 11 minutes. If interrupted, run it again: it continues where it stopped, and nothing is lost.

Examples:
  mayfly rotate webhook-secret")]
    WebhookSecret,
    /// Replace the App's private key with one generated on GitHub's page
    #[command(after_help = "\
GitHub has no API that creates a key: generate one on the App's settings page (\"Private keys\"), pass it to mayfly, and delete the old
one there when mayfly says so.

Examples:
  mayfly rotate key --private-key-file new.pem && shred -u new.pem
  pass show new.pem | mayfly rotate key --private-key-file -")]
    Key {
        /// The new key: the file from GitHub; - for stdin
        #[arg(long, value_name = "FILE")]
        private_key_file: PathBuf,
    },
}

impl Rotate {
    /// Replaces it.
    ///
    /// # Errors
    ///
    /// If AWS or GitHub refuses, or someone else does the same.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let new = match &self.what {
            What::WebhookSecret => None,
            What::Key { private_key_file } => Some(key_file::read(private_key_file)?),
        };
        block_on(async {
            let connected = connect(global).await?;
            connected.announce(screen);
            let place = Place {
                github_setup: &RealGithub,
                secrets_store: &connected.secrets_store(),
                teller: screen,
                clock: &mayfly_config::store::system_clock,
                stack: connected.stack.clone(),
            };
            match new {
                None => show(
                    screen,
                    &secret::rotate(&place).await?,
                    "the webhook has a new secret",
                ),
                Some(new) => show(
                    screen,
                    &key::rotate(&place, new).await?,
                    "the functions use the new key",
                ),
            }
        })
    }
}

fn show(screen: &Screen, answer: &impl Serialize, done: &str) -> Result<Exit, Failure> {
    if screen.json() {
        screen.print_json(answer)?;
    } else {
        screen.say(format_args!("{GOOD}done:{GOOD:#} {done}"));
    }
    Ok(Exit::Done)
}
