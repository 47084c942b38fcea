//! `mayfly apply`: a pools file into force.
//!
//! SSM knows no conditional write. So the command takes a lock in the ledger first, and under it
//! looks if the version is still the one that the plan was made from; the write itself is made once
//! and within the lock's time. Other programs that write the parameter are not kept out: what they
//! wrote before is detected and refused, what they write at that very moment is reported.
//!
//! The lock also keeps what the command wrote, by its hash. A file that is active and is not that
//! one was written by other means ([`crate::deployment::drift`]). Anyone who applies that very file
//! writes nothing: it is recorded as applied.

use std::io::{BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};

use clap::Args;
use mayfly_config::store::system_clock;
use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::requests::{ApplyEnd, ApplyLock, FileHash};
use mayfly_ledger::{Ledger, Store, Versioned};
use mayfly_queue::Wakes;
use serde::Serialize;

use super::plan::report::Plan;
use super::plan::text::text;
use super::plan::{Prepared, prepare};
use crate::deployment::caller::caller;
use crate::deployment::connect::{Connected, connect};
use crate::deployment::pools_store::{PoolsStore, WRITE_WITHIN, Written};
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::input::pools_file::is_stdin;
use crate::input::pools_file::{Readable, readable, readable_text};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{CAUTION, GOOD, Screen};
use crate::terminal::time_format::Rfc3339;

/// A pools file to apply.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Checks the file, shows the plan, asks for confirmation and applies everything at once. A removed pool starts no more runners; its running jobs finish. Refused if another user is applying, or has applied since the plan was made.

Examples:
  mayfly apply pools.toml
  mayfly apply --yes pools.toml        # in CI
  mayfly apply --version 7             # back to version 7
  ./make-pools | mayfly apply -        # asks on the terminal, not on stdin")]
pub struct Apply {
    /// The pools file; - for stdin
    #[arg(required_unless_present = "version")]
    file: Option<PathBuf>,
    /// Apply an earlier version again (AWS keeps the last 100)
    #[arg(long, value_name = "N", conflicts_with = "file", value_parser = clap::value_parser!(u64).range(1..))]
    version: Option<u64>,
    /// Do not ask for confirmation
    #[arg(long, short)]
    yes: bool,
    /// Show every key of new pools
    #[arg(long, short)]
    verbose: bool,
}

/// What applying needs of the world.
pub struct Means<'a, S, P, W> {
    /// The ledger.
    pub ledger: &'a Ledger<S>,
    /// The parameter.
    pub parameter: &'a P,
    /// The wake queue.
    pub wakes: &'a W,
    /// What time it is.
    pub clock: &'a (dyn Fn() -> Timestamp + Sync),
}

/// What is to be applied.
#[derive(Clone, Copy, Debug)]
pub struct Change<'a> {
    /// Who applies it.
    pub by: &'a str,
    /// The version that the plan was made from; none: there was none.
    pub from: Option<u64>,
    /// The file.
    pub text: &'a str,
    /// Pools to be woken afterwards.
    pub pools: &'a [PoolName],
}

/// The result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// The active version now.
    pub version: u64,
    /// The very file was active, written by other means: it was recorded as applied.
    pub recorded_only: bool,
    /// Versions that someone wrote by other means in that very moment, and that this one took the
    /// place of.
    pub replaced: Vec<u64>,
    /// Pools that could not be woken: the tick wakes them within a minute.
    pub not_woken: Vec<PoolName>,
}

/// Applies a file, unless another apply is running.
///
/// # Errors
///
/// If another user applies, or did since the plan was made, or the file was not written: nothing
/// changed, or the error says that this is unknown.
pub async fn carry_out<S: Store, P: PoolsStore, W: Wakes>(
    means: &Means<'_, S, P, W>,
    change: Change<'_>,
) -> Result<Applied, Failure> {
    let begun = means
        .ledger
        .acquire_apply_lock(change.by, &FileHash::of(change.text), (means.clock)())
        .await;
    let applying = match begun.map_err(|error| ledger_refused("begin to apply", &error))? {
        Ok(applying) => applying,
        Err(other) => return Err(taken(&other)),
    };
    let (end, written) = match write(means, change, &applying).await {
        Ok(version) => (ApplyEnd::Applied(version), Ok(version)),
        Err(NotApplied::Surely(failure)) => (ApplyEnd::NotWritten, Err(failure)),
        Err(NotApplied::Unknown(failure)) => (ApplyEnd::Unknown, Err(failure)),
    };
    // What is not ended runs out by itself.
    let _ = means.ledger.release_apply_lock(&applying, end).await;
    let version = written?;
    let mut not_woken = Vec::new();
    for pool in change.pools {
        if means.wakes.wake(pool).await.is_err() {
            not_woken.push(pool.clone());
        }
    }
    Ok(Applied {
        version,
        recorded_only: change.from == Some(version),
        replaced: (change.from.unwrap_or(0) + 1..version).collect(),
        not_woken,
    })
}

