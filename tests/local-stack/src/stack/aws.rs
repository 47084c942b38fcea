//! The few AWS calls that put the local stack together.
//!
//! They name the emulator's root key, whose signature it never checks, so nothing is signed here:
//! what is under test signs, and is checked.

use anyhow::{Context, Result, bail};
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The region of the local stack.
pub(super) const REGION: &str = "us-east-1";
/// The emulator's only account.
pub(super) const ACCOUNT: &str = "000000000000";
/// Key of the account's root, as the emulator knows it; its secret is the same word.
pub(super) const ROOT_KEY: &str = "test";

/// The emulator, seen as the account's root.
#[derive(Clone)]
pub(super) struct Aws {
    endpoint: String,
    client: Client,
}

impl Aws {
    pub(super) fn new(endpoint: String, client: Client) -> Self {
        Self { endpoint, client }
    }

    /// Whether the emulator answers.
    pub(super) async fn answers(&self) -> bool {
        let answer = self
            .client
            .get(format!("{}/_ministack/health", self.endpoint))
            .send()
            .await;
        answer.is_ok_and(|answer| answer.status().is_success())
    }

    pub(super) async fn create_bucket(&self, bucket: &str) -> Result<()> {
        let request = self.client.put(format!("{}/{bucket}", self.endpoint));
        text(as_root(request, "s3"))
            .await
            .with_context(|| format!("create bucket {bucket}"))
            .map(drop)
    }

    /// The account's default VPC and its subnets, which the emulator has from the start.
    pub(super) async fn default_network(&self) -> Result<(String, Vec<String>)> {
        let answer = self
            .query("ec2", "2016-11-15", &[("Action", "DescribeSubnets")])
            .await
            .context("list subnets")?;
        let vpc = elements(&answer, "vpcId")
            .next()
            .context("find the default VPC")?
            .to_owned();
        Ok((
            vpc,
            elements(&answer, "subnetId").map(str::to_owned).collect(),
        ))
    }

    /// The outputs of a CloudFormation stack by their names.
    pub(super) async fn outputs(&self, stack: &str) -> Result<BTreeMap<String, String>> {
        let request = [("Action", "DescribeStacks"), ("StackName", stack)];
        let answer = self
            .query("cloudformation", "2010-05-15", &request)
            .await
            .context("read the stack's outputs")?;
        let (keys, values) = (
            elements(&answer, "OutputKey"),
            elements(&answer, "OutputValue"),
        );
        Ok(keys
            .zip(values)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect())
    }

    pub(super) async fn put_parameter(&self, name: &str, kind: &str, value: &str) -> Result<()> {
        let tier = if kind == "String" {
            "Advanced"
        } else {
            "Standard"
        };
        let body =
            json!({"Name": name, "Type": kind, "Tier": tier, "Value": value, "Overwrite": true});
        let request = self
            .client
            .post(&self.endpoint)
            .header("x-amz-target", "AmazonSSM.PutParameter")
            .body(body.to_string());
        let request = as_root(
            request.header("content-type", "application/x-amz-json-1.1"),
            "ssm",
        );
        text(request)
            .await
            .with_context(|| format!("put parameter {name}"))
            .map(drop)
    }

