//! `mayfly dashboard`.

pub mod job_page;
pub mod look;
pub mod server;

use async_trait::async_trait;
use clap::{Args, ValueHint};
use mayfly_config::store::system_clock;
use mayfly_domain::model::id::JobId;

use self::look::{Look, Source, View};
use self::server::Listening;
use super::explain::report::{self as explain, JobReport};
use super::init::browser;
use crate::deployment::connect::{Connected, connect};
use crate::deployment::drift;
use crate::deployment::pools_store::PoolsStore as _;
use crate::deployment::refused::ledger_refused;
use crate::failure::{Exit, Failure};
use crate::options::Global;
use crate::runtime::block_on;
use crate::terminal::screen::Screen;

/// Where to show it.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Serves a page on 127.0.0.1 until Ctrl-C, for the browser that opens the printed address. It reads the ledger with your credentials each time that it is shown, every 15 seconds while it is open, and changes nothing.

Examples:
  mayfly dashboard
  mayfly dashboard --no-browser --port 4600     # then: ssh -L 4600:127.0.0.1:4600 host")]
pub struct Dashboard {
    /// Listen on this port of 127.0.0.1 [default: any that is free]
    #[arg(long, value_name = "PORT", default_value_t = 0, hide_default_value = true, value_hint = ValueHint::Other)]
    port: u16,
    /// Only print the address
    #[arg(long)]
    no_browser: bool,
}

impl Dashboard {
    /// Serves the page.
    ///
    /// # Errors
    ///
    /// If the deployment cannot be found, or the port is taken.
    pub fn run(&self, global: &Global, screen: &Screen) -> Result<Exit, Failure> {
        block_on(async {
            let connected = connect(global).await?;
            let github = connected.github_url().await?;
            let (stack, region) = (connected.stack.clone(), connected.region().to_owned());
            let source = Live {
                connected,
                github,
                screen: *screen,
            };
            let listening = Listening::start(source, &stack, &region, self.port).await?;
            screen.print(&listening.address);
            if !self.no_browser && !browser::open(&listening.address) {
                screen.say("no browser could be started: open the address in one");
            }
            screen.say("Ctrl-C ends it");
            tokio::select! {
                served = listening.serve() => served?,
                _ = tokio::signal::ctrl_c() => {}
            }
            Ok(Exit::Done)
        })
    }
}

/// The deployment.
struct Live {
    connected: Connected,
    github: String,
    screen: Screen,
}

#[async_trait]
impl Source for Live {
    async fn look(&self, view: &View) -> Result<Look, Failure> {
        let pools = self.connected.active_pools(&self.screen).await?;
        let (ledger, now) = (self.connected.ledger(), system_clock());
        let parameter = self.connected.ssm_pools_store();
        let (newest, look) = tokio::join!(
            parameter.version(None),
            look::gather(&ledger, pools.as_deref(), view, now)
        );
        let mut look = look.map_err(|error| ledger_refused("read the ledger", &error))?;
        if let Some(newest) = newest? {
            look.status.drift = drift::find(&ledger, &parameter, &newest, now).await?;
        }
        Ok(look)
    }

    async fn job(&self, job: JobId) -> Result<Option<JobReport>, Failure> {
        let pools = self.connected.active_pools(&self.screen).await?;
        explain::gather(
            &self.connected.ledger(),
            pools.as_deref(),
            job,
            &self.github,
            system_clock(),
        )
        .await
        .map_err(|error| ledger_refused("read the job", &error))
    }
}
