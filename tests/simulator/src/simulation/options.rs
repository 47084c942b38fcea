//! What `simulate` is asked to do.

use std::path::PathBuf;

use anyhow::{Context as _, bail};

use super::generate::Profile;

/// How it is called.
pub(super) const USAGE: &str = "\
simulate [--seeds N] [--start S] [--profile plain|mixed|harsh|SITUATION]   tell N stories from seed S on (100, 0, mixed)
         [--fresh N]                  and N more from a seed that the clock gives, which is printed
         [--trace] [--trace-hash] [--no-shrink] [--json] [--threads N]
simulate --scenario FILE [--trace]    tell one story from a file, as a shrunk one is printed
simulate --print SEED                 the scenario of a seed, as JSON
simulate --waste                      what is paid for while no job runs, on the burst workload
simulate --storm                      calls and tasks while ECS refuses everything, and with a bad image";

/// Seeds from one second of the clock to the next: more than are told in one.
const FRESH: u64 = 1_000;

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) seeds: u64,
    pub(super) start: u64,
    /// So many more, from a seed on that no run before began with.
    pub(super) fresh: u64,
    pub(super) profile: Profile,
    /// Print everything that happened.
    pub(super) trace: bool,
    /// Print a number of each trace.
    pub(super) trace_hash: bool,
    /// Shrink what fails.
    pub(super) shrink: bool,
    /// The summary as JSON, too.
    pub(super) json: bool,
    pub(super) threads: usize,
    pub(super) what: What,
}

/// Which of its tasks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    Seeds,
    Scenario(PathBuf),
    Print(u64),
    Waste,
    Storm,
    Help,
}

impl Options {
    /// The command that tells so many seeds from this one on again.
    pub(super) fn again(&self, first: u64, count: u64) -> String {
        let profile = match self.profile {
            Profile::Mixed => String::new(),
            profile => format!(" --profile {profile}"),
        };
        format!("simulate --seeds {count} --start {first}{profile}")
    }

    /// Runs of seeds: the first of each, and how many. `clock` is the seconds since 1970.
    pub(super) fn runs(&self, clock: u64) -> Vec<(u64, u64)> {
        let fresh = (self.fresh > 0).then_some((clock.saturating_mul(FRESH), self.fresh));
        [(self.start, self.seeds)]
            .into_iter()
            .chain(fresh)
            .collect()
    }

    pub(super) fn read(args: impl IntoIterator<Item = String>) -> anyhow::Result<Self> {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let mut options = Self {
            seeds: 100,
            start: 0,
            fresh: 0,
            profile: Profile::Mixed,
            trace: false,
            trace_hash: false,
            shrink: true,
            json: false,
            threads,
            what: What::Seeds,
        };
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let mut value = || args.next().with_context(|| format!("{arg} needs a value"));
            match arg.as_str() {
                "--seeds" => options.seeds = number(&value()?)?,
                "--start" => options.start = number(&value()?)?,
                "--fresh" => options.fresh = number(&value()?)?,
                "--threads" => options.threads = usize::try_from(number(&value()?)?)?.max(1),
                "--profile" => options.profile = value()?.parse().map_err(anyhow::Error::msg)?,
                "--trace" => options.trace = true,
                "--trace-hash" => options.trace_hash = true,
                "--no-shrink" => options.shrink = false,
                "--json" => options.json = true,
                "--scenario" => options.what = What::Scenario(value()?.into()),
                "--print" => options.what = What::Print(number(&value()?)?),
                "--waste" => options.what = What::Waste,
                "--storm" => options.what = What::Storm,
                "--help" | "-h" => options.what = What::Help,
                _ => bail!("{arg:?} is nothing that simulate knows\n{USAGE}"),
            }
        }
        Ok(options)
    }
}

fn number(text: &str) -> anyhow::Result<u64> {
    text.parse()
        .with_context(|| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> anyhow::Result<Options> {
        Options::read(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read() {
        let options = read("--seeds 7 --start 3 --profile harsh --no-shrink").unwrap();
        assert_eq!(
            (
                options.seeds,
                options.start,
                options.profile,
                options.shrink
            ),
            (7, 3, Profile::Harsh, false)
        );
        assert_eq!(
            read("--scenario a.json --trace").unwrap().what,
            What::Scenario("a.json".into())
        );
        let fresh = read("--seeds 7 --start 3 --fresh 5").unwrap();
        assert_eq!(fresh.runs(1_795_356_000), [(3, 7), (1_795_356_000_000, 5)]);
        assert_eq!(read("--seeds 7").unwrap().runs(1_795_356_000), [(0, 7)]);
        assert_eq!(fresh.again(8, 1), "simulate --seeds 1 --start 8");
        let trickle = read("--profile trickle").unwrap();
        assert_eq!(
            read(trickle.again(8, 2).trim_start_matches("simulate ")).unwrap(),
            Options {
                seeds: 2,
                start: 8,
                ..trickle
            }
        );
        for wrong in [
            "--fresh",
            "--seeds",
            "--seeds x",
            "--profile windy",
            "--sedes 3",
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
