//! Many seeds on all cores: progress, what fails, the summary.

use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::figures::Figures;
use super::generate::scenario;
use super::options::{Options, USAGE, What};
use super::recorder::Keep;
use super::report::summary;
use super::scenario::Scenario;
use super::shrink::{Shrunk, shrink};
use super::story_run::{RunResult, run_story};
use super::trace;
use super::violation::{Invariant, Violation};

/// Every so many seeds one story is told twice.
const TWICE: u64 = 25;

/// Most failing seeds that are shrunk and shown at length.
const MOST_SHOWN: usize = 3;

/// How long one seed is shrunk at most.
const SHRINKS_FOR: Duration = Duration::from_secs(60);

/// Stories need some room: a future of the SDK is large, and many nest.
const STACK: usize = 16 * 1024 * 1024;

/// What one seed came to.
struct Outcome {
    seed: u64,
    told: anyhow::Result<RunResult>,
}

/// The program.
pub fn main(args: impl IntoIterator<Item = String>) -> ExitCode {
    match Options::read(args).and_then(|options| run(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("simulate: {problem:#}");
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> anyhow::Result<bool> {
    match &options.what {
        What::Help => {
            println!("{USAGE}");
            Ok(true)
        }
        What::Print(seed) => {
            println!(
                "{}",
                serde_json::to_string_pretty(&scenario(*seed, options.profile))?
            );
            Ok(true)
        }
        What::Scenario(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("read {}", file.display()))?;
            one(
                &serde_json::from_str(&text)
                    .with_context(|| format!("understand {}", file.display()))?,
                options,
            )
        }
        What::Seeds => seeds(options),
        What::Waste => super::workloads::waste(),
        What::Storm => super::workloads::storm(),
    }
}

/// Runs something on a thread with room enough.
pub(super) fn with_room<T: Send>(run: impl FnOnce() -> T + Send) -> anyhow::Result<T> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn_scoped(scope, run)?;
        thread
            .join()
            .map_err(|_| anyhow::anyhow!("the story's thread panicked"))
    })
}

/// One story from a file.
fn one(scenario: &Scenario, options: &Options) -> anyhow::Result<bool> {
    let told = with_room(|| {
        run_story(
            scenario,
            Keep {
                trace: true,
                hash: true,
            },
        )
    })??;
    if options.trace {
        print!("{}", trace::whole(&told));
    }
    for violation in &told.violations {
        println!("{violation}");
    }
    if let Some(violation) = told.violations.first().filter(|_| !options.trace) {
        print!("{}", trace::around(&told, violation));
    }
    println!(
        "{} jobs, {} violations, trace {:016x}",
        told.figures.all_jobs(),
        told.violations.len(),
        told.hash.unwrap_or_default()
    );
    Ok(told.violations.is_empty())
}

fn seeds(options: &Options) -> anyhow::Result<bool> {
    let began = Instant::now();
    let mut figures = Figures::default();
    let mut failed: Vec<(u64, Vec<Violation>)> = Vec::new();
    let runs = options.runs(
        std::time::UNIX_EPOCH
            .elapsed()
            .unwrap_or_default()
            .as_secs(),
    );
    if let [_, (first, count)] = runs[..] {
        println!(
            "{count} fresh seeds: {} tells them again",
            options.again(first, count)
        );
    }
    let seeds: Vec<u64> = runs
        .iter()
        .flat_map(|(first, count)| *first..first.saturating_add(*count))
        .collect();
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    std::thread::scope(|scope| -> anyhow::Result<()> {
        for _ in 0..options.threads {
            let (sender, next, seeds) = (sender.clone(), &next, &seeds);
            let work = move || {
                loop {
                    let Some(seed) = seeds.get(next.fetch_add(1, Ordering::Relaxed)).copied()
                    else {
                        return;
                    };
                    if sender
                        .send(Outcome {
                            seed,
                            told: tell_seed(seed, options),
                        })
                        .is_err()
                    {
                        return;
                    }
                }
            };
            std::thread::Builder::new()
                .stack_size(STACK)
                .spawn_scoped(scope, work)?;
        }
        drop(sender);
        let mut progress = Progress::new(u64::try_from(seeds.len())?);
        for Outcome { seed, told } in outcomes {
            let told = told.with_context(|| format!("seed {seed}"))?;
            figures.add(&told.figures);
            progress.another(&figures, !told.violations.is_empty());
            if options.trace_hash {
                println!("seed {seed} trace {:016x}", told.hash.unwrap_or_default());
            }
            if let Some(first) = told.violations.first() {
                progress.line(&format!(
                    "seed {seed}: {} violations, the first: {first}",
                    told.violations.len()
                ));
                failed.push((seed, told.violations));
            }
        }
        progress.end();
        Ok(())
    })?;
    failed.sort_by_key(|(seed, _)| *seed);
    let took = began.elapsed();
    show(&failed, options)?;
    print!("{}", summary(&figures));
    if options.json {
        println!("{}", super::report::json(&figures));
    }
    #[expect(clippy::cast_precision_loss, reason = "a speed")]
    let speed = |count: u64| count as f64 / took.as_secs_f64();
    println!(
        "\n{:.1} s: {:.1} seeds and {:.0} jobs a second",
        took.as_secs_f64(),
        speed(figures.seeds),
        speed(figures.all_jobs())
    );
    println!(
        "{} passed, {} failed",
        figures.seeds - u64::try_from(failed.len())?,
        failed.len()
    );
    Ok(failed.is_empty())
}

