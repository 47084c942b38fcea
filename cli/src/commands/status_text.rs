//! How things are, as text.

use anstyle::Style;

use super::runners::outcome_in_a_word;
use super::status::{Answer, Net, PoolLine};
use crate::moment::{When, age};
use crate::screen::{BAD, DOUBTFUL, FAINT, GOOD, STRONG};
use crate::table::{Cell, Table};
use crate::words::{counted, cut, plain};

/// Longest reason in a table.
const REASON: usize = 100;

/// Everything, top to bottom: pools, what waits, what failed, the safety net.
#[must_use]
pub fn text(answer: &Answer) -> String {
    let mut parts = vec![pools(answer)];
    parts.extend(starts(answer));
    parts.extend(waiting(answer));
    parts.extend(failures(answer));
    parts.extend(answer.github_limits.iter().map(|(installation, until)| {
        format!("{DOUBTFUL}GitHub{DOUBTFUL:#} told installation {installation} to wait until {}", until.near(answer.at.0))
    }));
    parts.push(net(&answer.safety_net, answer.at));
    parts.join("\n\n")
}

fn pools(answer: &Answer) -> String {
    if answer.pools.is_empty() {
        return "there is no pool".to_owned();
    }
    let mut table = Table::new(["POOL", "MAX", "LIVE", "STARTING", "IDLE", "BUSY", "ENDING", "WAITING", "STARTS"]);
    for pool in &answer.pools {
        let (starts, style) = worst(pool);
        let name = if pool.gone { format!("{} (gone, drains)", pool.pool) } else { pool.pool.to_string() };
        let full = pool.waiting > 0 && pool.live >= usize::try_from(pool.max).unwrap_or(usize::MAX);
        let shy = pool.idle < usize::try_from(pool.min_idle).unwrap_or(0);
        let idle = if pool.min_idle > 0 { format!("{}/{}", pool.idle, pool.min_idle) } else { pool.idle.to_string() };
        table.row([
            Cell::new(name).styled(STRONG),
            Cell::number(pool.max),
            Cell::number(pool.live).styled(if full { DOUBTFUL } else { Style::new() }),
            Cell::number(pool.starting),
            Cell::number(idle).styled(if shy { DOUBTFUL } else { Style::new() }),
            Cell::number(pool.busy),
            Cell::number(pool.ending),
            Cell::number(pool.waiting).styled(if pool.waiting > 0 { DOUBTFUL } else { Style::new() }),
            Cell::new(starts).styled(style),
        ]);
    }
    table.to_string()
}

fn worst(pool: &PoolLine) -> (&'static str, Style) {
    let worst = pool.starts.iter().max_by_key(|starts| (starts.breaker_open, starts.failures));
    match worst {
        Some(starts) if starts.breaker_open => (starts.word(), BAD),
        Some(starts) if starts.failures > 0 => (starts.word(), DOUBTFUL),
        Some(starts) if starts.proven => (starts.word(), GOOD),
        Some(starts) => (starts.word(), FAINT),
        None => ("", Style::new()),
    }
}

/// What of the starts does not go well.
fn starts(answer: &Answer) -> Option<String> {
    let failing = answer.pools.iter().flat_map(|pool| pool.starts.iter().filter(|starts| starts.failures > 0).map(move |one| (pool, one)));
    let told = failing.map(|(pool, starts)| {
        let style = if starts.breaker_open { BAD } else { DOUBTFUL };
        let next = match starts.probes_at {
            Some(at) => format!("next one tried at {} (in {})", at.near(answer.at.0), age(at.0, answer.at.0)),
            None => "the next one may be tried now".to_owned(),
        };
        let times = counted(usize::try_from(starts.failures).unwrap_or(usize::MAX), "failure");
        let reason = plain(starts.reason.as_deref().unwrap_or("no reason is known"));
        let help = starts.help.as_ref().map(|help| format!("\n    {FAINT}{help}{FAINT:#}")).unwrap_or_default();
        format!("{style}{}:{style:#} {} ({}): {times} in a row, {next}\n    {reason}{help}", starts.word(), pool.pool, starts.size)
    });
    let told: Vec<String> = told.collect();
    (!told.is_empty()).then(|| told.join("\n"))
}

fn waiting(answer: &Answer) -> Option<String> {
    if answer.waiting == 0 {
        return None;
    }
    let mut table = Table::new(["WAITING", "REPOSITORY", "NAME", "POOL", "AGE", "WHY"]);
    for line in &answer.oldest_waiting {
        table.row([
            line.job.to_string().into(),
            line.repository.clone().into(),
            cut(line.name.as_deref().unwrap_or_default(), 32).into(),
            line.pool.to_string().into(),
            Cell::number(age(answer.at.0, line.queued_at.0)),
            cut(&line.waits.because, REASON).into(),
        ]);
    }
    let more = answer.waiting - answer.oldest_waiting.len();
    let more = if more > 0 { format!("\n{FAINT}and {more} more: mayfly jobs --state queued{FAINT:#}") } else { String::new() };
    Some(format!("{table}{more}"))
}

fn failures(answer: &Answer) -> Option<String> {
    if answer.failures == 0 {
        return None;
    }
    let mut table = Table::new(["FAILED", "POOL", "HOW", "AGO", "JOB", "WHY"]);
    for line in &answer.last_failures {
        let (word, style) = match line.outcome {
            _ if line.reclaimed => ("reclaimed", DOUBTFUL),
            Some(outcome) => outcome_in_a_word(outcome),
            None => ("", Style::new()),
        };
        table.row([
            line.runner.to_string().into(),
            line.pool.to_string().into(),
            Cell::new(word).styled(style),
            Cell::number(age(answer.at.0, line.at.0)),
            line.job.map(|job| job.to_string()).into(),
            cut(line.reason.as_deref().unwrap_or_default(), REASON).into(),
        ]);
    }
    let more = answer.failures - answer.last_failures.len();
    let more =
        if more > 0 { format!("\n{FAINT}and {more} more in the last hour: mayfly runners --since 1h{FAINT:#}") } else { String::new() };
    Some(format!("{table}{more}"))
}

fn net(net: &Net, at: When) -> String {
    let read = match net.deliveries_read_at {
        Some(read) => format!("GitHub's deliveries read {} ago", age(at.0, read.0)),
        None => "GitHub's deliveries never read yet".to_owned(),
    };
    let errands = if net.errands == 0 { "no errand open".to_owned() } else { format!("{} open", counted(net.errands, "errand")) };
    let overdue = match net.overdue_since {
        Some(since) => format!(", {BAD}{} overdue{BAD:#}, the longest since {}", net.overdue, age(at.0, since.0)),
        None => String::new(),
    };
    let style = if net.is_torn(at.0) { BAD } else { FAINT };
    let help = if net.is_torn(at.0) { "\n    sweeper comes every minute: is its function well? see its log" } else { "" };
    format!("{style}safety net:{style:#} {read}; {errands}{overdue}{help}")
}
