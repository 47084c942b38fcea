//! `mayfly` before an AWS that listens on loopback: whose credentials sign, what is said where
//! there are none, and what is said first.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// An AWS that knows one deployment, the versions of its pools file (none at first), an empty
/// ledger, and a quota of vCPUs.
struct Aws {
    url: String,
    /// `authorization` of each request, with its target.
    signed: Arc<Mutex<Vec<(String, String)>>>,
    /// Each request's operation, and what it is about.
    asked: Arc<Mutex<Vec<String>>>,
    pools: Arc<Mutex<Vec<String>>>,
}

/// What it knows.
struct Known {
    deployment: Value,
    pools: Arc<Mutex<Vec<String>>>,
}

/// It takes requests to ECS, and never answers them.
const SILENT: &str = "AmazonEC2ContainerServiceV20141113.";

/// Who asks, as STS says it.
const CALLER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
    <Arn>arn:aws:sts::123456789012:assumed-role/Admin/alice</Arn><UserId>AROA:alice</UserId><Account>123456789012</Account>\
    </GetCallerIdentityResult></GetCallerIdentityResponse>";

/// vCPUs on demand that the account may run.
const QUOTA: f64 = 6.0;

impl Aws {
    fn begin(deployment: Value) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (signed, pools) = (
            Arc::new(Mutex::new(Vec::new())),
            Arc::new(Mutex::new(Vec::new())),
        );
        let (kept, known) = (
            Arc::clone(&signed),
            Known {
                deployment,
                pools: Arc::clone(&pools),
            },
        );
        let asked = Arc::new(Mutex::new(Vec::new()));
        let all_asked = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().flatten() {
                let (target, authorization, body) = request(&stream);
                all_asked.lock().unwrap().extend(operations(&target, &body));
                if target.starts_with(SILENT) {
                    silent.push(stream);
                    continue;
                }
                let (status, answer) = answer(&target, &body, &known);
                kept.lock().unwrap().push((target, authorization));
                let text = answer
                    .as_str()
                    .map_or_else(|| answer.to_string(), str::to_owned);
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    text.len()
                );
                let _ = (&stream).write_all(format!("{head}{text}").as_bytes());
            }
        });
        Self {
            url,
            signed,
            asked,
            pools,
        }
    }

    /// The same with a pools file that has these versions.
    fn with_pools(versions: &[&str]) -> Self {
        let aws = Self::begin(deployment());
        aws.pools
            .lock()
            .unwrap()
            .extend(versions.iter().map(|text| (*text).to_owned()));
        aws
    }

    /// The keys that requests were signed with.
    fn keys(&self) -> Vec<String> {
        let signed = self.signed.lock().unwrap();
        let key = |(_, authorization): &(String, String)| {
            authorization
                .split("Credential=")
                .nth(1)?
                .split('/')
                .next()
                .map(str::to_owned)
        };
        let mut keys: Vec<String> = signed.iter().filter_map(key).collect();
        keys.dedup();
        keys
    }
}

/// What a request needs the permission for, and for what: `dynamodb:GetItem apply_lock`.
/// Transactions have no permission of their own, each of their actions needs its own.
fn operations(target: &str, body: &Value) -> Vec<String> {
    let Some((prefix, operation)) = target.split_once('.') else {
        // Query APIs name it in the form; IAM's has nothing else here.
        let form = body.as_str().unwrap_or_default();
        return form
            .split('&')
            .filter_map(|pair| pair.strip_prefix("Action="))
            .map(|operation| match operation {
                "GetCallerIdentity" => format!("sts:{operation}"),
                _ => format!("iam:{operation}"),
            })
            .collect();
    };
    let service = match prefix {
        "AmazonSSM" => "ssm",
        "DynamoDB_20120810" => "dynamodb",
        "ServiceQuotasV20190624" => "servicequotas",
        "AmazonSQS" => "sqs",
        other => other,
    };
    let key = |action: &Value| {
        let named = [
            &action["Key"]["pk"]["S"],
            &action["Item"]["pk"]["S"],
            &action["ExpressionAttributeValues"][":pk"]["S"],
        ];
        let name = named.iter().find_map(|name| name.as_str());
        let name = name.unwrap_or("of the index");
        // One of a kind stands for all.
        name.split_once('#')
            .map_or(name.to_owned(), |(kind, _)| format!("{kind}#*"))
    };
    if let Some(items) = body["TransactItems"].as_array() {
        return items
            .iter()
            .flat_map(|item| item.as_object().unwrap())
            .map(|(kind, action)| format!("{service}:{kind}Item {}", key(action)))
            .collect();
    }
    let about = match service {
        "dynamodb" => vec![key(body)],
        "ssm" => body["Names"]
            .as_array()
            .cloned()
            .unwrap_or_else(|| vec![body["Name"].clone()])
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect(),
        _ => return vec![format!("{service}:{operation}")],
    };
    about
        .iter()
        .map(|about| format!("{service}:{operation} {about}"))
        .collect()
}

