//! Advice on sizes as tables.

use mayfly_config::pools_file::{cpu_in_words, memory_in_words};
use mayfly_domain::model::price::NanoDollars;
use mayfly_domain::model::right_size::Verdict;

use super::report::{Advice, AdviceReport, TaskSize};
use crate::terminal::screen::{CAUTION, FAINT};
use crate::terminal::table::{Cell, Column, Table};
use crate::terminal::text_format::{counted, difference, dollars};

/// The pools, the jobs that differ from them, and the change of the pools file. `room`: the
/// terminal's width.
#[must_use]
pub fn text(report: &AdviceReport, room: Option<usize>) -> String {
    let mut lines = vec![table(&report.pools, Column::new("POOL").cuts(8), room)];
    if report.pools.iter().all(|pool| pool.evidence.runs == 0) {
        lines.push(format!(
            "{CAUTION}no run of a pool's current size has reported what it used: there is nothing to propose from{CAUTION:#}"
        ));
    }
    if !report.jobs.is_empty() {
        lines.push(
            "\nJobs near their memory, or that need another size than their pool:".to_owned(),
        );
        lines.push(table(&report.jobs, Column::new("JOB").cuts_front(16), room));
    }
    if let Some(diff) = &report.diff {
        lines.push(
            "\nThe change of the pools file (mayfly advise --diff | patch pools.toml):".to_owned(),
        );
        lines.push(diff.trim_end().to_owned());
    }
    if report.no_diff {
        lines.push(format!(
            "{CAUTION}the pools file gives these pools no cpu and memory on lines of their own: change them by hand{CAUTION:#}"
        ));
    }
    if let Some(cut) = report.cut_at {
        lines.push(format!(
            "{CAUTION}too many ended for one report: nothing after {cut} is included; pass a shorter --since{CAUTION:#}"
        ));
    }
    lines.push(format!(
        "{FAINT}{} read; proposals need {} of the current size (--min-runs); money: the same runs, had they taken as long{FAINT:#}",
        counted(report.records_read, "record"),
        counted(report.least_runs, "run")
    ));
    lines.join("\n")
}

fn table(advice: &[Advice], what: Column, room: Option<usize>) -> String {
    let mut table = Table::new([
        what,
        Column::new("RUNS"),
        Column::new("SIZE").hides(1),
        Column::new("MEMORY P95").hides(2),
        Column::new("MEMORY MAX"),
        Column::new("CPU P95"),
        Column::new("KILLED").hides(3),
        Column::new("ADVICE"),
        Column::new("SAVES"),
    ]);
    for one in advice {
        table.row(cells(one));
    }
    table.fitted(room)
}

fn cells(one: &Advice) -> [Cell; 9] {
    let what = one.job.as_deref().unwrap_or(one.pool.as_str());
    let evidence = &one.evidence;
    let known = evidence.memory_max_mib > 0;
    let figure = |text: String| match known {
        true => Cell::number(text),
        false => Cell::number("-"),
    };
    let vcpus = f64::from(evidence.vcpu_p95_thousandths) / 1000.0;
    let memory = |mib: u32| format!("{mib} MiB");
    [
        what.into(),
        Cell::number(evidence.runs),
        size(one.size).as_str().into(),
        figure(memory(evidence.memory_p95_mib)),
        figure(memory(evidence.memory_max_mib)),
        figure(format!("{vcpus:.2}")),
        Cell::number(evidence.killed),
        words(one).as_str().into(),
        saves(one),
    ]
}

/// `2 vCPU, 8 GiB`.
fn size(size: TaskSize) -> String {
    format!(
        "{} vCPU, {}",
        cpu_in_words(size.cpu),
        memory_in_words(size.memory_mib)
    )
}

fn words(one: &Advice) -> String {
    let proposed = one.proposed().map(size).unwrap_or_default();
    match one.verdict {
        Verdict::TooFewRuns if one.near_memory_limit => "near its memory; too few runs".to_owned(),
        Verdict::TooFewRuns => "too few runs".to_owned(),
        Verdict::Right => "as it is".to_owned(),
        Verdict::Smaller { .. } => format!("smaller: {proposed}"),
        Verdict::Larger { .. } => format!("larger: {proposed}"),
        Verdict::Largest => "out of memory in Fargate's largest size".to_owned(),
    }
}

/// Money, and its share of what the runs cost.
fn saves(one: &Advice) -> Cell {
    let Some(money) = one.money else {
        return Cell::number("-");
    };
    let cost = money.cost_nanodollars;
    let text = difference(money.saved_nanodollars);
    if cost == NanoDollars(0) {
        return Cell::number(text);
    }
    Cell::number(format!("{text} of {}", dollars(cost)))
}
