//! The caller's identity and AWS's time: one call to STS answers both.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use aws_sdk_sts::config::interceptors::BeforeDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use aws_types::SdkConfig;
use mayfly_config::store::system_clock;
use mayfly_domain::model::time::Timestamp;

use super::finding::{Area, Finding};
use crate::deployment::caller;
use crate::deployment::refused::refused;
use crate::failure::Failure;
use crate::terminal::time_format::duration_text;

/// A clock that is this much wrong will soon be too much so.
const DOUBTFUL: Duration = Duration::from_secs(60);

/// AWS refuses what was signed more than five minutes ago, or ahead (IAM user guide, "Troubleshoot
/// Signature Version 4 requests for AWS APIs"); a minute of that is left for the way.
const FATAL: Duration = Duration::from_secs(4 * 60);

/// Whose credentials these are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Who {
    /// Their ARN.
    pub arn: String,
    /// The account.
    pub account: String,
    /// The region that is asked.
    pub region: String,
}

/// Two clocks at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clocks {
    /// This machine's.
    pub here: Timestamp,
    /// AWS', to the second.
    pub there: Timestamp,
}

/// What STS said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Who asked; or why that is not known.
    pub who: Result<Who, Failure>,
    /// The clocks; none if no answer came, or none with a date.
    pub clocks: Option<Clocks>,
}

/// Asks STS. Needs no permission.
pub async fn ask(sdk: &SdkConfig) -> Identity {
    let watch = Watch::default();
    let asked = aws_sdk_sts::Client::new(sdk)
        .get_caller_identity()
        .customize()
        .interceptor(watch.clone())
        .send()
        .await;
    let region = sdk.region().map(ToString::to_string).unwrap_or_default();
    let who = match asked {
        Ok(answer) => Ok(Who {
            arn: answer.arn.unwrap_or_default(),
            account: answer.account.unwrap_or_default(),
            region,
        }),
        Err(error) => Err(refused("identify the AWS credentials", &error)),
    };
    let clocks = watch.0.lock().ok().and_then(|seen| *seen);
    Identity { who, clocks }
}

/// Reads the date of an answer, a refusal's too: a clock that is wrong is why there is one.
#[derive(Clone, Debug, Default)]
struct Watch(Arc<Mutex<Option<Clocks>>>);

impl Intercept for Watch {
    fn name(&self) -> &'static str {
        "Watch"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context
            .response()
            .headers()
            .get("date")
            // An HTTP date is one that a mail may have, too (RFC 9110, section 5.6.7).
            .and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
        if let (Some(there), Ok(mut seen)) = (date, self.0.lock()) {
            *seen = Some(Clocks {
                here: system_clock(),
                there: Timestamp::from_millis(there.timestamp().as_millisecond()),
            });
        }
        Ok(())
    }
}

/// What follows for the credentials. `cluster` is the ARN of the deployment's cluster, if it was
/// found.
#[must_use]
pub fn credentials(identity: &Identity, cluster: Option<&str>) -> Vec<Finding> {
    let who = match &identity.who {
        Ok(who) => who,
        Err(failure) => {
            return vec![Finding::error(
                Area::Credentials,
                &*failure.problem,
                &failure.hint,
            )];
        }
    };
    // arn:aws:ecs:eu-west-1:123456789012:cluster/mayfly
    let parts: Vec<&str> = cluster.unwrap_or_default().split(':').collect();
    if let [_, _, _, region, account, ..] = parts[..]
        && (region, account) != (who.region.as_str(), who.account.as_str())
    {
        let what = format!(
            "these credentials are for account {} in {}, but the deployment is in account {account}, {region}",
            who.account, who.region
        );
        return vec![Finding::error(
            Area::Credentials,
            what,
            "pass --profile and --region of the deployment's account",
        )];
    }
    vec![Finding::good(
        Area::Credentials,
        format!(
            "{} of account {}, in {}",
            caller::short(&who.arn),
            who.account,
            who.region
        ),
    )]
}

/// What follows for the clock.
#[must_use]
pub fn clock(identity: &Identity) -> Finding {
    let Some(Clocks { here, there }) = identity.clocks else {
        return Finding::unknown(Area::Clock, "AWS's answer has no time", "");
    };
    let apart = here.since(there).max(there.since(here));
    let ahead = if here > there { "ahead of" } else { "behind" };
    let what = format!(
        "this machine's clock is {} {ahead} AWS's",
        duration_text(apart)
    );
    let fix =
        "synchronize it by NTP: timedatectl set-ntp true (Linux), or the date and time settings";
    match apart {
        _ if apart > FATAL => Finding::error(
            Area::Clock,
            format!("{what}: AWS and GitHub refuse requests signed with it"),
            fix,
        ),
        _ if apart > DOUBTFUL => Finding::warning(
            Area::Clock,
            format!("{what}: AWS refuses requests from five minutes on"),
            fix,
        ),
        _ => Finding::good(Area::Clock, "this machine's clock agrees with AWS's"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    fn apart(here: i64, there: i64) -> Identity {
        let at = |seconds: i64| Timestamp::from_millis(1_795_356_187_250 + seconds * 1_000);
        let who = Who {
            arn: "arn:aws:sts::123456789012:assumed-role/Admin/alice".into(),
            account: "123456789012".into(),
            region: "eu-west-1".into(),
        };
        Identity {
            who: Ok(who),
            clocks: Some(Clocks {
                here: at(here),
                there: at(there),
            }),
        }
    }

    #[test]
    fn a_clock_may_be_a_minute_wrong_and_must_not_be_four() {
        let cases = [
            (0, Level::Good),
            (60, Level::Good),
            (61, Level::Warning),
            (240, Level::Warning),
            (241, Level::Error),
            (90_000, Level::Error),
        ];
        for (seconds, level) in cases {
            assert_eq!(
                (
                    clock(&apart(seconds, 0)).level,
                    clock(&apart(0, seconds)).level
                ),
                (level, level),
                "{seconds}"
            );
        }
        assert!(
            clock(&apart(0, 300)).what.contains("5m00s behind"),
            "{:?}",
            clock(&apart(0, 300))
        );
        assert!(clock(&apart(300, 0)).what.contains("5m00s ahead of"));
        assert_eq!(
            clock(&Identity {
                clocks: None,
                ..apart(0, 0)
            })
            .level,
            Level::Unknown
        );
    }

    #[test]
    fn credentials_of_another_account_or_region_are_none_of_the_deployment() {
        let level = |cluster: Option<&str>| credentials(&apart(0, 0), cluster)[0].level;
        assert_eq!(
            level(Some("arn:aws:ecs:eu-west-1:123456789012:cluster/mayfly")),
            Level::Good
        );
        assert_eq!(
            level(Some("arn:aws:ecs:eu-west-1:999999999999:cluster/mayfly")),
            Level::Error
        );
        assert_eq!(
            level(Some("arn:aws:ecs:us-east-1:123456789012:cluster/mayfly")),
            Level::Error
        );
        assert_eq!(level(None), Level::Good);
        let refused = Identity {
            who: Err(Failure::new("the credentials are over", "sign in again")),
            clocks: None,
        };
        let found = credentials(&refused, None);
        assert_eq!(
            (found[0].level, found[0].fix.as_deref()),
            (Level::Error, Some("sign in again"))
        );
    }
}
