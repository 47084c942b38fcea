//! Deploying, from a first failure to the removal: `infra/deploy.py` as make calls it, beside the
//! stack that is there.

use std::process::{Output, Stdio};

use mayfly_test_support::repository::repository;
use serde_json::json;
use tokio::process::Command;

use crate::settled::Stage;

const STACK: &str = "second";

/// Part of what the template writes; while someone else has it, the stack cannot be created.
const OBSTACLE: &str = "/mayfly/second/deployment";

/// Anyone who deploys: credentials of the account, and the tools that make installs.
struct Deployer {
    stage: Stage,
    network: Vec<String>,
}

impl Deployer {
    async fn arrives() -> Self {
        let stage = Stage::enter().await;
        let scope = format!(
            "Credential={}/20260101/{}/ec2/aws4_request",
            stage.stack.access_key, stage.stack.region
        );
        let authorization = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=0");
        let asked = stage
            .client
            .post(&stage.stack.aws_endpoint)
            .header("authorization", authorization);
        let answer = asked
            .form(&[("Action", "DescribeSubnets"), ("Version", "2016-11-15")])
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        let all = |name: &str| -> Vec<String> {
            let open = format!("<{name}>");
            answer
                .split(&open)
                .skip(1)
                .map(|part| part.split('<').next().unwrap_or_default().to_owned())
                .collect()
        };
        let network = vec![
            format!("VpcId={}", all("vpcId")[0]),
            format!("SubnetIds={}", all("subnetId").join(",")),
        ];
        Self { stage, network }
    }

    /// What a person types, but for the questions.
    async fn runs(&self, command: &str, parameters: &[String]) -> (bool, String) {
        let (root, stack) = (repository().unwrap(), &self.stage.stack);
        let tools = root.join(".venv/bin");
        let path = std::env::join_paths(
            [tools.clone()]
                .into_iter()
                .chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
        )
        .unwrap();
        let mut python = Command::new(tools.join("python"));
        python
            .arg(root.join("infra/deploy.py"))
            .args([command, "--stack", STACK, "--config-env", "local", "--yes"])
            .args(parameters);
        python
            .env("PATH", path)
            .env("AWS_ENDPOINT_URL", &stack.aws_endpoint)
            .env("AWS_REGION", &stack.region);
        python
            .env_remove("AWS_PROFILE")
            .env_remove("AWS_SESSION_TOKEN");
        // Set by the cargo that runs this test. Build scripts look at them, so the functions would
        // be compiled again, for minutes.
        let of_cargo = |name: &str| name.starts_with("CARGO") && name != "CARGO_HOME";
        for (name, _) in std::env::vars().filter(|(name, _)| of_cargo(name)) {
            python.env_remove(name);
        }
        python.envs([
            ("AWS_ACCESS_KEY_ID", &stack.access_key),
            ("AWS_SECRET_ACCESS_KEY", &stack.access_key),
        ]);
        python.envs([
            ("AWS_CONFIG_FILE", "/dev/null"),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
            ("NO_PROXY", "*"),
        ]);
        // Both look for the end every few seconds; the emulator is done in one.
        python.envs([
            ("MAYFLY_DEPLOY_DELAY", "0.2"),
            ("SAM_CLI_POLL_DELAY", "0.2"),
            ("SAM_CLI_TELEMETRY", "0"),
        ]);
        python.env("__SAM_CLI_APP_DIR", root.join("target/sam/home"));
        let Output {
            status,
            stdout,
            stderr,
        } = python.stdin(Stdio::null()).output().await.unwrap();
        (
            status.success(),
            format!(
                "{}{}",
                String::from_utf8_lossy(&stdout),
                String::from_utf8_lossy(&stderr)
            ),
        )
    }

    /// The first deployment's parameters.
    fn first(&self) -> Vec<String> {
        let stack = &self.stage.stack;
        let own = [
            format!("AwsEndpoint={}", stack.aws_endpoint),
            format!("EcsEndpoint={}", stack.aws_endpoint),
            format!(
                "Architecture={}",
                if cfg!(target_arch = "aarch64") {
                    "arm64"
                } else {
                    "x86_64"
                }
            ),
        ];
        [self.network.clone(), own.to_vec()].concat()
    }

    /// The stack's table, and whether it is protected.
    async fn ledger(&self) -> Option<bool> {
        let tables = self
            .stage
            .aws("dynamodb", "DynamoDB_20120810.ListTables", &json!({}))
            .await;
        let name = tables["TableNames"]
            .as_array()
            .unwrap()
            .iter()
            .find(|name| name.as_str().unwrap().starts_with("second-"))?;
        let table = self
            .stage
            .aws(
                "dynamodb",
                "DynamoDB_20120810.DescribeTable",
                &json!({ "TableName": name }),
            )
            .await;
        Some(
            table["Table"]["DeletionProtectionEnabled"]
                .as_bool()
                .unwrap_or_default(),
        )
    }

    async fn put(&self, name: &str, value: &str) {
        self.stage
            .aws(
                "ssm",
                "AmazonSSM.PutParameter",
                &json!({ "Name": name, "Value": value, "Type": "String", "Overwrite": true }),
            )
            .await;
    }

    async fn delete(&self, name: &str) {
        self.stage
            .aws("ssm", "AmazonSSM.DeleteParameter", &json!({ "Name": name }))
            .await;
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn first_deployment_that_fails_can_be_repeated_and_what_was_deployed_be_removed() {
    let deployer = Deployer::arrives().await;
    deployer.put(OBSTACLE, "another's").await;
    let (well, said) = deployer.runs("deploy", &deployer.first()).await;
    assert!(
        !well
            && said.contains("make deploy: sam deploy failed")
            && said.contains("ROLLBACK_COMPLETE"),
        "{said}"
    );
    assert_eq!(deployer.ledger().await, None, "nothing is left of it");

    deployer.delete(OBSTACLE).await;
    let (well, said) = deployer.runs("deploy", &deployer.first()).await;
    assert!(
        well && said.contains("what is left of a first deployment that failed (ROLLBACK_COMPLETE)"),
        "{said}"
    );
    assert_eq!(deployer.ledger().await, Some(true));

    let (well, said) = deployer
        .runs("deploy", &["RetentionDays=7".to_owned()])
        .await;
    assert!(well && !said.contains("protected"), "{said}");
    assert_eq!(deployer.ledger().await, Some(true));

    let pools = "[github]\naccounts = [\"acme\"]\n\n[pools.linux]\nlabels = [\"mayfly\"]\ncpu = 1\nmemory = \"2 GiB\"\nmax = 1\n";
    deployer.put("/mayfly/second/pools", pools).await;
    let (well, said) = deployer.runs("undeploy", &[]).await;
    for part in [
        "emptied the pools file",
        "the stack second is gone",
        "SSM parameter /mayfly/second/pools",
        "GitHub App",
    ] {
        assert!(well && said.contains(part), "{part}: {said}");
    }
    assert_eq!(deployer.ledger().await, None);
    let emptied = deployer
        .stage
        .aws(
            "ssm",
            "AmazonSSM.GetParameter",
            &json!({ "Name": "/mayfly/second/pools" }),
        )
        .await;
    let read = mayfly_config::pools_file::parse(emptied["Parameter"]["Value"].as_str().unwrap(), 1)
        .unwrap();
    assert_eq!(read.pools.len(), 0, "functions would take it");
    deployer.delete("/mayfly/second/pools").await;
}
