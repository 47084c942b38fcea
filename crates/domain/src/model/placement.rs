//! Which pool takes a job, and why none does: [`Pools::place`].

use crate::model::id::RunId;
use crate::model::label::{self, Labels};
use crate::model::pool::{Pool, Pools};
use crate::model::story::{Reason, Refusal};
use crate::model::target::Repository;

/// What a job asks for.
#[derive(Clone, Copy, Debug)]
pub struct JobRequirements<'a> {
    /// `runs-on`.
    pub labels: &'a Labels,
    /// The repository it belongs to.
    pub repository: &'a Repository,
    /// Its run.
    pub run: RunId,
    /// The run's attempt.
    pub attempt: u32,
}

/// Which pool takes a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement<'a> {
    /// This one.
    Pool(&'a Pool),
    /// None, though the job seems meant for Mayfly: worth a record, so that its author can be told
    /// why it waits.
    Unplaced(Reason),
    /// A pool's labels fit, but the job is not served.
    Refused(Refusal),
    /// None: someone else's job.
    NotOurs,
}

impl Pool {
    /// True if its labels fit those of a job.
    pub(crate) fn takes(&self, wanted: &JobRequirements<'_>) -> bool {
        self.fit(wanted.labels, |binding| {
            binding.admits(wanted.run, wanted.attempt)
        })
        .is_ok()
    }
}

impl Pools {
    /// Finds the pool for a job. Several fit: the highest priority wins, then the fewest labels
    /// that the job did not ask for, then the name.
    #[must_use]
    pub fn place(&self, wanted: JobRequirements<'_>) -> Placement<'_> {
        if !self.serves(wanted.repository) {
            return Placement::Refused(Refusal::Account);
        }
        if wanted.labels.fit_no_runner() {
            return Placement::Refused(Refusal::Labels);
        }
        let mut fitting = self
            .pools
            .iter()
            .filter(|pool| pool.takes(&wanted))
            .peekable();
        if fitting.peek().is_none() {
            return self.not_placed(wanted.labels);
        }
        let mut refusal = Refusal::Repository;
        let mut best: Option<&Pool> = None;
        for pool in fitting {
            match pool.refuses(wanted.repository) {
                Some(why) => refusal = refusal.min(why),
                None => best = Some(best.map_or(pool, |other| better(other, pool, wanted.labels))),
            }
        }
        best.map_or(Placement::Refused(refusal), Placement::Pool)
    }

    fn not_placed(&self, labels: &Labels) -> Placement<'_> {
        let asked = label::list(labels.iter());
        let miswritten = labels
            .iter()
            .find_map(|label| self.miswritten(label, &asked));
        if !labels.iter().any(|label| self.is_meant(label)) && miswritten.is_none() {
            return Placement::NotOurs;
        }
        if let Some(miswritten) = miswritten {
            return Placement::Unplaced(miswritten);
        }
        Placement::Unplaced(match self.nearest(labels) {
            Some((pool, missing)) if missing.is_empty() => Reason::NoLabelOfItsOwn {
                asked,
                pool: pool.name.clone(),
            },
            Some((pool, missing)) => Reason::LabelsNotOffered {
                asked,
                pool: pool.name.clone(),
                missing: label::list(missing),
            },
            None => Reason::NoPools { asked },
        })
    }

    /// The pool that lacks the fewest of these labels, and those.
    fn nearest<'a>(&'a self, labels: &'a Labels) -> Option<(&'a Pool, Vec<&'a str>)> {
        let lacks = |pool: &'a Pool| {
            labels
                .iter()
                .filter(|l| !pool.labels.contains(l))
                .collect::<Vec<_>>()
        };
        self.pools
            .iter()
            .map(|pool| (pool, lacks(pool)))
            .min_by_key(|(_, missing)| missing.len())
    }
}

