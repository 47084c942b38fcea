//! `mayfly pools`: the pools in force.

use clap::Args;
use mayfly_config::store::system_clock;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::label;
use mayfly_domain::model::pool::{Pool, Pools as InForce, RepositoryPattern};
use mayfly_domain::model::target::Scope;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::{Ledger, LedgerError, Store};
use serde::Serialize;

use super::plan::difference;
use super::plan::effects::Live;
use crate::arguments::Global;
use crate::deployment::{connect, ledger_refused};
use crate::failure::{Exit, Failure};
use crate::pools_store::{PoolsStore, Version};
use crate::screen::{CAUTION, FAINT, STRONG, Screen};
use crate::table::{Cell, Column, Table};
use crate::text_format::{counted, plain, size};
use crate::time_format::{Rfc3339, age};

/// What to show.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  mayfly pools
  mayfly pools --file > pools.toml                # as it was applied, to the byte
  mayfly pools --file --version 7 | diff - pools.toml
  mayfly apply --version 7                        # back to version 7")]
pub struct Pools {
    /// The file as it was applied
    #[arg(long)]
    file: bool,
    /// An earlier version of the file (AWS keeps the last 100)
    #[arg(long, value_name = "N", requires = "file", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
}

/// The pools in force, as JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Answer {
    /// The version in force.
    pub version: u64,
    /// A newer version that is broken, and so is in force nowhere.
    pub broken: Option<u64>,
    /// When the newest version was applied.
    pub applied_at: Option<Rfc3339>,
    /// By whom, if the store tells.
    pub applied_by: Option<String>,
    /// Who is served.
    pub accounts: Vec<String>,
    /// The pools, in the file's order.
    pub pools: Vec<Shown>,
    /// Pools that are gone and not empty.
    pub draining: Vec<Draining>,
}

/// One pool.
#[derive(Clone, Debug, Serialize)]
#[expect(
    missing_docs,
    reason = "each is the pools file's key of the same name, with its unit"
)]
pub struct Shown {
    pub pool: PoolName,
    pub labels: Vec<String>,
    pub any: bool,
    pub priority: i32,
    pub scope: &'static str,
    pub runner_group: Option<String>,
    pub repositories: Vec<String>,
    pub public: bool,
    pub vcpu: f64,
    pub memory_mib: u32,
    pub disk_gib: u32,
    pub architecture: &'static str,
    pub capacity: &'static str,
    pub image: String,
    pub task_role: Option<String>,
    pub max: u32,
    pub max_per_repository: Option<u32>,
    pub min_idle: u32,
    pub idle_timeout_seconds: u64,
    pub max_lifetime_seconds: u64,
    pub rerun_interrupted: bool,
    /// The size in words.
    #[serde(skip)]
    size: String,
}

/// A pool that no pools file has, and that is not empty yet.
#[derive(Clone, Debug, Serialize)]
pub struct Draining {
    /// Its name.
    pub pool: PoolName,
    /// Since when it is gone, once a sweep has noticed.
    pub gone_at: Option<Rfc3339>,
    /// What is left in it.
    pub now: Live,
}

/// What is known of the file.
#[derive(Clone, Debug)]
pub struct Known<'a> {
    /// The newest version.
    pub newest: &'a Version,
    /// Who wrote it.
    pub author: Option<String>,
    /// The pools in force, of that version or an earlier one.
    pub pools: &'a InForce,
}

/// Puts the answer together.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: Store>(
    ledger: &Ledger<S>,
    known: &Known<'_>,
) -> Result<Answer, LedgerError> {
    let Known {
        newest,
        author,
        pools,
    } = known;
    let mut draining = Vec::new();
    for entry in ledger
        .pool_entries()
        .await?
        .into_iter()
        .filter(|entry| pools.get(&entry.name).is_none())
    {
        let now = Live::of(
            &ledger.runners(&entry.name).await?,
            ledger.waiting_jobs(&entry.name).await?.len(),
        );
        if !now.is_empty() {
            draining.push(Draining {
                pool: entry.name,
                gone_at: entry.gone_at.map(Rfc3339),
                now,
            });
        }
    }
    Ok(Answer {
        version: pools.version,
        broken: (newest.number != pools.version).then_some(newest.number),
        applied_at: newest.at.map(Rfc3339),
        applied_by: author.clone(),
        accounts: pools
            .accounts
            .iter()
            .map(|account| account.login.clone())
            .collect(),
        pools: pools.pools.iter().map(shown).collect(),
        draining,
    })
}

fn shown(pool: &Pool) -> Shown {
    let (scope, runner_group) = match &pool.scope {
        Scope::Repository => ("repository", None),
        Scope::Organization { group } => ("organization", Some(group.clone())),
    };
    Shown {
        pool: pool.name.clone(),
        labels: pool.labels.iter().map(str::to_owned).collect(),
        any: pool.any,
        priority: pool.priority,
        scope,
        runner_group,
        repositories: pool
            .repositories
            .iter()
            .map(|RepositoryPattern(pattern)| pattern.clone())
            .collect(),
        public: pool.public,
        vcpu: f64::from(pool.size.cpu) / 1024.0,
        memory_mib: pool.size.memory_mib,
        disk_gib: pool.size.disk_gib,
        architecture: difference::architecture(pool.size.architecture),
        capacity: difference::capacity(pool.size.capacity),
        image: pool.image.clone(),
        task_role: pool.task_role.clone(),
        max: pool.max,
        max_per_repository: pool.max_per_repository,
        min_idle: pool.min_idle,
        idle_timeout_seconds: pool.idle_timeout.as_secs(),
        max_lifetime_seconds: pool.max_lifetime.as_secs(),
        rerun_interrupted: pool.rerun_interrupted,
        size: size(&pool.size),
    }
}

