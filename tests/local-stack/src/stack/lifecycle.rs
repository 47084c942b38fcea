//! Up, down, and how things stand.

use super::aws::{ACCOUNT, Aws, REGION, ROOT_KEY};
use super::delivery::ping;
use super::deployment::{FUNCTIONS, Outputs, STACK, deploy, function_name};
use super::description::Stack;
use super::logs::save_function_logs;
use super::machine;
use super::members::{START_LIMIT, fargate, github, ministack, pause_until, ready};
use super::places::Places;
use super::processes::{Started, end_all, living, start};
use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::time::{Duration, Instant};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};

/// The longest that anything here may take to answer is what API Gateway allows a function.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// How far a stack is set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ground {
    /// Ready for jobs: App, webhook secret and pools are in force.
    Whole,
    /// Deployed, as someone has it who begins: no App, no secret, no pools.
    Bare,
}

/// Starts a stack, in the place of one that may be up, and returns when it is ready. If it fails,
/// or is interrupted, nothing is left running.
///
/// # Errors
/// Says what did not start, with the end of its log.
pub async fn up(places: &Places, ground: Ground) -> Result<Stack> {
    machine::check_tools(places)?;
    let _held = hold(places)?;
    clear(places).await?;
    // The last stack's logs, which `down` leaves to be read.
    fs::remove_dir_all(places.local())
        .and_then(|()| fs::create_dir(places.local()))
        .context("empty target/local")?;
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let made = tokio::select! {
        made = make(places, ground) => made,
        _ = ctrl_c() => Err(anyhow!("interrupted")),
        _ = terminate.recv() => Err(anyhow!("terminated")),
    };
    if made.is_err() {
        end_all(places).await?;
    }
    made
}

/// Ends every process of the stack and removes what it wrote, but for the logs. Returns how many
/// processes there were.
///
/// # Errors
/// If processes cannot be listed or files not be removed.
pub async fn down(places: &Places) -> Result<usize> {
    let _held = hold(places)?;
    clear(places).await
}

/// The stack that is up, if it answers.
///
/// # Errors
/// If none is up, or it does not answer: says what.
pub async fn status(places: &Places) -> Result<Stack> {
    let stack = Stack::read(places)?;
    ping(
        &machine::client(REQUEST_LIMIT)?,
        &stack.webhook_url,
        &stack.webhook_secret,
    )
    .await?;
    Ok(stack)
}

/// Two at once would end each other's processes. The lock goes with its process, however that ends.
fn hold(places: &Places) -> Result<File> {
    let path = places.lock();
    fs::create_dir_all(places.local()).context("make target/local")?;
    let file = File::create(&path).with_context(|| format!("open {}", path.display()))?;
    if file.try_lock().is_err() {
        bail!(
            "another `up` or `down` of this repository is at work ({} is locked)",
            path.display()
        );
    }
    Ok(file)
}

async fn clear(places: &Places) -> Result<usize> {
    let described = Stack::read(places);
    // First, so that no one reads of a stack that is being ended.
    let _ = fs::remove_file(places.description());
    if let Ok(stack) = described {
        save_function_logs(places, stack.aws_endpoint).await;
    }
    let ended = end_all(places).await?;
    for entry in fs::read_dir(places.local()).context("list target/local")? {
        let path = entry.context("list target/local")?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
        } else if path.extension().is_none_or(|extension| extension != "log") {
            fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
        }
    }
    Ok(ended)
}

async fn make(places: &Places, ground: Ground) -> Result<Stack> {
    let client = machine::client(REQUEST_LIMIT)?;
    let aws_endpoint = format!("http://127.0.0.1:{}", machine::free_port()?);
    let aws = Aws::new(aws_endpoint.clone(), client.clone());
    let mut running = [
        start(places, "ministack", &mut ministack(places, &aws_endpoint)?)?,
        start(places, "github", &mut github(places))?,
        start(places, "fargate", &mut fargate(places, &aws_endpoint))?,
    ];
    let [emulator, github_model, stand_in] = &mut running;
    let github_url = ready(places, github_model).await?;
    let fargate_url = ready(places, stand_in).await?;
    let deadline = Instant::now() + START_LIMIT;
    while !aws.answers().await {
        emulator.check_alive(places)?;
        pause_until(deadline, "ministack").await?;
    }
    let outputs = deploy(places, &aws, &aws_endpoint, &fargate_url).await?;
    open(&aws, &outputs).await?;
    let secret = match ground {
        Ground::Whole => settle(places, &aws, &outputs, &github_url).await?,
        Ground::Bare => String::new(),
    };
    if ground == Ground::Whole {
        let webhook_url = outputs.get("WebhookUrl")?;
        if let Err(why) = ping(&client, &webhook_url, &secret).await {
            save_function_logs(places, aws_endpoint).await;
            return Err(why.context(format!(
                "try the first delivery ({} tells what the function said)",
                places.log("webhook").display()
            )));
        }
        let hook = client
            .post(format!("{github_url}/_model/hook"))
            .json(&json!({"url": webhook_url}));
        hook.send()
            .await?
            .error_for_status()
            .context("tell the GitHub model where deliveries go")?;
    }
    let stack = describe(
        places,
        &outputs,
        [aws_endpoint, github_url, fargate_url],
        (secret, &running),
    )?;
    stack.write(places)?;
    Ok(stack)
}

