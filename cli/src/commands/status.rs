//! `mayfly status`.

pub mod text;

use std::time::Duration;

use clap::Args;
pub use mayfly_reports::status as report;

use self::report::{StatusReport, gather};
use self::text::{frame, text};
use crate::deployment::connect::connect;
use crate::deployment::drift;
use crate::deployment::pools_store::PoolsStore as _;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::{Drawing, Screen, json_line, terminal};
use crate::terminal::text_format::{clip, plain};

/// The most seconds between two looks.
const SLOWEST: u64 = 3_600;

/// How things are.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Exits with 0, whatever it shows. Times are UTC.

Examples:
  mayfly status
  mayfly status --watch
  mayfly status --json | jq '.pools[] | select(.starts[].breaker_open)'
  mayfly status --watch=60 --json          # one line of JSON a minute")]
pub struct Status {
    /// Refresh every N seconds, until Ctrl-C [default: 5]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "5", value_parser = clap::value_parser!(u64).range(1..=SLOWEST))]
    watch: Option<u64>,
}

impl Status {
    /// Tells how things are.
    ///
    /// # Errors
    ///
    /// If AWS cannot be asked; while watching, only if it could not the first time.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let (ledger, parameter) = (connected.ledger(), connected.ssm_pools_store());
            let mut watching = Watching {
                seconds: self.watch,
                drawing: None,
                stack: connected.stack.clone(),
                screen,
            };
            let mut looked = false;
            loop {
                let asked = async {
                    let pools = connected.active_pools(screen).await?;
                    let now = mayfly_config::store::system_clock();
                    let newest = parameter.version(None).await?;
                    let answer = gather(&ledger, pools.as_deref(), now)
                        .await
                        .map_err(|error| ledger_refused("read the ledger", &error))?;
                    let drift = match &newest {
                        Some(newest) => drift::find(&ledger, &parameter, newest, now).await?,
                        None => None,
                    };
                    Ok::<_, Failure>(StatusReport { drift, ..answer })
                };
                let asked = tokio::select! {
                    asked = asked => asked,
                    () = ended() => return Ok(Exit::Done),
                };
                match (asked, self.watch) {
                    (Ok(answer), _) => {
                        if !watching.show(&answer)? {
                            return Ok(Exit::Done);
                        }
                    }
                    // Networks come back.
                    (Err(failure), Some(_)) if looked => watching.failed(&failure),
                    (Err(failure), _) => return Err(failure),
                }
                looked = true;
                let Some(seconds) = self.watch else {
                    return Ok(Exit::Done);
                };
                tokio::select! {
                    () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
                    () = ended() => return Ok(Exit::Done),
                }
            }
        })
    }
}

/// Ctrl-C, or a request to end: a terminal that was drawn on is given back first.
async fn ended() {
    let asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate());
    let terminated = async {
        match asked {
            Ok(mut asked) => asked.recv().await,
            Err(_) => std::future::pending().await,
        };
    };
    tokio::select! {
        pressed = tokio::signal::ctrl_c() => if pressed.is_err() { std::future::pending::<()>().await },
        () = terminated => {}
    }
}

/// Where answers go, one after another.
struct Watching<'a> {
    seconds: Option<u64>,
    /// The terminal, once something was drawn on it.
    drawing: Option<Drawing>,
    stack: String,
    screen: &'a Screen,
}

impl Watching<'_> {
    /// `false`: stdout is closed.
    fn show(&mut self, answer: &StatusReport) -> Result<bool, Failure> {
        let screen = self.screen;
        Ok(match (screen.json(), self.seconds, terminal()) {
            (true, None, _) => screen.print_json(answer).map(|()| true)?,
            // One line an answer: a stream is read by lines.
            (true, Some(_), _) => screen.told(json_line(answer)?),
            (false, Some(seconds), Some((columns, lines))) => {
                if self.drawing.is_none() {
                    self.drawing = Some(screen.enter());
                }
                screen.draw(&frame(answer, &self.stack, seconds, columns, lines))
            }
            (false, Some(_), None) => {
                screen.told(format_args!("{}\n{}\n", answer.at, text(answer, None)))
            }
            (false, None, _) => screen.told(text(answer, screen.width())),
        })
    }

    /// Says that a look failed, where what is said can be seen.
    fn failed(&mut self, failure: &Failure) {
        match (&self.drawing, terminal()) {
            (Some(_), Some((columns, _))) => {
                let line = clip(
                    &format!("cannot refresh: {}", plain(&failure.to_string())),
                    columns,
                );
                let _ = self.screen.draw(&[line]);
            }
            _ => self.screen.failure(failure),
        }
    }
}
