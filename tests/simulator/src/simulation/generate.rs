//! A scenario out of a seed.

mod chance;
mod fault_profile;
mod pools;
mod situations;
mod trouble;
mod variety;
mod workload;

use std::fmt;
use std::str::FromStr;

use self::chance::Chance;
pub(super) use self::pools::one_pool;
use super::scenario::{Act, Action, FaultProfile, Scenario, Timing};

/// What kind of scenarios are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// Nothing goes wrong: people push, cancel, approve and change settings.
    Plain,
    /// As much goes wrong as the seed says; in one seed of ten nothing does. Every other seed tells
    /// a situation that chance alone seldom brings about.
    #[default]
    Mixed,
    /// Everything goes wrong at once.
    Harsh,
    /// One of those situations, by its name.
    Only(&'static str),
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "plain" => Ok(Self::Plain),
            "mixed" => Ok(Self::Mixed),
            "harsh" => Ok(Self::Harsh),
            _ => situations::named(text)
                .map(|situation| Self::Only(situation.name))
                .ok_or_else(|| {
                    let names: Vec<_> = situations::every()
                        .map(|situation| situation.name)
                        .collect();
                    format!(
                        "{text:?} is no profile: plain, mixed, harsh, or a situation: {}",
                        names.join(", ")
                    )
                }),
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "plain",
            Self::Mixed => "mixed",
            Self::Harsh => "harsh",
            Self::Only(name) => name,
        })
    }
}

/// The scenario of a seed: the same for ever, as long as this module stays as it is.
#[must_use]
pub fn scenario(seed: u64, profile: Profile) -> Scenario {
    let mut chance = Chance::new(seed);
    let situation = match profile {
        Profile::Mixed => situations::of(seed),
        Profile::Only(name) => situations::named(name),
        Profile::Plain | Profile::Harsh => None,
    };
    if let Some(situation) = situation {
        let mut scenario = Scenario {
            seed,
            situation: Some(situation.name.to_owned()),
            ..(situation.draw)(&mut chance)
        };
        sort(&mut scenario.acts);
        return scenario;
    }
    let house = pools::house(&mut chance);
    let (mut acts, last) = workload::acts(&mut chance, &house);
    let intensity = match profile {
        Profile::Plain | Profile::Only(_) => None,
        Profile::Mixed if chance.one_in(10) => None,
        Profile::Mixed => Some(chance.pick(&[0.3, 1.0, 1.0, 2.0])),
        Profile::Harsh => Some(3.0),
    };
    let mut trouble = FaultProfile::default();
    if let Some(intensity) = intensity {
        trouble = fault_profile::trouble(&mut chance, intensity);
        acts.extend(trouble::acts(&mut chance, &house, last, intensity));
    }
    sort(&mut acts);
    let few = acts.iter().map(jobs_of).sum::<u32>() < 150;
    let end = acts.iter().map(over_at).fold(last, f64::max);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a story is some hours long"
    )]
    let calm_at = end as u64 + chance.between(30, 600);
    let mut scenario = Scenario {
        seed,
        situation: None,
        start_seconds: chance.between(10, 60),
        pools: house.file.clone(),
        public: house.public.clone(),
        groups: house.groups.clone(),
        acts,
        faults: trouble,
        calm_at,
        // A real page holds thousands of rows: so small ones only where there are few.
        page: if few && chance.one_in(4) {
            Some(chance.pick(&[5, 20, 50]))
        } else {
            None
        },
        lingers: 0,
        tight: None,
        logs: chance.one_in(8),
        timing: Timing::default(),
    };
    variety::add(seed, &mut scenario);
    scenario
}

/// Puts them in order; their times are whole milliseconds, which survive being written down.
fn sort(acts: &mut [Act]) {
    for act in acts.iter_mut() {
        act.at = (act.at * 1000.0).round() / 1000.0;
    }
    acts.sort_by(|one, other| one.at.total_cmp(&other.at));
}

fn jobs_of(act: &Act) -> u32 {
    match &act.action {
        Action::Queue(batch) => batch.count,
        _ => 0,
    }
}

/// When an act and what comes of it directly are over.
fn over_at(act: &Act) -> f64 {
    match &act.action {
        #[expect(clippy::cast_precision_loss, reason = "seconds of some hours")]
        Action::Down { seconds, .. } => act.at + *seconds as f64,
        _ => act.at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_config::pools_file;

    #[test]
    fn a_seed_makes_the_same_scenario_every_time_and_another_seed_another() {
        for profile in [Profile::Plain, Profile::Mixed, Profile::Harsh] {
            assert_eq!(scenario(7, profile), scenario(7, profile));
            assert_ne!(scenario(7, profile), scenario(8, profile));
        }
    }

    #[test]
    fn scenarios_survive_being_written_down() {
        for seed in 0..40 {
            let drawn = scenario(seed, Profile::Harsh);
            let text = serde_json::to_string(&drawn).unwrap();
            assert_eq!(
                serde_json::from_str::<Scenario>(&text).unwrap(),
                drawn,
                "{text}"
            );
        }
    }

    #[test]
    fn every_pools_file_is_a_good_one() {
        for seed in 0..300 {
            for file in scenario(seed, Profile::Mixed).files() {
                let parsed = pools_file::parse(&file.text(), 1);
                assert!(parsed.is_ok(), "seed {seed}: {parsed:?}\n{}", file.text());
            }
        }
    }

    #[test]
    fn there_are_about_fifty_jobs_a_seed_and_a_tenth_of_the_seeds_is_spared() {
        let drawn: Vec<Scenario> = (0..800)
            .step_by(2)
            .map(|seed| scenario(seed, Profile::Mixed))
            .collect();
        let jobs: u32 = drawn.iter().map(Scenario::jobs).sum();
        assert!((30..=75).contains(&(jobs / 400)), "{}", jobs / 400);
        let spared = drawn.iter().filter(|one| one.faults.is_none()).count();
        assert!((20..=70).contains(&spared), "{spared}");
        assert!(drawn.iter().any(|one| one.jobs() > 250));
    }
}
