//! Someone who runs `mayfly`, with a role of his own that has the template's policies and nothing
//! else.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use mayfly_local_stack::stack::{Places, Stack};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::process::{Child, Command};

use crate::settled::Stage;

/// Credentials, and a home without anything in it.
pub(crate) struct Person {
    stack: Stack,
    keys: [(&'static str, String); 3],
    home: PathBuf,
}

/// What a run of the program came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Person {
    pub(crate) async fn operator(stage: &Stage) -> Self {
        Self::with(stage, "operator", &["OperatorPolicyArn"]).await
    }

    pub(crate) async fn viewer(stage: &Stage) -> Self {
        Self::with(stage, "viewer", &["ViewerPolicyArn"]).await
    }

    /// Someone who sets Mayfly up, and uses it.
    pub(crate) async fn newcomer(stage: &Stage) -> Self {
        Self::with(
            stage,
            "newcomer",
            &["OperatorPolicyArn", "SecretsPolicyArn"],
        )
        .await
    }

    /// Someone who examines Mayfly, and may repair it.
    pub(crate) async fn doctor(stage: &Stage) -> Self {
        Self::with(
            stage,
            "doctor",
            &["ViewerPolicyArn", "SecretsPolicyArn", "DoctorPolicyArn"],
        )
        .await
    }

    async fn with(stage: &Stage, role: &str, outputs: &[&str]) -> Self {
        let iam = Iam {
            stack: &stage.stack,
            client: &stage.client,
        };
        let mut policies = Vec::new();
        for output in outputs {
            policies.push(iam.output(output).await);
        }
        let keys = iam.assume(role, &policies).await;
        let home = Places::of_repository()
            .unwrap()
            .local()
            .join(format!("home-{role}"));
        fs::create_dir_all(&home).unwrap();
        Self {
            stack: stage.stack.clone(),
            keys,
            home,
        }
    }

    /// Writes a file, and answers its path.
    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.home.join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Runs `mayfly`, without a terminal.
    pub(crate) async fn runs(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command(Places::of_repository().unwrap().binary("mayfly"));
        ended(
            command
                .args(arguments)
                .env("MAYFLY_STACK", &self.stack.stack),
        )
        .await
    }

    /// Starts `mayfly`, which goes on until what is returned is dropped.
    pub(crate) fn starts(&self, arguments: &[&str]) -> Child {
        self.command(Places::of_repository().unwrap().binary("mayfly"))
            .args(arguments)
            .env("MAYFLY_STACK", &self.stack.stack)
            .stdout(std::process::Stdio::piped())
            .spawn()
            .expect("target/debug/mayfly is built: make models")
    }

    /// Types a line at a shell's prompt, at home, without a terminal. The programs are those in
    /// `~/bin`, and the system's.
    pub(crate) async fn types(&self, line: &str) -> Ran {
        ended(
            self.command("/bin/sh")
                .args(["-euc", line])
                .current_dir(&self.home),
        )
        .await
    }

    /// Where this person's files are.
    pub(crate) fn home(&self) -> &Path {
        &self.home
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = format!("{}:/usr/bin:/bin", self.home.join("bin").display());
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("PATH", path);
        command
            .env("AWS_REGION", &self.stack.region)
            .env("AWS_ENDPOINT_URL", &self.stack.aws_endpoint);
        // Only the stand-in runs tasks, and knows how many may.
        command.envs(
            ["AWS_ENDPOINT_URL_ECS", "AWS_ENDPOINT_URL_SERVICE_QUOTAS"]
                .map(|variable| (variable, &self.stack.fargate_url)),
        );
        command
            .envs(self.keys.iter().map(|(name, value)| (name, value)))
            .stdin(std::process::Stdio::null())
            .kill_on_drop(true);
        command
    }
}

async fn ended(command: &mut Command) -> Ran {
    let output = command
        .output()
        .await
        .expect("target/debug/mayfly is built: make models");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// The emulator's IAM, as the account's root.
struct Iam<'a> {
    stack: &'a Stack,
    client: &'a Client,
}

impl Iam<'_> {
    async fn query(&self, service: &str, version: &str, request: &[(&str, &str)]) -> String {
        let scope = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{}/{service}/aws4_request, SignedHeaders=host, Signature=0",
            self.stack.access_key, self.stack.region
        );
        let form: Vec<(&str, &str)> = request
            .iter()
            .copied()
            .chain([("Version", version)])
            .collect();
        let answer = self
            .client
            .post(&self.stack.aws_endpoint)
            .header("authorization", scope)
            .form(&form)
            .send()
            .await
            .unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(
            status.is_success() || text.contains("EntityAlreadyExists"),
            "{request:?}: {text}"
        );
        text
    }

    /// One of the stack's outputs.
    async fn output(&self, name: &str) -> String {
        let request = [
            ("Action", "DescribeStacks"),
            ("StackName", self.stack.stack.as_str()),
        ];
        let answer = self.query("cloudformation", "2010-05-15", &request).await;
        let after = answer
            .split(&format!("<OutputKey>{name}</OutputKey>"))
            .nth(1)
            .expect("the output");
        element(after, "OutputValue")
    }

    /// Credentials of a role that has this policy, and what the emulator needs besides: it holds
    /// `GetParameters` against the resource `*` whatever it names, and `GetLogEvents` against the
    /// log group where AWS means its streams, so statements that name parameters or streams never
    /// apply.
    async fn assume(&self, role: &str, policies: &[String]) -> [(&'static str, String); 3] {
        let root = format!("arn:aws:iam::{}:root", self.stack.account);
        let statement =
            json!({"Effect": "Allow", "Principal": {"AWS": root}, "Action": "sts:AssumeRole"});
        let trust = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        self.iam(&[
            ("Action", "CreateRole"),
            ("RoleName", role),
            ("AssumeRolePolicyDocument", &trust),
        ])
        .await;
        for policy in policies {
            self.iam(&[
                ("Action", "AttachRolePolicy"),
                ("RoleName", role),
                ("PolicyArn", policy),
            ])
            .await;
        }
        let more = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ["ssm:GetParameters", "logs:GetLogEvents"], "Resource": "*"}]});
        let more = more.to_string();
        self.iam(&[
            ("Action", "PutRolePolicy"),
            ("RoleName", role),
            ("PolicyName", "emulator"),
            ("PolicyDocument", &more),
        ])
        .await;
        let arn = format!("arn:aws:iam::{}:role/{role}", self.stack.account);
        let request = [
            ("Action", "AssumeRole"),
            ("RoleArn", arn.as_str()),
            ("RoleSessionName", "alice"),
        ];
        let answer = self.query("sts", "2011-06-15", &request).await;
        [
            ("AWS_ACCESS_KEY_ID", "AccessKeyId"),
            ("AWS_SECRET_ACCESS_KEY", "SecretAccessKey"),
            ("AWS_SESSION_TOKEN", "SessionToken"),
        ]
        .map(|(variable, name)| (variable, element(&answer, name)))
    }

    async fn iam(&self, request: &[(&str, &str)]) {
        self.query("iam", "2010-05-08", request).await;
    }
}

fn element(answer: &str, name: &str) -> String {
    let after = answer
        .split(&format!("<{name}>"))
        .nth(1)
        .unwrap_or_else(|| panic!("{name} in {answer}"));
    after.split('<').next().unwrap_or_default().to_owned()
}
