//! What the container used: measured beside the runner, reported at its end, at no cost to it.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::REGISTRATION;
use crate::container::{Container, Image, credentials, credentials_json};
use crate::process::{eventually, signal};
use crate::server::{Reply, Server, answer, mayfly, nobody};

/// A run.sh that has had a job: the hook takes its state away. Ends with 3.
const WORKED: &str = "rm -f \"${ACTIONS_RUNNER_HOOK_JOB_STARTED%/*}/state\"; exit 3";

/// The same, once the container was measured for the first time.
const MEASURED: &str = "folder=${ACTIONS_RUNNER_HOOK_JOB_STARTED%/*}; rm -f \"$folder/state\"
until [[ -s $folder/used ]]; do sleep 0.01; done; exit 3";

/// What the end may take: two seconds for the report, and a slow machine.
const AT_MOST: Duration = Duration::from_secs(4);

const MIB: u64 = 1024 * 1024;

/// Docker's stats under cgroup v1, as Fargate shows them: shortened, with the names that are like
/// those that are looked for. Source:
/// <https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-metadata-endpoint-v4-fargate-examples.html>.
fn stats(usage: u64, inactive: u64, cpu: u64) -> String {
    json!({
        "read": "2026-11-22T14:00:00.5Z",
        "pids_stats": { "current": 3, "limit": 0 },
        "networks": { "eth1": { "rx_bytes": 564_655_295, "tx_bytes": 3_384_960 } },
        "num_procs": 0,
        "precpu_stats": { "cpu_usage": { "total_usage": 1, "usage_in_kernelmode": 2 }, "throttling_data": { "periods": 0 } },
        "cpu_stats": { "cpu_usage": { "percpu_usage": [500], "total_usage": cpu, "usage_in_kernelmode": 3 }, "system_cpu_usage": 4 },
        "memory_stats": {
            "limit": 9_223_372_036_854_771_712_u64, "max_usage": 8_000 * MIB,
            "stats": { "inactive_file": 7, "total_inactive_file": inactive, "usage_of_nothing": 1 }, "usage": usage,
        },
    })
    .to_string()
}

/// Under cgroup v2: no `max_usage`, no hierarchical totals, and blanks.
fn stats_v2(usage: u64, inactive: u64, cpu: u64) -> String {
    format!(
        "{{ \"memory_stats\" : {{ \"usage\" : {usage}, \"stats\" : {{ \"inactive_file\" : {inactive} }} }},\n \"cpu_stats\" : {{ \"cpu_usage\" : {{ \"total_usage\" : {cpu} }} }} }}"
    )
}

fn endpoint(bodies: &[String]) -> Server {
    let replies = bodies.iter().map(|body| answer(200, "", body));
    Server::start(replies.collect())
}

