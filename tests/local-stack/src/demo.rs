//! The demo: thirty jobs of every kind through the local stack, watched from the outside, with a
//! table of what became of each.
//!
//! What it says at the end is counted from three sides that know nothing of each other: the GitHub
//! model (what ran), the Fargate stand-in (what was started) and the ledger (what Mayfly believes).

mod command;
mod outcome;
mod participants;
mod progress;
mod table;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::inspect::{Forged, Watch};
use crate::stack::{Places, Stack};
use outcome::{Outcome, Wrong};
use participants::Part;

/// A demo that takes longer has failed: jobs run for seconds, and every wait of the system that it
/// meets is shorter.
const LONGEST: Duration = Duration::from_secs(150);

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Runs the demo against the stack that is up. `true`: nothing was lost, started twice, or left
/// over.
///
/// # Errors
/// If no stack is up, or a part of it does not answer.
pub async fn run() -> Result<bool> {
    let places = Places::of_repository()?;
    let stack = Stack::read(&places)?;
    let watch = Watch::new(&stack)?;
    println!(
        "pools: linux (max 20), small (max 4), arm (max 4), each with its labels, served for organization acme\n"
    );
    let parts = participants::play(&watch).await.context("queue the jobs")?;
    let forged = watch.forge().await.context("send the forged delivery")?;
    let begun = Instant::now();
    let mut progress = progress::Progress::new();
    let outcome = loop {
        let outcome = Outcome::look(&watch, &parts, &forged).await?;
        progress.show(&outcome, begun.elapsed());
        participants::prompt(&watch, &parts).await?;
        if outcome.settled() || begun.elapsed() > LONGEST {
            break outcome;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    progress.end();
    println!("{}", table::table(&outcome));
    explain(&outcome, &forged, &parts);
    let answered = command::ask(&places, &stack, &watch.ledger.snapshot().await?).await?;
    println!("{}", outcome.last_line());
    println!(
        "on AWS add Fargate's start, 45 to 75 s for each runner. To try it yourself: make up, then eval \"$(make -s env)\" and mayfly status"
    );
    Ok(outcome.good() && answered)
}

/// What a reader may wonder about.
fn explain(outcome: &Outcome, forged: &Forged, parts: &[Part]) {
    println!(
        "a delivery with a wrong signature was answered {} and changed {}",
        forged.status,
        if outcome.forgery_seen {
            "the ledger"
        } else {
            "nothing"
        }
    );
    let repeated = parts
        .iter()
        .filter(|part| part.kind == participants::Kind::Repeated)
        .count();
    println!(
        "{repeated} jobs had every delivery sent three times; {} tasks were started for {} jobs that ran",
        outcome.tasks,
        outcome.ran()
    );
    for wrong in &outcome.wrong {
        match wrong {
            Wrong::Lost(job) => println!("lost: job {job} did not end as it should have"),
            Wrong::TooMany(runners) => {
                println!("duplicate: {runners} runners more than jobs began to wait")
            }
            Wrong::Left(what) => println!("left over: {what}"),
        }
    }
    println!();
}