/// What the emulator needs besides the template.
async fn open(aws: &Aws, outputs: &Outputs) -> Result<()> {
    aws.let_the_stand_in_assume(&outputs.get("TaskRoleArn")?)
        .await?;
    for role in [
        "WebhookRole",
        "ScalerRole",
        "RegistrarRole",
        "SweeperRole",
        "DashboardRole",
    ] {
        aws.let_it_read_parameters(STACK, role).await?;
    }
    Ok(())
}

/// The settings that a user writes once: the App, the webhook secret, the pools.
async fn settle(places: &Places, aws: &Aws, outputs: &Outputs, github_url: &str) -> Result<String> {
    #[derive(Deserialize)]
    struct App {
        app_id: Value,
        private_key: String,
        webhook_secret: String,
    }
    let request = machine::client(REQUEST_LIMIT)?.get(format!("{github_url}/_model/app"));
    let answer = request
        .send()
        .await?
        .error_for_status()
        .context("ask for the App")?;
    let app: App = answer.json().await.context("understand the App")?;
    let key = json!({"app_id": app.app_id, "private_key": app.private_key, "url": github_url});
    aws.put_parameter(
        &outputs.get("AppParameter")?,
        "SecureString",
        &key.to_string(),
    )
    .await?;
    let secret = json!({"current": app.webhook_secret});
    aws.put_parameter(
        &outputs.get("WebhookSecretParameter")?,
        "SecureString",
        &secret.to_string(),
    )
    .await?;
    let pools = fs::read_to_string(places.infra().join("local/pools.toml"))
        .context("read infra/local/pools.toml")?;
    aws.put_parameter(&format!("/mayfly/{STACK}/github"), "String", github_url)
        .await?;
    aws.put_parameter(&outputs.get("PoolsParameter")?, "String", &pools)
        .await?;
    Ok(app.webhook_secret)
}

fn describe(
    places: &Places,
    outputs: &Outputs,
    urls: [String; 3],
    run: (String, &[Started]),
) -> Result<Stack> {
    let [aws_endpoint, github_url, fargate_url] = urls;
    let (webhook_secret, running) = run;
    Ok(Stack {
        stack: STACK.to_owned(),
        region: REGION.to_owned(),
        account: ACCOUNT.to_owned(),
        aws_endpoint,
        access_key: ROOT_KEY.to_owned(),
        github_url,
        fargate_url,
        webhook_url: outputs.get("WebhookUrl")?,
        webhook_secret,
        registration_url: outputs.get("RegistrationUrl")?,
        table: outputs.get("Table")?,
        wake_queue_url: outputs.get("WakeQueueUrl")?,
        cluster: outputs.get("ClusterArn")?,
        task_role: outputs.get("TaskRoleArn")?,
        pools_parameter: outputs.get("PoolsParameter")?,
        app_parameter: outputs.get("AppParameter")?,
        webhook_secret_parameter: outputs.get("WebhookSecretParameter")?,
        functions: FUNCTIONS
            .iter()
            .map(|name| ((*name).to_owned(), function_name(name)))
            .collect(),
        processes: running
            .iter()
            .map(|process| (process.name.to_owned(), process.id()))
            .collect(),
        logs: places.local().display().to_string(),
    })
}

/// How many processes of the stack run, functions and tasks included.
///
/// # Errors
/// If processes cannot be listed.
pub fn running(places: &Places) -> Result<usize> {
    Ok(living(places)?.len())
}
