//! People who mean harm: deliveries that are not GitHub's, callers that are not who they say,
//! runners under our names.

use std::time::Duration;

use mayfly_domain::model::id::JobId;
use serde_json::{Value, json};

use super::recorder::Shared;
use super::scenario::{Fake, Stranger};
use super::shadow_model::address_of;
use super::violation::Invariant;
use crate::system::System;
use mayfly_github_model::deliveries::Signing;
use mayfly_github_model::id;
use mayfly_github_model::jobs::NewJob;
use mayfly_github_model::model::{HandMade, JitConfigRequest};
use mayfly_github_model::runners::Scope;

/// Digits that only strangers' numbers have.
pub(super) const MARK: &str = "666000000";

/// A stranger's number.
fn marked(number: usize) -> i64 {
    666_000_000_000 + i64::try_from(number % 1_000).unwrap_or_default()
}

/// Sends a delivery that is not GitHub's: of a job that no one has, or of one that is real.
pub(super) fn forge(system: &System, fake: Fake, action: &str, number: usize) {
    system.world.with_github(|github, now| {
        let genuine = github
            .deliveries()
            .rev()
            .find(|delivery| delivery.event == "workflow_job" && !delivery.forged);
        let Some(mut payload) =
            genuine.and_then(|delivery| serde_json::from_str::<Value>(&delivery.payload).ok())
        else {
            return;
        };
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
            guid: Some(format!(
                "00000000-0000-4000-8000-{MARK}{:03}",
                number % 1_000
            )),
            headers: Default::default(),
        };
        github.forge(made, now);
    });
}

/// Someone asks for a registration and for an admission that are not his own, and reports another
/// runner's use.
pub(super) async fn intrude(system: System, recorder: Shared, stranger: Stranger, number: usize) {
    let runners = system.runners();
    let Some(victim) = runners
        .iter()
        .filter(|runner| runner.arn.is_some())
        .nth(number % runners.len().max(1))
        .or(runners.first())
    else {
        return;
    };
    let role = victim.launch.role.rsplit('/').next().unwrap_or_default();
    let its = victim
        .arn
        .as_ref()
        .map_or_else(|| "0".repeat(32), |arn| arn.task_id().to_owned());
    let other = runners
        .iter()
        .filter(|other| other.id != victim.id)
        .find_map(|other| other.arn.as_ref());
    let nobody = "0123456789abcdef0123456789abcdef".to_owned();
    let caller = match stranger {
        Stranger::OtherTask => {
            let session = other.map_or(nobody, |arn| arn.task_id().to_owned());
            format!("arn:aws:sts::123456789012:assumed-role/{role}/{session}")
        }
        Stranger::NoTask => format!("arn:aws:sts::123456789012:assumed-role/{role}/{nobody}"),
        Stranger::OtherRole => format!("arn:aws:sts::123456789012:assumed-role/admin/{its}"),
        Stranger::OtherAccount => format!("arn:aws:sts::999999999999:assumed-role/{role}/{its}"),
        Stranger::Itself => format!("arn:aws:sts::123456789012:assumed-role/{role}/{its}"),
    };
    let runner = victim.address().to_string();
    let asked = system
        .request(&caller, "/registration", &json!({ "runner": runner }))
        .await;
    let body = json!({
        "runner": runner, "run_id": marked(number), "run_attempt": 1, "repository": "acme/app", "repository_id": marked(number),
        "workflow_ref": "", "ref": "", "event": "push",
    });
    let admission = system.request(&caller, "/admission", &body).await;
    let body = json!({ "runner": runner, "memory_peak_bytes": 1, "cpu_milliseconds": 1 });
    let usage = system.request(&caller, "/usage", &body).await;
    let mut recorder = recorder.get();
    let at = system.world.clock.now();
    for (path, reply) in [
        ("/registration", asked),
        ("/admission", admission),
        ("/usage", usage),
    ] {
        recorder.replies.push(reply.body.clone());
        if reply.status < 400 {
            let words = format!(
                "{path} of {runner} answered a stranger ({stranger:?}) with {}",
                reply.status
            );
            recorder.broken(Invariant::I6, at, &[&runner], words);
        }
    }
}

