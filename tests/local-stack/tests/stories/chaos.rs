//! Chaos on the wire: while some forty jobs go through the deployed stack, everything that may die
//! is killed, everything that may get lost is lost, and GitHub and ECS answer as badly as they can.
//! Then it stops, and all of it must come right by itself.
//!
//! The seed decides which jobs there are and what is killed when; how the processes of this machine
//! interleave it cannot decide, so a seed is a scenario, not a trace. `MAYFLY_CHAOS_SEED=<n>` takes
//! another one. The simulation has the same faults under full control.

mod account;
mod faults;
mod fixture;
mod killer;
mod participants;
mod sweeps;
mod tasks;
mod verdict;

use std::time::{Duration, Instant};

use fastrand::Rng;

use crate::settled::Stage;
use account::Account;
use fixture::Fixture;

/// The seed of every run that names none, CI's among them.
const SEED: u64 = 1;

/// How long functions and tasks are killed. Most of what follows is waiting for the lease of the
/// sweeper that was killed first.
const STORM: Duration = Duration::from_secs(32);

/// From the end of all faults until nothing is left to do. What a runner left at GitHub is taken
/// away 2 minutes after its end, a runner that registered for a job that was over first waits a
/// minute for another, and a delivery that failed twice is asked for again a minute later.
const SETTLES_WITHIN: Duration = Duration::from_secs(240);

/// Every function is killed at work, deliveries are lost, doubled and shuffled, GitHub and ECS
/// fail, containers die. When that is over, every job has ended as it should have, nothing is left
/// anywhere, and no bound was passed meanwhile.
#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn whatever_dies_or_gets_lost_every_job_ends_as_it_should_and_nothing_is_left() {
    let stage = Stage::enter().await;
    let mut rng = Rng::with_seed(seed());
    let fixture = Fixture::set(&stage);
    let file = stage.pools().await;
    stage
        .put_pools(&format!("{file}\n[defaults]\nidle_timeout = \"1m\"\n"))
        .await;
    // Every function begins cold, and reads this pools file.
    fixture.kill_all_functions();
    let begun = Instant::now();
    let sweeping = rng.fork();
    let (sweeps, samples) = (sweeps::Sweeps::default(), verdict::Samples::default());
    let acts = async {
        let mut sky = faults::Weather::begin(&fixture, &mut rng).await;
        let (mut casting, mut killing, mut reaping, mut gusts) =
            (rng.fork(), rng.fork(), rng.fork(), rng.fork());
        let (parts, kills, reaped, ()) = tokio::join!(
            participants::play(&fixture, &mut casting),
            killer::kill_functions(&fixture, &mut killing, STORM),
            tasks::kill_tasks(&fixture, &mut reaping, STORM),
            sky.inject(&fixture, &mut gusts),
        );
        sweeps.whole_one().await;
        let struck = sky.end(&fixture).await;
        let calm = Instant::now();
        let settled = verdict::settle(&fixture, &parts, SETTLES_WITHIN).await;
        Account {
            seed: seed(),
            parts,
            kills,
            reaped,
            struck,
            storm: calm - begun,
            calm: calm.elapsed(),
            settled,
        }
    };
    let account = tokio::select! {
        account = acts => account,
        never = sweeps.go_on(&fixture, sweeping) => match never {},
        never = samples.take(&fixture) => match never {},
    };
    let wrong = verdict::wrong(&fixture, &account, &samples).await;
    account.print(&fixture, &sweeps, &samples).await;
    stage.put_pools(&file).await;
    fixture.kill_all_functions();
    assert!(wrong.is_empty(), "seed {}: {wrong:#?}", account.seed);
}

fn seed() -> u64 {
    std::env::var("MAYFLY_CHAOS_SEED").map_or(SEED, |text| {
        text.parse().expect("MAYFLY_CHAOS_SEED is a number")
    })
}