fn request(stream: &TcpStream) -> (String, String, Value) {
    let mut reader = BufReader::new(stream);
    let (mut target, mut authorization, mut length) = (String::new(), String::new(), 0);
    let mut line = String::new();
    while reader.read_line(&mut line).unwrap_or(0) > 2 {
        if let Some((name, value)) = line.split_once(':') {
            match name.to_ascii_lowercase().as_str() {
                "x-amz-target" => target = value.trim().to_owned(),
                "authorization" => authorization = value.trim().to_owned(),
                "content-length" => length = value.trim().parse().unwrap(),
                _ => {}
            }
        }
        line.clear();
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    (
        target,
        authorization,
        serde_json::from_slice(&body)
            .unwrap_or_else(|_| String::from_utf8(body).unwrap_or_default().into()),
    )
}

fn answer(target: &str, body: &Value, known: &Known) -> (u16, Value) {
    if body
        .as_str()
        .is_some_and(|form| form.contains("Action=GetCallerIdentity"))
    {
        return (200, CALLER.into());
    }
    match target.rsplit('.').next().unwrap_or_default() {
        "GetParameter" if body["Name"] == "/mayfly/mayfly/deployment" => (
            200,
            json!({ "Parameter": { "Name": body["Name"], "Type": "String", "Value": known.deployment.to_string(), "Version": 1 } }),
        ),
        "GetParameters" => {
            let names = body["Names"].as_array().unwrap();
            let (found, missing): (Vec<Value>, Vec<Value>) = names
                .iter()
                .cloned()
                .partition(|name| known.version(name).is_some());
            let found: Vec<Value> = found
                .iter()
                .filter_map(|name| known.version(name))
                .collect();
            (
                200,
                json!({ "Parameters": found, "InvalidParameters": missing }),
            )
        }
        "GetParameter" => match known.version(&body["Name"]) {
            Some(version) => (200, json!({ "Parameter": version })),
            None => (400, json!({ "__type": "ParameterNotFound" })),
        },
        "PutParameter" => {
            let mut pools = known.pools.lock().unwrap();
            pools.push(body["Value"].as_str().unwrap().to_owned());
            (200, json!({ "Version": pools.len() }))
        }
        "GetServiceQuota" if body["QuotaCode"] == "L-3032A538" => {
            (200, json!({ "Quota": { "Value": QUOTA } }))
        }
        "GetServiceQuota" => (
            400,
            json!({ "__type": "AccessDeniedException", "Message": "not authorized" }),
        ),
        "Query" => (200, json!({ "Items": [], "Count": 0, "ScannedCount": 0 })),
        "BatchGetItem" => (200, json!({ "Responses": {}, "UnprocessedKeys": {} })),
        "TransactGetItems" => (200, json!({ "Responses": [] })),
        _ => (200, json!({})),
    }
}

impl Known {
    /// The newest version of the pools file, or the one after the colon.
    fn version(&self, name: &Value) -> Option<Value> {
        let (name, number) = name
            .as_str()?
            .split_once(':')
            .map_or((name.as_str()?, None), |(name, number)| {
                (name, number.parse().ok())
            });
        let pools = self.pools.lock().unwrap();
        let number = number.unwrap_or(pools.len());
        let text = (name == "/mayfly/mayfly/pools")
            .then(|| pools.get(number.checked_sub(1)?))
            .flatten()?;
        Some(
            json!({ "Name": name, "Type": "String", "Value": text, "Version": number, "LastModifiedDate": 1.795e9 }),
        )
    }
}

fn deployment() -> Value {
    json!({
        "table": "mayfly", "wake_queue_url": "https://sqs.eu-west-1.amazonaws.com/123456789012/wakes.fifo",
        "cluster": "arn:aws:ecs:eu-west-1:123456789012:cluster/mayfly", "url": "https://x.test", "runner_logs": "/mayfly/runners",
        "functions": {}, "subnets": "subnet-1", "security_group": "sg-1", "assign_public_ip": "ENABLED",
        "task_role": "arn:aws:iam::123456789012:role/task", "execution_role": "arn:aws:iam::123456789012:role/execution"
    })
}

const CONFIG: &str = "\
[profile prod]
region = eu-west-1
aws_access_key_id = AKIAPRODPRODPRODPROD
aws_secret_access_key = hush
[profile dev]
login_session = arn:aws:iam::000000000000:user/dev
region = us-east-1
[sso-session corp]
sso_start_url = https://corp.awsapps.com/start
sso_region = us-east-1
sso_registration_scopes = sso:account:access
[profile sso]
sso_session = corp
sso_account_id = 000000000000
sso_role_name = Admin
region = us-east-1
";

const GOOD: &str = "[github]\naccounts = [\"acme\"]\n[pools.linux]\nlabels = [\"mayfly\"]\ncpu = 2\nmemory = \"8 GiB\"\nmax = 5\n";

/// Exit code, stdout and stderr of a command, with these variables and nothing else to find
/// credentials by than [`CONFIG`].
fn mayfly(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> (i32, String, String) {
    let output = command(home, arguments, variables).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

fn command(home: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    std::fs::write(home.join(".aws/config"), CONFIG).unwrap();
    std::fs::write(home.join("pools.toml"), GOOD).unwrap();
    let mut command = Command::new(std::env::var_os("CARGO_BIN_EXE_mayfly").unwrap());
    command
        .args(arguments)
        .current_dir(home)
        .stdin(Stdio::null());
    command
        .env_clear()
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env("AWS_MAX_ATTEMPTS", "1");
    command.envs(variables.iter().copied());
    command
}

/// Credentials of the environment.
fn environment(url: &str) -> Vec<(&str, &str)> {
    vec![
        ("AWS_ENDPOINT_URL", url),
        ("AWS_ACCESS_KEY_ID", "AKIADEVDEVDEVDEVDEV1"),
        ("AWS_SECRET_ACCESS_KEY", "hush"),
        ("AWS_REGION", "eu-west-1"),
    ]
}

#[test]
fn a_profile_that_is_named_wins_over_the_environment() {
    let home = tempfile::tempdir().unwrap();
    for (arguments, key) in [
        (&["jobs"][..], "AKIADEVDEVDEVDEVDEV1"),
        (&["jobs", "--profile", "prod"], "AKIAPRODPRODPRODPROD"),
    ] {
        let aws = Aws::begin(deployment());
        let (code, _, said) = mayfly(home.path(), arguments, &environment(&aws.url));
        assert_eq!((code, aws.keys()), (0, vec![key.to_owned()]), "{said}");
    }
}

#[test]
fn a_profile_that_is_not_defined_is_an_error_and_nothing_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let aws = Aws::begin(deployment());
    let (code, answer, said) = mayfly(
        home.path(),
        &["status", "--profile", "nope"],
        &environment(&aws.url),
    );
    assert_eq!((code, answer.as_str()), (1, ""));
    assert_eq!(
        said,
        "error: there is no AWS profile nope\n  defined profiles: dev, prod, sso\n"
    );
    assert!(aws.keys().is_empty());
}

#[test]
fn a_session_that_is_over_is_told_apart_from_a_network_that_is_down() {
    let home = tempfile::tempdir().unwrap();
    let cases = [
        (
            &["status", "--profile", "sso"][..],
            "error: your AWS SSO session has expired, or there is none\n  run aws sso login --profile sso\n",
        ),
        (
            &["status", "--profile", "dev"],
            "error: your AWS session has expired, or there is none\n  run aws login --profile dev\n",
        ),
        (&["doctor", "--profile", "sso"], ""),
    ];
    for (arguments, expected) in cases {
        let (code, answer, said) = mayfly(home.path(), arguments, &[]);
        assert_eq!(code, 1, "{said}");
        assert!(
            !format!("{answer}{said}").contains("could not be reached"),
            "{answer}{said}"
        );
        match arguments[0] {
            "doctor" => assert!(
                answer.contains("your AWS SSO session has expired")
                    && answer.contains("aws sso login --profile sso"),
                "{answer}{said}"
            ),
            _ => assert_eq!(said, expected),
        }
    }
    let (_, _, said) = mayfly(home.path(), &["status"], &[("AWS_PROFILE", "sso")]);
    assert!(said.contains("run aws sso login --profile sso"), "{said}");
}

#[test]
fn an_aws_that_cannot_be_reached_is_told_with_the_proxy_that_is_not_used() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let (code, _, said) = mayfly(home.path(), &["status"], &environment(&url));
    assert_eq!(code, 1);
    assert!(
        said.contains("AWS could not be reached: check the network and the region\n"),
        "{said}"
    );
    let proxy = [
        environment(&url),
        vec![("HTTPS_PROXY", "http://proxy.test:3128")],
    ]
    .concat();
    let (_, _, said) = mayfly(home.path(), &["status"], &proxy);
    assert!(
        said.contains("HTTPS_PROXY is set, and mayfly uses no proxy for AWS"),
        "{said}"
    );
}

#[test]
fn a_metadata_service_that_refuses_has_no_credentials() {
    let home = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            request(&stream);
            let _ = (&stream).write_all(
                b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\nconnection: close\r\n\r\n",
            );
        }
    });
    let variables = [
        ("AWS_EC2_METADATA_DISABLED", "false"),
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.as_str()),
        ("AWS_REGION", "eu-west-1"),
    ];
    let (code, _, said) = mayfly(home.path(), &["status"], &variables);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("error: there are no AWS credentials\n  sign in as for the AWS CLI"),
        "{said}"
    );
}

