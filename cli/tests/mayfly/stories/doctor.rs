//! `mayfly doctor`, but for its probe.

use std::collections::BTreeMap;
use std::time::Duration;

use mayfly_cli::commands::doctor::alarms::{EXPECTED, State};
use mayfly_cli::commands::doctor::app::{AppFacts, Unasked};
use mayfly_cli::commands::doctor::checks::{Facts, judge, repair};
use mayfly_cli::commands::doctor::finding::{Area, Finding, Level};
use mayfly_cli::commands::doctor::identity::Clocks;
use mayfly_cli::commands::doctor::quota::Allowed;
use mayfly_cli::commands::doctor::webhook::Knock;
use mayfly_cli::failure::{Exit, Failure};
use mayfly_cli::github::access::NoApp;
use mayfly_cli::terminal::time_format::Rfc3339;
use mayfly_domain::model::id::{DeliveryId, InstallationId};
use mayfly_domain::model::time::Timestamp;
use mayfly_fargate_model::{Fault, FaultKind};
use mayfly_github::{Account, AppInfo, DeliveryAttempt, Installation, WebhookConfig};
use mayfly_github_model::hook::ContentType;
use mayfly_simulator::system::{Start, System};

use crate::stories::doctor_fixture::{URL, alice, holds_report, patient, quiet, seen};
use crate::stories::fixture::now;
use crate::stories::told::{begin, done, jobs, pool_with, queue_one, rest, until};

