//! How things are, as text, and as a screen that is drawn again and again.

use anstyle::Style;

use super::report::{PoolLine, StatusReport, SweeperHealth};
use crate::commands::runners::text::{killed_in_a_word, outcome_in_a_word};
use crate::deployment::drift::Drift;
use crate::terminal::screen::{BAD, CAUTION, FAINT, GOOD, STRONG};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::{clip, counted, plain, size};
use crate::terminal::time_format::{Rfc3339, age};

/// Everything, top to bottom: pools, what waits, what failed, the safety net; a broken safety net
/// comes second. `room`: the terminal's width.
#[must_use]
pub fn text(answer: &StatusReport, room: Option<usize>) -> String {
    let torn = answer.safety_net.is_torn(answer.at.0);
    let mut parts = vec![pools(answer, room)];
    parts.extend(answer.drift.as_ref().map(drift));
    parts.extend(torn.then(|| sweeper_health(&answer.safety_net, answer.at)));
    parts.extend(starts(answer));
    parts.extend(not_assigned(answer));
    parts.extend(unplaced(answer, room));
    parts.extend(waiting(answer, room));
    parts.extend(blocked(answer));
    parts.extend(failures(answer, room));
    parts.extend(answer.github_limits.iter().map(|(installation, until)| {
        format!(
            "{CAUTION}GitHub{CAUTION:#} told installation {installation} to wait until {}",
            until.near(answer.at.0)
        )
    }));
    parts.extend((!torn).then(|| sweeper_health(&answer.safety_net, answer.at)));
    parts.join("\n\n")
}

/// The lines of a screen of this many columns and lines: what does not fit is left out, and how
/// much that is is said.
#[must_use]
pub fn frame(
    answer: &StatusReport,
    stack: &str,
    seconds: u64,
    columns: usize,
    lines: usize,
) -> Vec<String> {
    let head = format!(
        "{STRONG}{}{STRONG:#}  {}  {FAINT}every {seconds} s, Ctrl-C ends{FAINT:#}",
        plain(stack),
        answer.at.near(answer.at.0)
    );
    let text = text(answer, Some(columns));
    let mut shown: Vec<&str> = [head.as_str(), ""]
        .into_iter()
        .chain(text.lines())
        .collect();
    let mut more = None;
    if shown.len() > lines {
        let room = lines.saturating_sub(1);
        more = Some(format!(
            "{FAINT}{} more: use a taller terminal, or mayfly status{FAINT:#}",
            counted(shown.len() - room, "line")
        ));
        shown.truncate(room);
    }
    shown
        .into_iter()
        .chain(more.as_deref())
        .map(|line| clip(line, columns))
        .collect()
}

fn pools(answer: &StatusReport, room: Option<usize>) -> String {
    if answer.pools.is_empty() {
        return "there is no pool".to_owned();
    }
    let mut table = Table::new([
        Column::new("POOL").cuts(8),
        Column::new("MAX"),
        Column::new("LIVE"),
        Column::new("STARTING").hides(2),
        Column::new("IDLE").hides(3),
        Column::new("BUSY"),
        Column::new("ENDING").hides(1),
        Column::new("WAITING"),
        Column::new("STARTS"),
    ]);
    for pool in &answer.pools {
        let paused = pool.max == 0 && !pool.gone;
        let (starts, style) = if paused {
            ("paused", CAUTION)
        } else {
            worst(pool)
        };
        let name = if pool.gone {
            format!("{} (gone, drains)", pool.pool)
        } else {
            pool.pool.to_string()
        };
        let full = pool.waiting > 0 && pool.live >= usize::try_from(pool.max).unwrap_or(usize::MAX);
        let shy = !paused && pool.idle < usize::try_from(pool.min_idle).unwrap_or(0);
        let idle = if pool.min_idle > 0 {
            format!("{}/{}", pool.idle, pool.min_idle)
        } else {
            pool.idle.to_string()
        };
        table.row([
            Cell::new(name).styled(STRONG),
            Cell::number(pool.max),
            Cell::number(pool.live).styled(if full { CAUTION } else { Style::new() }),
            Cell::number(pool.starting),
            Cell::number(idle).styled(if shy { CAUTION } else { Style::new() }),
            Cell::number(pool.busy),
            Cell::number(pool.ending),
            Cell::number(pool.waiting).styled(if pool.waiting > 0 {
                CAUTION
            } else {
                Style::new()
            }),
            Cell::new(starts).styled(style),
        ]);
    }
    table.fitted(room)
}

