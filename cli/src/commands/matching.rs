//! `mayfly match`.

use std::path::PathBuf;

use clap::Args;
use mayfly_domain::model::id::{OwnerId, PoolName, RepositoryId, RunId};
use mayfly_domain::model::label::{self, Labels};
use mayfly_domain::model::matching::{MatchQuery, Preference, Verdict};
use mayfly_domain::model::pool::{Misfit, Pool, Pools};
use mayfly_domain::model::story::Refusal;
use mayfly_domain::model::target::{Repository, Scope};
use mayfly_github::{AppApi, Lookup};
use serde::Serialize;

use crate::deployment::connect::connect;
use crate::failure::{Exit, Failure};
use crate::github::access::{self, App, GithubAccess, Group};
use crate::input::pools_file::{self, NO_VERSION};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{CAUTION, FAINT, GOOD, Screen};
use crate::terminal::text_format::plain;

/// A job to match.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
The pool's name goes to stdout, why the others would not take the job to stderr.

Examples:
  mayfly match self-hosted linux mayfly --file pools.toml
  mayfly match self-hosted linux mayfly --repository acme/app      # the active pools; asks GitHub, too
  mayfly match gpu --repository acme/app --file pools.toml
  mayfly match mayfly run=15871 --run 15871 --file pools.toml || echo no pool takes it")]
