//! `mayfly logs`: what a runner's container printed.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_cloudwatchlogs::Client;
use clap::{Args, ValueHint};
use mayfly_config::store::system_clock;
use mayfly_domain::model::id::{RunnerAddress, RunnerName};
use mayfly_domain::model::job::{JobRecord, JobState};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::{History, Ledger, LedgerError, Store};
use serde::Serialize;

use crate::deployment::connect::{Connected, connect};
use crate::deployment::refused::{ledger_refused, refused};
use crate::failure::{Exit, Failure};
use crate::input::job_arg::JobArg;
use crate::input::runner_arg::{Found, find, several};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::progress::Progress;
use crate::terminal::screen::{FAINT, Screen, json_line};
use crate::terminal::text_format::plain;
use crate::terminal::time_format::Rfc3339;

/// Whose log.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Shows what the runner itself prints: its registration, which job it runs, why it ends. The output of a job's steps goes to GitHub, not here.
With --json, each line is a JSON object.

Examples:
  mayfly logs 43821                      # the runner that has, or had, this job
  mayfly logs --follow 01kb2m            # a runner, by the beginning of its id
  mayfly logs https://github.com/acme/app/actions/runs/15871/job/43821")]
pub struct Logs {
    /// A job (GitHub's id or URL), or a runner (its id or the beginning of it, or its name at
    /// GitHub)
    #[arg(value_name = "JOB|RUNNER", value_hint = ValueHint::Other)]
    whose: String,
    /// Follow the log until the runner's task stops; if the job waits, wait for its runner
    #[arg(long, short)]
    follow: bool,
    /// Show when each line was printed
    #[arg(long)]
    timestamps: bool,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When it was printed.
    pub at: Rfc3339,
    /// What.
    pub message: String,
}

/// Some lines of a stream, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// The lines.
    pub lines: Vec<Line>,
    /// Where the stream goes on; the same place again at its end.
    pub next: Option<String>,
}

/// The streams of the runners' log group.
#[async_trait]
pub trait LogStreams: Send + Sync {
    /// What follows a place, from the beginning if there is none. `None`: there is no such stream
    /// yet.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    async fn page(&self, stream: &str, after: Option<&str>) -> Result<Option<Page>, Failure>;
}

/// The log group in CloudWatch Logs.
#[derive(Clone, Debug)]
pub struct CloudWatch {
    client: Client,
    group: String,
}

impl CloudWatch {
    /// The runners' log group.
    #[must_use]
    pub fn of(connected: &Connected) -> Self {
        Self {
            client: Client::new(&connected.sdk),
            group: connected.deployment.runner_logs.clone(),
        }
    }
}

#[async_trait]
impl LogStreams for CloudWatch {
    async fn page(&self, stream: &str, after: Option<&str>) -> Result<Option<Page>, Failure> {
        let request = self
            .client
            .get_log_events()
            .log_group_name(&self.group)
            .log_stream_name(stream)
            .start_from_head(true);
        match request
            .set_next_token(after.map(str::to_owned))
            .send()
            .await
        {
            Ok(answer) => {
                let lines = answer
                    .events
                    .unwrap_or_default()
                    .into_iter()
                    .map(|event| Line {
                        at: Rfc3339(Timestamp::from_millis(event.timestamp.unwrap_or_default())),
                        message: event.message.unwrap_or_default(),
                    });
                Ok(Some(Page {
                    lines: lines.collect(),
                    next: answer.next_forward_token,
                }))
            }
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|error| error.is_resource_not_found_exception()) =>
            {
                Ok(None)
            }
            Err(error) => Err(refused(
                &format!("read the log stream {stream} of {}", self.group),
                &error,
            )),
        }
    }
}

/// Whose log it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Whose {
    /// This runner's.
    Runner(Box<Runner>),
    /// None yet: the job waits, for this reason.
    NotYet(String),
    /// None, and there will be none: why.
    Nobody(String),
}

/// Finds whose log is meant.
///
/// # Errors
///
/// If the ledger does not answer, or several runners are meant.
pub async fn whose<S: Store + History>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    named: &str,
) -> Result<Whose, Failure> {
    let failed = |error: LedgerError| ledger_refused("find the runner of the log", &error);
    if let Ok(job) = named.parse::<JobArg>() {
        return of_job(ledger, &job).await.map_err(failed);
    }
    Ok(
        match find(ledger, pools, named, system_clock())
            .await
            .map_err(failed)?
        {
            Found::One(runner) => Whose::Runner(runner),
            Found::Several(all) => return Err(several(named, &all)),
            Found::None => Whose::Nobody(format!(
                "there is no runner {}: mayfly runners --since 1d lists runners",
                plain(named)
            )),
        },
    )
}

async fn of_job<S: Store>(ledger: &Ledger<S>, job: &JobArg) -> Result<Whose, LedgerError> {
    let Some(record) = ledger.job(job.id).await? else {
        return Ok(Whose::Nobody(format!(
            "Mayfly does not know {}",
            plain(&job.to_string())
        )));
    };
    if let Some(address) = address(&record) {
        let records = ledger.runner_records(&address).await?;
        let runner = records.row.or(records.record);
        return Ok(runner.map_or_else(
            || Whose::Nobody(format!("runner {address} had it, and its record is gone")),
            |runner| Whose::Runner(Box::new(runner)),
        ));
    }
    let name = plain(record.runner_name.as_deref().unwrap_or_default());
    Ok(match record.state {
        JobState::Running | JobState::Closed if !name.is_empty() => Whose::Nobody(format!(
            "it ran on {name}, which is not a runner of Mayfly's"
        )),
        JobState::Closed => Whose::Nobody("it is over, and no runner had it".to_owned()),
        JobState::Queued | JobState::Blocked | JobState::Unplaced | JobState::Running => {
            let reason = record
                .reason
                .as_ref()
                .map(|reason| format!(": {}", plain(&reason.to_string())))
                .unwrap_or_default();
            Whose::NotYet(format!("no runner has it yet{reason}"))
        }
    })
}

