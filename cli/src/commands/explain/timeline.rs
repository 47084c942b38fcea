//! What happened to a job and its runners, in order.

use mayfly_domain::model::id::{JobId, RunnerId};
use mayfly_domain::model::job::JobRecord;
use mayfly_domain::model::runner::{Outcome, Runner};
use mayfly_domain::model::story::{Note, Reason, StoryEvent};
use mayfly_domain::model::time::Timestamp;
use serde::Serialize;

use crate::terminal::time_format::{Rfc3339, duration_text, seconds};

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// When.
    pub at: Rfc3339,
    /// How long after the line before.
    pub since_last_seconds: f64,
    /// The runner that it is about; none: the job itself.
    pub runner: Option<RunnerId>,
    /// What happened, in a word for programs.
    pub kind: String,
    /// What happened.
    pub text: String,
}

/// A line whose place is not known yet.
struct Loose<'a> {
    at: Timestamp,
    runner: Option<&'a RunnerId>,
    kind: String,
    text: String,
}

/// The story: the job's lines and those of its runners, as long as these have to do with it.
#[must_use]
pub fn story(record: &JobRecord, runners: &[Runner]) -> Vec<Line> {
    let mut lines = of_job(record);
    let begin = lines
        .iter()
        .map(|line| line.at)
        .min()
        .unwrap_or(record.received_at);
    for runner in runners {
        lines.extend(of_runner(runner, record.id, begin));
    }
    // Several clocks: lines of one moment stay in the order that makes sense, the job's first.
    lines.sort_by_key(|line| line.at);
    let mut last = begin;
    let told = lines.into_iter().map(|line| {
        let since_last_seconds = seconds(line.at.since(last));
        last = line.at;
        Line {
            at: Rfc3339(line.at),
            since_last_seconds,
            runner: line.runner.cloned(),
            kind: line.kind,
            text: line.text,
        }
    });
    told.collect()
}

fn of_job(record: &JobRecord) -> Vec<Loose<'_>> {
    let line = |at: Timestamp, kind: &str, text: &str| Loose {
        at,
        runner: None,
        kind: kind.to_owned(),
        text: text.to_owned(),
    };
    let mut lines = Vec::new();
    // Moved on by every later word of GitHub's that it waits; then only our notes tell when it was
    // queued first.
    if record.queued_at <= record.received_at {
        lines.push(line(
            record.queued_at,
            "queued_at_github",
            "queued at GitHub",
        ));
    }
    lines.push(line(record.received_at, "received", "Mayfly learned of it"));
    lines.extend(
        record
            .story
            .iter()
            .map(|note| line(note.at, &kind(&note.event), &note.event.to_string())),
    );
    lines
}

fn of_runner(runner: &Runner, job: JobId, begin: Timestamp) -> Vec<Loose<'_>> {
    let line = |at: Timestamp, kind: &str, text: String| Loose {
        at,
        runner: Some(&runner.id),
        kind: kind.to_owned(),
        text,
    };
    let mut lines = vec![line(
        runner.requested_at,
        "requested",
        asked_for(runner, job),
    )];
    let times = &runner.timeline;
    let pulled = |at: Timestamp| match times.pull_started {
        Some(began) => format!(
            "its image is pulled, after {}",
            duration_text(at.since(began))
        ),
        None => "its image is pulled".to_owned(),
    };
    lines.extend(times.pull_started.map(|at| {
        line(
            at,
            "image_pull_started",
            "its task starts to pull the image".to_owned(),
        )
    }));
    // ECS dates the end of a pull that failed, too.
    lines.extend(
        times
            .pull_stopped
            .filter(|_| !pull_failed(runner))
            .map(|at| line(at, "image_pulled", pulled(at))),
    );
    lines.extend(
        times
            .started
            .map(|at| line(at, "task_running", "its task is running".to_owned())),
    );
    // The first line here says it.
    let notes = runner
        .story
        .iter()
        .filter(|note| !matches!(note.event, StoryEvent::Requested { .. }));
    lines.extend(notes.map(|note| line(note.at, &kind(&note.event), told(runner, note))));
    lines.extend(
        times
            .stopped
            .map(|at| line(at, "task_stopped", "its task has stopped".to_owned())),
    );
    let elsewhere = runner
        .work
        .as_ref()
        .filter(|work| work.job.is_some_and(|its| its != job));
    if let Some(work) = elsewhere {
        // From here on it is another job's story.
        lines.retain(|line| line.at < work.since);
        let other = work.job.map(|its| its.to_string()).unwrap_or_default();
        lines.push(line(
            work.since,
            "given_other_job",
            format!("GitHub gave it job {other} instead"),
        ));
    }
    from(begin, runner, lines)
}

/// A runner of the idle floor, or another job's, was there long before: only that is shown of the
/// time before the job.
fn from<'a>(begin: Timestamp, runner: &'a Runner, mut lines: Vec<Loose<'a>>) -> Vec<Loose<'a>> {
    let before = lines.len();
    lines.retain(|line| line.at >= begin);
    if lines.len() < before {
        let text = format!(
            "it is there already: {} at {}",
            asked_for_in_short(runner),
            Rfc3339(runner.requested_at)
        );
        lines.insert(
            0,
            Loose {
                at: begin,
                runner: Some(&runner.id),
                kind: "requested_before".to_owned(),
                text,
            },
        );
    }
    lines
}

/// True if its image was never there. Source: Amazon ECS developer guide, "CannotPullContainer task
/// errors".
fn pull_failed(runner: &Runner) -> bool {
    runner.timeline.started.is_none()
        && runner
            .reason
            .as_ref()
            .and_then(Reason::task_end)
            .is_some_and(|end| end.says("CannotPull"))
}

fn asked_for(runner: &Runner, job: JobId) -> String {
    let capacity = crate::terminal::text_format::size(&runner.size);
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

/// An event's word for programs: the one that the table has for it.
fn kind(event: &StoryEvent) -> String {
    let stored = serde_json::to_value(event).unwrap_or_default();
    stored["kind"].as_str().unwrap_or_default().to_owned()
}

/// What a note of a runner's story says; its end with its outcome, where that is no matter of
/// course.
fn told(runner: &Runner, note: &Note) -> String {
    let StoryEvent::Ended { reason } = &note.event else {
        return note.event.to_string();
    };
    match runner.outcome {
        Some(Outcome::FailedStart) => format!("failed to start: {reason}"),
        Some(Outcome::NeverAssigned) => format!("ended without a job: {reason}"),
        Some(Outcome::Surplus) => format!("ended, no longer needed: {reason}"),
        Some(Outcome::Refused) => format!("ended by a refusal: {reason}"),
        Some(Outcome::Unknown) => format!("was lost: {reason}"),
        Some(Outcome::Ran) | None => note.event.to_string(),
    }
}