fn taken(other: &ApplyLock) -> Failure {
    let problem = format!(
        "{} has been applying a pools file since {}",
        other.by,
        Rfc3339(other.at)
    );
    Failure::new(
        problem,
        format!(
            "nothing was changed: try again in a moment, or after {} if that apply does not finish",
            Rfc3339(other.until)
        ),
    )
}

/// Why a file was not written.
enum NotApplied {
    /// Nothing was.
    Surely(Failure),
    /// Perhaps it was.
    Unknown(Failure),
}

impl From<Failure> for NotApplied {
    fn from(failure: Failure) -> Self {
        Self::Surely(failure)
    }
}

/// The write, with the right to apply in hand. What is active already is not written again.
async fn write<S: Store, P: PoolsStore, W: Wakes>(
    means: &Means<'_, S, P, W>,
    change: Change<'_>,
    applying: &Versioned<ApplyLock>,
) -> Result<u64, NotApplied> {
    let newest = means.parameter.version(None).await?;
    if newest.as_ref().map(|newest| newest.number) != change.from {
        return Err(overtaken(
            means.parameter,
            newest.map(|newest| (newest.number, newest.at)),
            change.from,
        )
        .await
        .into());
    }
    if let Some(newest) = newest.filter(|newest| newest.text == change.text) {
        return Ok(newest.number);
    }
    if (means.clock)().since(applying.at) > WRITE_WITHIN {
        return Err(Failure::new(
            "AWS answered too slowly: another user may be applying by now",
            "nothing was changed: try again",
        )
        .into());
    }
    match means
        .parameter
        .write(change.text, change.from.is_none())
        .await?
    {
        Written::As(version) => Ok(version),
        Written::Exists => {
            let newest = means.parameter.version(None).await?;
            Err(overtaken(
                means.parameter,
                newest.map(|newest| (newest.number, newest.at)),
                change.from,
            )
            .await
            .into())
        }
        Written::Unknown(why) => match means
            .parameter
            .version(None)
            .await
            .map_err(NotApplied::Unknown)?
        {
            Some(now) if now.text == change.text && Some(now.number) > change.from => {
                Ok(now.number)
            }
            _ => Err(NotApplied::Unknown(Failure::new(
                format!("the file may or may not have been written: {why}"),
                "run mayfly pools in a minute to see, then apply again if needed",
            ))),
        },
    }
}

async fn overtaken<P: PoolsStore>(
    parameter: &P,
    newest: Option<(u64, Option<Timestamp>)>,
    from: Option<u64>,
) -> Failure {
    let Some((number, at)) = newest else {
        return Failure::new(
            "the pools file is gone: its parameter was deleted since the plan was made",
            "nothing was changed: plan again",
        );
    };
    let author = parameter.author(number).await;
    let by = author.map(|by| format!(" by {by}")).unwrap_or_default();
    let at = at
        .map(|at| format!(" at {}", Rfc3339(at)))
        .unwrap_or_default();
    let from = from.map_or_else(
        || "when there was none".to_owned(),
        |from| format!("from version {from}"),
    );
    let problem = format!("version {number} was applied{by}{at}, and the plan was made {from}");
    Failure::new(
        problem,
        "nothing was changed: plan again, your file may undo what that version does",
    )
}

/// The answer as JSON.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    /// What was to change.
    pub plan: &'a Plan,
    /// The result; none if there was nothing to change.
    pub applied: Option<&'a Applied>,
}

/// The result as text: warnings, and the answer.
#[must_use]
pub fn in_words(applied: &Applied) -> (Vec<String>, String) {
    let warning = |text: &str| format!("{CAUTION}warning:{CAUTION:#} {text}");
    let replaced = |version: &u64| {
        warning(&format!(
            "version {version}, written at the same moment by other means, was replaced: mayfly pools --file --version {version} shows it"
        ))
    };
    let mut besides: Vec<String> = applied.replaced.iter().map(replaced).collect();
    if !applied.not_woken.is_empty() {
        besides.push(warning(
            "some pools could not be woken: the next tick wakes them, within a minute",
        ));
    }
    let version = applied.version;
    let answer = if applied.recorded_only {
        format!(
            "{GOOD}recorded:{GOOD:#} version {version} was already active, written by other means; it now counts as applied"
        )
    } else {
        format!(
            "{GOOD}applied:{GOOD:#} version {version} is active; every function uses it within a minute"
        )
    };
    (besides, answer)
}