/// The runner of ours that has, or had, a job.
fn address(record: &JobRecord) -> Option<RunnerAddress> {
    // By the name, since the runner may be of another pool than the job.
    let named = record
        .runner_name
        .as_ref()
        .and_then(|name| name.parse::<RunnerName>().ok())
        .map(|name| name.address)?;
    (record.runner.as_ref() == Some(&named.runner)).then_some(named)
}

/// How often is looked when the end of a stream is reached.
const LOOK: Duration = Duration::from_secs(2);

/// How long after a runner's end its last lines may take to appear.
const LAST_LINES: Duration = Duration::from_secs(10);

/// What reads a log.
pub struct Reader<'a, S, L> {
    /// The ledger: tells when the runner is gone.
    pub ledger: &'a Ledger<S>,
    /// The streams.
    pub streams: &'a L,
    /// To the end of the runner, not only of what there is now.
    pub follow: bool,
}

impl<S: Store, L: LogStreams> Reader<'_, S, L> {
    /// Reads a runner's log, and gives each line to `show`. `false`: there is none.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or a line not be shown.
    pub async fn read(
        &self,
        runner: &Runner,
        mut show: impl FnMut(&Line) -> Result<(), Failure>,
    ) -> Result<bool, Failure> {
        let mut progress = Progress::default();
        let (mut stream, mut place, mut found) = (runner.log_stream(), None, false);
        let mut quiet = Duration::ZERO;
        loop {
            let mut news = false;
            if let Some(stream) = &stream {
                while let Some(page) = self.streams.page(stream, place.as_deref()).await? {
                    found = true;
                    news |= !page.lines.is_empty();
                    page.lines.iter().try_for_each(&mut show)?;
                    let end = page.next.is_none() || page.next == place;
                    place = page.next.or(place);
                    if end {
                        break;
                    }
                }
            }
            if !self.follow {
                return Ok(found);
            }
            let records = self
                .ledger
                .runner_records(&runner.address())
                .await
                .map_err(|error| ledger_refused("read the runner", &error))?;
            stream = records
                .row
                .as_ref()
                .or(records.record.as_ref())
                .and_then(Runner::log_stream)
                .or(stream);
            quiet = if records.row.is_some() || news {
                Duration::ZERO
            } else {
                quiet + LOOK
            };
            if quiet > LAST_LINES || (records.row.is_none() && stream.is_none()) {
                return Ok(found);
            }
            if !found {
                progress.say("its container has not printed anything yet");
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

impl Logs {
    /// Shows the log.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let pools = connected.active_pools(screen).await.unwrap_or_default();
            let ledger = connected.ledger();
            let runner = match self.runner(&ledger, pools.as_deref()).await? {
                Ok(runner) => runner,
                Err(why) => {
                    screen.say(why);
                    return Ok(Exit::Nothing);
                }
            };
            let streams = CloudWatch::of(&connected);
            let reader = Reader {
                ledger: &ledger,
                streams: &streams,
                follow: self.follow,
            };
            if !screen.json() {
                let stream = runner.log_stream().unwrap_or_default();
                screen.say(format_args!(
                    "{FAINT}runner {}, log {} {stream}{FAINT:#}",
                    runner.address(),
                    streams.group
                ));
            }
            if reader.read(&runner, |line| self.show(line, screen)).await? {
                return Ok(Exit::Done);
            }
            let why = runner
                .reason
                .as_ref()
                .map(|reason| format!(": it ended: {}", plain(&reason.to_string())))
                .unwrap_or_default();
            screen.say(format_args!("its container has printed nothing{why}"));
            Ok(Exit::Nothing)
        })
    }

    /// The runner whose log is meant, waited for if that was said.
    async fn runner<S: Store + History>(
        &self,
        ledger: &Ledger<S>,
        pools: Option<&Pools>,
    ) -> Result<Result<Box<Runner>, String>, Failure> {
        let mut progress = Progress::default();
        loop {
            match whose(ledger, pools, &self.whose).await? {
                Whose::Runner(runner) => return Ok(Ok(runner)),
                Whose::NotYet(why) if self.follow => progress.say(&why),
                Whose::NotYet(why) | Whose::Nobody(why) => return Ok(Err(why)),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn show(&self, line: &Line, screen: &Screen) -> Result<(), Failure> {
        if screen.json() {
            screen.print(as_json(line)?);
        } else {
            screen.print(in_words(line, self.timestamps));
        }
        Ok(())
    }
}

/// A line as JSON, on one line.
///
/// # Errors
///
/// If it cannot be written as such.
pub fn as_json(line: &Line) -> Result<String, Failure> {
    json_line(line)
}

/// A line as text. A job's code can print what it likes: nothing of it moves the cursor or colours
/// anything.
#[must_use]
pub fn in_words(line: &Line, timestamps: bool) -> String {
    let message = plain(&anstream::adapter::strip_str(line.message.trim_end()).to_string());
    if timestamps {
        format!("{FAINT}{}{FAINT:#} {message}", line.at)
    } else {
        message
    }
}
