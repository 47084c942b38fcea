//! The English of events and reasons: the only place that has it.

use std::fmt;
use std::time::Duration;

use super::{LeftPool, MemoryKill, PoolChange, Reason, StoryEvent, TaskEnd};
use crate::model::exit_code::{REGISTRATION_LOST, VERSION_REFUSED};
use crate::model::interruption::Interruption;

/// For a runner that GitHub names by nothing.
const NAMELESS: &str = "a runner without a name";

/// What the App cannot see may have been any of these.
const NOT_VISIBLE: &str =
    "GitHub shows the App neither the runner nor its repository or organization";

impl fmt::Display for StoryEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Placed { pool, pools_version, left: None } => write!(f, "goes to pool {pool} (pools file, version {pools_version})"),
            Self::Placed { pool, pools_version, left: Some(left) } => {
                write!(f, "goes to pool {pool}, since {left} (pools file, version {pools_version})")
            }
            Self::RegistersElsewhere { scope, pools_version } => {
                write!(f, "its runner registers {} from now on (pools file, version {pools_version})", scope.in_words())
            }
            Self::Unplaced { reason } | Self::Unconfirmed { reason } | Self::GivenUp { reason } | Self::AwaitsRetry { reason } => {
                reason.fmt(f)
            }
            Self::MatchingGivenUp => Reason::MatchingGivenUp { last: None }.fmt(f),
            Self::Queued => f.write_str("waits for a runner"),
            Self::Gated => Reason::Gated.fmt(f),
            Self::QueuedLongAgo => {
                f.write_str("was queued more than a day ago: GitHub, which cancels such jobs, is asked before a runner is started for it")
            }
            Self::FoundQueued => f.write_str("GitHub says that nothing holds it back"),
            Self::FoundGated => f.write_str("GitHub says that it is held back"),
            Self::StillQueued => f.write_str("GitHub says that it still waits for a runner"),
            Self::RunOver => {
                f.write_str("GitHub still shows it as waiting for a runner, but its run is over, so GitHub gives it to no runner")
            }
            Self::QueuedAgain { runner } => {
                write!(f, "GitHub queued it again: {} began it and is gone", runner.as_deref().unwrap_or(NAMELESS))
            }
            Self::Reopened => f.write_str("GitHub knows the job after all: Mayfly gave it up too early"),
            Self::Retried { by, asks_github: false } => write!(f, "retried by {by}"),
            Self::Retried { by, asks_github: true } => write!(f, "retried by {by}; GitHub is asked first whether it still waits"),
            Self::Started { runner } => write!(f, "runs on {}", runner.as_deref().unwrap_or(NAMELESS)),
            Self::Completed { conclusion } => write!(f, "is over: {}", conclusion.as_deref().unwrap_or("no conclusion")),
            Self::Interrupted { runner, by, job_open } => {
                let why = by.map_or("AWS reclaimed it", Interruption::in_words);
                let fails = if *job_open { "; GitHub will fail it" } else { "" };
                write!(f, "runner {runner} ended while it had the job: {why}{fails}")
            }
            Self::OutOfMemory { runner, pool, memory_mib, told } => {
                let (killed, memory) = (killed(*told), mebibytes(*memory_mib));
                write!(f, "runner {runner} was killed while it had the job: {killed}. Give pool {pool} more than {memory}, or have the job use less memory")
            }
            Self::ProcessesKilled { count, memory_mib } => {
                let processes = if *count == 1 { "a process".to_owned() } else { format!("{count} processes") };
                let memory = mebibytes(*memory_mib);
                write!(f, "the kernel killed {processes} in its container: the task's {memory} of memory were used up")
            }
            Self::MovedOnDemand => f.write_str("moved to on-demand capacity: AWS reclaimed the Spot capacity of this run's earlier attempt"),
            Self::RerunRequested => f.write_str("GitHub was asked to run it again, on demand"),
            Self::RerunRefused { message } => write!(f, "GitHub was asked to run it again and refused for now: {message}"),
            Self::RerunUnanswered => f.write_str("GitHub was asked to run it again and did not answer; it is asked once more unless a later attempt appears"),
            Self::Requested { job: Some(job) } => write!(f, "requested for job {job}"),
            Self::Requested { job: None } => f.write_str("requested for the idle floor"),
            Self::LaunchRepeated => f.write_str("its launch was sent again, because ECS did not answer"),
            Self::LaunchMoved { message } => write!(f, "launch tried elsewhere: {message}"),
            Self::TaskStarted { task } => write!(f, "task {task} was started"),
            Self::TaskNotFound => f.write_str("ECS has no task for it; ECS is asked once more"),
            Self::AskedForRegistration => f.write_str("asked for its registration"),
            Self::Registering { name, job, repository } => write!(f, "registers as {name} for job {job} of {repository}"),
            Self::Registered { github } => write!(f, "registered at GitHub as runner {github}"),
            Self::RegistrationRefused { message } => write!(f, "GitHub refused the registration: {message}"),
            Self::Admitted { run, repository } => write!(f, "admitted run {run} of {repository}"),
            Self::JobRefused { reason } => write!(f, "job refused: {reason}"),
            Self::WorksOn { job, repository } => write!(f, "works on job {job} of {repository}"),
            Self::FoundBusy => f.write_str("GitHub says that it has a job, although no delivery and no hook reported one"),
            Self::FoundOnOtherJob => f.write_str("works on another job than the one reserved for it, which GitHub says still waits"),
            Self::GoneAtGithub => f.write_str("GitHub no longer knows it, so its job is over"),
            Self::FoundDone => f.write_str("GitHub says that its job is over"),
            Self::StopRequested { by, at_work: false } => write!(f, "stop requested by {by}"),
            Self::StopRequested { by, at_work: true } => write!(f, "stop requested by {by}, although it has a job"),
            Self::MarkedForStop { reason } => write!(f, "marked for stop: {reason}"),
            Self::Deregistered => f.write_str("deregistered at GitHub: it had no job"),
            Self::NotDeregistered => {
                write!(f, "not deregistered: {NOT_VISIBLE} (renamed, transferred, uninstalled?)")
            }
            Self::Ended { reason } => write!(f, "ended: {reason}"),
            Self::TaskLeftRunning { busy: true } => {
                f.write_str("its task still runs although the runner is closed, and GitHub says that it has a job: left alone until that job is over")
            }
            Self::TaskLeftRunning { busy: false } => {
                write!(f, "its task still runs although the runner is closed, and {NOT_VISIBLE}: left alone")
            }
            Self::RegistrationsRemoved => f.write_str("its registrations left at GitHub were removed"),
            Self::Other { kind } => write!(f, "{kind} (an event that this version does not know)"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LabelMiswritten { asked, label, meant } => write!(
                f,
                "no pool takes [{asked}]: {label} is not {meant}: remove what surrounds it (in YAML, a text after > or | ends with a line break: \
                 write >- or |-)"
            ),
            Self::LabelsInOne { asked, label, meant } => {
                write!(f, "no pool takes [{asked}]: {label} is one label: write a YAML list, [{meant}]")
            }
            Self::NoLabelOfItsOwn { asked, pool } => write!(
                f,
                "no pool takes [{asked}]: pool {pool} offers them, but none is a label of its own; add one of its own labels, or set any = true there"
            ),
            Self::LabelsNotOffered { asked, pool, missing } => {
                write!(f, "no pool takes [{asked}]: the nearest, {pool}, does not offer {missing}")
            }
            Self::NoPools { asked } => write!(f, "no pool takes [{asked}]: there is no pool"),
            Self::NoLabelOffered => f.write_str("no pool takes it: none offers a label that it asks for"),
            Self::NotServed { refusal } => f.write_str(refusal.in_words()),
            Self::NoLabels => f.write_str("the job names no label, as with runs-on: {group: …} alone: pools take jobs by their labels"),
            Self::NotOurs => f.write_str("no pool matches"),
            Self::LeftPool { left, then } => write!(f, "{left}, and {then}"),
            Self::MatchingGivenUp { last: None } => f.write_str("no pools file took it for a day, so it is no longer matched"),
            Self::MatchingGivenUp { last: Some(last) } => write!(f, "{last}; {}", Self::MatchingGivenUp { last: None }),
            Self::Gated => f.write_str("held back by GitHub: an environment's protection rule or a concurrency group"),
            Self::Reopened => f.write_str("GitHub knows the job after all"),
            Self::QueuedAgainUnplaced => f.write_str("GitHub queued it again, and no pool takes it"),
            Self::QueuedAgainUnconfirmed => f.write_str(
                "GitHub shows it queued, although a runner had begun it; it is queued again once GitHub has said so twice and that runner is gone",
            ),
            Self::JobNotFound => f.write_str("GitHub shows the repository, but not the job"),
            Self::RepositoryNotVisible { repository, message } => {
                write!(f, "the App cannot see repository {repository} (renamed, transferred, uninstalled, suspended?): {message}")
            }
            Self::AskedAgain { why } => write!(f, "{why}; GitHub is asked again"),
            Self::GivenUp { why, after } => {
                write!(f, "{why}: given up after {}, and how it ended is not known", days(*after))
            }
            Self::RunnerRefused { message, wait } => {
                write!(f, "GitHub refuses a runner for it: {message}. Tried again in {}", minutes(*wait))
            }
            Self::NotAssigned { why } => write!(
                f,
                "a runner registered for it, but GitHub gave that runner no job ({why}); GitHub is asked about the job, then another runner is started"
            ),
            Self::NeverAssigned { runners, why } => write!(
                f,
                "{runners} runners registered for it, but GitHub gave them no job ({why}). Does the runner group allow the repository? \
                 Do the labels match? Does GitHub still accept the runner's version? Tried again every hour"
            ),
            Self::RunnerFailed { why } => write!(
                f,
                "its runner failed as soon as it was registered ({why}); GitHub is asked about the job, then another runner is started"
            ),
            Self::WhileItWaited { why } => write!(f, "while it waited: {why}"),
            Self::MayHaveRun => f.write_str(
                "the runner reserved for it ran a job and ended, and GitHub has not said which job; GitHub is asked about this one",
            ),
            Self::AskedFirst => f.write_str("GitHub is asked whether it still waits, then a runner is started for it"),
            Self::JobRefused { why } => write!(f, "its job was refused: {why}"),
            Self::Unadmitted => f.write_str("its job began without being admitted: does the image remove Mayfly's job-started hook?"),
            Self::HadItsJob => f.write_str("the runner has already had its one job"),
            Self::NeverRegistered => f.write_str("the runner was never registered"),
            Self::RegisteredElsewhere { repository } => write!(f, "the runner is not registered for repository {repository}"),
            Self::PoolRemoved { pool, repository } => write!(f, "pool {pool} was removed, and it had taken no job of repository {repository}"),
            Self::RepositoryNotListed { pool, repository } => write!(f, "pool {pool} does not list repository {repository}"),
            Self::RepositoryPublic { pool, repository } => {
                write!(f, "repository {repository} is public and pool {pool} does not set public = true")
            }
            Self::StoppedBy { by } => write!(f, "stopped by {by}"),
            Self::Unresponsive => f.write_str("it stopped asking for a registration"),
            Self::NotNeeded => f.write_str("the job it was started for no longer needs it"),
            Self::BeyondIdleFloor => f.write_str("beyond the idle floor"),
            Self::MakesRoom => {
                f.write_str("none of the jobs it is registered for waits, other jobs do, and the pool or their repository is at its max")
            }
            Self::StartTimeout { within } => write!(f, "did not ask for its registration within {}", minutes(*within)),
            Self::ParkLimit => f.write_str("had nothing to do until the park limit"),
            Self::RegistrationTimeout { within } => {
                write!(f, "asked for a registration {} ago, but never completed it", minutes(*within))
            }
            Self::IdleTimeout { within } => write!(f, "registered, but GitHub gave it no job within {}", minutes(*within)),
            Self::MaxLifetime { within } => write!(f, "reached its max_lifetime of {}", minutes(*within)),
            Self::OutlivedRegistration => f.write_str("it was deregistered at GitHub, but its task still runs"),
            Self::OutlivedJob => f.write_str("its job is over, but its task still runs"),
            Self::OutlivedRefusal => f.write_str("its job was refused, but its task still runs"),
            Self::OtherTask => f.write_str("its runner has another task"),
            Self::RunnerClosed => f.write_str("its runner is closed"),
            Self::RunnerUnknown => f.write_str("the ledger does not know its runner"),
            Self::TaskUnknown => f.write_str("ECS does not know its task"),
            Self::TaskStopped(end) => end.fmt(f),
            Self::OutOfMemory { told, memory_mib, end } => {
                write!(f, "{} ({}): {end}", killed(*told), mebibytes(*memory_mib))
            }
            Self::DeregisteredThenEnded { why, end } => write!(f, "{why}; {end}"),
            Self::NoTaskDefinition { message } => write!(f, "no task definition: {message}"),
            Self::Ecs { message } => f.write_str(message),
            Self::Other { kind } => write!(f, "{kind} (a reason that this version does not know)"),
        }
    }
}

