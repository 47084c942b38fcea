//! Which pool would take a job, and for every other pool why not: what
//! [`Pools::place`](crate::model::placement) decides, told pool by pool.

use crate::model::id::RunId;
use crate::model::label::Labels;
use crate::model::pool::{Misfit, Pool, Pools};
use crate::model::story::Refusal;
use crate::model::target::Repository;

/// A job that someone wonders about.
#[derive(Clone, Copy, Debug)]
pub struct MatchQuery<'a> {
    /// `runs-on`.
    pub labels: &'a Labels,
    /// Its repository; none: whichever a pool serves.
    pub repository: Option<&'a Repository>,
    /// Its run and the run's attempt; none: any that a label `run=` binds to.
    pub run: Option<(RunId, u32)>,
}

/// What one pool says to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict<'a> {
    /// It takes it.
    Takes,
    /// It would, but another one is preferred.
    Yields {
        /// Which.
        to: &'a Pool,
        /// Why.
        for_its: Preference,
    },
    /// Its labels do not fit.
    Misfit(Misfit<'a>),
    /// Its labels fit, and it does not serve the repository.
    Refuses(Refusal),
}

/// What decides between two pools that both take a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preference {
    /// The higher priority.
    Priority,
    /// Fewer labels that the job does not name.
    Labels,
    /// The name that comes first.
    Name,
}

impl Pools {
    /// What each pool says to a job, in the order of the file. At most one takes it.
    #[must_use]
    pub fn verdicts<'a>(&'a self, asked: MatchQuery<'a>) -> Vec<(&'a Pool, Verdict<'a>)> {
        let stranger = asked
            .repository
            .is_some_and(|repository| !self.serves(repository));
        let bound = |binding: crate::model::label::RunBinding| {
            asked
                .run
                .is_none_or(|(run, attempt)| binding.admits(run, attempt))
        };
        let against = |pool: &'a Pool| {
            if let Err(misfit) = pool.fit(asked.labels, bound) {
                return Some(Verdict::Misfit(misfit));
            }
            let refusal = if stranger {
                Some(Refusal::Account)
            } else {
                asked
                    .repository
                    .and_then(|repository| pool.refuses(repository))
            };
            refusal.map(Verdict::Refuses)
        };
        let said: Vec<(&Pool, Option<Verdict<'a>>)> = self
            .pools
            .iter()
            .map(|pool| (pool, against(pool)))
            .collect();
        let takers = said
            .iter()
            .filter(|(_, against)| against.is_none())
            .map(|(pool, _)| *pool);
        let best = takers.min_by_key(|pool| pool.rank(asked.labels));
        let verdict = |pool: &'a Pool| match best {
            Some(best) if best.name != pool.name => Verdict::Yields {
                to: best,
                for_its: preference(best, pool, asked.labels),
            },
            _ => Verdict::Takes,
        };
        said.into_iter()
            .map(|(pool, against)| (pool, against.unwrap_or_else(|| verdict(pool))))
            .collect()
    }
}

/// What makes `best` better than `other`.
fn preference(best: &Pool, other: &Pool, labels: &Labels) -> Preference {
    let (one, other) = (best.rank(labels), other.rank(labels));
    match (one.0 == other.0, one.1 == other.1) {
        (false, _) => Preference::Priority,
        (true, false) => Preference::Labels,
        (true, true) => Preference::Name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{OwnerId, RepositoryId};
    use crate::model::placement::{JobRequirements, Placement};
    use crate::model::pool::{Account, RepositoryPattern};
    use crate::model::size::{Architecture, Capacity, Size};
    use proptest::prelude::*;

    const SIZE: Size = Size {
        cpu: 2048,
        memory_mib: 8192,
        disk_gib: 30,
        architecture: Architecture::X64,
        capacity: Capacity::OnDemand,
    };
    const WORDS: [&str; 6] = ["self-hosted", "linux", "Mayfly", "gpu", "run=5", "run=6"];

    fn labels() -> impl Strategy<Value = Vec<&'static str>> {
        proptest::sample::subsequence(WORDS.to_vec(), 0..=WORDS.len())
    }

    fn pool() -> impl Strategy<Value = Pool> {
        (labels(), any::<(bool, bool, bool)>(), -1..2_i32).prop_map(
            |(labels, (any, public, listed), priority)| Pool {
                labels: labels
                    .into_iter()
                    .filter(|label| !label.starts_with("run="))
                    .collect(),
                any,
                public,
                priority,
                repositories: if listed {
                    vec![RepositoryPattern("acme/app".into())]
                } else {
                    Vec::new()
                },
                ..Pool::removed("p".parse().unwrap(), SIZE)
            },
        )
    }

    proptest! {
        #[test]
        fn the_pool_that_takes_a_job_is_the_one_that_it_would_be_given_to(
            pools in proptest::collection::vec(pool(), 0..5), labels in labels(), app: bool, private: bool, ours: bool,
        ) {
            let named = |(n, pool): (usize, Pool)| Pool { name: format!("p{n}").parse().unwrap(), ..pool };
            let pools = Pools {
                accounts: vec![Account { login: "acme".into(), id: None }],
                pools: pools.into_iter().enumerate().map(named).collect(),
                prices: crate::model::price::OwnPrices::default(),
                metrics: crate::model::metric::MetricsLevel::default(),
                keep: crate::model::retention::Retention::default(),
                version: 1,
            };
            let name = format!("{}/{}", if ours { "acme" } else { "other" }, if app { "app" } else { "lib" });
            let repository = Repository { id: RepositoryId(1), name, owner: OwnerId(1), private };
            let labels: Labels = labels.into_iter().collect();
            let said = pools.verdicts(MatchQuery { labels: &labels, repository: Some(&repository), run: Some((RunId(5), 1)) });
            let takes: Vec<&str> = said.iter().filter(|(_, verdict)| *verdict == Verdict::Takes).map(|(pool, _)| pool.name.as_str()).collect();
            let placed = match pools.place(JobRequirements { labels: &labels, repository: &repository, run: RunId(5), attempt: 1 }) {
                Placement::Pool(pool) => vec![pool.name.as_str()],
                _ => Vec::new(),
            };
            prop_assert_eq!(takes, placed);
            for (_, verdict) in &said {
                if let Verdict::Yields { to, .. } = verdict {
                    prop_assert!(said.iter().any(|(pool, verdict)| pool.name == to.name && *verdict == Verdict::Takes));
                }
            }
        }
    }
}
