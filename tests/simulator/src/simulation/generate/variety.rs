//! What stories have besides: how long the world takes, and pools that are another kind of pool.
//! Drawn apart, so that what else a seed tells stays as it is.

use super::chance::Chance;
use crate::simulation::scenario::{Action, PoolSpec, PoolsFile, Scenario, Timing};

/// Makes another seed of a seed.
const APART: u64 = 0x7661_7269_6574_7921;

/// Adds it to a story that was drawn.
pub(super) fn add(seed: u64, scenario: &mut Scenario) {
    let mut chance = Chance::new(seed ^ APART);
    scenario.timing = timing(&mut chance);
    let (size, idle, rerun) = (chance.one_in(6), chance.one_in(6), chance.one_in(4));
    let (size, idle) = (
        if size { chance.count(1, 2) } else { 0 },
        idle.then(|| chance.between(1, 10)),
    );
    let kind = |pool: &mut PoolSpec| {
        (pool.size, pool.idle_timeout, pool.rerun_interrupted) = (size, idle, rerun);
    };
    let files = scenario
        .acts
        .iter_mut()
        .filter_map(|act| match &mut act.action {
            Action::Apply(file) => Some(file),
            _ => None,
        });
    for file in files.chain([&mut scenario.pools]) {
        let PoolsFile { pools, .. } = file;
        pools.iter_mut().for_each(kind);
    }
}

/// How long GitHub takes, how far clocks are apart, how long containers wait.
pub(super) fn timing(chance: &mut Chance) -> Timing {
    let mut timing = Timing::default();
    if chance.percent(50) {
        timing.assign_after = chance.seconds(1, 20);
    }
    if chance.percent(30) {
        timing.lost_after = Some(600.0);
    }
    if chance.percent(40) {
        let most = i64::try_from(chance.pick(&[200_u64, 1_000, 4_000])).unwrap_or_default();
        for who in ["webhook", "scaler", "registrar", "observer", "sweeper"] {
            let by = i64::try_from(chance.between(0, 2 * most.unsigned_abs())).unwrap_or_default()
                - most;
            timing.clocks.insert(who.to_owned(), by);
        }
    }
    timing.waits = chance.percent(50);
    if chance.percent(40) {
        timing.listed_late = chance.seconds(5, 120);
    }
    timing
}