impl fmt::Display for LeftPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.change {
            PoolChange::Removed => "is gone",
            PoolChange::Relabelled => "has other labels now",
        };
        write!(f, "pool {} {what}", self.pool)
    }
}

/// ECS's reasons, the container's own and our script's exit code, in one line.
impl fmt::Display for TaskEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words: Vec<String> = self
            .interruption()
            .map(|by| by.in_words().to_owned())
            .into_iter()
            .collect();
        words.extend(self.stopped_reason.clone());
        words.extend(
            self.container_reason
                .clone()
                .filter(|_| self.container_reason != self.stopped_reason),
        );
        if let Some(code) = self.exit_code {
            words.push(match exit(code) {
                Some(meaning) => format!("exit code {code}: {meaning}"),
                None => format!("exit code {code}"),
            });
        }
        if words.is_empty() {
            words.push(
                self.stop_code
                    .clone()
                    .unwrap_or_else(|| "stopped, and ECS does not say why".to_owned()),
            );
        }
        f.write_str(&words.join("; "))
    }
}

/// What the exit codes of `runner/entrypoint.sh` and of the runner itself mean.
fn exit(code: i32) -> Option<&'static str> {
    Some(match code {
        1 => "Mayfly refused it, or the runner itself failed",
        VERSION_REFUSED => "GitHub refuses this runner version: update the image",
        20 => "it had nothing to do until the park limit",
        21 => {
            "something between the subnet and API Gateway answers 403: is there a VPC endpoint for execute-api with private DNS?"
        }
        22 => {
            "its environment is incomplete, the image lacks bash or a curl that can sign (7.75 or newer), or its .env sets a variable of Mayfly's"
        }
        23 => "it could not get its task role's credentials",
        24 => "what it received is not a registration",
        25 => "the image's user is root, or cannot write to the runner's folder",
        REGISTRATION_LOST => "its registration was handed out but did not arrive",
        126 | 127 => "the image cannot run /bin/bash or the runner",
        137 => "killed: out of memory, or stopped while it was running",
        _ => return None,
    })
}

fn killed(told: MemoryKill) -> &'static str {
    match told {
        MemoryKill::Certain => "out of memory",
        MemoryKill::Likely => "most likely out of memory",
    }
}

/// Memory as the pools file has it.
fn mebibytes(mib: u32) -> String {
    if mib.is_multiple_of(1024) {
        format!("{} GiB", mib / 1024)
    } else {
        format!("{mib} MiB")
    }
}

fn minutes(duration: Duration) -> String {
    format!("{} min", duration.as_secs() / 60)
}

fn days(duration: Duration) -> String {
    match duration.as_secs() / (24 * 60 * 60) {
        1 => "a day".to_owned(),
        days => format!("{days} days"),
    }
}
