//! A plan as people read it.

use std::fmt::Write as _;

use anstyle::Style;
use mayfly_domain::model::price::NanoDollars;

use super::difference::{KeyChange, Kind, capacity, is_default, toml};
use super::effects::Live;
use super::report::{Plan, PoolPlan, VcpuPlan};
use crate::terminal::screen::{BAD, CAUTION, FAINT, GOOD, STRONG};
use crate::terminal::text_format::{counted, plain};

/// The plan in words, styled. Of a new pool every key is shown, or what is not the default, on one
/// line.
#[must_use]
pub fn text(plan: &Plan, every_key: bool) -> String {
    let mut lines = vec![head(plan)];
    lines.extend(plan.drift.as_ref().map(|drift| {
        format!(
            "{CAUTION}warning:{CAUTION:#} {}\n    {FAINT}{}{FAINT:#}",
            plain(&drift.problem()),
            drift.fix()
        )
    }));
    for (section, changes) in plan.sections() {
        if !changes.is_empty() {
            lines.push(String::new());
            lines.push(format!(
                "  {CAUTION}~{CAUTION:#} {STRONG}[{section}]{STRONG:#}"
            ));
            lines.extend(changes.iter().map(key));
        }
    }
    let mut after_one_line = false;
    for pool in &plan.pools {
        let one_line = pool.change == Kind::Add && !every_key;
        // New pools stand together; what is more than a line has room around it.
        if !(one_line && after_one_line) {
            lines.push(String::new());
        }
        after_one_line = one_line;
        lines.extend(of_pool(pool, one_line));
    }
    if plan.changes_something() {
        lines.push(String::new());
    }
    lines.extend(price(plan));
    lines.extend(plan.vcpus.iter().filter_map(vcpus));
    lines.push(summary(plan));
    lines.join("\n")
}

fn head(plan: &Plan) -> String {
    let mut head = format!("stack {}: ", plan.stack);
    match &plan.active_pools {
        None => head.push_str("no pools file is active yet"),
        Some(version) => {
            let _ = write!(head, "version {}", version.version);
            if let Some(at) = version.applied_at {
                let _ = write!(head, ", applied {at}");
            }
            if let Some(by) = &version.applied_by {
                let _ = write!(head, " by {}", plain(by));
            }
        }
    }
    head
}

fn sign(kind: Kind) -> (char, Style) {
    match kind {
        Kind::Add => ('+', GOOD),
        Kind::Change => ('~', CAUTION),
        Kind::Remove => ('-', BAD),
    }
}

fn of_pool(pool: &PoolPlan, one_line: bool) -> Vec<String> {
    let (sign, style) = sign(pool.change);
    let now = now(&pool.now);
    let now = if now.is_empty() {
        now
    } else {
        format!("  {FAINT}{now}{FAINT:#}")
    };
    let mut lines = vec![format!(
        "  {style}{sign}{style:#} {STRONG}[pools.{}]{STRONG:#}{now}",
        pool.pool
    )];
    if one_line {
        let said = pool
            .keys
            .iter()
            .filter(|change| !is_default(change))
            .filter_map(|change| Some((change.key, change.after.as_ref()?)));
        let said: Vec<String> = said
            .map(|(key, value)| format!("{key} = {}", plain(&toml(value))))
            .collect();
        if let Some(head) = lines.first_mut() {
            *head = format!("{head}  {}", said.join(", "));
        }
    } else if pool.change != Kind::Remove {
        // A removed pool's keys are known; only the effects are shown.
        lines.extend(pool.keys.iter().map(key));
    }
    lines.extend(
        pool.effects
            .iter()
            .map(|effect| format!("      {FAINT}={FAINT:#} {}", plain(effect))),
    );
    lines
}