pub struct Match {
    /// The labels in the job's runs-on
    #[arg(required = true, value_name = "LABEL")]
    labels: Vec<String>,
    /// The job's repository; without it, any that a pool serves
    #[arg(long, value_name = "OWNER/NAME", value_parser = repository_name)]
    repository: Option<String>,
    /// The repository is public; ignored where GitHub is asked
    #[arg(long, requires = "repository")]
    public: bool,
    /// The job's run and its attempt, for labels that bind to one; without it they bind to the
    /// job's own
    #[arg(long, value_name = "RUN[-ATTEMPT]", value_parser = run)]
    run: Option<(RunId, u32)>,
    /// A pools file; - for stdin. Without it, the active pools, and of a repository what GitHub
    /// says
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

fn repository_name(text: &str) -> Result<String, String> {
    let parts = text
        .split_once('/')
        .filter(|(owner, name)| !owner.is_empty() && !name.is_empty() && !name.contains('/'));
    parts
        .map(|_| text.to_owned())
        .ok_or_else(|| "pass it as owner/name".to_owned())
}

fn run(text: &str) -> Result<(RunId, u32), String> {
    let (run, attempt) = text.split_once('-').unwrap_or((text, "1"));
    let number = run.parse().ok().filter(|number| *number > 0);
    let attempt = attempt.parse().ok().filter(|attempt| *attempt > 0);
    number
        .zip(attempt)
        .map(|(run, attempt)| (RunId(run), attempt))
        .ok_or_else(|| "pass a run's id, such as 15871 or 15871-2".to_owned())
}

/// What one pool says, as JSON.
#[derive(Debug, Serialize)]
pub struct PoolVerdict {
    /// The pool.
    pub pool: PoolName,
    /// It would take the job.
    pub takes: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Which repositories it serves, if none was named.
    #[serde(skip)]
    serves: Option<String>,
}

/// What GitHub says, as JSON.
#[derive(Debug, Serialize)]
pub struct GithubSays {
    /// Of the repository; none if GitHub was not asked.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub repository: Option<GithubAccess>,
    /// Of the pool's runner group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runner_group: Option<Group>,
    /// Why GitHub was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_asked: Option<String>,
    /// What stands in the way of such a job.
    pub problems: Vec<String>,
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// The pool that takes such a job.
    pub pool: Option<PoolName>,
    /// The version of the pools file that was asked; none for a file that is active nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// What each pool says.
    pub pools: Vec<PoolVerdict>,
    /// What GitHub says, if a repository was named and the active pools were asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub github: Option<GithubSays>,
}

impl Match {
    /// Finds the pool.
    ///
    /// # Errors
    ///
    /// If the pools file cannot be used, or AWS not be asked for it.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let answer = match &self.file {
            // Nothing is asked of anyone, so nothing is started for it either.
            Some(file) => {
                let pools = pools_file::pools(file, screen)?;
                let repository = self
                    .repository
                    .as_ref()
                    .map(|name| repository(&pools, name, !self.public));
                self.judge(&pools, repository.as_ref())
            }
            None => block_on(self.active_pools(global, screen))?,
        };
        if screen.json() {
            screen.print_json(&answer)?;
        } else {
            tell(screen, &answer);
            match &answer.pool {
                Some(pool) => screen.print(format_args!("{GOOD}{pool}{GOOD:#}")),
                None => screen.say("no pool takes such a job"),
            }
        }
        Ok(if answer.pool.is_some() {
            Exit::Done
        } else {
            Exit::Nothing
        })
    }

    async fn active_pools(&self, global: &Global, screen: &Screen) -> Result<Answer, Failure> {
        let connected = connect(global).await?;
        let Some(pools) = connected.active_pools(screen).await? else {
            return Err(Failure::new(
                "there are no pools to ask",
                "apply a pools file, or pass --file",
            ));
        };
        let Some(name) = &self.repository else {
            return Ok(self.judge(&pools, None));
        };
        match access::app(&connected).await {
            Ok(app) => self.ask(&app.github, &pools, name).await,
            Err(why) => {
                let repository = repository(&pools, name, !self.public);
                let github = GithubSays {
                    repository: None,
                    runner_group: None,
                    not_asked: Some(why.to_string()),
                    problems: Vec::new(),
                };
                Ok(Answer {
                    github: Some(github),
                    ..self.judge(&pools, Some(&repository))
                })
            }
        }
    }

    /// Asks the pools and GitHub. Where GitHub shows the repository, its word counts: who owns it,
    /// and whether it is private.
    ///
    /// # Errors
    ///
    /// If GitHub does not answer.
    pub async fn ask(
        &self,
        github: &(impl AppApi + Lookup),
        pools: &Pools,
        name: &str,
    ) -> Result<Answer, Failure> {
        let at = access::ask(github, name).await?;
        let known = at
            .repository
            .clone()
            .unwrap_or_else(|| repository(pools, name, !self.public));
        let answer = self.judge(pools, Some(&known));
        let mut problems: Vec<String> = at.problem(name).into_iter().collect();
        let mut runner_group = None;
        if let Some(pool) = answer.pool.as_ref().and_then(|pool| pools.get(pool)) {
            let lacks = if at.app == App::Installed {
                at.lacks(pool)
            } else {
                Vec::new()
            };
            problems.extend(lacks.iter().map(|lack| {
                format!(
                    "the App's installation has not granted {lack}, which pool {} needs",
                    pool.name
                )
            }));
            if let (Scope::Organization { group }, true) = (&pool.scope, lacks.is_empty()) {
                runner_group = access::group(github, &at, pool).await?;
                problems.extend(runner_group.as_ref().and_then(|found| found.problem(group)));
            }
        }
        let github = GithubSays {
            repository: Some(at),
            runner_group,
            not_asked: None,
            problems,
        };
        Ok(Answer {
            github: Some(github),
            ..answer
        })
    }

    fn judge(&self, pools: &Pools, repository: Option<&Repository>) -> Answer {
        let labels: Labels = self.labels.iter().map(String::as_str).collect();
        let said = pools.verdicts(MatchQuery {
            labels: &labels,
            repository,
            run: self.run,
        });
        let taker = said
            .iter()
            .find(|(_, verdict)| *verdict == Verdict::Takes)
            .map(|(pool, _)| pool.name.clone());
        let serves = |pool: &Pool| {
            let patterns: Vec<&str> = pool
                .repositories
                .iter()
                .map(|pattern| pattern.0.as_str())
                .collect();
            (repository.is_none() && !patterns.is_empty()).then(|| patterns.join(", "))
        };
        let said = said.iter().map(|(pool, verdict)| PoolVerdict {
            pool: pool.name.clone(),
            takes: *verdict == Verdict::Takes,
            because: because(pool, verdict),
            serves: serves(pool),
        });
        let version = (pools.version != NO_VERSION).then_some(pools.version);
        Answer {
            pool: taker,
            version,
            pools: said.collect(),
            github: None,
        }
    }
}