fn registrar() -> Server {
    Server::start(vec![
        mayfly(200, REGISTRATION),
        mayfly(200, r#"{"recorded":true}"#),
    ])
}

fn image(registrar: &Server, credentials: &Server, metadata: &str) -> Image {
    Image::new(&registrar.url(), &credentials.url())
        .set("ECS_CONTAINER_METADATA_URI_V4", metadata)
        .set("MAYFLY_CGROUP", "/nowhere")
        .run_sh(WORKED)
}

/// What was reported, if anything was.
fn reported(registrar: &Server) -> Vec<Value> {
    let requests = registrar.requests().into_iter();
    requests
        .filter(|request| request.line.starts_with("POST /usage "))
        .map(|request| serde_json::from_str(&request.body).unwrap())
        .collect()
}

fn said(memory: u64, cpu: u64, kills: u64) -> Vec<Value> {
    vec![json!({
        "runner": "linux/01jd3x0000000000000000000a", "memory_peak_bytes": memory, "cpu_milliseconds": cpu, "memory_kills": kills,
    })]
}

#[test]
fn memory_without_the_page_cache_and_processor_time_are_reported_and_signed() {
    for body in [
        stats(900 * MIB, 200 * MIB, 93_400_000_000),
        stats_v2(900 * MIB, 200 * MIB, 93_400_000_000),
    ] {
        let (registrar, identity) = (registrar(), credentials());
        let metadata = endpoint(&[body]);
        let mut container = image(&registrar, &identity, &metadata.url()).start();
        assert_eq!(container.status(), 3, "{}", container.log());
        assert_eq!(
            reported(&registrar),
            said(700 * MIB, 93_400, 0),
            "{}",
            container.log()
        );
        let request = registrar.requests().pop().unwrap();
        let signature = request.header("authorization");
        assert!(
            signature.contains("/eu-central-1/execute-api/aws4_request"),
            "{signature}"
        );
        let line = "this container used at most 700 MiB of memory and 93 s of processor time";
        assert!(container.log().contains(line), "{}", container.log());
        assert!(metadata.requests()[0].line.starts_with("GET /stats "));
    }
}

#[test]
fn the_most_memory_of_all_looks_is_reported_whatever_the_last_one_shows() {
    let (registrar, identity) = (registrar(), credentials());
    let looks = [900, 800, 100].map(|mib| stats(mib * MIB, 0, mib * 1_000_000));
    let metadata = endpoint(&looks);
    let container = image(&registrar, &identity, &metadata.url())
        .run_sh(MEASURED)
        .finish();
    assert_eq!(
        reported(&registrar),
        said(900 * MIB, 900, 0),
        "{}",
        container.log()
    );
    // Also when nothing is told at the end.
    let first = answer(200, "", &stats(900 * MIB, 0, 5_000_000));
    for last in [Reply::Hang, answer(500, "", ""), Reply::Bytes(Vec::new())] {
        let registrar = self::registrar();
        let metadata = Server::start(vec![first.clone(), last]);
        let container = image(&registrar, &identity, &metadata.url())
            .run_sh(MEASURED)
            .finish();
        assert_eq!(
            reported(&registrar),
            said(900 * MIB, 5, 0),
            "{}",
            container.log()
        );
    }
}

#[test]
fn processes_that_the_kernel_killed_are_counted_under_both_kinds_of_cgroups() {
    for (file, text) in [
        (
            "memory.events",
            "low 0\noom 3\noom_kill 2\noom_group_kill 7\n",
        ),
        (
            "memory/memory.oom_control",
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        ),
    ] {
        let (registrar, identity) = (registrar(), credentials());
        let metadata = endpoint(&[stats(MIB, 0, 1_000_000)]);
        let image = image(&registrar, &identity, &metadata.url());
        let folder = image.path().join("cgroup");
        fs::create_dir_all(folder.join("memory")).unwrap();
        fs::write(folder.join(file), text).unwrap();
        let path = folder.to_str().unwrap().to_owned();
        image.set("MAYFLY_CGROUP", &path).finish();
        assert_eq!(reported(&registrar), said(MIB, 1, 2), "{file}");
    }
}

/// The container ends as its runner did, in time.
fn costs_nothing(what: &str, image: Image) -> Container {
    let began = Instant::now();
    let mut container = image.start();
    assert_eq!(container.status(), 3, "{what}: {}", container.log());
    let took = began.elapsed();
    assert!(took < AT_MOST, "{what} took {took:?}: {}", container.log());
    assert!(container.log().contains("registered: starting the runner"));
    container
}

#[test]
fn an_endpoint_that_hangs_lies_or_is_missing_costs_nothing_and_nothing_is_reported() {
    let lies = [
        "",
        "null",
        "{}",
        "[]",
        "no JSON",
        "{\"memory_stats\"",
        r#"{"memory_stats":{"usage":-5},"cpu_stats":{"cpu_usage":{"total_usage":1}}}"#,
        r#"{"memory_stats":{"usage":"$(touch lied)"},"cpu_stats":{"cpu_usage":{"total_usage":1}}}"#,
        r#"{"memory_stats":{"usage":99999999999999999999},"cpu_stats":{"cpu_usage":{"total_usage":1}}}"#,
        r#"{"memory_stats":{"usage":5},"cpu_stats":{"cpu_usage":{"total_usage":"a[$(touch lied)]"}}}"#,
    ];
    let mut troubles: Vec<(String, Reply)> = lies
        .iter()
        .map(|body| ((*body).to_owned(), answer(200, "", body)))
        .collect();
    let good = stats(MIB, 0, 1_000_000);
    troubles.extend([
        ("hangs".to_owned(), Reply::Hang),
        ("closes".to_owned(), Reply::Bytes(Vec::new())),
        ("404".to_owned(), answer(404, "", &good)),
        (
            "redirects".to_owned(),
            answer(302, "Location: http://127.0.0.1/\r\n", &good),
        ),
        (
            "floods".to_owned(),
            Reply::Flood(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'1'; 4096]),
        ),
    ]);
    for (what, reply) in troubles {
        let (registrar, identity) = (registrar(), credentials());
        let metadata = Server::start(vec![reply]);
        let container = costs_nothing(&what, image(&registrar, &identity, &metadata.url()));
        assert_eq!(reported(&registrar), Vec::<Value>::new(), "{what}");
        assert!(container.file("lied").is_none(), "{what}");
        assert!(!metadata.requests().is_empty(), "{what}");
    }
    for elsewhere in [
        "",
        "http://192.0.2.1/v4/1",
        "http://169.254.170.2.example.com/",
        "https://127.0.0.1/",
        "file:///etc/passwd",
        "http://127.0.0.1/ -o x",
        &nobody(),
    ] {
        let (registrar, identity) = (registrar(), credentials());
        costs_nothing(elsewhere, image(&registrar, &identity, elsewhere));
        assert_eq!(reported(&registrar), Vec::<Value>::new(), "{elsewhere}");
    }
}