/// What changes something says first where: to people, not to programs.
#[test]
fn where_something_is_changed_is_said_first() {
    let home = tempfile::tempdir().unwrap();
    let aws = Aws::begin(deployment());
    let first = "account 123456789012, eu-west-1, stack mayfly";
    for arguments in [
        &["plan", "pools.toml"][..],
        &["retry", "7"],
        &["stop", "01kb2m"],
        &["rotate", "webhook-secret"],
        &["apply", "--yes", "pools.toml"],
    ] {
        let (_, _, said) = mayfly(home.path(), arguments, &environment(&aws.url));
        assert_eq!(said.lines().next(), Some(first), "{arguments:?}: {said}");
        let (_, _, said) = mayfly(
            home.path(),
            &[arguments, &["--json"]].concat(),
            &environment(&aws.url),
        );
        assert!(!said.contains(first), "{arguments:?}: {said}");
    }
}

#[test]
fn a_plan_with_changes_exits_with_2_if_that_is_asked() {
    let home = tempfile::tempdir().unwrap();
    let aws = Aws::begin(deployment());
    for (arguments, expected) in [
        (&["plan", "pools.toml"][..], 0),
        (&["plan", "--exit-code", "pools.toml"], 2),
    ] {
        let (code, answer, said) = mayfly(home.path(), arguments, &environment(&aws.url));
        assert_eq!(code, expected, "{answer}{said}");
        assert!(answer.contains("plan: 1 to add"), "{answer}{said}");
    }
    let (code, answer, said) = mayfly(
        home.path(),
        &["plan", "--json", "pools.toml"],
        &environment(&aws.url),
    );
    assert_eq!(code, 0, "{said}");
    let plan: Value = serde_json::from_str(&answer).unwrap();
    let after = |key: &str| {
        plan["pools"][0]["keys"]
            .as_array()
            .unwrap()
            .iter()
            .find(|change| change["key"] == key)
            .unwrap()["after"]
            .clone()
    };
    assert_eq!(
        (after("labels"), after("max"), after("cpu"), after("memory")),
        (json!(["mayfly"]), json!(5), json!(2), json!("8 GiB"))
    );
}

