//! Makes a failing scenario smaller, for as long as it fails the same promise.

use std::time::{Duration, Instant};

use super::recorder::Keep;
use super::scenario::{Action, FaultProfile, NthCallFault, PlatformSpec, PoolsFile, Scenario};
use super::story_run::{RunResult, run_story};
use super::violation::Invariant;
use mayfly_github_model::faults::{ApiFaults, DeliveryFaults, Faults};

/// The smallest that was found.
#[derive(Debug)]
pub struct Shrunk {
    /// The scenario.
    pub scenario: Scenario,
    /// Its story, with the trace.
    pub told: RunResult,
    /// How many were tried.
    pub tries: u32,
}

struct Shrinker<'a> {
    fails: &'a dyn Fn(&Scenario) -> bool,
    until: Instant,
    tries: u32,
    best: Scenario,
}

/// Shrinks a scenario that broke a promise. `told` is its story: the calls that were struck in it.
#[must_use]
pub fn shrink(
    scenario: &Scenario,
    told: &RunResult,
    invariant: Invariant,
    within: Duration,
) -> Shrunk {
    let fails = |candidate: &Scenario| {
        run_story(candidate, Keep::default()).is_ok_and(|told| {
            told.violations
                .iter()
                .any(|violation| violation.invariant == invariant)
        })
    };
    let (scenario, tries) = smallest(scenario, &told.strikes, &fails, within);
    let told = run_story(
        &scenario,
        Keep {
            trace: true,
            hash: false,
        },
    )
    .unwrap_or_else(|problem| RunResult::empty(format!("{problem:#}")));
    Shrunk {
        scenario,
        told,
        tries,
    }
}

/// The smallest scenario that still `fails`, and how many were tried.
#[must_use]
pub fn smallest(
    scenario: &Scenario,
    strikes: &[NthCallFault],
    fails: &dyn Fn(&Scenario) -> bool,
    within: Duration,
) -> (Scenario, u32) {
    let mut shrinker = Shrinker {
        fails,
        until: Instant::now() + within,
        tries: 0,
        best: scenario.clone(),
    };
    // Calls by their names instead of by chance: then one can be left out without changing the fate
    // of the others.
    let mut named = scenario.clone();
    named.faults.rates.clear();
    named.faults.calls = strikes.to_vec();
    shrinker.attempt(named);
    loop {
        let before = shrinker.best.clone();
        shrinker.all_trouble();
        shrinker.acts();
        shrinker.strikes();
        shrinker.counts();
        shrinker.pools();
        shrinker.times();
        if shrinker.best == before || shrinker.is_over() {
            return (shrinker.best, shrinker.tries);
        }
    }
}

