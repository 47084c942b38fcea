//! The account that is given at the end, whatever became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use mayfly_domain::model::runner::RunnerState;
use serde_json::Value;

use super::fixture::{Delivery, Fixture, Job};
use super::killer::Kills;
use super::participants::Part;
use super::sweeps::Sweeps;
use super::tasks::Reaped;
use super::verdict::{MAX, Samples, Settled};
use crate::ecs_tasks::most_live;

/// What happened.
pub(super) struct Account {
    pub(super) seed: u64,
    pub(super) parts: Vec<Part>,
    pub(super) kills: BTreeMap<&'static str, Kills>,
    pub(super) reaped: Vec<Reaped>,
    /// ECS's faults by kind.
    pub(super) struck: BTreeMap<String, u64>,
    /// While there were faults.
    pub(super) storm: Duration,
    /// From then until nothing was left.
    pub(super) calm: Duration,
    pub(super) settled: Settled,
}

impl Account {
    /// Prints it past the test runner, which would keep it to itself if all went well.
    pub(super) async fn print(&self, fixture: &Fixture<'_>, sweeps: &Sweeps, samples: &Samples) {
        let (jobs, storm, calm) = (
            self.parts.len(),
            self.storm.as_secs_f64(),
            self.calm.as_secs_f64(),
        );
        let settled = if self.settled.left.is_empty() {
            "settled"
        } else {
            "NOT settled"
        };
        let mut text = format!(
            "\nchaos, seed {}: {jobs} jobs, faults for {storm:.1} s, {settled} {calm:.1} s later\n",
            self.seed
        );
        for line in [
            self.functions(fixture, sweeps),
            deliveries(fixture).await,
            github(fixture).await,
            self.ecs(fixture).await,
        ] {
            let _ = writeln!(text, "{line}");
        }
        let _ = writeln!(text, "{}", self.containers(fixture, samples).await);
        let _ = writeln!(
            text,
            "  jobs        {}",
            counted(fixture.jobs().await.iter().map(end))
        );
        let last: Vec<String> = self
            .settled
            .last
            .iter()
            .map(|(kind, at)| format!("{kind:?} {:.1} s", at.as_secs_f64()))
            .collect();
        let _ = writeln!(text, "  the last    {}", last.join(", "));
        let _ = std::io::stdout().write_all(text.as_bytes());
    }

    fn functions(&self, fixture: &Fixture<'_>, sweeps: &Sweeps) -> String {
        let lost = fixture
            .log
            .lost_invocations(&fixture.places, &fixture.stage.stack)
            .unwrap();
        let hit = |function: &str| lost.get(function).copied().unwrap_or_default();
        let line = |(function, kills): (&&str, &Kills)| {
            let lost = hit(function);
            format!(
                "{function} {} kills ({} seen at work, {lost} invocations lost)",
                kills.all, kills.at_work
            )
        };
        let mut words: Vec<String> = self.kills.iter().map(line).collect();
        let (killed, whole, failed) = (
            sweeps.killed.get(),
            sweeps.whole.get(),
            sweeps.failed.borrow().len(),
        );
        let lost = hit("sweeper");
        words.push(format!("sweeper {killed} kills ({lost} invocations lost); {whole} sweeps whole, {failed} failed"));
        format!("  functions   {}", words.join("\n              "))
    }

    async fn ecs(&self, fixture: &Fixture<'_>) -> String {
        let calls: Value = fixture.fargate("calls").await;
        let struck: Vec<String> = self
            .struck
            .iter()
            .map(|(kind, times)| format!("{kind} {times}"))
            .collect();
        // Of the whole stack, stories before this one included: the stand-in counts from its start.
        format!(
            "  ECS         {}\n              RunTask in all {}",
            struck.join(", "),
            calls["calls"]["RunTask"]
        )
    }

    async fn containers(&self, fixture: &Fixture<'_>, samples: &Samples) -> String {
        let tasks = fixture.tasks().await;
        let killed = counted(self.reaped.iter().map(|one| state(one.state).to_owned()));
        let rows = samples.most_rows.borrow();
        let most = MAX.map(|(pool, max)| {
            let rows = rows.get(pool).copied().unwrap_or_default();
            format!(
                "{pool} {rows} rows and {} tasks (max {max})",
                most_live(&tasks, pool)
            )
        });
        format!(
            "  tasks       {} in all, killed {killed}\n              most at a time {}",
            tasks.len(),
            most.join(", ")
        )
    }
}

async fn deliveries(fixture: &Fixture<'_>) -> String {
    let all = fixture.deliveries().await;
    let events: BTreeSet<&String> = all.iter().map(|one| &one.guid).collect();
    let answers = counted(all.iter().map(answer));
    format!(
        "  deliveries  {} events, {} attempts: {answers}",
        events.len(),
        all.len()
    )
}

async fn github(fixture: &Fixture<'_>) -> String {
    let calls: BTreeMap<String, Value> = fixture.github("calls").await;
    let mut answers: BTreeMap<String, u64> = BTreeMap::new();
    for (status, count) in calls
        .values()
        .flat_map(|of| of["answers"].as_object().into_iter().flatten())
    {
        *answers.entry(status.clone()).or_default() += count.as_u64().unwrap_or_default();
    }
    let by_name = calls.iter().map(|(name, of)| {
        format!(
            "{} {}",
            name.rsplit('/').next().unwrap_or(name),
            of["calls"]
        )
    });
    let by_status = answers
        .iter()
        .map(|(status, count)| format!("{status}: {count}"));
    let calls = by_name.collect::<Vec<_>>().join(", ");
    format!(
        "  GitHub      {calls}\n              answered {}",
        by_status.collect::<Vec<_>>().join(", ")
    )
}

fn counted(words: impl Iterator<Item = String>) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
        .iter()
        .map(|(word, count)| format!("{count} {word}"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn answer(delivery: &Delivery) -> String {
    match delivery.status_code {
        None => delivery.stage.clone(),
        Some(0) => "lost".to_owned(),
        Some(code) => format!("answered {code}"),
    }
}

fn end(job: &Job) -> String {
    let conclusion = job.conclusion.as_deref().unwrap_or(&job.status);
    match (conclusion, &job.started_at) {
        ("cancelled", None) => "cancelled before they began".to_owned(),
        ("cancelled", Some(_)) => "cancelled while they ran".to_owned(),
        ("failure", _) => format!(
            "failed: {}",
            job.annotation.as_deref().unwrap_or("by themselves")
        ),
        (other, _) => other.to_owned(),
    }
}

fn state(state: RunnerState) -> &'static str {
    match state {
        RunnerState::Requested => "requested",
        RunnerState::Parked => "parked",
        RunnerState::Registering => "registering",
        RunnerState::Registered => "registered",
        RunnerState::Busy => "busy",
    }
}
