//! How the stand-in is started.

use super::settings::Settings;
use anyhow::{Context, Result, bail};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The command line of `fargate-model`.
#[derive(Clone, Debug)]
pub struct Flags {
    /// `--listen`: address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// `--ready-file`: written as `{"url": …}` once requests are answered.
    pub ready_file: Option<PathBuf>,
    /// `--aws-endpoint`: where STS and Lambda are.
    pub aws_endpoint: Option<String>,
    /// `--runner-home`: the directory whose `run.sh` stands in for the runner's; tasks find it in
    /// `MAYFLY_RUNNER_HOME`.
    pub runner_home: PathBuf,
    /// `--work-dir`: temporary directories (`tasks/`) and logs (`logs/`) of tasks.
    pub work_dir: PathBuf,
    /// `--requests`: the file that every request of the product is written to.
    pub requests: Option<PathBuf>,
    /// `--observer-function`: the function that gets task events; also by `/_model/config`.
    pub observer_function: Option<String>,
    /// `--region`, `--account`, `--start-delay-ms`, `--stop-timeout-ms`, `--max-tasks` and
    /// `--cluster` (may be repeated).
    pub settings: Settings,
}

impl Default for Flags {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ready_file: None,
            aws_endpoint: None,
            runner_home: PathBuf::from("infra/local"),
            work_dir: std::env::temp_dir().join("mayfly-fargate"),
            requests: None,
            observer_function: None,
            settings: Settings::default(),
        }
    }
}

impl Flags {
    /// Reads a command line without the program's name.
    ///
    /// # Errors
    /// Names the flag that is unknown, lacks its value or has one that cannot be read.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut flags = Self::default();
        while let Some(flag) = words.next() {
            let value = words
                .next()
                .with_context(|| format!("{flag} needs a value"))?;
            flags
                .set(&flag, value)
                .with_context(|| format!("read {flag}"))?;
        }
        Ok(flags)
    }

    fn set(&mut self, flag: &str, value: String) -> Result<()> {
        match flag {
            "--listen" => self.listen = value.parse()?,
            "--ready-file" => self.ready_file = Some(value.into()),
            "--aws-endpoint" => self.aws_endpoint = Some(value),
            "--runner-home" => self.runner_home = value.into(),
            "--work-dir" => self.work_dir = value.into(),
            "--requests" => self.requests = Some(value.into()),
            "--observer-function" => self.observer_function = Some(value),
            "--region" => self.settings.region = value,
            "--account" => self.settings.account = value,
            "--cluster" => self.settings.clusters.push(value),
            "--start-delay-ms" => self.settings.start_delay_ms = value.parse()?,
            "--stop-timeout-ms" => self.settings.stop_timeout_ms = Some(value.parse()?),
            "--max-tasks" => self.settings.max_tasks = value.parse()?,
            _ => bail!("unknown flag"),
        }
        Ok(())
    }
}