#[test]
fn a_registrar_that_hangs_refuses_or_is_gone_costs_nothing() {
    let refusal = r#"{"recorded":false,"reason":"more than the task has"}"#;
    for (what, reply, says) in [
        ("hangs", Reply::Hang, "not reported"),
        ("closes", Reply::Bytes(Vec::new()), "the connection broke"),
        ("refuses", mayfly(422, refusal), "more than the task has"),
        ("throttles", answer(429, "", ""), "answers 429"),
        (
            "knows no such route",
            mayfly(404, "there is no /usage here"),
            "answers 404",
        ),
    ] {
        let registrar = Server::start(vec![mayfly(200, REGISTRATION), reply]);
        let identity = credentials();
        let metadata = endpoint(&[stats(MIB, 0, 1_000_000)]);
        let container = costs_nothing(what, image(&registrar, &identity, &metadata.url()));
        assert_eq!(reported(&registrar).len(), 1, "{what}");
        assert!(
            container.log().contains(says),
            "{what}: {}",
            container.log()
        );
    }
}

#[test]
fn credentials_that_cannot_be_had_at_the_end_cost_nothing() {
    for reply in [Reply::Hang, answer(500, "", ""), answer(200, "", "{}")] {
        let registrar = registrar();
        let identity = Server::start(vec![answer(200, "", &credentials_json()), reply]);
        let metadata = endpoint(&[stats(MIB, 0, 1_000_000)]);
        let container = costs_nothing("", image(&registrar, &identity, &metadata.url()));
        assert_eq!(reported(&registrar), Vec::<Value>::new());
        assert!(
            container.log().contains("not reported"),
            "{}",
            container.log()
        );
    }
}

#[test]
fn a_runner_that_had_no_job_reports_nothing() {
    let (registrar, identity) = (registrar(), credentials());
    let metadata = endpoint(&[stats(MIB, 0, 1_000_000)]);
    let idle = image(&registrar, &identity, &metadata.url()).run_sh("exit 3");
    costs_nothing("idle", idle);
    assert_eq!(reported(&registrar), Vec::<Value>::new());
}

#[test]
fn a_runner_that_is_watched_gets_signals_and_keeps_its_environment_clean() {
    let (registrar, identity) = (registrar(), credentials());
    let metadata = endpoint(&[stats(MIB, 0, 1_000_000)]);
    // What is ignored when a shell begins, it can never trap.
    let trap = "trap 'exit 43' INT; kill -INT $$; sleep 20";
    let container = image(&registrar, &identity, &metadata.url()).run_sh(trap);
    assert_eq!(container.start().status(), 43);

    let again = self::registrar();
    let trap = "trap 'exit 42' TERM; trap 'exit 43' INT; env -0 >\"$HOME/env\"; while :; do sleep 0.01; done";
    let mut container = image(&again, &identity, &metadata.url())
        .run_sh(trap)
        .start();
    eventually("the runner", || container.has_run().then_some(()));
    let first = fs::read(format!("/proc/{}/environ", container.pid())).unwrap();
    let first = String::from_utf8_lossy(&first).into_owned();
    assert!(
        first.contains("ACTIONS_RUNNER_HOOK_JOB_STARTED="),
        "{first}"
    );
    for environment in [first, container.file("env").unwrap()] {
        let ours = environment
            .split('\0')
            .find(|pair| pair.starts_with("MAYFLY_") || pair.starts_with("AWS_CONTAINER_"));
        assert_eq!(ours, None);
    }
    signal("TERM", &container.pid().to_string());
    assert_eq!(container.status(), 42);
}

#[test]
fn without_the_endpoint_the_script_becomes_the_runner() {
    let (registrar, identity) = (registrar(), credentials());
    let tell = "echo $$ >\"$HOME/pid\"; exit 3";
    let mut container = image(&registrar, &identity, "").run_sh(tell).start();
    assert_eq!(container.status(), 3);
    let pid = container.file("pid").unwrap();
    assert_eq!(pid.trim(), container.pid().to_string());
}

/// An address that only looks like another one: 127.0.0.1, for curl.
#[test]
fn an_endpoint_that_is_neither_ecss_nor_plainly_on_this_host_is_never_asked() {
    let (registrar, identity) = (registrar(), credentials());
    let metadata = endpoint(&[stats(MIB, 0, 1_000_000)]);
    let elsewhere = metadata.url().replace("127.0.0.1", "127.1");
    costs_nothing(&elsewhere, image(&registrar, &identity, &elsewhere));
    assert!(metadata.requests().is_empty());
    assert_eq!(reported(&registrar), Vec::<Value>::new());
}

/// Its own time limits are not what holds the end to two seconds.
#[test]
fn a_curl_that_never_ends_costs_no_more_than_two_seconds() {
    let (registrar, identity) = (registrar(), credentials());
    let metadata = endpoint(&[stats(MIB, 0, 1_000_000)]);
    let curl = "[[ $* == *--version* ]] && exec /usr/bin/curl \"$@\"
config=$(</dev/stdin)
[[ $config != */usage* ]] || exec sleep 20
exec /usr/bin/curl \"$@\" <<<\"$config\"";
    let image = image(&registrar, &identity, &metadata.url()).program("curl", curl);
    let container = costs_nothing("a curl that never ends", image);
    assert_eq!(reported(&registrar), Vec::<Value>::new());
    let log = container.log();
    assert!(log.contains("no answer in time"), "{log}");
}