/// A system that serves every account where the App is installed, and has done a job.
async fn well(seed: u64) -> System {
    let accounts = r#"accounts = ["acme", "globex", "mona"]"#;
    let system = Start::seeded(seed)
        .pools(&pool_with("max = 20").replace(r#"accounts = ["acme"]"#, accounts))
        .begin()
        .unwrap();
    let job = queue_one(&system);
    done(&system, 200, &[job]).await;
    rest(&system, 120).await;
    system
}

fn of(area: Area, findings: &[Finding]) -> Vec<(Level, &str)> {
    findings
        .iter()
        .filter(|one| one.area == area)
        .map(|one| (one.level, one.what.as_str()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_is_well_is_told_to_be() {
    let system = well(500).await;
    let facts = seen(&system).await;
    let report = holds_report(
        &system,
        "doctor_well",
        judge(&facts, &patient(), now(&system)),
    );
    assert_eq!(
        (
            report.errors,
            report.warnings,
            report.unknown,
            report.exit()
        ),
        (0, 0, 0, Exit::Done)
    );
}

/// Starts fail, the newest pools file is broken, and no one sweeps any more.
async fn ill(seed: u64) -> System {
    let system = Start::seeded(seed)
        .pools(&pool_with(
            "max = 40\nscope = \"organization\"\nrunner_group = \"Default\"",
        ))
        .begin()
        .unwrap();
    system.fault(Fault::of(FaultKind::PullFailure));
    system.queue_jobs(&jobs(3));
    until(&system, 300, "starts have failed", |system| {
        system.closed_runners().len() >= 3
    })
    .await;
    system.world.parameters.put_pools("[github]\naccounts = [\"acme\", \"other\", \"third\"]\n[pools.linux]\nlabels = 3\ncpus = 2\n");
    system
}

fn permissions(granted: &[(&str, &str)]) -> BTreeMap<String, String> {
    granted
        .iter()
        .map(|(name, level)| ((*name).to_owned(), (*level).to_owned()))
        .collect()
}

fn account(id: i64, login: &str) -> Account {
    Account {
        id: mayfly_domain::model::id::OwnerId(id),
        login: login.to_owned(),
        organization: true,
    }
}

fn installation(id: i64, login: &str, suspended: bool) -> Installation {
    Installation {
        id: InstallationId(id),
        account: Some(account(id, login)),
        permissions: permissions(&[("actions", "read"), ("metadata", "read")]),
        events: Vec::new(),
        suspended,
        html_url: format!("https://github.com/organizations/{login}/settings/installations/{id}"),
    }
}

/// An attempt so many minutes ago that was answered so.
fn attempt(now: Timestamp, id: i64, guid: &str, minutes: u64, status_code: u16) -> DeliveryAttempt {
    DeliveryAttempt {
        id: DeliveryId(id),
        guid: guid.to_owned(),
        delivered_at: now.minus(Duration::from_secs(minutes * 60)),
        redelivery: false,
        status_code,
        event: "workflow_job".to_owned(),
        action: Some("queued".to_owned()),
        installation: Some(InstallationId(1)),
        repository: None,
        throttled_at: None,
    }
}

/// An App that asks for too little, is suspended on one account and missing on another, and
/// delivers elsewhere.
fn ailing(now: Timestamp) -> AppFacts {
    let app = AppInfo {
        id: 77,
        slug: "mayfly-acme".to_owned(),
        name: "Mayfly of acme".to_owned(),
        html_url: "https://github.com/apps/mayfly-acme".to_owned(),
        owner: Some(account(1, "acme")),
        permissions: permissions(&[("actions", "read"), ("metadata", "read")]),
        events: vec!["workflow_run".to_owned()],
    };
    let deliveries = [
        attempt(now, 9, "nine", 1, 404),
        attempt(now, 8, "eight", 2, 404),
        attempt(now, 7, "seven", 3, 0),
        attempt(now, 6, "six", 4, 401),
        attempt(now, 5, "five", 5, 400),
        attempt(now, 4, "four", 6, 429),
        attempt(now, 3, "three", 7, 502),
        attempt(now, 2, "two", 8, 302),
        attempt(now, 12, "one", 9, 202),
        attempt(now, 1, "one", 10, 503),
        attempt(now, 10, "days ago", 60 * 25, 500),
    ];
    AppFacts {
        url: "https://github.com".to_owned(),
        app,
        installations: Ok(vec![
            installation(1, "acme", true),
            installation(4, "stranger", false),
        ]),
        hook: Ok(WebhookConfig {
            url: "https://old.test/webhook".to_owned(),
            content_type: "form".to_owned(),
            insecure: true,
        }),
        deliveries: Ok(deliveries.to_vec()),
    }
}

async fn everything_wrong(system: &System) -> Facts {
    let now = now(system);
    let mut facts = seen(system).await;
    let ahead = now.plus(Duration::from_secs(6 * 60));
    facts.identity.clocks = Some(Clocks {
        here: ahead,
        there: now,
    });
    if let Ok(who) = &mut facts.identity.who {
        who.account = "999999999999".to_owned();
    }
    if let Ok(status) = &mut facts.status {
        status.safety_net.deliveries_read_at =
            Some(Rfc3339(now.minus(Duration::from_secs(15 * 60))));
        status.safety_net.follow_ups = 4;
        status.safety_net.overdue = 2;
        status.safety_net.overdue_since = Some(Rfc3339(now.minus(Duration::from_secs(700))));
    }
    if let Ok(pools) = facts
        .file
        .as_mut()
        .map(|file| file.active_pools.as_mut().unwrap())
    {
        let served = |login: &str| mayfly_domain::model::pool::Account {
            login: login.to_owned(),
            id: None,
        };
        pools.accounts.push(served("other"));
    }
    facts.app = Ok(ailing(now));
    facts.links = Ok("https://ghes.test".to_owned());
    facts.knock = Knock::Answered {
        status: 503,
        body: r#"{"outcome":"failed","reason":"the settings cannot be read"}"#.to_owned(),
    };
    facts.allowed = Allowed {
        on_demand: Ok(6),
        spot: Ok(0),
        functions: Ok(10),
    };
    let (ringing, mute) = (EXPECTED[1].0, EXPECTED[2].0);
    let mut alarms = vec![quiet(ringing), quiet(mute)];
    alarms[0].state = State::Alarm;
    alarms[0].reason = Some(
        "Threshold Crossed: 1 datapoint [7.0] was greater than the threshold (0.0).".to_owned(),
    );
    alarms[0].since = Some(now.minus(Duration::from_secs(1_200)));
    alarms[1].actions = 0;
    facts.alarms = Ok(alarms);
    facts
}

#[tokio::test(start_paused = true)]
async fn whatever_is_wrong_is_told_with_what_to_do_about_it() {
    let system = ill(501).await;
    let facts = everything_wrong(&system).await;
    let report = holds_report(
        &system,
        "doctor_ill",
        judge(&facts, &patient(), now(&system)),
    );
    assert_eq!(report.exit(), Exit::Failed);
    for finding in report
        .findings
        .iter()
        .filter(|one| one.level >= Level::Warning)
    {
        assert!(
            finding.fix.is_some(),
            "nobody knows what to do: {finding:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_looked_at_is_unknown_and_no_error() {
    let system = well(502).await;
    let denied = |what: &str| {
        Failure::new(
            format!("{what}: AccessDeniedException"),
            "attach DoctorPolicyArn",
        )
    };
    let facts = Facts {
        identity: alice(now(&system)),
        file: Err(denied("read the pools file")),
        status: Err(denied("read the ledger")),
        app: Err(Unasked::NoApp(NoApp::MayNot {
            parameter: "/mayfly/mayfly/app".to_owned(),
        })),
        alarms: Err(denied("read the alarms")),
        ..seen(&system).await
    };
    let report = holds_report(
        &system,
        "doctor_blind",
        judge(&facts, &patient(), now(&system)),
    );
    assert_eq!(
        (report.errors, report.warnings, report.exit()),
        (0, 0, Exit::Done)
    );
    let blind = [
        Area::Pools,
        Area::Sweeper,
        Area::App,
        Area::Webhook,
        Area::Deliveries,
        Area::Alarms,
    ];
    for area in blind {
        assert!(
            of(area, &report.findings)
                .iter()
                .any(|(level, _)| *level == Level::Unknown),
            "{area:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_deployment_that_nobody_has_set_up_yet_is_told_the_first_steps() {
    let system = begin(503);
    system.world.parameters.remove("/mayfly/mayfly/pools");
    let mut facts = Facts {
        app: Err(Unasked::NoApp(NoApp::NotSetUp)),
        ..seen(&system).await
    };
    facts.knock = Knock::Answered {
        status: 503,
        body: r#"{"outcome":"failed","reason":"there is no webhook secret"}"#.to_owned(),
    };
    let findings = judge(&facts, &patient(), now(&system));
    let fixes: Vec<&str> = findings
        .iter()
        .filter(|one| one.level == Level::Error)
        .filter_map(|one| one.fix.as_deref())
        .collect();
    assert!(
        fixes
            .iter()
            .any(|fix| fix.contains("mayfly init makes one")),
        "{fixes:?}"
    );
    assert!(
        fixes.iter().any(|fix| fix.contains("mayfly apply")),
        "{fixes:?}"
    );
    assert_eq!(of(Area::Quota, &findings), []);
}

/// How often GitHub was told where to deliver.
fn settings(system: &System) -> u64 {
    system
        .world
        .with_github(|github, _| github.calls().of("apps/update-webhook-config-for-app"))
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_right_is_not_touched() {
    let system = well(504).await;
    let mut facts = seen(&system).await;
    assert_eq!(
        repair(&system.github_for("mayfly"), &mut facts, &patient()).await,
        []
    );
    assert_eq!(settings(&system), 0);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_is_wrong_is_mended_and_told_and_mended_once() {
    let system = well(505).await;
    let secret = system.world.with_github(|github, _| {
        github.hook.url = Some("https://old.test/webhook".to_owned());
        github.hook.content_type = ContentType::Form;
        github.hook.secret.clone()
    });
    let mut facts = seen(&system).await;
    let before = judge(&facts, &patient(), now(&system));
    assert_eq!(
        before.iter().filter(|one| one.repair.is_some()).count(),
        2,
        "{before:?}"
    );
    let told = repair(&system.github_for("mayfly"), &mut facts, &patient()).await;
    assert_eq!(told.len(), 1);
    assert_eq!(
        (told[0].level, told[0].what.as_str()),
        (
            Level::Good,
            "repaired: GitHub now delivers JSON to https://mayfly.test/webhook (was: \"https://old.test/webhook\", \"form\")"
        )
    );
    let (url, kind, kept) = system.world.with_github(|github, _| {
        (
            github.hook.url.clone(),
            github.hook.content_type,
            github.hook.secret == secret,
        )
    });
    assert_eq!(
        (url.as_deref(), kind, kept),
        (Some(URL), ContentType::Json, true),
        "and what signs deliveries stays"
    );
    // What is judged afterwards is what is there then.
    let after = judge(&facts, &patient(), now(&system));
    assert!(
        of(Area::Webhook, &after)
            .iter()
            .all(|(level, _)| *level == Level::Good),
        "{after:?}"
    );
    assert_eq!(
        repair(&system.github_for("mayfly"), &mut facts, &patient()).await,
        []
    );
    assert_eq!(settings(&system), 1);
}

#[tokio::test(start_paused = true)]
async fn a_webhook_that_github_does_not_change_is_an_error_and_stays_what_it_is() {
    let system = well(506).await;
    system.world.with_github(|github, _| {
        github.hook.url = Some("https://old.test/webhook".to_owned());
        github.faults.api.server_error = 1.0;
        github.faults.api.operations = vec!["apps/update-webhook-config-for-app".to_owned()];
    });
    let mut facts = seen(&system).await;
    let told = repair(&system.github_for("mayfly"), &mut facts, &patient()).await;
    let levels: Vec<Level> = told.iter().map(|one| one.level).collect();
    assert_eq!(levels, [Level::Error]);
    assert!(
        told[0]
            .what
            .starts_with("could not set the App's webhook: GitHub does not answer"),
        "{}",
        told[0].what
    );
    let after = judge(&facts, &patient(), now(&system));
    assert!(
        after
            .iter()
            .any(|one| one.level == Level::Error && one.repair.is_some()),
        "{after:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn without_an_app_nothing_is_repaired() {
    let system = begin(507);
    let mut facts = Facts {
        app: Err(Unasked::Refused(Failure::new(
            "could not read the App: GitHub answers 401",
            "",
        ))),
        ..seen(&system).await
    };
    assert_eq!(
        repair(&system.github_for("mayfly"), &mut facts, &patient()).await,
        []
    );
    assert_eq!(settings(&system), 0);
}