/// What a pipeline that plans and applies asks AWS for: `infra/tests/test_gitops.py` holds the roles
/// of `examples/gitops` to this list.
#[test]
fn what_plan_and_apply_ask_aws_for_is_known() {
    let home = tempfile::tempdir().unwrap();
    let organization = GOOD.replace(
        "max = 5",
        "max = 5\nscope = \"organization\"\nrunner_group = \"mayfly\"\ntask_role = \"deployer\"",
    );
    let other = GOOD.replace("pools.linux", "pools.other");
    let mut asked = std::collections::BTreeSet::new();
    for arguments in [
        &["plan", "--format", "github"][..],
        &["plan", "--exit-code"],
        &["apply", "--yes"],
    ] {
        // A first file, one that changes and removes, one that is active, and a broken one.
        let histories: [&[&str]; 4] = [&[], &[&other], &[GOOD], &[GOOD, "broken"]];
        for (versions, file) in histories
            .into_iter()
            .flat_map(|versions| [(versions, GOOD), (versions, &organization)])
        {
            let aws = Aws::with_pools(versions);
            let arguments = [arguments, &["of-a-pipeline.toml"]].concat();
            let mut command = command(home.path(), &arguments, &environment(&aws.url));
            std::fs::write(home.path().join("of-a-pipeline.toml"), file).unwrap();
            let said = String::from_utf8(command.output().unwrap().stderr).unwrap();
            assert!(!said.contains("error:"), "{arguments:?}: {said}");
            let all = aws.asked.lock().unwrap();
            asked.extend(all.iter().map(|one| format!("{} {one}", arguments[0])));
        }
    }
    let listed = asked.into_iter().collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("asked_by_plan_and_apply", listed);
}

