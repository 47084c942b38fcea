//! Which of Fargate's sizes runs need, by what their containers used.
//!
//! Memory that is too small kills a job, and one that is larger than needed costs money. So memory goes
//! by the most that any run had, with room above it, and processors by what nineteen of twenty runs
//! had at most.

use std::time::Duration;

use serde::Serialize;

use crate::model::size::{Size, fargate_cpus, nearest_fargate};
use crate::model::usage::Usage;

/// Fewer runs than this say too little: one in twenty is beyond a p95, so a p95 of fewer is the largest
/// of them.
pub const LEAST_RUNS: usize = 20;

/// From this share of the task's memory on, in percent, a run was near its limit.
const NEAR_LIMIT: u64 = 90;

/// Memory is proposed with so much more than the most that was seen, in percent: it is looked at
/// every ten seconds, and what comes and goes in between is not seen.
const ROOM: u64 = 25;

/// What a task without room gets more, in percent: how much it would have used is not known.
const MORE: u64 = 50;

/// A smaller number of vCPUs is proposed where runs keep at most this share of it busy, in percent.
/// The use is an average over the whole run, which phases that use all there is are part of.
const BUSY: u64 = 50;

/// CPU units in a vCPU, and thousandths of one.
const UNITS: u64 = 1024;
const WHOLE: u64 = 1000;

/// One run of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// What its container used, if it reported that.
    pub usage: Option<Usage>,
    /// How long its container ran.
    pub ran: Duration,
    /// Its container was killed for want of memory.
    pub out_of_memory: bool,
}

impl Run {
    /// True if it, or a process in it, was killed for want of memory.
    #[must_use]
    pub fn was_killed(&self) -> bool {
        self.out_of_memory || self.usage.is_some_and(|usage| usage.memory_kills > 0)
    }
}

/// What runs of one size used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Runs that reported what they used, or were killed for want of memory: one that was killed as a
    /// whole reports nothing, and says as much.
    pub runs: usize,
    /// Those of them that were killed for want of memory, in whole or in part.
    pub killed: usize,
    /// Memory that 95 of 100 runs had at most, in MiB.
    pub memory_p95_mib: u32,
    /// The most memory that any run had, in MiB.
    pub memory_max_mib: u32,
    /// vCPUs that 95 of 100 runs kept busy at most, on average over the run, in thousandths.
    pub vcpu_p95_thousandths: u32,
}

/// What that says of the size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "proposed")]
pub enum Verdict {
    /// Too few runs have reported.
    TooFewRuns,
    /// It is right.
    Right,
    /// A smaller one is enough.
    Smaller {
        /// CPU units.
        cpu: u32,
        /// MiB.
        memory_mib: u32,
    },
    /// Its memory is too small.
    Larger {
        /// CPU units.
        cpu: u32,
        /// MiB.
        memory_mib: u32,
    },
    /// Its memory is too small, and Fargate has no larger size.
    Largest,
}

impl Verdict {
    /// The size that it proposes.
    #[must_use]
    pub fn proposed(self, size: Size) -> Option<Size> {
        match self {
            Self::Smaller { cpu, memory_mib } | Self::Larger { cpu, memory_mib } => Some(Size {
                cpu,
                memory_mib,
                ..size
            }),
            Self::TooFewRuns | Self::Right | Self::Largest => None,
        }
    }
}