/// Prints what comes beside the answer: why not the other pools, and GitHub's answer.
fn tell(screen: &Screen, answer: &Answer) {
    for line in beside(answer) {
        screen.say(line);
    }
}

/// What is beside the answer, a line each.
#[must_use]
pub fn beside(answer: &Answer) -> Vec<String> {
    let mut lines = Vec::new();
    for said in &answer.pools {
        match (&said.because, &said.serves) {
            (Some(because), _) => {
                lines.push(format!("{FAINT}{}: {}{FAINT:#}", said.pool, plain(because)))
            }
            (None, Some(serves)) => {
                lines.push(format!(
                    "{FAINT}{}: serves only {}; pass --repository{FAINT:#}",
                    said.pool,
                    plain(serves)
                ));
            }
            (None, None) => {}
        }
    }
    let Some(github) = &answer.github else {
        return lines;
    };
    lines.extend(
        github
            .problems
            .iter()
            .map(|problem| format!("{CAUTION}GitHub:{CAUTION:#} {}", plain(problem))),
    );
    match (&github.not_asked, &github.repository) {
        (Some(why), _) => lines.push(format!(
            "{FAINT}GitHub was not asked: {}{FAINT:#}",
            plain(why)
        )),
        (None, Some(at)) if github.problems.is_empty() => {
            let kind = if at.private == Some(true) {
                "private"
            } else {
                "public"
            };
            let group = if github.runner_group.is_some() {
                ", and the runner group admits it"
            } else {
                ""
            };
            lines.push(format!(
                "{FAINT}GitHub: the App sees the repository, which is {kind}{group}{FAINT:#}"
            ));
        }
        _ => {}
    }
    lines
}

/// The repository of this name, as far as it can be known without asking GitHub: an account that is
/// pinned by its id is taken to be the one of its login.
fn repository(pools: &Pools, name: &str, private: bool) -> Repository {
    let owner = name.split('/').next().unwrap_or_default();
    let pinned = pools
        .accounts
        .iter()
        .find(|account| account.login.eq_ignore_ascii_case(owner))
        .and_then(|account| account.id);
    Repository {
        id: RepositoryId(0),
        name: name.to_owned(),
        owner: pinned.unwrap_or(OwnerId(0)),
        private,
    }
}

/// Why a pool does not take the job; none if it does.
pub(crate) fn because(pool: &Pool, verdict: &Verdict<'_>) -> Option<String> {
    Some(match verdict {
        Verdict::Takes => return None,
        Verdict::Yields {
            to,
            for_its: Preference::Priority,
        } => {
            format!(
                "would take it, but {} has the higher priority ({} over {})",
                to.name, to.priority, pool.priority
            )
        }
        Verdict::Yields {
            to,
            for_its: Preference::Labels,
        } => {
            format!(
                "would take it, but {} has fewer labels that the job does not name",
                to.name
            )
        }
        Verdict::Yields {
            to,
            for_its: Preference::Name,
        } => format!("would take it, but {} comes first by name", to.name),
        Verdict::Misfit(Misfit::Nothing) => {
            "the job names no label, and a runner group alone is not enough".to_owned()
        }
        Verdict::Misfit(Misfit::Lacks(labels)) => {
            format!("does not offer {}", label::list(labels.iter().copied()))
        }
        Verdict::Misfit(Misfit::NoneOfItsOwn) => {
            "the job names none of its own labels, only ones that GitHub gives every runner"
                .to_owned()
        }
        Verdict::Refuses(Refusal::Public) => {
            "the repository is public, and the pool does not set public = true".to_owned()
        }
        Verdict::Refuses(Refusal::Repository) => {
            "does not list the repository under repositories".to_owned()
        }
        Verdict::Refuses(refusal @ Refusal::Labels) => refusal.in_words().to_owned(),
        Verdict::Refuses(Refusal::Account) => {
            "the repository's owner is not among [github] accounts".to_owned()
        }
    })
}
