//! Every answer that webhook gives, and what it leaves behind, against ports in memory.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use mayfly_config::parameter::{Parameter, ParameterStore, Unreadable};
use mayfly_config::store::{Parameters, Settings};
use mayfly_domain::model::id::{JobId, PoolName};
use mayfly_domain::model::job::{JobEvent, JobRecord, JobState};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::transitions::changes::{Changes, Verdict};
use mayfly_domain::transitions::delivery::{DeliverySnapshot, apply_delivery};
use mayfly_ledger::repositories::RepositorySeen;
use mayfly_ledger::requests::AppliedVersion;
use mayfly_queue::{NotSent, Wakes};
use mayfly_webhook::{Answer, Deps, Jobs, Outcome, RecordError, Request, Webhook};
use serde_json::{Value, json};
use sha2::Sha256;

const SECRET: &str = "hush";
const POOLS: &str = "[github]\naccounts = [\"acme\"]\n[pools.linux]\nlabels = [\"self-hosted\", \"mayfly\"]\nrepositories = [\"acme/app\", \"acme/open\"]\ncpu = 2\nmemory = \"8 GiB\"\nmax = 3\n";

/// Everything around the function, in memory.
#[derive(Default)]
struct State {
    parameters: BTreeMap<String, Parameter>,
    settings_down: bool,
    settings_read: u32,
    ledger_down: bool,
    records: BTreeMap<JobId, JobRecord>,
    repositories_down: bool,
    touched: Vec<String>,
    unserved: Vec<String>,
    applied: AppliedVersion,
    queue_down: bool,
    woken: Vec<PoolName>,
    hangs: Option<Hangs>,
}

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<State>>);

#[expect(clippy::unwrap_used, reason = "a port of the tests")]
impl Memory {
    /// Never comes back if this hangs.
    async fn pass_by(&self, what: Hangs) {
        let hangs = self.0.lock().unwrap().hangs;
        if hangs == Some(what) {
            std::future::pending::<()>().await;
        }
    }

    /// Writes something down of a repository, unless that fails.
    async fn write_repository(&self, write: impl FnOnce(&mut State)) -> Result<(), RecordError> {
        self.pass_by(Hangs::Repositories).await;
        let mut state = self.0.lock().unwrap();
        if state.repositories_down {
            return Err(RecordError("down".into()));
        }
        write(&mut state);
        Ok(())
    }
}

#[async_trait]
#[expect(clippy::unwrap_used, reason = "a port of the tests")]
impl ParameterStore for Memory {
    async fn read(&self, names: &[&str]) -> Result<Vec<Parameter>, Unreadable> {
        self.pass_by(Hangs::Settings).await;
        let mut state = self.0.lock().unwrap();
        state.settings_read += 1;
        if state.settings_down {
            return Err(Unreadable {
                names: names.join(", "),
                reason: "down".into(),
                denied: false,
            });
        }
        Ok(names
            .iter()
            .filter_map(|&name| state.parameters.get(name).cloned())
            .collect())
    }
}

#[async_trait]
#[expect(clippy::unwrap_used, reason = "a port of the tests")]
impl Jobs for Memory {
    async fn apply_delivery(
        &self,
        event: &JobEvent,
        pools: &Pools,
    ) -> Result<(Verdict, Changes), RecordError> {
        self.pass_by(Hangs::Ledger).await;
        let mut state = self.0.lock().unwrap();
        if state.ledger_down {
            return Err(RecordError("down".into()));
        }
        let (verdict, changes) = apply_delivery(
            event,
            DeliverySnapshot {
                pools,
                record: state.records.get(&event.job),
                runner: None,
            },
        );
        if let Some(record) = changes.record.clone() {
            state.records.insert(event.job, record);
        }
        Ok((verdict, changes))
    }

    async fn touch_repository(&self, seen: &RepositorySeen) -> Result<(), RecordError> {
        self.write_repository(|state| state.touched.push(seen.repository.name.clone()))
            .await
    }

    async fn unserved(&self, seen: &RepositorySeen) -> Result<(), RecordError> {
        self.write_repository(|state| state.unserved.push(seen.repository.name.clone()))
            .await
    }