    /// Lets the account's root assume a role that only ECS may assume: the Fargate stand-in is ECS
    /// here, and the emulator knows it by that key only.
    pub(super) async fn let_the_stand_in_assume(&self, role_arn: &str) -> Result<()> {
        let policy = json!({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "ecs-tasks.amazonaws.com"}, "Action": "sts:AssumeRole"},
            {"Effect": "Allow", "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}, "Action": "sts:AssumeRole"},
        ]});
        let role = role_arn.rsplit('/').next().unwrap_or(role_arn);
        let request = [
            ("Action", "UpdateAssumeRolePolicy"),
            ("RoleName", role),
            ("PolicyDocument", &policy.to_string()),
        ];
        self.query("iam", "2010-05-08", &request)
            .await
            .with_context(|| format!("change who may assume {role}"))
            .map(drop)
    }

    /// Lets a role read any parameter. The emulator holds `GetParameters` against the resource `*`
    /// whatever it names, so the template's statement, which names them, never applies. All else in
    /// the role's policy is held to the letter.
    pub(super) async fn let_it_read_parameters(
        &self,
        stack: &str,
        logical_role: &str,
    ) -> Result<()> {
        let request = [
            ("Action", "DescribeStackResource"),
            ("StackName", stack),
            ("LogicalResourceId", logical_role),
        ];
        let answer = self
            .query("cloudformation", "2010-05-15", &request)
            .await
            .with_context(|| format!("find {logical_role}"))?;
        let role = elements(&answer, "PhysicalResourceId")
            .next()
            .with_context(|| format!("find {logical_role}"))?;
        let statement = json!({"Effect": "Allow", "Action": "ssm:GetParameters", "Resource": "*"});
        let policy = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
        let request = [
            ("Action", "PutRolePolicy"),
            ("RoleName", role),
            ("PolicyName", "emulator"),
            ("PolicyDocument", &policy),
        ];
        self.query("iam", "2010-05-08", &request)
            .await
            .with_context(|| format!("let {role} read parameters"))
            .map(drop)
    }

    /// Calls a function and waits for what it says. The second value tells whether it failed.
    pub(super) async fn invoke(&self, function: &str, event: &Value) -> Result<(Value, bool)> {
        let url = format!(
            "{}/2015-03-31/functions/{function}/invocations",
            self.endpoint
        );
        let answer = as_root(self.client.post(url).json(event), "lambda")
            .send()
            .await?;
        let failed = answer.headers().contains_key("x-amz-function-error");
        let answer = answer
            .error_for_status()
            .with_context(|| format!("invoke {function}"))?;
        Ok((
            answer
                .json()
                .await
                .with_context(|| format!("read the answer of {function}"))?,
            failed,
        ))
    }

    /// Everything that a function has printed, oldest first.
    pub(super) async fn logs(&self, group: &str) -> Result<String> {
        let (mut lines, mut next) = (String::new(), Value::Null);
        loop {
            let mut body = json!({"logGroupName": group});
            if !next.is_null() {
                body["nextToken"] = next;
            }
            let request = self
                .client
                .post(&self.endpoint)
                .header("x-amz-target", "Logs_20140328.FilterLogEvents");
            let request = request
                .header("content-type", "application/x-amz-json-1.1")
                .body(body.to_string());
            let answer = text(as_root(request, "logs"))
                .await
                .with_context(|| format!("read log group {group}"))?;
            let mut answer: Value = serde_json::from_str(&answer)
                .with_context(|| format!("understand log group {group}"))?;
            for event in answer["events"].as_array().into_iter().flatten() {
                lines += event["message"].as_str().unwrap_or_default().trim_end();
                lines.push('\n');
            }
            next = answer["nextToken"].take();
            if next.is_null() {
                return Ok(lines);
            }
        }
    }

    pub(super) async fn query(
        &self,
        service: &str,
        version: &str,
        parameters: &[(&str, &str)],
    ) -> Result<String> {
        let request = self
            .client
            .post(&self.endpoint)
            .form(&[&[("Version", version)], parameters].concat());
        text(as_root(request, service)).await
    }
}

/// The emulator reads account, region and service off this header.
fn as_root(request: RequestBuilder, service: &str) -> RequestBuilder {
    let scope = format!("{ROOT_KEY}/20260101/{REGION}/{service}/aws4_request");
    request.header(
        "authorization",
        format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"),
    )
}

async fn text(request: RequestBuilder) -> Result<String> {
    let answer = request.send().await?;
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("answered {status}: {text}");
    }
    Ok(text)
}

/// The texts of all elements of one name. Names and addresses, which is all that is read here, hold
/// nothing escaped.
pub(super) fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let start = rest.find(&open)? + open.len();
        let length = rest[start..].find(&close)?;
        let found = &rest[start..start + length];
        rest = &rest[start + length..];
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::elements;

    #[test]
    fn elements_are_found_in_order_and_nothing_else_is() {
        let xml = "<a><k>1</k><other>x</other></a><a><k>2</k></a><k>unclosed";
        assert_eq!(elements(xml, "k").collect::<Vec<_>>(), ["1", "2"]);
    }
}