/// Someone registers a runner under the name that one of ours is about to get, and works off one
/// job with it.
pub(super) async fn impersonate(
    system: System,
    recorder: Shared,
    repository: String,
    labels: Vec<String>,
) {
    let upcoming = system.runners().into_iter().find(|runner| {
        let intended = runner.intended.and_then(|job| system.job(job));
        runner.registration_attempt == 0
            && intended.is_some_and(|job| job.repository.name == repository)
    });
    let Some(runner) = upcoming else { return };
    let name = format!("mayfly-{}-{}-1", runner.pool, runner.id);
    let minted = system.world.with_github(|github, now| {
        let scope = Scope::Repository(github.accounts_mut().mention(&repository, now));
        let wanted = JitConfigRequest {
            name: name.clone(),
            runner_group_id: 1,
            labels,
            work_folder: "_work".to_owned(),
        };
        let id = github.generate_jit_config(scope, &wanted, now).ok()?;
        let registration = github.runner(id)?.registration.clone();
        Some((scope, id, github.open_session(&registration, now).ok()?.0))
    });
    if let Some(registered) = minted {
        work_off(
            &system,
            &recorder,
            &runner.address().to_string(),
            registered,
        )
        .await;
    }
}

/// When whatever runs in a container asks for more, in milliseconds after the last time.
const ASKS_AFTER: [u64; 4] = [300, 900, 8_000, 60_000];

/// What runs in a container whose runner just got its registration asks for another one, again and
/// again, and for a job that it does not have. Who is told no more than that it may not is
/// [`i4`](super::invariants::i4_one_registration)'s affair; here it is that no other job is
/// admitted.
pub(super) async fn ask_again(system: System, recorder: Shared, number: usize) {
    let Some((task, runner)) = next_handed_out(&system, &recorder).await else {
        return;
    };
    let role = system
        .runners()
        .into_iter()
        .find(|row| row.address().to_string() == runner)
        .map(|row| row.launch.role);
    let role = role
        .unwrap_or_default()
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .to_owned();
    let caller = format!("arn:aws:sts::123456789012:assumed-role/{role}/{task}");
    for wait in ASKS_AFTER {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        system
            .request(&caller, "/registration", &json!({ "runner": runner }))
            .await;
    }
    if number.is_multiple_of(2) {
        return;
    }
    let body = json!({
        "runner": runner, "run_id": marked(number), "run_attempt": 1, "repository": "acme/app", "repository_id": marked(number),
        "workflow_ref": "", "ref": "", "event": "push",
    });
    recorder
        .get()
        .shadow
        .runners
        .entry(runner.clone())
        .or_default()
        .asked_for_another = true;
    let reply = system.request(&caller, "/admission", &body).await;
    if reply.status < 400 {
        let words = format!(
            "{runner} was told that a job may run that it does not have, with {}",
            reply.status
        );
        recorder
            .get()
            .broken(Invariant::I7, system.world.clock.now(), &[&runner], words);
    }
}

/// The next task that is handed its registration, within ten minutes, and its runner.
async fn next_handed_out(system: &System, recorder: &Shared) -> Option<(String, String)> {
    let began = system.world.clock.now();
    for _ in 0..3_000 {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let recorder = recorder.get();
        let handed_out = recorder
            .shadow
            .runners
            .iter()
            .find_map(|(address, runner)| {
                let (_, task) = runner.handed_out.iter().find(|(at, _)| *at >= began)?;
                Some((task.clone(), address.clone()))
            });
        if handed_out.is_some() {
            return handed_out;
        }
    }
    None
}

/// A label that no pool offers: only strangers' runners have it.
const THEIRS: &str = "theirs";