impl Evidence {
    /// Of these runs.
    #[must_use]
    pub fn of<'a>(runs: impl IntoIterator<Item = &'a Run>) -> Self {
        let (mut memory, mut vcpus) = (Vec::new(), Vec::new());
        let (mut counted, mut killed) = (0, 0);
        for run in runs {
            counted += usize::from(run.usage.is_some() || run.was_killed());
            killed += usize::from(run.was_killed());
            if let Some(usage) = run.usage {
                memory.push(usage.memory_peak_mib);
                vcpus.push(busy(usage.cpu_seconds, run.ran));
            }
        }
        Self {
            runs: counted,
            killed,
            memory_max_mib: memory.iter().max().copied().unwrap_or_default(),
            memory_p95_mib: p95(memory),
            vcpu_p95_thousandths: p95(vcpus),
        }
    }

    /// True if runs of this size came near its memory, or were killed for want of it.
    #[must_use]
    pub fn is_near_limit(&self, size: Size) -> bool {
        self.killed > 0
            || u64::from(self.memory_max_mib) * 100 >= u64::from(size.memory_mib) * NEAR_LIMIT
    }

    /// What they say of their size, if they are so many at least.
    #[must_use]
    pub fn verdict(&self, size: Size, least_runs: usize) -> Verdict {
        if self.runs < least_runs.max(1) {
            return Verdict::TooFewRuns;
        }
        if self.is_near_limit(size) {
            let (cpu, memory_mib) = nearest_fargate(size.cpu, more(size.memory_mib, MORE));
            return if memory_mib > size.memory_mib {
                Verdict::Larger { cpu, memory_mib }
            } else {
                Verdict::Largest
            };
        }
        let enough = |units: &u32| {
            u64::from(self.vcpu_p95_thousandths) * UNITS * 100 <= u64::from(*units) * WHOLE * BUSY
        };
        let cpu = fargate_cpus()
            .find(|units| *units < size.cpu && enough(units))
            .unwrap_or(size.cpu);
        let (cpu, memory_mib) = nearest_fargate(cpu, more(self.memory_max_mib, ROOM));
        let smaller = cpu <= size.cpu && memory_mib <= size.memory_mib;
        if smaller && (cpu, memory_mib) != (size.cpu, size.memory_mib) {
            Verdict::Smaller { cpu, memory_mib }
        } else {
            Verdict::Right
        }
    }
}

/// So many percent more.
fn more(mib: u32, percent: u64) -> u32 {
    let more = (u64::from(mib) * (100 + percent)).div_ceil(100);
    u32::try_from(more).unwrap_or(u32::MAX)
}

/// vCPUs that were busy on average, in thousandths, rounded up.
fn busy(cpu_seconds: u32, ran: Duration) -> u32 {
    let seconds = ran.as_secs().max(1);
    let thousandths = (u64::from(cpu_seconds) * WHOLE).div_ceil(seconds);
    u32::try_from(thousandths).unwrap_or(u32::MAX)
}