    async fn applied(&self, _now: Timestamp) -> Result<AppliedVersion, RecordError> {
        self.pass_by(Hangs::Ledger).await;
        let state = self.0.lock().unwrap();
        if state.ledger_down {
            Err(RecordError("down".into()))
        } else {
            Ok(state.applied)
        }
    }
}

#[async_trait]
#[expect(clippy::unwrap_used, reason = "a port of the tests")]
impl Wakes for Memory {
    async fn wake(&self, pool: &PoolName) -> Result<(), NotSent> {
        self.pass_by(Hangs::Queue).await;
        let mut state = self.0.lock().unwrap();
        if state.queue_down {
            return Err(NotSent {
                pool: pool.clone(),
                reason: "down".into(),
            });
        }
        state.woken.push(pool.clone());
        Ok(())
    }
}

struct World {
    webhook: Webhook<Memory, Memory>,
    memory: Memory,
    seconds: Arc<AtomicI64>,
}

#[expect(clippy::unwrap_used, reason = "helpers of tests")]
impl World {
    fn new() -> Self {
        let memory = Memory::default();
        let seconds = Arc::new(AtomicI64::new(1_700_000_000));
        let clock = || {
            let seconds = Arc::clone(&seconds);
            Box::new(move || Timestamp::from_millis(seconds.load(Ordering::Relaxed) * 1000))
        };
        let parameters = Parameters {
            pools: Some("pools".into()),
            webhook_secret: Some("secret".into()),
            github_app: None,
        };
        let settings = Settings::new(memory.clone(), parameters, clock());
        let deps = Deps {
            wakes: memory.clone(),
            clock: clock(),
        };
        let webhook = Webhook::new(memory.clone(), settings, deps);
        let world = Self {
            webhook,
            memory,
            seconds,
        };
        world.put("pools", POOLS);
        world.put("secret", &json!({"current": SECRET}).to_string());
        world
    }

    fn put(&self, name: &str, value: &str) {
        let mut state = self.state();
        let version = state.parameters.get(name).map_or(0, |old| old.version) + 1;
        state.parameters.insert(
            name.into(),
            Parameter {
                name: name.into(),
                value: value.into(),
                version,
            },
        );
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.memory.0.lock().unwrap()
    }

    fn pass(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::Relaxed);
    }

    async fn answer(&self, request: Request) -> Answer {
        self.webhook.answer(&request).await
    }

    /// Status and outcome of the answer.
    async fn outcome(&self, request: Request) -> (u16, Outcome) {
        let answer = self.answer(request).await;
        (answer.status, answer.outcome)
    }

    fn job(&self) -> Option<JobRecord> {
        self.state().records.values().next().cloned()
    }
}

fn job() -> Value {
    json!({
        "action": "queued",
        "workflow_job": {
            "id": 14_541_957_942_i64, "run_id": 7, "run_attempt": 1, "name": "build", "labels": ["self-hosted", "Mayfly"],
            "status": "queued", "conclusion": null, "runner_id": null, "runner_name": null,
            "created_at": "2023-06-13T08:11:37Z", "started_at": "2023-06-13T08:11:37Z", "completed_at": null,
        },
        "repository": {"id": 3, "full_name": "acme/app", "private": true, "owner": {"id": 9}},
        "installation": {"id": 4},
    })
}

/// [`job`] with one value changed.
#[expect(clippy::unwrap_used, reason = "helper of tests")]
fn job_with(pointer: &str, value: Value) -> Value {
    let mut payload = job();
    *payload.pointer_mut(pointer).unwrap() = value;
    payload
}

#[expect(clippy::unwrap_used, reason = "helper of tests")]
fn sign(secret: &str, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    mac.update(body);
    mac.finalize()
        .into_bytes()
        .iter()
        .fold("sha256=".to_owned(), |text, byte| {
            format!("{text}{byte:02x}")
        })
}

/// A delivery as API Gateway hands it over, signed.
fn delivery(body: &str) -> Request {
    let headers = [
        ("content-type", "application/json"),
        ("x-github-event", "workflow_job"),
        ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
        ("x-hub-signature-256", &sign(SECRET, body.as_bytes())),
    ];
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Request {
        headers,
        body: Some(body.to_owned()),
        is_base64_encoded: false,
    }
}

