//! `sam deploy` against the emulator: the template, the build and the command that a user has for
//! AWS.

use super::aws::{Aws, REGION, ROOT_KEY};
use super::machine;
use super::places::Places;
use super::processes::start;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::env;
use std::process::Command;

/// As `infra/samconfig.toml` says under `[local]`.
pub(super) const STACK: &str = "mayfly";
/// As the template calls them.
pub(super) const FUNCTIONS: [&str; 6] = [
    "webhook",
    "scaler",
    "registrar",
    "observer",
    "sweeper",
    "dashboard",
];
const BUCKET: &str = "mayfly-artifacts";

/// What the deployed stack says of itself.
pub(super) struct Outputs(BTreeMap<String, String>);

impl Outputs {
    pub(super) fn get(&self, name: &str) -> Result<String> {
        self.0
            .get(name)
            .cloned()
            .with_context(|| format!("find {name} among the stack's outputs"))
    }
}

/// The name that the template gives to a function.
pub(super) fn function_name(function: &str) -> String {
    format!("{STACK}-{function}")
}

/// Deploys what `sam build --config-env local` built.
pub(super) async fn deploy(
    places: &Places,
    aws: &Aws,
    aws_endpoint: &str,
    ecs_endpoint: &str,
) -> Result<Outputs> {
    aws.create_bucket(BUCKET).await?;
    let (vpc, subnets) = aws.default_network().await?;
    let mut command = sam(places, aws_endpoint)?;
    command.args(["deploy", "--config-env", "local", "--parameter-overrides"]);
    command.args([
        format!("VpcId={vpc}"),
        format!("SubnetIds={}", subnets.join(",")),
    ]);
    command.arg(format!("Architecture={}", machine::architecture()));
    command.args([
        format!("AwsEndpoint={aws_endpoint}"),
        format!("EcsEndpoint={ecs_endpoint}"),
    ]);
    start(places, "deploy", &mut command)?
        .finished(places)
        .await?;
    Ok(Outputs(aws.outputs(STACK).await?))
}

fn sam(places: &Places, aws_endpoint: &str) -> Result<Command> {
    let tools = places.python_tools();
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(std::iter::once(tools.clone()).chain(env::split_paths(&path)))
        .context("extend PATH")?;
    let mut command = Command::new(tools.join("sam"));
    command
        .current_dir(places.infra())
        .env_clear()
        .env("PATH", path);
    // Nothing of the user's: no profile, no real credentials, no proxy, no state in the home
    // directory.
    command
        .env("HOME", places.local())
        .env("__SAM_CLI_APP_DIR", places.local().join("sam"));
    command.envs([
        ("AWS_ACCESS_KEY_ID", ROOT_KEY),
        ("AWS_SECRET_ACCESS_KEY", ROOT_KEY),
    ]);
    command.envs([
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ENDPOINT_URL", aws_endpoint),
    ]);
    // It asks every 5 s by default; the whole deployment takes one.
    command.envs([
        ("SAM_CLI_TELEMETRY", "0"),
        ("SAM_CLI_POLL_DELAY", "0.2"),
        ("LC_ALL", "C.UTF-8"),
    ]);
    Ok(command)
}