/// Someone registers a runner under the name of one of ours: at its organization if ours is at a
/// repository, else at a repository; there the name is free. It works off a short job of his own,
/// which must not be taken for ours.
pub(super) async fn double(
    system: System,
    recorder: Shared,
    (repository, labels): (String, Vec<String>),
    number: usize,
) {
    let all = registered(&recorder);
    let Some((address, name)) = all.get(number % all.len().max(1)).cloned() else {
        return;
    };
    let labels: Vec<String> = labels.into_iter().chain([THEIRS.to_owned()]).collect();
    let registered = system.world.with_github(|github, now| {
        let its = github.accounts_mut().mention(&repository, now);
        let owner = github.accounts().repository(its)?.owner;
        let scope = match github
            .runners()
            .find(|runner| runner.removed.is_none() && runner.name == name)?
            .scope
        {
            Scope::Repository(_) => Scope::Organization(owner),
            Scope::Organization(_) => Scope::Repository(its),
        };
        let wanted = JitConfigRequest {
            name,
            runner_group_id: 1,
            labels,
            work_folder: "_work".to_owned(),
        };
        let id = github.generate_jit_config(scope, &wanted, now).ok()?;
        let registration = github.runner(id)?.registration.clone();
        Some((scope, id, github.open_session(&registration, now).ok()?.0))
    });
    let Some(registered) = registered else { return };
    let labels = ["self-hosted", THEIRS].map(str::to_owned).to_vec();
    system.queue_jobs(&NewJob {
        repository,
        labels,
        count: 1,
        seconds: 10.0,
        private: Some(true),
        ..NewJob::default()
    });
    work_off(&system, &recorder, &address, registered).await;
}

/// Runners of ours that have a registration, with its name: those without a job first.
fn registered(recorder: &Shared) -> Vec<(String, String)> {
    let recorder = recorder.get();
    let mut all: Vec<(bool, String, String)> = Vec::new();
    for (name, _) in recorder.shadow.registrations.values() {
        let Some(address) = address_of(name) else {
            continue;
        };
        let runner = recorder
            .shadow
            .runners
            .get(&address)
            .filter(|runner| !runner.handed_out.is_empty());
        all.extend(runner.map(|runner| (runner.job.is_some(), address, name.clone())));
    }
    all.sort();
    let idle = all.iter().filter(|(busy, ..)| !busy).count();
    all.truncate(if idle > 0 { idle } else { all.len() });
    all.into_iter()
        .map(|(_, address, name)| (address, name))
        .collect()
}

/// A runner that GitHub has by someone else's doing: where, its id, its session.
type Registered = (Scope, id::RunnerId, id::SessionId);

/// A stranger's runner works off one job, of which our runner `address`, whose name it has, must
/// know nothing.
async fn work_off(
    system: &System,
    recorder: &Shared,
    address: &str,
    (scope, id, session): Registered,
) {
    for _ in 0..600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let given = system
            .world
            .with_github(|github, now| match github.poll(&session, now) {
                Ok(Some(job)) => github.start(&session, now).ok().map(|()| job),
                _ => None,
            });
        let Some(id::JobId(job)) = given else {
            continue;
        };
        tokio::time::sleep(Duration::from_secs(10)).await;
        let works = |row: &mayfly_domain::model::runner::Runner| {
            row.work.as_ref().and_then(|work| work.job) == Some(JobId(job))
        };
        if system
            .runners()
            .iter()
            .any(|row| row.address().to_string() == address && works(row))
        {
            let words = format!(
                "{address} is said to work on job {job}, which a stranger took under its name"
            );
            recorder.get().broken(
                Invariant::I6,
                system.world.clock.now(),
                &[address, &job.to_string()],
                words,
            );
        }
        let _ = system
            .world
            .with_github(|github, now| github.complete(&session, None, now));
        return;
    }
    system
        .world
        .with_github(|github, now| github.delete_runner(scope, id, now));
}
