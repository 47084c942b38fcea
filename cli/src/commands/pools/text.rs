//! The active pools as a table, and what drains.

use mayfly_domain::model::label;
use mayfly_domain::model::time::Timestamp;

use super::report::{Draining, PoolsReport, Shown};
use crate::terminal::screen::{CAUTION, FAINT, STRONG};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::{counted, plain};
use crate::terminal::time_format::age;

/// The pools in words, styled. `room`: the terminal's width.
#[must_use]
pub fn text(answer: &PoolsReport, now: Timestamp, room: Option<usize>) -> String {
    let by = answer
        .applied_by
        .as_ref()
        .map(|by| format!(" by {}", plain(by)))
        .unwrap_or_default();
    let at = answer
        .applied_at
        .map(|at| format!(" {at} ({} ago)", age(now, at.0)))
        .unwrap_or_default();
    let mut lines = vec![format!(
        "{STRONG}version {}{STRONG:#}",
        answer.broken.unwrap_or(answer.version)
    )];
    lines[0].push_str(&format!(", applied{at}{by}"));
    if let Some(broken) = answer.broken {
        lines.push(format!(
            "{CAUTION}version {broken} is broken: version {} stays active{CAUTION:#}",
            answer.version
        ));
    }
    lines.push(format!("accounts: {}", plain(&answer.accounts.join(", "))));
    lines.push(String::new());
    let mut table = Table::new([
        Column::new("POOL").cuts(8),
        Column::new("LABELS").wraps(14),
        Column::new("SIZE").wraps(10),
        Column::new("MAX"),
        Column::new("IDLE"),
        Column::new("SCOPE").wraps(8).hides(1),
        Column::new("SERVES").wraps(8),
    ]);
    for pool in &answer.pools {
        table.row([
            Cell::new(pool.pool.as_str()),
            Cell::new(
                pool.labels
                    .iter()
                    .map(|one| label::shown(one))
                    .collect::<Vec<_>>()
                    .join(" "),
            ),
            Cell::new(&pool.size),
            Cell::number(pool.max),
            Cell::number(pool.min_idle),
            Cell::new(pool.runner_group.as_ref().map_or_else(
                || pool.scope.to_owned(),
                |group| format!("{} ({group})", pool.scope),
            )),
            Cell::new(serves(pool)),
        ]);
    }
    lines.push(table.fitted(room));
    if !answer.draining.is_empty() {
        lines.push(String::new());
    }
    lines.extend(answer.draining.iter().map(|pool| draining(pool, now)));
    lines.join("\n")
}

fn serves(pool: &Shown) -> String {
    let which = if pool.repositories.is_empty() {
        "every repository".to_owned()
    } else {
        pool.repositories.join(" ")
    };
    if pool.public {
        format!("{which}, also public")
    } else {
        which
    }
}

fn draining(pool: &Draining, now: Timestamp) -> String {
    let since = pool
        .gone_at
        .map(|at| format!(" for {}", age(now, at.0)))
        .unwrap_or_default();
    let runners = counted(pool.now.runners(), "runner");
    format!(
        "{FAINT}{} has been gone{since} and is draining:{FAINT:#} {runners}, {} busy, {} waiting",
        pool.pool,
        pool.now.busy,
        counted(pool.now.waiting, "job")
    )
}