/// One seed; now and then twice, to see that it tells the same story.
fn tell_seed(seed: u64, options: &Options) -> anyhow::Result<RunResult> {
    let scenario = scenario(seed, options.profile);
    let twice = seed.is_multiple_of(TWICE);
    let keep = Keep {
        trace: false,
        hash: options.trace_hash || twice,
    };
    let mut told = run_story(&scenario, keep)?;
    if twice {
        let again = run_story(&scenario, keep)?;
        if again.hash != told.hash {
            let words = "the same seed told two stories".to_owned();
            told.violations.push(Violation {
                invariant: Invariant::Determinism,
                at: Duration::ZERO,
                about: Vec::new(),
                words,
            });
        }
    }
    told.figures.failed = u64::from(!told.violations.is_empty());
    Ok(told)
}

/// What failed, at length.
fn show(failed: &[(u64, Vec<Violation>)], options: &Options) -> anyhow::Result<()> {
    for (seed, violations) in failed.iter().take(MOST_SHOWN) {
        println!(
            "\n== seed {seed}: {} tells it again",
            options.again(*seed, 1)
        );
        for violation in violations {
            println!("{violation}");
        }
        let drawn = scenario(*seed, options.profile);
        let Some(first) = violations.first() else {
            continue;
        };
        let told = with_room(|| {
            run_story(
                &drawn,
                Keep {
                    trace: true,
                    hash: false,
                },
            )
        })??;
        if options.trace {
            print!("{}", trace::whole(&told));
        } else if !options.shrink {
            print!("{}", trace::around(&told, first));
        }
        if options.shrink && first.invariant != Invariant::Determinism {
            let Shrunk {
                scenario,
                told,
                tries,
            } = with_room(|| shrink(&drawn, &told, first.invariant, SHRINKS_FOR))?;
            println!(
                "-- shrunk in {tries} tries to {} jobs, {} acts, {} struck calls",
                scenario.jobs(),
                scenario.acts.len(),
                scenario.faults.calls.len()
            );
            if let Some(violation) = told
                .violations
                .iter()
                .find(|one| one.invariant == first.invariant)
            {
                println!("{violation}");
                print!("{}", trace::around(&told, violation));
            }
            println!(
                "-- simulate --scenario FILE tells it again:\n{}",
                serde_json::to_string(&scenario)?
            );
        }
    }
    Ok(())
}

/// A bar on a terminal, a line now and then elsewhere.
struct Progress {
    all: u64,
    done: u64,
    failed: u64,
    bar: bool,
    told: u64,
}

impl Progress {
    fn new(all: u64) -> Self {
        Self {
            all,
            done: 0,
            failed: 0,
            bar: std::io::stderr().is_terminal(),
            told: 0,
        }
    }

    fn another(&mut self, figures: &Figures, failed: bool) {
        self.done += 1;
        self.failed += u64::from(failed);
        let percent = 100 * self.done / self.all.max(1);
        if self.bar {
            let filled = usize::try_from(percent / 4).unwrap_or_default();
            eprint!(
                "\r[{:<25}] {}/{} seeds, {} jobs, {} failed ",
                "#".repeat(filled),
                self.done,
                self.all,
                figures.all_jobs(),
                self.failed
            );
            let _ = std::io::stderr().flush();
        } else if percent / 10 > self.told {
            self.told = percent / 10;
            eprintln!(
                "{}/{} seeds, {} jobs, {} failed",
                self.done,
                self.all,
                figures.all_jobs(),
                self.failed
            );
        }
    }

    fn line(&self, text: &str) {
        if self.bar {
            eprint!("\r\x1b[K");
        }
        eprintln!("{text}");
    }

    fn end(&self) {
        if self.bar {
            eprintln!();
        }
    }
}
