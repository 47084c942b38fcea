//! Deployments for `mayfly doctor` to look at.

use mayfly_cli::commands::doctor::alarms::{Alarm, EXPECTED, State};
use mayfly_cli::commands::doctor::checks::{CheckContext, Facts, runner_groups_of};
use mayfly_cli::commands::doctor::finding::Finding;
use mayfly_cli::commands::doctor::identity::{Clocks, Identity, Who};
use mayfly_cli::commands::doctor::quota::Allowed;
use mayfly_cli::commands::doctor::report::{Report, text};
use mayfly_cli::commands::doctor::webhook::Knock;
use mayfly_cli::commands::doctor::{app, pools};
use mayfly_cli::commands::status;
use mayfly_domain::model::time::Timestamp;
use mayfly_simulator::system::System;

use crate::stories::changing::CommandDeps;
use crate::stories::fixture::{holds, holds_json, ledger, now};

/// Where GitHub delivers in every story.
pub(crate) const URL: &str = "https://mayfly.test/webhook";

const REFUSAL: &str = r#"{"outcome":"refused","reason":"the signature does not match"}"#;

/// The GitHub that the deployment works with.
const GITHUB: &str = "https://github.com";

pub(crate) fn patient() -> CheckContext {
    CheckContext {
        stack: "mayfly".to_owned(),
        cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/mayfly".to_owned(),
        webhook_url: URL.to_owned(),
        webhook: "mayfly-webhook".to_owned(),
        sweeper: "mayfly-sweeper".to_owned(),
    }
}

/// Alice, on a machine whose clock goes right.
pub(crate) fn alice(now: Timestamp) -> Identity {
    let arn = "arn:aws:sts::123456789012:assumed-role/Admin/alice".to_owned();
    let who = Who {
        arn,
        account: "123456789012".to_owned(),
        region: "us-east-1".to_owned(),
    };
    Identity {
        who: Ok(who),
        clocks: Some(Clocks {
            here: now,
            there: now,
        }),
    }
}

/// An alarm of the stack that is quiet, and reaches someone.
pub(crate) fn quiet(name: &str) -> Alarm {
    Alarm {
        name: format!("mayfly-{name}"),
        enabled: true,
        actions: 1,
        state: State::Ok,
        reason: None,
        since: None,
    }
}

/// What a story's system looks like where nothing beside it is wrong.
pub(crate) async fn seen(system: &System) -> Facts {
    let now = now(system);
    let file = pools::gather(&CommandDeps::new(system), &ledger(system), now).await;
    let active_pools = file
        .as_ref()
        .ok()
        .and_then(|file| file.active_pools.as_ref());
    let status = status::report::gather(&ledger(system), active_pools, now)
        .await
        .unwrap();
    let app = app::gather(&system.github_for("mayfly"), GITHUB.to_owned()).await;
    let groups = runner_groups_of(&system.github_for("mayfly"), &app, active_pools).await;
    Facts {
        identity: alice(now),
        status: Ok(status),
        links: Ok(GITHUB.to_owned()),
        app,
        knock: Knock::Answered {
            status: 401,
            body: REFUSAL.to_owned(),
        },
        allowed: Allowed {
            on_demand: Ok(100),
            spot: Ok(100),
            functions: Ok(1_000),
        },
        roles: Vec::new(),
        groups,
        file,
        alarms: Ok(EXPECTED.iter().map(|(name, ..)| quiet(name)).collect()),
    }
}

/// The report of these findings as text and as JSON, held against what it was.
#[track_caller]
pub(crate) fn holds_report(system: &System, name: &str, findings: Vec<Finding>) -> Report {
    let report = Report::new("mayfly", now(system), findings);
    holds(system, name, &text(&report));
    holds_json(system, &format!("{name}_json"), &report);
    report
}