impl Answer {
    /// The answer in words, styled. `room`: the terminal's width.
    #[must_use]
    pub fn in_words(&self, now: Timestamp, room: Option<usize>) -> String {
        let by = self
            .applied_by
            .as_ref()
            .map(|by| format!(" by {}", plain(by)))
            .unwrap_or_default();
        let at = self
            .applied_at
            .map(|at| format!(" {at} ({} ago)", age(now, at.0)))
            .unwrap_or_default();
        let mut lines = vec![format!(
            "{STRONG}version {}{STRONG:#}",
            self.broken.unwrap_or(self.version)
        )];
        lines[0].push_str(&format!(", applied{at}{by}"));
        if let Some(broken) = self.broken {
            lines.push(format!(
                "{CAUTION}version {broken} is broken: version {} is in force{CAUTION:#}",
                self.version
            ));
        }
        lines.push(format!("accounts: {}", plain(&self.accounts.join(", "))));
        lines.push(String::new());
        let mut table = Table::new([
            Column::new("POOL").cuts(8),
            Column::new("LABELS").wraps(14),
            Column::new("SIZE").wraps(10),
            Column::new("MAX"),
            Column::new("IDLE"),
            Column::new("SCOPE").wraps(8).hides(1),
            Column::new("SERVES").wraps(8),
        ]);
        for pool in &self.pools {
            table.row([
                Cell::new(pool.pool.as_str()),
                Cell::new(
                    pool.labels
                        .iter()
                        .map(|one| label::shown(one))
                        .collect::<Vec<_>>()
                        .join(" "),
                ),
                Cell::new(&pool.size),
                Cell::number(pool.max),
                Cell::number(pool.min_idle),
                Cell::new(pool.runner_group.as_ref().map_or_else(
                    || pool.scope.to_owned(),
                    |group| format!("{} ({group})", pool.scope),
                )),
                Cell::new(serves(pool)),
            ]);
        }
        lines.push(table.fitted(room));
        if !self.draining.is_empty() {
            lines.push(String::new());
        }
        lines.extend(self.draining.iter().map(|pool| draining(pool, now)));
        lines.join("\n")
    }
}

fn serves(pool: &Shown) -> String {
    let which = if pool.repositories.is_empty() {
        "every repository".to_owned()
    } else {
        pool.repositories.join(" ")
    };
    if pool.public {
        format!("{which}, also public")
    } else {
        which
    }
}

fn draining(pool: &Draining, now: Timestamp) -> String {
    let since = pool
        .gone_at
        .map(|at| format!(" for {}", age(now, at.0)))
        .unwrap_or_default();
    let runners = counted(pool.now.runners(), "runner");
    format!(
        "{FAINT}{} has been gone{since} and is draining:{FAINT:#} {runners}, {} busy, {} waiting",
        pool.pool,
        pool.now.busy,
        counted(pool.now.waiting, "job")
    )
}

/// A version of the file, as JSON.
#[derive(Debug, Serialize)]
struct File<'a> {
    version: u64,
    applied_at: Option<Rfc3339>,
    applied_by: Option<String>,
    text: &'a str,
}

impl Pools {
    /// Shows the pools, or the file.
    ///
    /// # Errors
    ///
    /// If the deployment cannot be asked, or no version of the file can be used.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        crate::wait_for(async {
            let connected = connect(global).await?;
            let parameter = connected.ssm_pools_store();
            let Some(newest) = parameter.version(self.version).await? else {
                match self.version {
                    Some(number) => screen.say(format_args!(
                        "AWS has no version {number} of the pools file (it keeps the last 100)"
                    )),
                    None => screen.say("no pools file is in force yet: mayfly apply pools.toml"),
                }
                return Ok(Exit::Nothing);
            };
            let author = parameter.author(newest.number).await;
            if self.file {
                return file(screen, &newest, author);
            }
            let Some(pools) = connected.active_pools(screen).await? else {
                return Ok(Exit::Nothing);
            };
            let known = Known {
                newest: &newest,
                author,
                pools: &pools,
            };
            let answer = gather(&connected.ledger(), &known)
                .await
                .map_err(|error| ledger_refused("read the ledger", &error))?;
            if screen.json() {
                screen.print_json(&answer)?;
            } else {
                screen.print(answer.in_words(system_clock(), screen.width()));
            }
            Ok(Exit::Done)
        })
    }
}

fn file(screen: &Screen, version: &Version, applied_by: Option<String>) -> Result<Exit, Failure> {
    if screen.json() {
        screen.print_json(&File {
            version: version.number,
            applied_at: version.at.map(Rfc3339),
            applied_by,
            text: &version.text,
        })?;
    } else {
        screen.print_exactly(&version.text)?;
    }
    Ok(Exit::Done)
}
