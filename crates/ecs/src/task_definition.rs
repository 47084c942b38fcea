//! Task definitions: one family per content, so that a changed image or script needs no deployment.

use std::collections::HashMap;
use std::sync::LazyLock;

use aws_sdk_ecs::Client;
use aws_sdk_ecs::operation::register_task_definition::builders::RegisterTaskDefinitionFluentBuilder;
use aws_sdk_ecs::types::{
    Compatibility, ContainerDefinition, CpuArchitecture, LinuxParameters, LogConfiguration,
    LogDriver, NetworkMode, OsFamily, RuntimePlatform, Tag, TaskDefinition,
};
use mayfly_domain::model::pool::Pool;
pub(crate) use mayfly_domain::model::runner::CONTAINER;
use mayfly_domain::model::size::{Architecture, Size};
use sha2::{Digest, Sha256};

use crate::launch_config::LaunchConfig;

/// What the container runs.
const ENTRYPOINT: &str = include_str!("../../../runner/entrypoint.sh");

/// The runner's job-started hook; the entry script writes it to a file.
const JOB_STARTED: &str = include_str!("../../../runner/job-started.sh");

/// The entry script, its name, and the hook as its first argument.
static COMMAND: LazyLock<[String; 3]> = LazyLock::new(|| {
    [
        without_comments(ENTRYPOINT),
        "mayfly".to_owned(),
        without_comments(JOB_STARTED),
    ]
});

/// Its hash. Each plan hashes a definition for each of its launches, and the scripts are nearly all
/// of what is hashed.
static COMMAND_HASH: LazyLock<[u8; 32]> =
    LazyLock::new(|| hashed(COMMAND.iter().map(String::as_str)));

/// The hash of some texts. Their lengths keep neighbours apart.
fn hashed<'a>(texts: impl Iterator<Item = &'a str>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}

/// Bytes as hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A script without what only its readers need: lines that are comments, and empty ones. A task
/// definition has 64 KiB, and what is no ASCII might come back from ECS otherwise than it was sent:
/// then no revision would ever pass for ours.
///
/// What is left must mean the same: no script may have a text of several lines with an empty one,
/// or one that begins with `#`, in it (a test holds them to that).
#[must_use]
pub fn without_comments(script: &str) -> String {
    let lines = script
        .lines()
        .filter(|line| !line.trim_start().is_empty() && !line.trim_start().starts_with('#'));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// Seconds from SIGTERM to SIGKILL: as long as Fargate allows, because the runner uses them to tell
/// GitHub about its job. Source: ECS API reference, `ContainerDefinition.stopTimeout`.
const STOP_TIMEOUT: i32 = 120;

/// Size in the definition: Fargate's smallest, in CPU units and MiB. Every launch says its own.
const SMALLEST: (u32, u32) = (256, 512);

/// A task definition: what a request for a task cannot say itself. Everything that distinguishes
/// two definitions is in here or in the constants of this module, and its hash is in the family's
/// name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskDefinitionSpec {
    /// The stack's name.
    pub stack: String,
    /// The container image.
    pub image: String,
    /// Processor architecture.
    pub architecture: Architecture,
    /// Region of the log group.
    pub region: String,
    /// The log group of the container's output.
    pub log_group: String,
    /// ARN of the role of a task that does not say its own.
    pub task_role: String,
    /// ARN of the role that pulls the image and writes logs.
    pub execution_role: String,
}

impl TaskDefinitionSpec {
    /// The definition of a pool's runners of that architecture.
    #[must_use]
    pub fn of(site: &LaunchConfig, pool: &Pool, architecture: Architecture) -> Self {
        Self {
            stack: site.stack.clone(),
            image: pool.image.clone(),
            architecture,
            region: site.region.clone(),
            log_group: site.log_group.clone(),
            task_role: site.task_role.clone(),
            execution_role: site.execution_role.clone(),
        }
    }

    /// The family's name: `<stack>-<architecture>-<12 hexadecimal digits of the content's hash>`.
    #[must_use]
    pub fn family(&self) -> String {
        let architecture = match self.architecture {
            Architecture::X64 => "x64",
            Architecture::Arm64 => "arm64",
        };
        format!("{}-{architecture}-{}", self.stack, self.hash(&[]))
    }

