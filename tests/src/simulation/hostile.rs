//! People who mean harm: deliveries that are not GitHub's, callers that are not who they say, runners under our names.

use std::time::Duration;

use mayfly_domain::id::JobId;
use serde_json::{Value, json};

use super::scenario::{Fake, Stranger};
use super::violation::Invariant;
use super::watch::Shared;
use crate::github::deliveries::Signing;
use crate::github::id;
use crate::github::model::{HandMade, Mint};
use crate::github::runners::Scope;
use crate::system::System;

/// Digits that only strangers' numbers have.
pub(super) const MARK: &str = "666000000";

/// A stranger's number.
fn marked(number: usize) -> i64 {
    666_000_000_000 + i64::try_from(number % 1_000).unwrap_or_default()
}

/// Sends a delivery that is not GitHub's: of a job that nobody has, or of one that is real.
pub(super) fn forge(system: &System, fake: Fake, action: &str, number: usize) {
    system.world.with_github(|github, now| {
        let genuine = github.deliveries().rev().find(|delivery| delivery.event == "workflow_job" && !delivery.forged);
        let Some(mut payload) = genuine.and_then(|delivery| serde_json::from_str::<Value>(&delivery.payload).ok()) else { return };
        payload["action"] = json!(action);
        if number.is_multiple_of(2) {
            payload["workflow_job"]["id"] = json!(marked(number));
            payload["workflow_job"]["run_id"] = json!(marked(number));
        } else {
            payload["workflow_job"]["name"] = json!(format!("forged {MARK}"));
        }
        payload["workflow_job"]["status"] = json!(action);
        if action == "completed" {
            payload["workflow_job"]["conclusion"] = json!("success");
        }
        let signing = match fake {
            Fake::WronglySigned => Signing::Wrong,
            Fake::Unsigned => Signing::Missing,
            Fake::Nonsense => Signing::Literal("sha256=00".to_owned()),
        };
        let made = HandMade {
            event: "workflow_job".to_owned(),
            payload: Some(payload),
            text: None,
            signing,
            guid: Some(format!("{MARK}-{number:012}")),
            headers: Default::default(),
        };
        github.forge(made, now);
    });
}

/// Somebody asks for a registration and for an admission that are not his own.
pub(super) async fn intrude(system: System, watch: Shared, stranger: Stranger, number: usize) {
    let runners = system.runners();
    let Some(victim) = runners.iter().filter(|runner| runner.arn.is_some()).nth(number % runners.len().max(1)).or(runners.first()) else {
        return;
    };
    let role = victim.launch.role.rsplit('/').next().unwrap_or_default();
    let its = victim.arn.as_ref().map_or_else(|| "0".repeat(32), |arn| arn.task_id().to_owned());
    let other = runners.iter().filter(|other| other.id != victim.id).find_map(|other| other.arn.as_ref());
    let nobody = "0123456789abcdef0123456789abcdef".to_owned();
    let caller = match stranger {
        Stranger::OtherTask => {
            let session = other.map_or(nobody, |arn| arn.task_id().to_owned());
            format!("arn:aws:sts::123456789012:assumed-role/{role}/{session}")
        }
        Stranger::NoTask => format!("arn:aws:sts::123456789012:assumed-role/{role}/{nobody}"),
        Stranger::OtherRole => format!("arn:aws:sts::123456789012:assumed-role/admin/{its}"),
        Stranger::OtherAccount => format!("arn:aws:sts::999999999999:assumed-role/{role}/{its}"),
    };
    let runner = victim.address().to_string();
    let asked = system.request(&caller, "/registration", &json!({ "runner": runner })).await;
    let body = json!({
        "runner": runner, "run_id": marked(number), "run_attempt": 1, "repository": "acme/app", "repository_id": marked(number),
        "workflow_ref": "", "ref": "", "event": "push",
    });
    let admission = system.request(&caller, "/admission", &body).await;
    let mut watch = watch.get();
    let at = system.world.clock.now();
    for (path, reply) in [("/registration", asked), ("/admission", admission)] {
        watch.replies.push(reply.body.clone());
        if reply.status < 400 {
            let words = format!("{path} of {runner} answered a stranger ({stranger:?}) with {}", reply.status);
            watch.broken(Invariant::I6, at, &[&runner], words);
        }
    }
}

/// Somebody registers a runner under the name that one of ours is about to get, and works off one job with it.
pub(super) async fn impersonate(system: System, watch: Shared, repository: String, labels: Vec<String>) {
    let upcoming = system.runners().into_iter().find(|runner| {
        let intended = runner.intended.and_then(|job| system.job(job));
        runner.mint == 0 && intended.is_some_and(|job| job.repository.name == repository)
    });
    let Some(runner) = upcoming else { return };
    let name = format!("mayfly-{}-{}-1", runner.pool, runner.id);
    let minted = system.world.with_github(|github, now| {
        let scope = Scope::Repository(github.accounts_mut().mention(&repository, now));
        let mint = Mint { name: name.clone(), runner_group_id: 1, labels, work_folder: "_work".to_owned() };
        let id = github.mint(scope, &mint, now).ok()?;
        let registration = github.runner(id)?.registration.clone();
        Some((scope, id, github.open_session(&registration, now).ok()?.0))
    });
    let Some((scope, id, session)) = minted else { return };
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let given = system.world.with_github(|github, now| match github.poll(&session, now) {
            Ok(Some(job)) => github.start(&session, now).ok().map(|()| job),
            _ => None,
        });
        let Some(id::JobId(job)) = given else { continue };
        tokio::time::sleep(Duration::from_secs(10)).await;
        let taken =
            system.runners().into_iter().find(|row| row.id == runner.id && row.work.as_ref().and_then(|work| work.job) == Some(JobId(job)));
        if taken.is_some() {
            let words = format!("{} is said to work on job {job}, which a stranger took under its name", runner.id);
            watch.get().broken(Invariant::I6, system.world.clock.now(), &[&runner.address().to_string(), &job.to_string()], words);
        }
        let _ = system.world.with_github(|github, now| github.complete(&session, None, now));
        return;
    }
    system.world.with_github(|github, now| github.delete_runner(scope, id, now));
}