/// The smallest of these numbers that 95 of 100 do not exceed (nearest rank); 0 of none.
fn p95(mut numbers: Vec<u32>) -> u32 {
    numbers.sort_unstable();
    let rank = (numbers.len() * 95).div_ceil(100);
    rank.checked_sub(1)
        .and_then(|place| numbers.get(place).copied())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::size::{Architecture, Capacity, fargate_has};

    /// 2 vCPUs and 8 GiB.
    const SIZE: Size = Size {
        cpu: 2048,
        memory_mib: 8192,
        disk_gib: 20,
        architecture: Architecture::X64,
        capacity: Capacity::OnDemand,
    };

    /// A run of a hundred seconds.
    fn run(memory_peak_mib: u32, cpu_seconds: u32) -> Run {
        Run {
            usage: Some(Usage {
                memory_peak_mib,
                cpu_seconds,
                memory_kills: 0,
            }),
            ran: Duration::from_secs(100),
            out_of_memory: false,
        }
    }

    fn verdict(runs: &[Run]) -> Verdict {
        Evidence::of(runs).verdict(SIZE, LEAST_RUNS)
    }

    #[test]
    fn the_p95_is_what_one_run_in_twenty_exceeds() {
        assert_eq!(p95(vec![]), 0);
        assert_eq!(p95(vec![7]), 7);
        assert_eq!(p95((1..=20).rev().collect()), 19);
        assert_eq!(p95((1..=100).collect()), 95);
    }

    #[test]
    fn too_few_runs_propose_nothing() {
        assert_eq!(verdict(&[]), Verdict::TooFewRuns);
        assert_eq!(verdict(&[run(100, 1); 19]), Verdict::TooFewRuns);
        assert_ne!(verdict(&[run(100, 1); 20]), Verdict::TooFewRuns);
        let silent = Run {
            usage: None,
            ..run(0, 0)
        };
        assert_eq!(verdict(&[silent; 50]), Verdict::TooFewRuns);
        let killed = Run {
            out_of_memory: true,
            ..run(100, 1)
        };
        assert_eq!(
            verdict(&[killed; 19]),
            Verdict::TooFewRuns,
            "killed and reported is one run"
        );
        assert_eq!(Evidence::default().verdict(SIZE, 0), Verdict::TooFewRuns);
    }

    #[test]
    fn memory_goes_by_the_most_that_was_seen_and_processors_by_nearly_all_runs() {
        // 2,400 MiB and a quarter are 3,000. 0.5 vCPU has 1 to 4 GiB.
        let mut runs = vec![run(500, 20); 99];
        runs.push(run(2_400, 190));
        let smaller = Verdict::Smaller {
            cpu: 512,
            memory_mib: 3_072,
        };
        assert_eq!(verdict(&runs), smaller);
        assert_eq!(
            verdict(&[run(3_000, 90); 20]),
            Verdict::Smaller {
                cpu: 2048,
                memory_mib: 4_096
            },
            "0.9 of 2 vCPUs busy: all of them are needed at times"
        );
        assert_eq!(
            verdict(&[run(100, 1); 20]),
            Verdict::Smaller {
                cpu: 256,
                memory_mib: 512
            }
        );
        assert_eq!(verdict(&[run(7_000, 150); 20]), Verdict::Right);
    }

    #[test]
    fn runs_near_their_memory_or_killed_for_it_need_more() {
        let larger = Verdict::Larger {
            cpu: 2048,
            memory_mib: 12_288,
        };
        let mut near = vec![run(500, 20); 99];
        near.push(run(7_373, 20));
        assert_eq!(verdict(&near), larger);
        near[99] = run(7_372, 20);
        assert_eq!(verdict(&near), Verdict::Right, "89.99 percent");
        let killed = Run {
            usage: None,
            out_of_memory: true,
            ..run(0, 0)
        };
        near[99] = killed;
        assert_eq!(verdict(&near), larger);
        near[99] = run(500, 20);
        near[99].usage.as_mut().unwrap().memory_kills = 1;
        assert_eq!(verdict(&near), larger);
        assert_eq!(verdict(&[killed; 20]), larger);
        let most = Size {
            cpu: 16_384,
            memory_mib: 122_880,
            ..SIZE
        };
        let full = Evidence::of(&[run(122_880, 1); 20]);
        assert_eq!(full.verdict(most, LEAST_RUNS), Verdict::Largest);
    }

    proptest! {
        #[test]
        fn what_is_proposed_exists_and_has_room_for_every_run(
            runs in prop::collection::vec((1u32..130_000, 0u32..2_000, 1u64..10_000, any::<bool>()), 0..40),
            size in prop::sample::select(vec![(256, 512), (256, 2048), (1024, 2048), (2048, 16_384), (4096, 30_720), (16_384, 122_880)]),
        ) {
            let size = Size { cpu: size.0, memory_mib: size.1, ..SIZE };
            let runs: Vec<Run> = runs
                .into_iter()
                .map(|(memory, cpu, ran, killed)| Run {
                    ran: Duration::from_secs(ran),
                    out_of_memory: killed && memory > size.memory_mib / 2,
                    ..run(memory.min(size.memory_mib), cpu)
                })
                .collect();
            let evidence = Evidence::of(&runs);
            let verdict = evidence.verdict(size, LEAST_RUNS);
            if let Some(proposed) = verdict.proposed(size) {
                prop_assert!(fargate_has(proposed.cpu, proposed.memory_mib));
                prop_assert!(proposed.memory_mib > evidence.memory_max_mib);
                prop_assert!(runs.len() >= LEAST_RUNS);
                let larger = matches!(verdict, Verdict::Larger { .. });
                prop_assert_eq!(proposed.memory_mib > size.memory_mib, larger);
                prop_assert_eq!(larger, evidence.is_near_limit(size));
                prop_assert!(larger || proposed.cpu <= size.cpu);
            }
        }
    }
}
