//! Whether the stack's CloudWatch alarms notify someone of what goes wrong.

use async_trait::async_trait;
use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{AlarmType, StateValue};
use aws_types::SdkConfig;
use mayfly_domain::model::time::Timestamp;

use super::finding::{Area, Finding};
use crate::deployment::refused::refused;
use crate::failure::Failure;
use crate::terminal::time_format::age;

/// The template's alarms, each `<stack>-<name>`, with what to do when it rings.
pub const EXPECTED: [(&str, &str); 12] = [
    (
        "sweeper-heartbeat",
        "sweeper, the safety net, does not run: see its log, and check that its schedule is enabled",
    ),
    (
        "webhook-5xx",
        "GitHub's deliveries fail: see the log of the function webhook, and the API's",
    ),
    (
        "wake-queue-age",
        "pools are not planned, so nothing starts: see the log of the function scaler, and the account's Lambda concurrency",
    ),
    (
        "action-required",
        "functions logged errors that a person has to act on: aws logs filter-log-events --filter-pattern '{ $.level = \"ERROR\" }' in the logs /aws/lambda/<stack>-…",
    ),
    (
        "function-errors",
        "a function crashes, times out, does not start or is throttled: the AWS/Lambda metrics show which one; see the end of its log, /aws/lambda/<stack>-…",
    ),
    (
        "throttled-requests",
        "requests exceed a route's rate limit: see who calls, in the log /aws/vendedlogs/mayfly/<stack>/api (status 429)",
    ),
    (
        "oldest-waiting-job",
        "a job has waited for half an hour: mayfly status shows which and why, mayfly explain what would help",
    ),
    (
        "breaker-open",
        "runners do not start, or GitHub gives them no job: mayfly status has the reason, and what to do",
    ),
    (
        "wrong-webhook-secret",
        "deliveries are signed with another secret, and refused: mayfly rotate webhook-secret",
    ),
    (
        "settings-broken",
        "the pools file, the App's key or the webhook secret cannot be used: mayfly check finds what is wrong with the file",
    ),
    (
        "github-limit",
        "GitHub rate-limits Mayfly: the log lines \"asked GitHub\" show which calls; check who else uses the App",
    ),
    (
        "runner-version",
        "GitHub refuses the runner's version: move the pool's image to a newer one, and apply",
    ),
];

/// In which state an alarm is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Ok,
    /// It rings.
    Alarm,
    /// There was nothing to judge by yet.
    NoData,
}

/// One alarm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// Its name.
    pub name: String,
    /// Its actions are carried out.
    pub enabled: bool,
    /// How many there are for when it rings.
    pub actions: usize,
    /// How it is.
    pub state: State,
    /// Why.
    pub reason: Option<String>,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// The account's alarms.
#[async_trait]
pub trait Alarms: Send + Sync {
    /// Those of these names that there are.
    ///
    /// # Errors
    ///
    /// If they cannot be asked for.
    async fn named(&self, names: &[String]) -> Result<Vec<Alarm>, Failure>;
}

/// CloudWatch. Needs `cloudwatch:DescribeAlarms`.
#[derive(Clone, Debug)]
pub struct CloudWatch(Client);

impl CloudWatch {
    /// With these credentials, in this region.
    #[must_use]
    pub fn new(sdk: &SdkConfig) -> Self {
        Self(Client::new(sdk))
    }
}

#[async_trait]
impl Alarms for CloudWatch {
    async fn named(&self, names: &[String]) -> Result<Vec<Alarm>, Failure> {
        let asked = self
            .0
            .describe_alarms()
            .set_alarm_names(Some(names.to_vec()))
            .alarm_types(AlarmType::MetricAlarm)
            .send()
            .await;
        let answer = asked.map_err(|error| refused("read the alarms", &error))?;
        let found = answer
            .metric_alarms
            .unwrap_or_default()
            .into_iter()
            .map(|alarm| Alarm {
                name: alarm.alarm_name.unwrap_or_default(),
                enabled: alarm.actions_enabled.unwrap_or(false),
                actions: alarm.alarm_actions.map_or(0, |actions| actions.len()),
                state: match alarm.state_value {
                    Some(StateValue::Ok) => State::Ok,
                    Some(StateValue::Alarm) => State::Alarm,
                    _ => State::NoData,
                },
                reason: alarm.state_reason,
                since: alarm
                    .state_updated_timestamp
                    .and_then(|at| at.to_millis().ok())
                    .map(Timestamp::from_millis),
            });
        Ok(found.collect())
    }
}

/// Asks for those of a stack.
///
/// # Errors
///
/// If they cannot be asked for.
pub async fn gather(alarms: &impl Alarms, stack: &str) -> Result<Vec<Alarm>, Failure> {
    let names: Vec<String> = EXPECTED
        .iter()
        .map(|(name, _)| format!("{stack}-{name}"))
        .collect();
    alarms.named(&names).await
}

/// What follows.
#[must_use]
pub fn judge(alarms: &Result<Vec<Alarm>, Failure>, stack: &str, now: Timestamp) -> Vec<Finding> {
    let alarms = match alarms {
        Ok(alarms) => alarms,
        Err(failure) => return vec![Finding::not_seen(Area::Alarms, failure)],
    };
    let mut findings = Vec::new();
    let (mut missing, mut mute) = (Vec::new(), Vec::new());
    for (name, help) in EXPECTED {
        let full = format!("{stack}-{name}");
        let Some(alarm) = alarms.iter().find(|alarm| alarm.name == full) else {
            missing.push(full);
            continue;
        };
        if alarm.state == State::Alarm {
            let since = alarm
                .since
                .map(|since| format!(" for {}", age(now, since)))
                .unwrap_or_default();
            let reason = alarm.reason.as_deref().unwrap_or("no reason is known");
            findings.push(Finding::warning(
                Area::Alarms,
                format!("{full} has been in alarm{since}: {reason}"),
                help,
            ));
        }
        if !alarm.enabled || alarm.actions == 0 {
            mute.push(full);
        }
    }
    if !missing.is_empty() {
        let what = format!("these alarms are missing: {}", missing.join(", "));
        findings.push(Finding::warning(
            Area::Alarms,
            what,
            "the template creates them: deploy again with the template of this mayfly's version",
        ));
    }
    if !mute.is_empty() {
        let what = format!("no one is notified by {}", mute.join(", "));
        let fix = "name an SNS topic that reaches you (make deploy ALARMS=<its ARN>), and enable the alarms' actions";
        findings.push(Finding::warning(Area::Alarms, what, fix));
    }
    if findings.is_empty() {
        findings.push(Finding::good(
            Area::Alarms,
            format!(
                "{} alarms exist, notify someone, and are quiet",
                EXPECTED.len()
            ),
        ));
    }
    findings
}
