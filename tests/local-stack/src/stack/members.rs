//! The three processes of the stack: how each is started, and when it is ready.

use super::aws::{ACCOUNT, REGION, ROOT_KEY};
use super::deployment::{STACK, function_name};
use super::places::Places;
use super::processes::{PAUSE, Started};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

/// Every process of the stack answers within a second or two; a cold and busy machine gets more.
pub(super) const START_LIMIT: Duration = Duration::from_secs(60);

/// AWS, on a port that is chosen here: it is told its port, and told to others before it listens.
pub(super) fn ministack(places: &Places, endpoint: &str) -> Result<Command> {
    let temporary = places.local().join("ministack");
    fs::create_dir_all(&temporary).context("make a directory for ministack")?;
    let mut command = match places.requests() {
        Some(folder) => {
            fs::create_dir_all(&folder).context("make the folder for recorded requests")?;
            let mut recording = Command::new(places.python_tools().join("python"));
            // Isolated: it finds no module but those that are installed.
            recording
                .arg("-I")
                .arg(places.aws_checks().join("recorder.py"))
                .arg(folder.join("ministack.jsonl"));
            recording
        }
        None => Command::new(places.python_tools().join("ministack")),
    };
    // Functions inherit this environment on top of their own, so it holds what Lambda's does: a
    // path and no home.
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("TMPDIR", &temporary)
        .current_dir(&temporary);
    let port = endpoint.rsplit(':').next().unwrap_or_default();
    command.envs([
        ("GATEWAY_PORT", port),
        ("BIND_HOST", "127.0.0.1"),
        ("MINISTACK_HOST", "127.0.0.1"),
    ]);
    command.envs([
        ("MINISTACK_REGION", REGION),
        ("MINISTACK_ACCOUNT_ID", ACCOUNT),
    ]);
    command.envs([
        ("AWS_ACCESS_KEY_ID", ROOT_KEY),
        ("AWS_SECRET_ACCESS_KEY", ROOT_KEY),
    ]);
    // These two would take fixed ports on every interface.
    command.envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0")]);
    // Signatures are verified and policies enforced: without it, every role of the template could
    // be empty or `*`.
    command.env("AUTH", "true");
    Ok(command)
}

/// GitHub, on a port that it chooses.
pub(super) fn github(places: &Places) -> Command {
    let mut command = Command::new(places.binary("github-model"));
    command
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--ready-file"])
        .arg(places.ready_file("github"));
    command
}

/// ECS on Fargate, on a port that it chooses. It asks AWS only once tasks run, so it may start
/// first.
pub(super) fn fargate(places: &Places, aws_endpoint: &str) -> Command {
    let mut command = Command::new(places.binary("fargate-model"));
    command.env_clear().envs([
        ("AWS_ACCESS_KEY_ID", ROOT_KEY),
        ("AWS_SECRET_ACCESS_KEY", ROOT_KEY),
    ]);
    command
        .args(["--listen", "127.0.0.1:0", "--ready-file"])
        .arg(places.ready_file("fargate"));
    command.args([
        "--aws-endpoint",
        aws_endpoint,
        "--region",
        REGION,
        "--account",
        ACCOUNT,
    ]);
    command.args([
        "--observer-function",
        &function_name("observer"),
        "--cluster",
        STACK,
    ]);
    command
        .arg("--runner-home")
        .arg(places.infra().join("local"));
    command
        .arg("--work-dir")
        .arg(places.local().join("fargate"));
    if let Some(folder) = places.requests() {
        command.arg("--requests").arg(folder.join("fargate.jsonl"));
    }
    command
}

/// Waits for the file in which a model says where it listens.
pub(super) async fn ready(places: &Places, process: &mut Started) -> Result<String> {
    #[derive(Deserialize)]
    struct Ready {
        url: String,
    }
    let (path, deadline) = (
        places.ready_file(process.name),
        Instant::now() + START_LIMIT,
    );
    loop {
        // Half a file is not JSON yet.
        if let Some(ready) = fs::read(&path)
            .ok()
            .and_then(|text| serde_json::from_slice::<Ready>(&text).ok())
        {
            return Ok(ready.url);
        }
        process.check_alive(places)?;
        pause_until(deadline, process.name).await?;
    }
}

pub(super) async fn pause_until(deadline: Instant, awaited: &str) -> Result<()> {
    if Instant::now() > deadline {
        bail!("{awaited} was not ready after {} s", START_LIMIT.as_secs());
    }
    tokio::time::sleep(PAUSE).await;
    Ok(())
}