/// An operator who wants the file of last week back needs no file.
#[test]
fn an_earlier_version_is_applied_again() {
    let home = tempfile::tempdir().unwrap();
    let larger = GOOD.replace("max = 5", "max = 9");
    let aws = Aws::with_pools(&[GOOD, &larger]);
    let (code, answer, said) = mayfly(
        home.path(),
        &["apply", "--yes", "--version", "1"],
        &environment(&aws.url),
    );
    assert_eq!(code, 0, "{answer}{said}");
    assert!(
        answer.contains("~ max = 9 → 5\n") && answer.contains("applied: version 3 is active"),
        "{answer}{said}"
    );
    assert_eq!(
        *aws.pools.lock().unwrap(),
        [GOOD, &larger, GOOD],
        "to the byte"
    );
    let (code, answer, said) = mayfly(
        home.path(),
        &["apply", "--yes", "--version", "7"],
        &environment(&aws.url),
    );
    assert_eq!((code, answer.as_str()), (1, ""), "{said}");
    assert!(said.ends_with("error: there is no version 7 of the pools file\n  AWS keeps the last 100: see mayfly pools\n"), "{said}");
    // The active version changes nothing, and writes nothing.
    let (code, answer, _) = mayfly(
        home.path(),
        &["apply", "--yes", "--version", "3"],
        &environment(&aws.url),
    );
    assert!(
        code == 0 && answer.contains("this file is already active"),
        "{answer}"
    );
    assert_eq!(aws.pools.lock().unwrap().len(), 3);
    for wrong in [
        &["apply", "--version", "0"][..],
        &["apply", "--version", "1", "pools.toml"],
        &["apply"],
    ] {
        assert_eq!(
            mayfly(home.path(), wrong, &environment(&aws.url)).0,
            1,
            "{wrong:?}"
        );
    }
}

