//! `mayfly match`.

use std::path::PathBuf;

use clap::Args;
use mayfly_domain::id::{OwnerId, RepositoryId, RunId};
use mayfly_domain::label::Labels;
use mayfly_domain::matching::{Asked, Preference, Verdict};
use mayfly_domain::pool::{Misfit, Pool, Pools, Refusal};
use mayfly_domain::target::Repository;
use serde::Serialize;

use super::pools_file;
use crate::failure::{Exit, Failure};
use crate::screen::{FAINT, GOOD, Screen};

/// A job that somebody wonders about.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The pool's name goes to stdout, why the others would not take the job to stderr.

Examples:
  mayfly match self-hosted linux mayfly --file pools.toml
  mayfly match gpu --repository acme/app --file pools.toml
  mayfly match mayfly run=15871 --run 15871 --file pools.toml || echo nobody takes it")]
pub struct Match {
    /// The labels in the job's runs-on
    #[arg(required = true, value_name = "LABEL")]
    labels: Vec<String>,
    /// The job's repository; without it, any that a pool serves
    #[arg(long, value_name = "OWNER/NAME", value_parser = repository_name)]
    repository: Option<String>,
    /// The repository is public
    #[arg(long, requires = "repository")]
    public: bool,
    /// The job's run and its attempt, for labels that bind to one; without it they bind to the job's own
    #[arg(long, value_name = "RUN[-ATTEMPT]", value_parser = run)]
    run: Option<(RunId, u32)>,
    /// The pools file; - for stdin
    #[arg(long, value_name = "FILE")]
    file: PathBuf,
}

fn repository_name(text: &str) -> Result<String, String> {
    let parts = text.split_once('/').filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'));
    parts.map(|_| text.to_owned()).ok_or_else(|| "write it as owner/name".to_owned())
}

fn run(text: &str) -> Result<(RunId, u32), String> {
    let (run, attempt) = text.split_once('-').unwrap_or((text, "1"));
    let number = run.parse().ok().filter(|number| *number > 0);
    let attempt = attempt.parse().ok().filter(|attempt| *attempt > 0);
    number.zip(attempt).map(|(run, attempt)| (RunId(run), attempt)).ok_or_else(|| "write a run's id, as 15871 or 15871-2".to_owned())
}

/// What one pool says, as JSON.
#[derive(Debug, Serialize)]
struct Said<'a> {
    pool: &'a str,
    takes: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    because: Option<String>,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    pool: Option<&'a str>,
    pools: Vec<Said<'a>>,
}

impl Match {
    /// Finds the pool.
    ///
    /// # Errors
    ///
    /// If the pools file cannot be used.
    pub fn run(&self, screen: &Screen) -> Result<Exit, Failure> {
        let pools = pools_file::pools(&self.file, screen)?;
        let labels: Labels = self.labels.iter().map(String::as_str).collect();
        let repository = self.repository.as_ref().map(|name| repository(&pools, name, !self.public));
        let said = pools.verdicts(Asked { labels: &labels, repository: repository.as_ref(), run: self.run });
        let taker = said.iter().find(|(_, verdict)| *verdict == Verdict::Takes).map(|(pool, _)| pool.name.as_str());
        if screen.json() {
            let said = said.iter().map(|(pool, verdict)| Said {
                pool: pool.name.as_str(),
                takes: *verdict == Verdict::Takes,
                because: because(pool, verdict),
            });
            screen.print_json(&Answer { pool: taker, pools: said.collect() })?;
        } else {
            self.tell(screen, &said);
            match taker {
                Some(pool) => screen.print(format_args!("{GOOD}{pool}{GOOD:#}")),
                None => screen.say("no pool takes such a job"),
            }
        }
        Ok(if taker.is_some() { Exit::Done } else { Exit::Nothing })
    }

    fn tell(&self, screen: &Screen, said: &[(&Pool, Verdict<'_>)]) {
        for (pool, verdict) in said {
            match because(pool, verdict) {
                Some(because) => screen.say(format_args!("{FAINT}{}: {because}{FAINT:#}", pool.name)),
                None if self.repository.is_none() && !pool.repositories.is_empty() => {
                    let patterns: Vec<&str> = pool.repositories.iter().map(|pattern| pattern.0.as_str()).collect();
                    screen.say(format_args!("{FAINT}{}: serves only {}; ask with --repository{FAINT:#}", pool.name, patterns.join(", ")));
                }
                None => {}
            }
        }
    }
}

/// The repository of this name, as far as it can be known without asking GitHub: an account that is pinned by its id is taken to be the one of its login.
fn repository(pools: &Pools, name: &str, private: bool) -> Repository {
    let owner = name.split('/').next().unwrap_or_default();
    let pinned = pools.accounts.iter().find(|account| account.login.eq_ignore_ascii_case(owner)).and_then(|account| account.id);
    Repository { id: RepositoryId(0), name: name.to_owned(), owner: pinned.unwrap_or(OwnerId(0)), private }
}

/// Why a pool does not take the job; none if it does.
fn because(pool: &Pool, verdict: &Verdict<'_>) -> Option<String> {
    Some(match verdict {
        Verdict::Takes => return None,
        Verdict::Yields { to, for_its: Preference::Priority } => {
            format!("would take it, but {} has the higher priority ({} over {})", to.name, to.priority, pool.priority)
        }
        Verdict::Yields { to, for_its: Preference::Labels } => {
            format!("would take it, but {} has fewer labels that the job does not name", to.name)
        }
        Verdict::Yields { to, for_its: Preference::Name } => format!("would take it, but {} comes first by name", to.name),
        Verdict::Misfit(Misfit::Nothing) => "the job names no label".to_owned(),
        Verdict::Misfit(Misfit::Lacks(labels)) => format!("does not offer {}", labels.join(", ")),
        Verdict::Misfit(Misfit::NoneOfItsOwn) => {
            "the job names none of its own labels, only ones that GitHub gives every runner".to_owned()
        }
        Verdict::Refuses(Refusal::Public) => "the repository is public, and the pool does not say public = true".to_owned(),
        Verdict::Refuses(Refusal::Repository) => "does not list the repository under repositories".to_owned(),
        Verdict::Refuses(Refusal::Account) => "the repository's owner is not among [github] accounts".to_owned(),
    })
}
