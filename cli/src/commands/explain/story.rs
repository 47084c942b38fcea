//! What happened to a job and its runners, in order.

use mayfly_domain::id::{JobId, RunnerId};
use mayfly_domain::job::JobRecord;
use mayfly_domain::runner::{Outcome, Runner};
use mayfly_domain::time::Timestamp;
use serde::Serialize;

use crate::moment::{When, seconds, span};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// When.
    pub at: When,
    /// How long after the line before.
    pub since_last_seconds: f64,
    /// The runner that it is about; none: the job itself.
    pub runner: Option<RunnerId>,
    /// What happened.
    pub text: String,
}

/// A line whose place is not known yet.
struct Loose<'a> {
    at: Timestamp,
    runner: Option<&'a RunnerId>,
    text: String,
}

/// The story: the job's lines and those of its runners, as long as these have to do with it.
#[must_use]
pub fn story(record: &JobRecord, runners: &[Runner]) -> Vec<Line> {
    let mut lines = of_job(record);
    let begin = lines.iter().map(|line| line.at).min().unwrap_or(record.received_at);
    for runner in runners {
        lines.extend(of_runner(runner, record.id, begin));
    }
    // Several clocks: lines of one moment stay in the order that makes sense, the job's first.
    lines.sort_by_key(|line| line.at);
    let mut last = begin;
    let told = lines.into_iter().map(|line| {
        let since_last_seconds = seconds(line.at.since(last));
        last = line.at;
        Line { at: When(line.at), since_last_seconds, runner: line.runner.cloned(), text: line.text }
    });
    told.collect()
}

fn of_job(record: &JobRecord) -> Vec<Loose<'_>> {
    let line = |at: Timestamp, text: &str| Loose { at, runner: None, text: text.to_owned() };
    let mut lines = Vec::new();
    // Moved on by every later word of GitHub's that it waits; then only our notes tell when it was queued first.
    if record.queued_at <= record.received_at {
        lines.push(line(record.queued_at, "queued at GitHub"));
    }
    lines.push(line(record.received_at, "Mayfly heard of it"));
    lines.extend(record.story.iter().map(|note| line(note.at, &note.text)));
    lines
}

fn of_runner(runner: &Runner, job: JobId, begin: Timestamp) -> Vec<Loose<'_>> {
    let line = |at: Timestamp, text: String| Loose { at, runner: Some(&runner.id), text };
    let mut lines = vec![line(runner.requested_at, asked_for(runner, job))];
    let times = &runner.timeline;
    let pulled = |at: Timestamp| match times.pull_started {
        Some(began) => format!("its image is there, after {}", span(at.since(began))),
        None => "its image is there".to_owned(),
    };
    lines.extend(times.pull_started.map(|at| line(at, "its task pulls the image".to_owned())));
    // ECS dates the end of a pull that failed, too.
    lines.extend(times.pull_stopped.filter(|_| !pull_failed(runner)).map(|at| line(at, pulled(at))));
    lines.extend(times.started.map(|at| line(at, "ECS calls it running".to_owned())));
    // Its first note says the same as the first line here.
    let notes = runner.story.iter().filter(|note| !note.text.starts_with("requested for "));
    lines.extend(notes.map(|note| line(note.at, ended(runner, &note.text))));
    lines.extend(times.stopped.map(|at| line(at, "its task has stopped".to_owned())));
    let elsewhere = runner.work.as_ref().filter(|work| work.job.is_some_and(|its| its != job));
    if let Some(work) = elsewhere {
        // From here on it is another job's story.
        lines.retain(|line| line.at < work.since);
        let other = work.job.map(|its| its.to_string()).unwrap_or_default();
        lines.push(line(work.since, format!("GitHub gave it job {other} instead")));
    }
    from(begin, runner, lines)
}

/// A runner of the idle floor, or another job's, was there long before: only that is told of the time before the job.
fn from<'a>(begin: Timestamp, runner: &'a Runner, mut lines: Vec<Loose<'a>>) -> Vec<Loose<'a>> {
    let before = lines.len();
    lines.retain(|line| line.at >= begin);
    if lines.len() < before {
        let text = format!("it is there already: {} at {}", asked_for_in_short(runner), When(runner.requested_at));
        lines.insert(0, Loose { at: begin, runner: Some(&runner.id), text });
    }
    lines
}

/// True if its image was never there. Source: Amazon ECS developer guide, "CannotPullContainer task errors".
fn pull_failed(runner: &Runner) -> bool {
    runner.timeline.started.is_none() && runner.reason.as_ref().is_some_and(|reason| reason.contains("CannotPull"))
}

fn asked_for(runner: &Runner, job: JobId) -> String {
    let capacity = crate::words::size(&runner.size);
    match runner.intended {
        Some(intended) if intended == job => format!("is started for this job: {capacity}"),
        Some(intended) => format!("is started for job {intended}: {capacity}"),
        None => format!("is started for the idle floor: {capacity}"),
    }
}

fn asked_for_in_short(runner: &Runner) -> String {
    match runner.intended {
        Some(intended) => format!("started for job {intended}"),
        None => "started for the idle floor".to_owned(),
    }
}

/// A runner's end, with its outcome where that is no matter of course.
fn ended(runner: &Runner, text: &str) -> String {
    let Some(reason) = text.strip_prefix("ended: ") else { return text.to_owned() };
    match runner.outcome {
        Some(Outcome::FailedStart) => format!("failed to start: {reason}"),
        Some(Outcome::NotAssigned) => format!("ended without a job: {reason}"),
        Some(Outcome::Unneeded) => format!("ended, no longer needed: {reason}"),
        Some(Outcome::Refused) => format!("ended by a refusal: {reason}"),
        Some(Outcome::Lost) => format!("was lost: {reason}"),
        Some(Outcome::Ran) | None => text.to_owned(),
    }
}