impl Apply {
    /// Applies the file.
    ///
    /// # Errors
    ///
    /// If nothing was applied.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        let confirm = if self.yes {
            None
        } else {
            Some(self.confirmation()?)
        };
        let from_file = self
            .file
            .as_ref()
            .map(|file| readable(file, screen))
            .transpose()?;
        block_on(async {
            let connected = connect(global).await?;
            connected.announce(screen);
            let whereabouts = connected.whereabouts();
            let (readable, name) = match (from_file, self.version) {
                (Some(readable), _) => (
                    readable,
                    self.file
                        .as_ref()
                        .map(|file| file.display().to_string())
                        .unwrap_or_default(),
                ),
                (None, number) => earlier(&connected, number, screen).await?,
            };
            let prepared = prepare(connected, &readable, name, screen).await?;
            if !screen.json() {
                screen.print(text(&prepared.plan, self.verbose));
            }
            if prepared.plan.same && prepared.plan.drift.is_none() {
                return answer(screen, &prepared.plan, None);
            }
            if !prepared.plan.same
                && let Some(confirm) = confirm
                && !agreed(screen, &whereabouts, confirm)?
            {
                screen.say("nothing was changed");
                return Ok(Exit::Failed);
            }
            let applied = apply(&prepared, &readable.text).await?;
            answer(screen, &prepared.plan, Some(&applied))
        })
    }

    /// Where a person confirms: the terminal on stdin; the process's own terminal if the file comes
    /// from stdin.
    fn confirmation(&self) -> Result<Box<dyn BufRead>, Failure> {
        let none = || {
            Failure::new(
                "there is no terminal to ask for confirmation",
                "pass --yes to apply without confirmation",
            )
        };
        if !std::io::stderr().is_terminal() {
            return Err(none());
        }
        if self.file.as_deref().is_some_and(is_stdin) {
            return std::fs::File::open("/dev/tty")
                .map(|tty| Box::new(BufReader::new(tty)) as Box<dyn BufRead>)
                .map_err(|_| none());
        }
        if std::io::stdin().is_terminal() {
            Ok(Box::new(BufReader::new(std::io::stdin())))
        } else {
            Err(none())
        }
    }
}

/// An earlier version of the file, and what it is called.
async fn earlier(
    connected: &Connected,
    number: Option<u64>,
    screen: &Screen,
) -> Result<(Readable, String), Failure> {
    let version = connected.ssm_pools_store().version(number).await?;
    let Some(version) = version else {
        let number = number.map(|number| number.to_string()).unwrap_or_default();
        return Err(Failure::new(
            format!("there is no version {number} of the pools file"),
            "AWS keeps the last 100: see mayfly pools",
        ));
    };
    let name = format!("version {}", version.number);
    Ok((readable_text(version.text, Path::new(&name), screen)?, name))
}

async fn apply(prepared: &Prepared, text: &str) -> Result<Applied, Failure> {
    let Prepared {
        connected,
        newest,
        plan,
    } = prepared;
    let by = caller(&connected.sdk).await;
    let pools: Vec<PoolName> = plan.pools.iter().map(|pool| pool.pool.clone()).collect();
    let (ledger, parameter, wakes) = (
        connected.ledger(),
        connected.ssm_pools_store(),
        connected.wakes(),
    );
    let means = Means {
        ledger: &ledger,
        parameter: &parameter,
        wakes: &wakes,
        clock: &system_clock,
    };
    carry_out(
        &means,
        Change {
            by: &by,
            from: newest.as_ref().map(|newest| newest.number),
            text,
            pools: &pools,
        },
    )
    .await
}

fn agreed(
    screen: &Screen,
    whereabouts: &str,
    mut confirm: Box<dyn BufRead>,
) -> Result<bool, Failure> {
    screen.ask(format_args!("Apply to {whereabouts}? Type \"yes\": "));
    let mut line = String::new();
    let read = confirm.read_line(&mut line);
    read.map_err(|error| {
        Failure::new(
            format!("could not read the answer: {error}"),
            "nothing was changed",
        )
    })?;
    Ok(line.trim() == "yes")
}

fn answer(screen: &Screen, plan: &Plan, applied: Option<&Applied>) -> Result<Exit, Failure> {
    if screen.json() {
        screen.print_json(&Answer { plan, applied })?;
        return Ok(Exit::Done);
    }
    let Some(applied) = applied else {
        return Ok(Exit::Done);
    };
    let (besides, done) = in_words(applied);
    besides.iter().for_each(|text| screen.say(text));
    screen.print(done);
    Ok(Exit::Done)
}