#[test]
fn a_plan_tells_what_the_account_may_run_or_that_this_is_unknown() {
    let home = tempfile::tempdir().unwrap();
    let aws = Aws::begin(deployment());
    let (_, answer, said) = mayfly(home.path(), &["plan", "pools.toml"], &environment(&aws.url));
    assert!(
        answer
            .contains("vCPUs at max, on-demand: 0 → 10; the account may run 6, so jobs will wait"),
        "{answer}{said}"
    );
    std::fs::write(
        home.path().join("spot.toml"),
        format!("{GOOD}capacity = \"spot\"\n"),
    )
    .unwrap();
    let (code, answer, said) = mayfly(home.path(), &["plan", "spot.toml"], &environment(&aws.url));
    assert!(
        code == 0
            && answer
                .contains("vCPUs at max, spot: 0 → 10; how many the account may run is unknown"),
        "{answer}{said}"
    );
    let (_, answer, _) = mayfly(
        home.path(),
        &["plan", "--json", "spot.toml"],
        &environment(&aws.url),
    );
    let plan: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(
        plan["vcpus"],
        json!([{ "capacity": "spot", "before": 0, "after": 10, "allowed": null }])
    );
}

/// ECS does not answer, so the probe goes on and on: what is known is on the screen, in a pipe,
/// too.
#[test]
fn doctor_prints_what_it_knows_before_the_probe_is_over() {
    let home = tempfile::tempdir().unwrap();
    let aws = Aws::with_pools(&[GOOD]);
    let mut doctor = command(home.path(), &["doctor"], &environment(&aws.url));
    let mut doctor = doctor
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(doctor.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let known = lines.find(|line| {
        line.contains("the account may run 6 vCPU on demand, and the pools at their max need 10")
    });
    assert!(known.is_some(), "it ended without a word about quotas");
    let said = BufReader::new(doctor.stderr.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .find(|line| line.contains("starting probe"));
    assert!(
        said.is_some_and(|said| said.contains("about a minute")),
        "what it does now is said"
    );
    assert_eq!(doctor.try_wait().unwrap(), None, "it is still at work");
    doctor.kill().unwrap();
    doctor.wait().unwrap();
}

#[test]
fn a_deployment_of_another_version_is_told() {
    let home = tempfile::tempdir().unwrap();
    let other = Aws::begin(
        json!({ "version": "99.0.0" })
            .as_object()
            .unwrap()
            .iter()
            .fold(deployment(), |mut all, (key, value)| {
                all[key] = value.clone();
                all
            }),
    );
    let here = env!("CARGO_PKG_VERSION");
    let (_, _, said) = mayfly(home.path(), &["jobs"], &environment(&other.url));
    assert!(
        said.contains(&format!(
            "warning: the stack runs Mayfly 99.0.0 and this mayfly is {here}"
        )),
        "{said}"
    );
    let (code, answer, _) = mayfly(home.path(), &["version"], &environment(&other.url));
    assert_eq!(
        (code, answer),
        (0, format!("mayfly {here}\nstack mayfly 99.0.0\n"))
    );
    let (code, answer, said) = mayfly(home.path(), &["version"], &[]);
    assert_eq!((code, answer), (0, format!("mayfly {here}\n")));
    assert!(said.contains("stack mayfly was not asked"), "{said}");
}

#[test]
fn lists_say_what_is_empty_and_what_is_not_there() {
    let home = tempfile::tempdir().unwrap();
    let aws = Aws::begin(deployment());
    let said = |arguments: &[&str]| {
        let (code, _, said) = mayfly(home.path(), arguments, &environment(&aws.url));
        (code, said.lines().last().unwrap_or_default().to_owned())
    };
    assert_eq!(said(&["jobs"]), (0, "no jobs in the last 1h00m".to_owned()));
    assert_eq!(
        said(&["jobs", "--state", "queued"]),
        (0, "no such jobs now".to_owned())
    );
    assert_eq!(said(&["runners"]), (0, "no runners now".to_owned()));
    assert_eq!(
        said(&["jobs", "--pool", "nope"]),
        (3, "there is no pool nope: there are none".to_owned())
    );
    assert_eq!(
        said(&["runners", "--pool", "nope"]),
        (3, "there is no pool nope: there are none".to_owned())
    );
    let (_, _, all) = mayfly(
        home.path(),
        &["jobs", "--since", "400d"],
        &environment(&aws.url),
    );
    assert!(all.contains("records are kept for 180 days"), "{all}");
}
