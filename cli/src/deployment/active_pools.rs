//! The active pools file, as the functions see it.

use std::sync::Arc;

use mayfly_config::parameter::Ssm;
use mayfly_config::store::{Parameters, Settings, SettingsError, system_clock};
use mayfly_domain::model::pool::Pools;

use crate::deployment::connect::Connected;
use crate::deployment::refused::MAY_NOT;
use crate::failure::Failure;
use crate::terminal::screen::{CAUTION, Screen};

impl Connected {
    /// Some of the settings, as functions read them.
    #[must_use]
    pub fn settings(&self, parameters: Parameters) -> Settings {
        Settings::new(
            Ssm::new(aws_sdk_ssm::Client::new(&self.sdk)),
            parameters,
            Box::new(system_clock),
        )
    }

    /// The active pools: the newest version of the file that can be used. None if no pools file
    /// was ever applied, which is said.
    ///
    /// # Errors
    ///
    /// If they cannot be read, or no version of the file can be used.
    pub async fn active_pools(&self, screen: &Screen) -> Result<Option<Arc<Pools>>, Failure> {
        // Only this parameter: anyone who may look at pools need not be allowed to read the App's
        // key.
        let settings = self.settings(Parameters {
            pools: Some(self.parameter("pools")),
            ..Parameters::default()
        });
        match settings.pools().await {
            Ok(pools) => {
                if settings.failed_refreshes() > 0 {
                    let version = pools.version;
                    screen.say(format_args!(
                        "{CAUTION}warning:{CAUTION:#} the newest version of the pools file is broken: version {version} stays active (fix it: mayfly pools --file, mayfly check)"
                    ));
                }
                Ok(Some(pools))
            }
            Err(SettingsError::Missing { .. }) => {
                screen.say("no pools file is active yet: mayfly apply pools.toml");
                Ok(None)
            }
            Err(SettingsError::Unreadable(problem)) => {
                let hint = if problem.denied { MAY_NOT } else { "" };
                Err(Failure::new(problem.to_string(), hint))
            }
            Err(problem) => Err(Failure::new(
                problem.to_string(),
                "apply one that can be used: mayfly check, mayfly apply",
            )),
        }
    }
}