fn of(payload: &Value) -> Request {
    delivery(&payload.to_string())
}

/// The delivery with a header changed.
fn with_header(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.insert(name.to_owned(), value.to_owned());
    request
}

#[tokio::test]
async fn a_queued_job_is_recorded_and_its_pool_woken() {
    let world = World::new();
    let answer = world.answer(of(&job())).await;
    assert_eq!(
        (answer.status, answer.body().as_str()),
        (
            202,
            r#"{"outcome":"recorded","reason":"the ledger has it"}"#
        )
    );
    assert_eq!(world.job().unwrap().state, JobState::Queued);
    assert_eq!(world.state().woken, ["linux".parse().unwrap()]);
}

#[tokio::test]
async fn the_answer_is_what_api_gateway_expects() {
    let answer = serde_json::to_value(World::new().answer(of(&job())).await).unwrap();
    let body = r#"{"outcome":"recorded","reason":"the ledger has it"}"#;
    assert_eq!(
        answer,
        json!({"statusCode": 202, "headers": {"content-type": "application/json"}, "body": body, "isBase64Encoded": false})
    );
}

#[tokio::test]
async fn the_same_delivery_again_changes_nothing() {
    let world = World::new();
    world.answer(of(&job())).await;
    let first = world.job();
    assert_eq!(world.outcome(of(&job())).await, (202, Outcome::Recorded));
    assert_eq!(world.job(), first);
}

#[tokio::test]
async fn a_request_is_an_event_of_api_gateway() {
    let event = json!({
        "version": "2.0", "routeKey": "POST /webhook", "headers": {"host": "x"}, "requestContext": {"http": {"method": "POST"}},
        "body": "e30=", "isBase64Encoded": true
    });
    let request: Request = serde_json::from_value(event).unwrap();
    assert_eq!(
        (
            request.header("host"),
            request.body.as_deref(),
            request.is_base64_encoded
        ),
        (Some("x"), Some("e30="), true)
    );
    let empty: Request = serde_json::from_value(json!({"version": "2.0"})).unwrap();
    assert_eq!(World::new().outcome(empty).await, (401, Outcome::Refused));
}

#[tokio::test]
async fn header_names_may_have_any_case() {
    let mut request = of(&job());
    request.headers = request
        .headers
        .into_iter()
        .map(|(name, value)| (name.to_uppercase(), value))
        .collect();
    assert_eq!(World::new().outcome(request).await.0, 202);
}

#[tokio::test]
async fn a_base64_body_is_decoded_before_it_is_verified() {
    let mut request = of(&job());
    request.body = request.body.map(|body| STANDARD.encode(body));
    request.is_base64_encoded = true;
    assert_eq!(World::new().outcome(request).await.0, 202);
}

#[tokio::test]
async fn a_form_is_verified_as_it_came_and_read_afterwards() {
    let form: String = format!("payload={}", percent_encode(&job().to_string()));
    let request = with_header(
        delivery(&form),
        "content-type",
        "application/x-www-form-urlencoded",
    );
    assert_eq!(World::new().outcome(request).await.0, 202);
}