impl Shrinker<'_> {
    fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    /// Takes the candidate if it fails, too.
    fn attempt(&mut self, candidate: Scenario) -> bool {
        if self.is_over() || candidate == self.best {
            return false;
        }
        self.tries += 1;
        let fails = (self.fails)(&candidate);
        if fails {
            self.best = candidate;
        }
        fails
    }

    fn with(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        self.attempt(candidate)
    }

    /// Whole kinds of trouble.
    fn all_trouble(&mut self) {
        if self.with(|scenario| scenario.faults = FaultProfile::default()) {
            return;
        }
        self.with(|scenario| scenario.faults.rates.clear());
        self.with(|scenario| scenario.faults.calls.clear());
        self.with(|scenario| scenario.faults.github = Faults::default());
        self.with(|scenario| scenario.faults.github.api = ApiFaults::default());
        self.with(|scenario| scenario.faults.github.deliveries = DeliveryFaults::default());
        self.with(|scenario| scenario.faults.github.stolen = 0.0);
        self.with(|scenario| scenario.faults.github.too_old = 0.0);
        self.with(|scenario| scenario.faults.github.forgets_idle_after = 0.0);
        self.with(|scenario| scenario.faults.platform = PlatformSpec::default());
        self.with(|scenario| scenario.faults.ecs.clear());
        for index in (0..self.best.faults.ecs.len()).rev() {
            self.with(|scenario| {
                scenario.faults.ecs.remove(index);
            });
        }
        for index in (0..self.best.faults.rates.len()).rev() {
            self.with(|scenario| {
                scenario.faults.rates.remove(index);
            });
        }
    }

    /// Fewer acts: halves first, then quarters, down to single ones.
    fn acts(&mut self) {
        self.fewer(|scenario| &mut scenario.acts);
    }

    /// Fewer struck calls, the same way.
    fn strikes(&mut self) {
        self.fewer(|scenario| &mut scenario.faults.calls);
    }

    fn fewer<T: Clone>(&mut self, list: fn(&mut Scenario) -> &mut Vec<T>) {
        let mut size = list(&mut self.best).len().div_ceil(2);
        while size > 0 && !self.is_over() {
            let mut from = 0;
            while from < list(&mut self.best).len() {
                let end = (from + size).min(list(&mut self.best).len());
                let left_out = self.with(|scenario| {
                    list(scenario).drain(from..end);
                });
                if !left_out {
                    from += size;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2) };
        }
    }

    /// Fewer jobs in each batch.
    fn counts(&mut self) {
        for index in 0..self.best.acts.len() {
            while let Some(count) = self.count_of(index) {
                let fewer = [1, count / 2, count - 1]
                    .into_iter()
                    .filter(|fewer| (1..count).contains(fewer));
                let smaller = fewer
                    .collect::<Vec<_>>()
                    .into_iter()
                    .any(|fewer| self.with(|scenario| set_count(scenario, index, fewer)));
                if !smaller {
                    break;
                }
            }
        }
    }

    /// How many jobs an act queues, if it does.
    fn count_of(&self, index: usize) -> Option<u32> {
        match &self.best.acts.get(index)?.action {
            Action::Queue(batch) => Some(batch.count),
            _ => None,
        }
    }

    /// Fewer pools, and plainer ones.
    fn pools(&mut self) {
        let names: Vec<String> = self
            .best
            .files()
            .flat_map(|file| &file.pools)
            .map(|pool| pool.name.clone())
            .collect();
        for name in names {
            self.in_files(|file| file.pools.retain(|pool| pool.name != name));
        }
        self.in_files(|file| file.pools.iter_mut().for_each(|pool| pool.min_idle = 0));
        self.in_files(|file| {
            file.pools
                .iter_mut()
                .for_each(|pool| pool.max_per_repository = None)
        });
        self.in_files(|file| {
            file.pools
                .iter_mut()
                .for_each(|pool| pool.repositories.clear())
        });
        self.in_files(|file| file.pools.iter_mut().for_each(|pool| pool.spot = false));
        self.in_files(|file| file.pools.iter_mut().for_each(|pool| pool.role = false));
        self.in_files(|file| file.pools.iter_mut().for_each(|pool| pool.group = None));
    }

    fn in_files(&mut self, change: impl Fn(&mut PoolsFile)) {
        self.with(|scenario| {
            change(&mut scenario.pools);
            for act in &mut scenario.acts {
                if let Action::Apply(file) = &mut act.action {
                    change(file);
                }
            }
            if scenario.files().any(|file| file.pools.is_empty()) {
                scenario.acts.clear();
            }
        });
    }

    /// Shorter jobs, an earlier calm.
    fn times(&mut self) {
        for index in 0..self.best.acts.len() {
            self.with(|scenario| {
                if let Some(Action::Queue(batch)) =
                    scenario.acts.get_mut(index).map(|act| &mut act.action)
                {
                    batch.seconds = batch.seconds.min(20.0);
                }
            });
        }
        let last = self.best.acts.iter().map(|act| act.at).fold(0.0, f64::max);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "seconds of some hours"
        )]
        let last = last as u64;
        self.with(|scenario| scenario.calm_at = last + 60);
        self.with(|scenario| scenario.logs = false);
        self.with(|scenario| scenario.page = None);
        self.with(|scenario| scenario.lingers = 0);
    }
}

fn set_count(scenario: &mut Scenario, index: usize, count: u32) {
    if let Some(Action::Queue(batch)) = scenario.acts.get_mut(index).map(|act| &mut act.action) {
        batch.count = count;
    }
}