/// `2 busy, 1 registered, 3 without a job, 4 jobs wait`.
pub(super) fn now(live: &Live) -> String {
    let waiting = format!(
        "{} wait{}",
        counted(live.waiting, "job"),
        if live.waiting == 1 { "s" } else { "" }
    );
    let parts = [
        (live.busy, format!("{} busy", live.busy)),
        (live.registered, format!("{} registered", live.registered)),
        (
            live.unregistered,
            format!("{} without a job", live.unregistered),
        ),
        (live.waiting, waiting),
    ];
    parts
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(_, text)| text)
        .collect::<Vec<_>>()
        .join(", ")
}

fn key(change: &KeyChange) -> String {
    let KeyChange { key, before, after } = change;
    let shown = |value: &Option<serde_json::Value>| value.as_ref().map(|value| plain(&toml(value)));
    let (before, after) = (shown(before), shown(after));
    match (before, after) {
        (None, Some(after)) => format!("      {GOOD}+{GOOD:#} {key} = {after}"),
        (Some(before), None) => format!("      {BAD}-{BAD:#} {key} = {before}"),
        (before, after) => {
            let (before, after) = (before.unwrap_or_default(), after.unwrap_or_default());
            format!("      {CAUTION}~{CAUTION:#} {key} = {before} {FAINT}→{FAINT:#} {after}")
        }
    }
}

/// What the idle floor costs, if there is or was one.
pub(super) fn price(plan: &Plan) -> Option<String> {
    let idle = &plan.idle_a_month;
    let (before, after) = (idle.before_nanodollars, idle.after_nanodollars);
    if (before, after) == (Some(NanoDollars(0)), Some(NanoDollars(0))) {
        return None;
    }
    let shown = |cost: Option<NanoDollars>| cost.map_or_else(|| "unknown".to_owned(), cents);
    let figure = if before == after {
        format!("{} a month, as before", shown(after))
    } else {
        format!("{} → {} a month", shown(before), shown(after))
    };
    let prices = match &idle.no_cost {
        Some(why) => plain(why),
        None => format!("prices of {}", plain(&idle.region)),
    };
    Some(format!(
        "kept waiting (min_idle): {figure} {FAINT}({prices}){FAINT:#}"
    ))
}

/// How many vCPUs would run at `max`, if that changes or is more than the account may run.
pub(super) fn vcpus(vcpus: &VcpuPlan) -> Option<String> {
    let VcpuPlan {
        capacity: of,
        before,
        after,
        allowed,
    } = *vcpus;
    let over = allowed.is_some_and(|allowed| after > u64::from(allowed));
    if before == after && !over {
        return None;
    }
    let may = match allowed {
        Some(allowed) if over => {
            format!(
                "{CAUTION}the account may run {allowed}{CAUTION:#}, so jobs will wait: lower max, or ask for more in Service Quotas"
            )
        }
        Some(allowed) => format!("the account may run {allowed}"),
        None => format!(
            "{FAINT}how many the account may run is unknown: these credentials may not read Service Quotas{FAINT:#}"
        ),
    };
    let figure = if before == after {
        after.to_string()
    } else {
        format!("{before} → {after}")
    };
    Some(format!("vCPUs at max, {}: {figure}; {may}", capacity(of)))
}

/// `$88.04`.
fn cents(cost: NanoDollars) -> String {
    let cents = cost.0.saturating_add(5_000_000) / 10_000_000;
    format!("${}.{:02}", cents / 100, cents % 100)
}

pub(super) fn summary(plan: &Plan) -> String {
    if plan.same {
        return format!("{GOOD}nothing to change{GOOD:#}: this file is already active");
    }
    if !plan.changes_something() {
        return format!("{GOOD}nothing to change{GOOD:#} but comments and layout");
    }
    let sections: String = plan
        .sections()
        .into_iter()
        .filter(|(_, changes)| !changes.is_empty())
        .map(|(section, _)| format!(", [{section}]"))
        .collect();
    let counts = [
        (Kind::Add, "to add"),
        (Kind::Change, "to change"),
        (Kind::Remove, "to remove"),
    ];
    let counts: Vec<String> = counts
        .into_iter()
        .map(|(kind, word)| format!("{} {word}", plan.count(kind)))
        .collect();
    format!("{STRONG}plan:{STRONG:#} {}{sections}", counts.join(", "))
}