fn percent_encode(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[tokio::test]
async fn a_signature_that_is_missing_malformed_or_wrong_changes_nothing() {
    let world = World::new();
    let mut missing = of(&job());
    missing.headers.remove("x-hub-signature-256");
    let requests = [
        missing,
        with_header(of(&job()), "x-hub-signature-256", "sha256=12"),
        with_header(
            of(&job()),
            "x-hub-signature-256",
            &sign("other", job().to_string().as_bytes()),
        ),
        with_header(of(&job()), "x-hub-signature-256", &sign(SECRET, b"other")),
        with_header(
            of(&job()),
            "x-hub-signature-256",
            &sign(SECRET, job().to_string().as_bytes()).replace("sha256", "sha1"),
        ),
    ];
    for request in requests {
        assert_eq!(world.outcome(request).await, (401, Outcome::Refused));
    }
    assert!(world.job().is_none() && world.state().woken.is_empty());
}

#[tokio::test]
async fn an_anonymous_caller_cannot_make_us_read_settings_again_and_again() {
    let world = World::new();
    for _ in 0..3 {
        world
            .answer(with_header(of(&job()), "x-hub-signature-256", ""))
            .await;
    }
    assert_eq!(world.state().settings_read, 0);
    for _ in 0..3 {
        world
            .answer(with_header(
                of(&job()),
                "x-hub-signature-256",
                &sign("other", b""),
            ))
            .await;
    }
    assert_eq!(world.state().settings_read, 1);
}

#[tokio::test]
async fn both_secrets_are_accepted_while_rotating() {
    let world = World::new();
    world.put(
        "secret",
        &json!({"current": "new", "previous": SECRET}).to_string(),
    );
    assert_eq!(world.outcome(of(&job())).await.0, 202);
    let request = with_header(
        of(&job()),
        "x-hub-signature-256",
        &sign("new", job().to_string().as_bytes()),
    );
    assert_eq!(world.outcome(request).await.0, 202);
}

#[tokio::test]
async fn without_a_secret_everything_is_refused() {
    for secret in [None, Some(json!({})), Some(json!({"current": ""}))] {
        let world = World::new();
        match secret {
            Some(value) => world.put("secret", &value.to_string()),
            None => drop(world.state().parameters.remove("secret")),
        }
        let request = with_header(
            of(&job()),
            "x-hub-signature-256",
            &sign("", job().to_string().as_bytes()),
        );
        assert_eq!(world.outcome(request).await, (401, Outcome::Refused));
        assert_eq!(world.outcome(of(&job())).await, (401, Outcome::Refused));
    }
}

#[tokio::test]
async fn settings_that_cannot_be_read_are_a_failure_that_passes() {
    let world = World::new();
    world.state().settings_down = true;
    assert_eq!(world.outcome(of(&job())).await, (503, Outcome::Failed));
    world.state().settings_down = false;
    assert_eq!(world.outcome(of(&job())).await.0, 202);
}

#[tokio::test]
async fn a_broken_first_pools_file_or_secret_is_a_failure_and_never_a_silent_drop() {
    for (name, value) in [("pools", "[github]"), ("secret", "hush")] {
        let world = World::new();
        world.put(name, value);
        assert_eq!(world.outcome(of(&job())).await, (503, Outcome::Failed));
        assert!(world.job().is_none());
    }
}

#[tokio::test]
async fn a_ledger_that_does_not_answer_is_a_failure_and_wakes_nobody() {
    let world = World::new();
    world.state().ledger_down = true;
    let answer = world.answer(of(&job())).await;
    assert_eq!((answer.status, answer.outcome), (503, Outcome::Failed));
    assert!(
        !answer.reason.contains("down"),
        "the cause is for the log: {}",
        answer.reason
    );
    assert!(world.state().woken.is_empty());
}

#[tokio::test]
async fn the_repository_of_a_job_is_written_down_once_a_day_and_a_failure_to_do_so_is_one_of_the_delivery()
 {
    let world = World::new();
    world.state().repositories_down = true;
    assert_eq!(world.outcome(of(&job())).await, (503, Outcome::Failed));
    world.state().repositories_down = false;
    for _ in 0..3 {
        assert_eq!(world.outcome(of(&job())).await.0, 202);
    }
    assert_eq!(world.state().touched.len(), 1);
    world.pass(25 * 3_600);
    assert_eq!(world.outcome(of(&job())).await.0, 202);
    assert_eq!(world.state().touched.len(), 2);
}

#[tokio::test]
async fn a_wake_that_cannot_be_sent_is_counted_and_the_answer_stands() {
    let world = World::new();
    world.state().queue_down = true;
    assert_eq!(world.outcome(of(&job())).await, (202, Outcome::Recorded));
    assert_eq!(world.webhook.wakes_not_sent(), 1);
}

fn of_repository(name: &str, private: bool) -> Request {
    let mut payload = job_with("/repository/full_name", json!(name));
    payload["repository"]["private"] = json!(private);
    of(&payload)
}

#[tokio::test]
async fn what_a_pool_would_take_of_another_repository_is_written_down_with_the_reason() {
    let cases = [
        (
            "public repository: no matching pool sets public = true",
            of_repository("acme/open", false),
        ),
        (
            "repository not allowed: no matching pool lists it under repositories",
            of_repository("acme/other", true),
        ),
    ];
    for (reason, request) in cases {
        let world = World::new();
        let answer = world.answer(request).await;
        assert_eq!(
            (answer.status, answer.outcome, answer.reason.as_str()),
            (202, Outcome::Unplaced, reason)
        );
        assert!(
            world
                .job()
                .is_some_and(|job| job.state == JobState::Unplaced)
                && world.state().woken.is_empty(),
            "{reason}"
        );
    }
}

#[tokio::test]
async fn what_is_not_for_us_is_ignored_and_not_written() {
    let many: Vec<String> = (0..1_000).map(|n| format!("mayfly-{n:093}")).collect();
    let mut no_installation = job();
    no_installation
        .as_object_mut()
        .unwrap()
        .remove("installation");
    let cases = [
        (
            "pong",
            with_header(
                delivery(r#"{"zen": "Keep it logically awesome."}"#),
                "x-github-event",
                "ping",
            ),
        ),
        (
            "\"push\" is an event that is not used",
            with_header(delivery("{}"), "x-github-event", "push"),
        ),
        (
            "workflow_job \"renamed\" is an action that is not used",
            of(&job_with("/action", json!("renamed"))),
        ),
        (
            "the delivery names no installation: it comes from a webhook that is not the GitHub App's",
            of(&no_installation),
        ),
        (
            "no pool matches",
            of(&job_with("/workflow_job/labels", json!(["ubuntu-latest"]))),
        ),
        (
            "the job names no label, as with runs-on: {group: …} alone: pools take jobs by their labels",
            of(&job_with("/workflow_job/labels", json!([]))),
        ),
        (
            "no runner can have its labels: there are more than 100, or one has more than 256 characters",
            of(&job_with("/workflow_job/labels", json!(many))),
        ),
        (
            "no runner can have its labels: there are more than 100, or one has more than 256 characters",
            of(&job_with(
                "/workflow_job/labels",
                json!(["mayfly", "x".repeat(130_000)]),
            )),
        ),
        (
            "account not allowed: its owner is not among [github] accounts",
            of_repository("umbrella/app", true),
        ),
        (
            "no pool matches",
            of(&job_with("/workflow_job/labels", json!(["someone-elses"]))),
        ),
    ];
    for (reason, request) in cases {
        let world = World::new();
        let answer = world.answer(request).await;
        assert_eq!(
            (answer.status, answer.outcome, answer.reason.as_str()),
            (200, Outcome::Ignored, reason)
        );
        assert!(
            world.job().is_none()
                && world.state().woken.is_empty()
                && world.state().touched.is_empty(),
            "{reason}"
        );
    }
}

/// Once the account is in the pools file, those of its jobs that wait are looked for there, and
/// run.
#[tokio::test]
async fn the_repository_of_an_account_that_is_not_served_is_written_down_once_a_day() {
    let world = World::new();
    let stranger = || of_repository("umbrella/app", true);
    world.state().repositories_down = true;
    assert_eq!(world.outcome(stranger()).await, (503, Outcome::Failed));
    world.state().repositories_down = false;
    for _ in 0..3 {
        assert_eq!(world.outcome(stranger()).await, (200, Outcome::Ignored));
    }
    assert_eq!(world.state().unserved, ["umbrella/app"]);
    world.pass(25 * 3_600);
    world.answer(stranger()).await;
    assert_eq!(world.state().unserved.len(), 2);
    // One that is over waits for no runner, and what GitHub's own machines run was never meant for
    // a pool.
    for (pointer, value) in [
        ("/action", json!("completed")),
        ("/workflow_job/labels", json!(["ubuntu-latest"])),
    ] {
        let world = World::new();
        let mut payload = job_with(pointer, value);
        payload["repository"]["full_name"] = json!("umbrella/app");
        assert_eq!(world.outcome(of(&payload)).await, (200, Outcome::Ignored));
        assert!(world.state().unserved.is_empty(), "{pointer}");
    }
}

#[tokio::test]
async fn a_job_meant_for_us_that_no_pool_takes_is_recorded_with_the_reason() {
    let world = World::new();
    let answer = world
        .answer(of(&job_with(
            "/workflow_job/labels",
            json!(["self-hosted", "gpu"]),
        )))
        .await;
    assert_eq!((answer.status, answer.outcome), (202, Outcome::Unplaced));
    assert_eq!(
        answer.reason,
        "no pool takes [gpu, self-hosted]: the nearest, linux, does not offer gpu"
    );
    assert_eq!(world.job().unwrap().state, JobState::Unplaced);
}

#[tokio::test]
async fn a_job_for_a_pool_that_was_applied_a_moment_ago_finds_it() {
    let world = World::new();
    let for_gpu = of(&job_with("/workflow_job/labels", json!(["gpu"])));
    world.answer(of(&job())).await;
    world.put(
        "pools",
        &format!("{POOLS}[pools.gpu]\nlabels = [\"gpu\"]\ncpu = 4\nmemory = \"16 GiB\"\nmax = 1\n"),
    );
    world.state().records.clear();
    world.pass(3);
    assert_eq!(world.outcome(for_gpu).await, (202, Outcome::Recorded));
    assert_eq!(world.job().unwrap().pool, Some("gpu".parse().unwrap()));
}

/// What is ignored is ignored for good: so never by a file that is older than the last one applied.
#[tokio::test]
async fn a_job_that_comes_after_apply_is_judged_by_the_new_file_however_recently_the_old_one_was_read()
 {
    let world = World::new();
    let for_gpu = || of(&job_with("/workflow_job/labels", json!(["gpu"])));
    assert_eq!(world.outcome(for_gpu()).await, (200, Outcome::Ignored));
    world.put(
        "pools",
        &format!("{POOLS}[pools.gpu]\nlabels = [\"gpu\"]\ncpu = 4\nmemory = \"16 GiB\"\nmax = 1\n"),
    );
    world.state().applied = AppliedVersion {
        version: Some(2),
        under_way: false,
    };
    assert_eq!(
        world.outcome(for_gpu()).await,
        (202, Outcome::Recorded),
        "not a second later"
    );
    assert_eq!(world.job().unwrap().pool, Some("gpu".parse().unwrap()));
}

#[tokio::test]
async fn a_job_that_comes_when_it_is_not_known_which_file_is_the_newest_has_its_repository_looked_at()
 {
    // SSM shows an older file than was applied; one is being applied now; the ledger does not say.
    for (applied, touched) in [
        (
            AppliedVersion {
                version: Some(2),
                under_way: false,
            },
            1,
        ),
        (
            AppliedVersion {
                version: Some(1),
                under_way: true,
            },
            1,
        ),
        (
            AppliedVersion {
                version: Some(1),
                under_way: false,
            },
            0,
        ),
    ] {
        let world = World::new();
        world.state().applied = applied;
        for _ in 0..3 {
            assert_eq!(
                world
                    .outcome(of(&job_with("/workflow_job/labels", json!(["gpu"]))))
                    .await,
                (200, Outcome::Ignored)
            );
        }
        assert_eq!(world.state().touched.len(), touched, "{applied:?}");
    }
    let world = World::new();
    world.state().ledger_down = true;
    assert_eq!(
        world
            .outcome(of(&job_with("/workflow_job/labels", json!(["gpu"]))))
            .await,
        (503, Outcome::Failed)
    );
}

#[tokio::test]
async fn jobs_for_githubs_own_machines_do_not_make_us_read_the_pools_again() {
    let world = World::new();
    for _ in 0..3 {
        world.pass(5);
        world
            .answer(of(&job_with(
                "/workflow_job/labels",
                json!(["ubuntu-latest"]),
            )))
            .await;
    }
    assert_eq!(world.state().settings_read, 1);
}

#[tokio::test]
async fn an_approval_gate_blocks_the_job_and_wakes_nobody() {
    let world = World::new();
    assert_eq!(
        world
            .outcome(of(&job_with("/workflow_job/status", json!("waiting"))))
            .await,
        (202, Outcome::Recorded)
    );
    assert_eq!(world.job().unwrap().state, JobState::Blocked);
    assert!(world.state().woken.is_empty());
}

#[tokio::test]
async fn a_completed_job_is_closed_whatever_its_labels_say_now() {
    let world = World::new();
    world.answer(of(&job())).await;
    let mut completed = job_with("/action", json!("completed"));
    completed["workflow_job"]["labels"] = json!([]);
    completed["workflow_job"]["status"] = json!("completed");
    completed["workflow_job"]["conclusion"] = json!("cancelled");
    assert_eq!(world.outcome(of(&completed)).await.0, 202);
    assert_eq!(world.job().unwrap().state, JobState::Closed);
    assert_eq!(
        world.state().woken.len(),
        2,
        "a waiting job that was cancelled wakes its pool"
    );
}

#[tokio::test]
async fn what_is_signed_but_no_delivery_is_refused_with_its_status() {
    let mut no_event = of(&job());
    no_event.headers.remove("x-github-event");
    let mut no_guid = of(&job());
    no_guid.headers.remove("x-github-delivery");
    let guid = |guid: &str| with_header(of(&job()), "x-github-delivery", guid);
    let cases = [
        (400, delivery("{")),
        (400, delivery("")),
        (400, of(&job_with("/workflow_job/run_id", json!("7")))),
        (
            400,
            with_header(
                delivery("a=b"),
                "content-type",
                "application/x-www-form-urlencoded",
            ),
        ),
        (400, no_event),
        (400, no_guid),
        (400, guid("72d3162e-cc78-11e3-81ab-4c9367dc095")),
        (400, guid("72d3162e-cc78-11e3-81ab-4c9367dc0958-0")),
        (400, guid("72d3162ecc7811e381ab4c9367dc0958")),
        (400, guid("72d3162g-cc78-11e3-81ab-4c9367dc0958")),
        (400, guid(&"7".repeat(7_000))),
        (415, with_header(of(&job()), "content-type", "text/plain")),
        (413, delivery(&" ".repeat(1024 * 1024 + 1))),
    ];
    for (status, request) in cases {
        let world = World::new();
        assert_eq!(world.outcome(request).await, (status, Outcome::Refused));
        assert!(world.job().is_none());
    }
}

#[tokio::test]
async fn a_delivery_without_a_job_is_taken_and_its_repository_written_down_if_a_pool_serves_it() {
    for (name, private, noted) in [
        ("acme/app", true, true),
        ("acme/open", false, false),
        ("acme/other", true, false),
        ("umbrella/app", true, false),
    ] {
        let world = World::new();
        let mut payload = job_with("/workflow_job", Value::Null);
        payload["repository"]["full_name"] = json!(name);
        payload["repository"]["private"] = json!(private);
        for _ in 0..3 {
            assert_eq!(
                world.outcome(of(&payload)).await,
                (200, Outcome::Ignored),
                "{name}"
            );
        }
        assert_eq!(world.state().touched.len(), usize::from(noted), "{name}");
        assert!(world.job().is_none() && world.state().woken.is_empty());
        // The next delivery is taken as ever.
        assert_eq!(world.outcome(of(&job())).await, (202, Outcome::Recorded));
    }
}

#[tokio::test]
async fn a_repository_that_cannot_be_written_down_fails_a_delivery_without_a_job() {
    let world = World::new();
    world.state().repositories_down = true;
    assert_eq!(
        world
            .outcome(of(&job_with("/workflow_job", Value::Null)))
            .await,
        (503, Outcome::Failed)
    );
}

#[tokio::test]
async fn the_repository_of_a_job_that_cannot_be_read_is_written_down() {
    let world = World::new();
    assert_eq!(
        world
            .outcome(of(&job_with("/workflow_job/id", json!("new"))))
            .await,
        (400, Outcome::Refused)
    );
    assert_eq!(world.state().touched, ["acme/app"]);
}

#[tokio::test]
async fn one_delivery_sent_again_under_many_guids_keeps_the_record_small() {
    let world = World::new();
    for number in 0..300 {
        let guid = format!("72d3162e-cc78-11e3-81ab-{number:012}");
        assert_eq!(
            world
                .outcome(with_header(of(&job()), "x-github-delivery", &guid))
                .await,
            (202, Outcome::Recorded)
        );
    }
    assert_eq!(world.job().unwrap().queued.len(), 32);
}

#[tokio::test]
async fn names_that_strangers_choose_are_cut() {
    let world = World::new();
    world
        .answer(of(&job_with(
            "/workflow_job/name",
            json!("n".repeat(900_000)),
        )))
        .await;
    assert_eq!(world.job().unwrap().name.chars().count(), 255);
    let mut completed = job_with("/action", json!("completed"));
    completed["workflow_job"]["conclusion"] = json!("c".repeat(100_000));
    completed["workflow_job"]["runner_name"] = json!("r".repeat(100_000));
    completed["workflow_job"]["runner_id"] = json!(5);
    assert_eq!(world.outcome(of(&completed)).await.0, 202);
    assert!(serde_json::to_string(&world.job().unwrap()).unwrap().len() < 4_000);
}

#[tokio::test]
async fn labels_that_fill_a_workflow_leave_a_small_record_and_a_short_answer() {
    let world = World::new();
    let mut labels: Vec<String> = (0..99).map(|n| format!("{n:0256}")).collect();
    labels.push("self-hosted".to_owned());
    let answer = world
        .answer(of(&job_with("/workflow_job/labels", json!(labels))))
        .await;
    assert_eq!(answer.outcome, Outcome::Unplaced);
    let record = serde_json::to_string(&world.job().unwrap()).unwrap();
    assert!(
        answer.body().len() < 4_000 && record.len() < 40_000,
        "{} and {} bytes",
        answer.body().len(),
        record.len()
    );
}

#[tokio::test]
async fn labels_in_one_string_or_with_something_around_them_are_recorded_with_what_is_wrong() {
    for (labels, reason) in [
        (
            json!(["self-hosted, linux, x64, mayfly"]),
            r#"no pool takes ["self-hosted, linux, x64, mayfly"]: "self-hosted, linux, x64, mayfly" is one label: write a YAML list, [self-hosted, linux, x64, mayfly]"#,
        ),
        (
            json!(["self-hosted", "mayfly\n"]),
            r#"no pool takes ["mayfly\n", self-hosted]: "mayfly\n" is not mayfly: remove what surrounds it (in YAML, a text after > or | ends with a line break: write >- or |-)"#,
        ),
        (
            json!(["self-hosted", "gpu two"]),
            r#"no pool takes ["gpu two", self-hosted]: the nearest, linux, does not offer "gpu two""#,
        ),
    ] {
        let world = World::new();
        let answer = world
            .answer(of(&job_with("/workflow_job/labels", labels)))
            .await;
        assert_eq!(
            (answer.outcome, answer.reason.as_str()),
            (Outcome::Unplaced, reason)
        );
        assert_eq!(world.job().unwrap().reason.unwrap().to_string(), reason);
    }
}

/// What of AWS hangs.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hangs {
    Settings,
    Ledger,
    Repositories,
    Queue,
}

#[tokio::test(start_paused = true)]
async fn a_delivery_whose_aws_calls_hang_is_answered_before_lambda_and_github_give_up() {
    for what in [Hangs::Settings, Hangs::Ledger, Hangs::Repositories] {
        let world = World::new();
        world.state().hangs = Some(what);
        let began = tokio::time::Instant::now();
        assert_eq!(
            world.outcome(of(&job())).await,
            (503, Outcome::Failed),
            "{what:?}"
        );
        assert_eq!(began.elapsed().as_secs(), 8, "{what:?}");
        // It leaves nothing behind that would keep the next one.
        world.state().hangs = None;
        assert_eq!(
            world.outcome(of(&job())).await,
            (202, Outcome::Recorded),
            "{what:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wake_that_hangs_is_left_to_the_tick() {
    let world = World::new();
    world.state().hangs = Some(Hangs::Queue);
    let began = tokio::time::Instant::now();
    assert_eq!(world.outcome(of(&job())).await, (202, Outcome::Recorded));
    assert_eq!(
        (began.elapsed().as_secs(), world.webhook.wakes_not_sent()),
        (2, 1)
    );
}

#[tokio::test]
async fn a_400_names_the_json_path() {
    let answer = World::new()
        .answer(of(&job_with("/repository/owner", json!({"login": "acme"}))))
        .await;
    assert!(
        answer
            .reason
            .starts_with("at repository.owner: missing field `id`"),
        "{}",
        answer.reason
    );
}