fn drift(drift: &Drift) -> String {
    format!(
        "{CAUTION}drift:{CAUTION:#} {}\n    {FAINT}{}{FAINT:#}",
        plain(&drift.problem()),
        drift.fix()
    )
}

fn worst(pool: &PoolLine) -> (&'static str, Style) {
    let worst = pool
        .starts
        .iter()
        .max_by_key(|starts| (starts.breaker_open, starts.failures));
    match worst {
        Some(starts) if starts.breaker_open => (starts.word(), BAD),
        _ if !pool.not_assigned.is_empty() => (NOT_ASSIGNED, BAD),
        Some(starts) if starts.failures > 0 => (starts.word(), CAUTION),
        Some(starts) if starts.verified => (starts.word(), GOOD),
        Some(starts) => (starts.word(), FAINT),
        None => ("", Style::new()),
    }
}

/// What of the starts does not go well.
fn starts(answer: &StatusReport) -> Option<String> {
    let failing = answer.pools.iter().flat_map(|pool| {
        pool.starts
            .iter()
            .filter(|starts| starts.failures > 0)
            .map(move |one| (pool, one))
    });
    let told = failing.map(|(pool, starts)| {
        let style = if starts.breaker_open { BAD } else { CAUTION };
        let next = match starts.probes_at {
            Some(at) => format!(
                "next one tried at {} (in {})",
                at.near(answer.at.0),
                age(at.0, answer.at.0)
            ),
            None => "the next one may be tried now".to_owned(),
        };
        let times = counted(
            usize::try_from(starts.failures).unwrap_or(usize::MAX),
            "failure",
        );
        let reason = plain(starts.reason.as_deref().unwrap_or("no reason is known"));
        let help = starts
            .help
            .as_ref()
            .map(|help| format!("\n    {FAINT}{help}{FAINT:#}"))
            .unwrap_or_default();
        format!(
            "{style}{}:{style:#} {} ({}): {times} in a row, {next}\n    {reason}{help}",
            starts.word(),
            pool.pool,
            size(&starts.size)
        )
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("\n"))
}

/// That runners start and GitHub gives them no job, in a word.
const NOT_ASSIGNED: &str = "no jobs assigned";

/// Repositories whose runners get no job.
fn not_assigned(answer: &StatusReport) -> Option<String> {
    let told = answer.pools.iter().flat_map(|pool| pool.not_assigned.iter().map(move |one| (pool, one))).map(|(pool, one)| {
        let (jobs, repository) = (counted(one.jobs, "job"), plain(&one.repository));
        let next = if one.probes_at.0 > answer.at.0 {
            format!("the next one is tried at {} (in {})", one.probes_at.near(answer.at.0), age(one.probes_at.0, answer.at.0))
        } else {
            "the next one may be tried now".to_owned()
        };
        format!(
            "{BAD}{NOT_ASSIGNED}:{BAD:#} {}: GitHub gives runners of {repository} no job, {jobs} held back, one runner at a time, {next}\n    {FAINT}{}{FAINT:#}",
            pool.pool, one.help
        )
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("\n"))
}

/// What no pool takes: most often a label that is mistyped.
fn unplaced(answer: &StatusReport, room: Option<usize>) -> Option<String> {
    let first = answer.oldest_unplaced.first()?;
    let mut table = Table::new([
        Column::new("JOB"),
        Column::new("REPOSITORY").cuts_front(10),
        Column::new("NAME").cuts(8).hides(1),
        Column::new("AGE"),
        Column::new("WHY").cuts(24),
    ]);
    for line in &answer.oldest_unplaced {
        table.row([
            line.job.to_string().into(),
            line.repository.as_str().into(),
            line.name.as_str().into(),
            Cell::number(age(answer.at.0, line.queued_at.0)),
            line.because.clone().into(),
        ]);
    }
    let more = answer.unplaced - answer.oldest_unplaced.len();
    let more = if more > 0 {
        format!("and {more} more: mayfly jobs --state unplaced; ")
    } else {
        String::new()
    };
    let heading = heading("NO POOL TAKES", answer.unplaced, BAD);
    Some(format!(
        "{heading}\n{}\n{FAINT}{more}{}{FAINT:#}",
        table.fitted(room),
        plain(&first.ask)
    ))
}

/// What GitHub holds back: nothing is wrong with it.
fn blocked(answer: &StatusReport) -> Option<String> {
    let jobs = counted(answer.blocked, "job");
    let verb = if answer.blocked == 1 { "waits" } else { "wait" };
    (answer.blocked > 0)
        .then(|| format!("{FAINT}{jobs} {verb} for an approval or a concurrency group at GitHub: mayfly jobs --state blocked{FAINT:#}"))
}

fn heading(what: &str, count: usize, style: Style) -> String {
    format!("{style}{what}{style:#} {FAINT}({count}){FAINT:#}")
}

fn waiting(answer: &StatusReport, room: Option<usize>) -> Option<String> {
    if answer.waiting == 0 {
        return None;
    }
    let mut table = Table::new([
        Column::new("JOB"),
        Column::new("REPOSITORY").cuts_front(10),
        Column::new("NAME").cuts(8).hides(1),
        Column::new("POOL").cuts(6),
        Column::new("AGE"),
        Column::new("WHY").cuts(20),
    ]);
    for line in &answer.oldest_waiting {
        table.row([
            line.job.to_string().into(),
            line.repository.clone().into(),
            line.name.clone().into(),
            line.pool.to_string().into(),
            Cell::number(age(answer.at.0, line.queued_at.0)),
            line.waits.because.as_str().into(),
        ]);
    }
    let more = answer.waiting - answer.oldest_waiting.len();
    let more = if more > 0 {
        format!("\n{FAINT}and {more} more: mayfly jobs --state queued{FAINT:#}")
    } else {
        String::new()
    };
    Some(format!(
        "{}\n{}{more}",
        heading("WAITING FOR A RUNNER", answer.waiting, CAUTION),
        table.fitted(room)
    ))
}

fn failures(answer: &StatusReport, room: Option<usize>) -> Option<String> {
    if answer.failures == 0 {
        return None;
    }
    let mut table = Table::new([
        Column::new("RUNNER").cuts_middle(15),
        Column::new("POOL").cuts(6).hides(1),
        Column::new("HOW"),
        Column::new("AGO"),
        Column::new("JOB"),
        Column::new("WHY").cuts(20),
    ]);
    for line in &answer.last_failures {
        let (word, style) = match (&line.killed, line.outcome) {
            (Some(killed), _) => killed_in_a_word(killed),
            (None, Some(outcome)) => outcome_in_a_word(outcome),
            (None, None) => ("", Style::new()),
        };
        table.row([
            line.runner.to_string().into(),
            line.pool.to_string().into(),
            Cell::new(word).styled(style),
            Cell::number(age(answer.at.0, line.at.0)),
            line.job.map(|job| job.to_string()).into(),
            line.reason.clone().into(),
        ]);
    }
    let more = answer.failures - answer.last_failures.len();
    let more = if more > 0 {
        format!("\n{FAINT}and {more} more: mayfly runners --since 1h{FAINT:#}")
    } else {
        String::new()
    };
    Some(format!(
        "{}\n{}{more}",
        heading("FAILED IN THE LAST HOUR", answer.failures, BAD),
        table.fitted(room)
    ))
}

fn sweeper_health(net: &SweeperHealth, at: Rfc3339) -> String {
    let read = match net.deliveries_read_at {
        Some(read) => format!("GitHub's deliveries were checked {} ago", age(at.0, read.0)),
        None => "GitHub's deliveries have not been checked yet".to_owned(),
    };
    let follow_ups = if net.follow_ups == 0 {
        "no follow-up work".to_owned()
    } else {
        format!("follow-up work for {}", counted(net.follow_ups, "item"))
    };
    let overdue = match net.overdue_since {
        Some(since) => format!(
            ", {BAD}{} overdue{BAD:#}, the oldest for {}",
            net.overdue,
            age(at.0, since.0)
        ),
        None => String::new(),
    };
    let style = if net.is_torn(at.0) { BAD } else { FAINT };
    let help = if net.is_torn(at.0) {
        "\n    sweeper should run every minute: see the log of the function sweeper"
    } else {
        ""
    };
    format!("{style}safety net:{style:#} {read}; {follow_ups}{overdue}{help}")
}
