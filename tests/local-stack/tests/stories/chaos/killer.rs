//! Functions that die at work.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fastrand::Rng;
use mayfly_local_stack::stack::FunctionProcess;

use super::fixture::Fixture;

/// Who is killed, how often among ten kills, and until when. A wake whose scaler died comes back
/// after the queue's visibility timeout of 25 s, and its pool is not planned before that: scaler is
/// left alone at the end, or nothing would be planned for most of the story.
const VICTIMS: [(&str, usize, Duration); 4] = [
    ("webhook", 2, Duration::MAX),
    ("registrar", 3, Duration::MAX),
    ("observer", 3, Duration::MAX),
    ("scaler", 2, Duration::from_secs(20)),
];

/// How long a function is watched for. If it does nothing meanwhile, another may be chosen, or one
/// of its idle processes dies.
const PATIENCE: Duration = Duration::from_millis(400);

/// One in so many of those that were found idle dies all the same: the next invocation then begins
/// cold.
const IDLE: usize = 4;

/// An invocation takes some 3 to 30 ms: it dies anywhere between its first read and its answer.
const INTO_ITS_WORK: Duration = Duration::from_millis(8);

/// The longest pause between two kills.
const PAUSE: Duration = Duration::from_millis(500);

/// The time after the storm within which every function must have been hit once.
const OVERTIME: Duration = Duration::from_secs(15);

/// Kills by function: all of them, and those that were seen at work.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Kills {
    pub(super) all: usize,
    pub(super) at_work: usize,
}

/// Kills functions until the storm is over and each was hit at work at least once, by the
/// emulator's own account.
pub(super) async fn kill_functions(
    fixture: &Fixture<'_>,
    rng: &mut Rng,
    storm: Duration,
) -> BTreeMap<&'static str, Kills> {
    let mut kills: BTreeMap<&str, Kills> = BTreeMap::new();
    while fixture.begun.elapsed() < storm + OVERTIME {
        let spared = spared(fixture);
        let over = fixture.begun.elapsed() > storm;
        if over && spared.is_empty() {
            break;
        }
        let victim = if over {
            spared[rng.usize(..spared.len())]
        } else {
            choose(rng, fixture.begun.elapsed())
        };
        if let Some(at_work) = kill(fixture, rng, victim).await {
            let count = kills.entry(victim).or_default();
            count.all += 1;
            count.at_work += usize::from(at_work);
            tokio::time::sleep(PAUSE.mul_f64(rng.f64())).await;
        }
    }
    kills
}

/// Those that no kill has hit so far.
fn spared(fixture: &Fixture<'_>) -> Vec<&'static str> {
    let lost = fixture
        .log
        .lost_invocations(&fixture.places, &fixture.stage.stack)
        .unwrap();
    VICTIMS
        .iter()
        .map(|(victim, ..)| *victim)
        .filter(|victim| lost.get(*victim).is_none_or(|lost| *lost == 0))
        .collect()
}

fn choose(rng: &mut Rng, elapsed: Duration) -> &'static str {
    let fair = VICTIMS.iter().filter(|(_, _, until)| elapsed < *until);
    let lots: Vec<&str> = fair
        .flat_map(|(victim, share, _)| std::iter::repeat_n(*victim, *share))
        .collect();
    lots[rng.usize(..lots.len())]
}

/// Kills one process of a function, at work if one works soon: true; else, now and then, an idle
/// one: false.
async fn kill(fixture: &Fixture<'_>, rng: &mut Rng, function: &str) -> Option<bool> {
    if let Some(process) = at_work(fixture, function, PATIENCE).await {
        tokio::time::sleep(INTO_ITS_WORK.mul_f64(rng.f64())).await;
        return process.kill().then_some(true);
    }
    if rng.usize(..IDLE) > 0 {
        return None;
    }
    let idle = fixture.processes(Some(function));
    idle.get(rng.usize(..idle.len().max(1)))
        .filter(|process| process.kill())
        .map(|_| false)
}

/// A process of the function that works now.
pub(super) async fn at_work(
    fixture: &Fixture<'_>,
    function: &str,
    patience: Duration,
) -> Option<FunctionProcess> {
    let begun = Instant::now();
    while begun.elapsed() < patience {
        // Looked up again and again: new ones come with every burst.
        let processes = fixture.processes(Some(function));
        let before: Vec<_> = processes.iter().map(FunctionProcess::waits).collect();
        for _ in 0..40 {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let working = processes.iter().zip(&before).position(|(process, before)| {
                process.waits().is_some_and(|now| Some(now) != *before)
            });
            if let Some(working) = working {
                return processes.into_iter().nth(working);
            }
        }
    }
    None
}