    /// What starts of this size with this role depend on: a failed start counts against it, the
    /// first request for registration in its favour. Goes into `Launch.definition` and
    /// `Limits.definitions`.
    #[must_use]
    pub fn fingerprint(&self, size: &Size, role: &str) -> String {
        self.hash(&[&size.to_string(), role])
    }

    /// 48 bits: two contents of one stack will not meet, and the family's name stays readable.
    fn hash(&self, more: &[&str]) -> String {
        let Self {
            stack,
            image,
            architecture: _,
            region,
            log_group,
            task_role,
            execution_role,
        } = self;
        let architecture = self.cpu_architecture();
        let settings = format!("{SMALLEST:?} {STOP_TIMEOUT} {:?}", self.log_options());
        let parts = [
            stack,
            image,
            architecture.as_str(),
            region,
            log_group,
            task_role,
            execution_role,
            &settings,
        ];
        let command = hex(&*COMMAND_HASH);
        hex(&hashed(
            parts
                .into_iter()
                .chain([command.as_str()])
                .chain(more.iter().copied()),
        )[..6])
    }

    fn cpu_architecture(&self) -> CpuArchitecture {
        match self.architecture {
            Architecture::X64 => CpuArchitecture::X8664,
            Architecture::Arm64 => CpuArchitecture::Arm64,
        }
    }

    /// Sorted, as it is part of the hash.
    fn log_options(&self) -> [(&'static str, &str); 5] {
        [
            ("awslogs-group", self.log_group.as_str()),
            ("awslogs-region", self.region.as_str()),
            ("awslogs-stream-prefix", CONTAINER),
            ("max-buffer-size", "4m"),
            // A job must not stand still because CloudWatch does.
            ("mode", "non-blocking"),
        ]
    }

    fn entry_point() -> Vec<String> {
        // The image's own entry point would be put before the command.
        vec!["/bin/bash".to_owned(), "-c".to_owned()]
    }

    fn container(&self) -> ContainerDefinition {
        let options: HashMap<_, _> = self
            .log_options()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let log = LogConfiguration::builder()
            .log_driver(LogDriver::Awslogs)
            .set_options(Some(options))
            .build();
        ContainerDefinition::builder()
            .name(CONTAINER)
            .image(&self.image)
            .essential(true)
            .set_entry_point(Some(Self::entry_point()))
            .set_command(Some(COMMAND.to_vec()))
            // Reaps what the job leaves behind, and passes signals on.
            .linux_parameters(
                LinuxParameters::builder()
                    .init_process_enabled(true)
                    .build(),
            )
            .stop_timeout(STOP_TIMEOUT)
            .set_log_configuration(log.ok())
            .build()
    }

    /// The call that registers it.
    pub(crate) fn call(&self, client: &Client) -> RegisterTaskDefinitionFluentBuilder {
        let platform = RuntimePlatform::builder()
            .cpu_architecture(self.cpu_architecture())
            .operating_system_family(OsFamily::Linux)
            .build();
        client
            .register_task_definition()
            .family(self.family())
            .requires_compatibilities(Compatibility::Fargate)
            .network_mode(NetworkMode::Awsvpc)
            .cpu(SMALLEST.0.to_string())
            .memory(SMALLEST.1.to_string())
            .runtime_platform(platform)
            .task_role_arn(&self.task_role)
            .execution_role_arn(&self.execution_role)
            .container_definitions(self.container())
            .tags(
                Tag::builder()
                    .key("mayfly:stack")
                    .value(&self.stack)
                    .build(),
            )
    }

    /// True if ECS has this content under the family's name. A revision that someone else
    /// registered there does not pass for ours.
    pub(crate) fn is(&self, found: &TaskDefinition) -> bool {
        let [container] = found.container_definitions() else {
            return false;
        };
        container.name() == Some(CONTAINER)
            && container.image() == Some(self.image.as_str())
            && container.entry_point() == Self::entry_point()
            && container.command() == *COMMAND
            && container.environment().is_empty()
            && container.secrets().is_empty()
            && found.task_role_arn() == Some(self.task_role.as_str())
            && found.execution_role_arn() == Some(self.execution_role.as_str())
            && found
                .runtime_platform()
                .and_then(RuntimePlatform::cpu_architecture)
                == Some(&self.cpu_architecture())
    }
}