/// The better of two pools that both take a job.
fn better<'a>(one: &'a Pool, other: &'a Pool, labels: &Labels) -> &'a Pool {
    if other.rank(labels) < one.rank(labels) {
        other
    } else {
        one
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{OwnerId, RepositoryId};
    use crate::model::pool::{Account, RepositoryPattern};
    use crate::model::price::OwnPrices;
    use crate::model::size::{Architecture, Capacity, Size};

    const SIZE: Size = Size {
        cpu: 2048,
        memory_mib: 8192,
        disk_gib: 30,
        architecture: Architecture::X64,
        capacity: Capacity::OnDemand,
    };

    fn pool(name: &str, labels: &[&str]) -> Pool {
        Pool {
            labels: labels.iter().copied().collect(),
            max: 10,
            ..Pool::removed(name.parse().unwrap(), SIZE)
        }
    }

    fn pools(pools: Vec<Pool>) -> Pools {
        let accounts = vec![Account {
            login: "Acme".into(),
            id: None,
        }];
        Pools {
            accounts,
            pools,
            prices: OwnPrices::default(),
            metrics: crate::model::metric::MetricsLevel::default(),
            keep: crate::model::retention::Retention::default(),
            version: 1,
        }
    }

    fn repository(name: &str, private: bool) -> Repository {
        Repository {
            id: RepositoryId(1),
            name: name.into(),
            owner: OwnerId(9),
            private,
        }
    }

    fn placed(pools: &Pools, labels: &[&str]) -> String {
        placed_for(pools, labels, &repository("acme/app", true))
    }

    fn placed_for(pools: &Pools, labels: &[&str], repository: &Repository) -> String {
        let labels: Labels = labels.iter().copied().collect();
        match pools.place(JobRequirements {
            labels: &labels,
            repository,
            run: RunId(5),
            attempt: 2,
        }) {
            Placement::Pool(pool) => pool.name.to_string(),
            Placement::Unplaced(why) => format!("unplaced: {why}"),
            Placement::Refused(why) => why
                .in_words()
                .split(':')
                .next()
                .unwrap_or_default()
                .to_owned(),
            Placement::NotOurs => "not ours".into(),
        }
    }

    #[test]
    fn a_job_goes_where_all_its_labels_are_and_one_is_the_pools_own() {
        let pools = pools(vec![pool(
            "linux",
            &["self-hosted", "linux", "x64", "mayfly"],
        )]);
        for labels in [
            &["mayfly"][..],
            &["self-hosted", "MAYFLY"],
            &["mayfly", "run=5"],
            &["mayfly", "run=5-2"],
        ] {
            assert_eq!(placed(&pools, labels), "linux", "{labels:?}");
        }
        assert_eq!(placed(&pools, &["ubuntu-latest"]), "not ours");
        assert_eq!(placed(&pools, &[]), "not ours");
        for labels in [
            &["self-hosted", "linux"][..],
            &["mayfly", "gpu"],
            &["mayfly", "run=6"],
            &["mayfly", "run=5-1"],
            &["self-hosted", "run=5"],
        ] {
            assert!(
                placed(&pools, labels).starts_with("unplaced: "),
                "{labels:?}"
            );
        }
    }

    #[test]
    fn labels_that_are_written_wrong_are_told_from_labels_of_others() {
        let pools = pools(vec![
            pool("linux", &["self-hosted", "linux", "x64", "mayfly"]),
            pool("build", &["full_build staging"]),
        ]);
        for (labels, hint) in [
            (
                &["self-hosted, linux, x64, mayfly"][..],
                "is one label: write a YAML list, [self-hosted, linux, x64, mayfly]",
            ),
            (
                &["self-hosted linux mayfly\n"],
                "is one label: write a YAML list, [self-hosted, linux, mayfly]",
            ),
            (
                &["[self-hosted, MAYFLY]"],
                "is one label: write a YAML list, [self-hosted, MAYFLY]",
            ),
            (&["['mayfly']"], "is not mayfly: remove what surrounds it"),
            (
                &["linux", "mayfly\n"],
                "\"mayfly\\n\" is not mayfly: remove what surrounds it",
            ),
            (&["\u{200b}mayfly"], "\"\\u{200b}mayfly\" is not mayfly"),
            (
                &["full_build staging "],
                "\"full_build staging \" is not \"full_build staging\"",
            ),
            (&["self-hosted\n"], "is not self-hosted"),
        ] {
            let said = placed(&pools, labels);
            assert!(
                said.starts_with("unplaced: no pool takes [") && said.contains(hint),
                "{labels:?}: {said}"
            );
        }
        for labels in [
            &["ubuntu-latest\n"][..],
            &["linux, x64"],
            &["staging"],
            &["other team, gpu"],
            &[" "],
        ] {
            assert_eq!(placed(&pools, labels), "not ours", "{labels:?}");
        }
        assert_eq!(placed(&pools, &["full_build staging"]), "build");
    }

    #[test]
    fn labels_that_no_runner_can_have_are_refused_whatever_they_are() {
        let pools = pools(vec![pool("linux", &["mayfly"])]);
        let most: Vec<String> = (0..100).map(|n| format!("mayfly{n:0250}")).collect();
        let labels = |list: &[String]| {
            placed(
                &pools,
                &list
                    .iter()
                    .map(String::as_str)
                    .chain(["mayfly"])
                    .collect::<Vec<_>>(),
            )
        };
        assert!(labels(&most[..99]).starts_with("unplaced: "));
        let refused = "no runner can have its labels";
        assert_eq!(labels(&most), refused);
        assert_eq!(labels(&["ä".repeat(257)]), refused);
        assert!(labels(&["ä".repeat(256)]).starts_with("unplaced: "));
    }

    #[test]
    fn any_takes_jobs_that_name_only_default_labels() {
        let mut open = pool("open", &["self-hosted", "linux"]);
        open.any = true;
        let pools = pools(vec![open]);
        assert_eq!(placed(&pools, &["self-hosted"]), "open");
        assert_eq!(placed(&pools, &["run=5"]), "not ours");
    }

    #[test]
    fn priority_then_fewest_surplus_labels_then_name_decides() {
        let mut first = pool("z", &["m", "a", "b"]);
        let all = |z: &Pool| {
            pools(vec![
                pool("c", &["m", "a"]),
                pool("b", &["m", "a"]),
                z.clone(),
            ])
        };
        assert_eq!(placed(&all(&first), &["m"]), "b");
        first.priority = 1;
        assert_eq!(placed(&all(&first), &["m"]), "z");
    }

    #[test]
    fn public_repositories_strangers_and_unlisted_repositories_are_refused() {
        let mut listed = pool("linux", &["mayfly"]);
        listed.repositories = vec![RepositoryPattern("acme/app-*".into())];
        let pools = pools(vec![listed]);
        let placed = |name, private| placed_for(&pools, &["mayfly"], &repository(name, private));
        assert_eq!(placed("acme/app-1", true), "linux");
        assert_eq!(placed("ACME/APP-1", true), "linux");
        assert_eq!(placed("acme/app-1", false), "public repository");
        assert_eq!(placed("acme/lib", true), "repository not allowed");
        assert_eq!(placed("evil/app-1", true), "account not allowed");
    }
}
