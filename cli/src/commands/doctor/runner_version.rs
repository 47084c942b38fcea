//! Whether GitHub gives jobs to a runner of this version.
//!
//! Registration needs 2.329.0, and each release must be taken within 30 days of its publication
//! (GitHub changelog, 12 June 2026, "Minimum version enforcement timeline for self-hosted runners";
//! in force since 25 September 2026). A runner that is behind registers, and then waits for a job
//! that it never gets.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_github::Release;

use super::finding::{Area, Finding};
use crate::terminal::time_format::duration_text;

/// The oldest version that may register.
const FLOOR: Version = Version(2, 329, 0);

/// How long after its publication a release must be taken.
const WITHIN: Duration = Duration::from_secs(30 * 24 * 3600);

const REBUILD: &str = "rebuild the image (docker build --pull) at least every three weeks, or let the pool use ghcr.io/actions/actions-runner:latest";

/// What GitHub says of the runner's releases.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Newest {
    /// An Enterprise Server: it takes what it takes.
    OwnRules,
    /// These are the newest.
    Known(Vec<Release>),
    /// It was not to be learned, for this reason.
    NotKnown(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32, u32);

impl Version {
    fn read(text: &str) -> Option<Self> {
        let mut parts = text.trim().split('.').map(|part| part.parse().ok());
        let version = Self(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }
}

/// True if GitHub itself runs there: github.com, or a tenant of its own.
#[must_use]
pub fn enforced(github_url: &str) -> bool {
    let host = github_url
        .trim_end_matches('/')
        .rsplit("//")
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    host == "github.com" || host.ends_with(".ghe.com")
}

/// The findings about the version of the image's runner.
#[must_use]
pub fn judged(whose: &str, said: Option<&str>, newest: &Newest, now: Timestamp) -> Option<Finding> {
    let said = said?;
    if said == "none" {
        let what = format!(
            "{whose}: the image has no bin/Runner.Listener beside its run.sh: the version of its runner is unknown"
        );
        return Some(Finding::unknown(
            Area::Network,
            what,
            "MAYFLY_RUNNER_HOME in the image says where the runner is",
        ));
    }
    let Some(version) = Version::read(said) else {
        let what =
            format!("{whose}: the image's runner printed this instead of its version: {said}");
        return Some(Finding::error(
            Area::Network,
            what,
            "does it start at all? libicu, libssl and glibc must match it (its bin/installdependencies.sh)",
        ));
    };
    Some(match newest {
        Newest::OwnRules => Finding::good(
            Area::Network,
            format!("{whose}: the image's runner has version {said}"),
        ),
        _ if version < FLOOR => {
            let what = format!(
                "{whose}: the image's runner has version {said}, and GitHub registers none below 2.329.0"
            );
            Finding::error(Area::Network, what, REBUILD)
        }
        Newest::NotKnown(why) => {
            let what = format!(
                "{whose}: the image's runner has version {said}, which may register; GitHub did not say whether there is a newer one: {why}"
            );
            Finding::unknown(
                Area::Network,
                what,
                "GitHub gives no job to a runner more than 30 days behind a release",
            )
        }
        Newest::Known(releases) => behind(whose, said, version, releases, now),
    })
}

/// Held against the first release that it has not taken.
fn behind(
    whose: &str,
    said: &str,
    version: Version,
    releases: &[Release],
    now: Timestamp,
) -> Finding {
    let newer = releases
        .iter()
        .filter(|release| Version::read(&release.version).is_some_and(|other| other > version));
    let Some(missed) = newer.min_by_key(|release| release.published_at) else {
        return Finding::good(
            Area::Network,
            format!("{whose}: the image's runner has the newest version, {said}"),
        );
    };
    let published = now.since(missed.published_at);
    let what = format!(
        "{whose}: the image's runner has version {said}; {} is out for {}",
        missed.version,
        days(published)
    );
    if published > WITHIN {
        return Finding::error(
            Area::Network,
            format!("{what}, and GitHub gives no job to a runner without it after 30 days"),
            REBUILD,
        );
    }
    Finding::warning(
        Area::Network,
        format!(
            "{what}: GitHub stops giving it jobs in {}",
            days(WITHIN.saturating_sub(published))
        ),
        REBUILD,
    )
}

fn days(time: Duration) -> String {
    match time.as_secs() / (24 * 3600) {
        0 => duration_text(time),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const NOW: Timestamp = Timestamp::from_millis(1_795_356_000_000);

    fn known(releases: &[(&str, u32)]) -> Newest {
        let release = |(version, days): &(&str, u32)| Release {
            version: (*version).to_owned(),
            published_at: NOW.minus(DAY * *days),
        };
        Newest::Known(releases.iter().map(release).collect())
    }

    fn level(said: &str, newest: &Newest) -> Level {
        judged("pool linux", Some(said), newest, NOW).unwrap().level
    }

    #[test]
    fn the_newest_is_good_and_one_behind_is_so_for_thirty_days() {
        assert_eq!(
            level("2.338.1", &known(&[("2.338.1", 40), ("2.337.0", 70)])),
            Level::Good
        );
        assert_eq!(level("2.339.0", &known(&[("2.338.1", 40)])), Level::Good);
        assert_eq!(
            level("2.337.0", &known(&[("2.338.1", 30), ("2.337.0", 70)])),
            Level::Warning
        );
        assert_eq!(
            level("2.337.0", &known(&[("2.338.1", 31), ("2.337.0", 70)])),
            Level::Error
        );
    }

    #[test]
    fn the_first_release_that_was_not_taken_counts_not_the_last() {
        let newest = known(&[("2.338.1", 2), ("2.338.0", 31), ("2.337.0", 70)]);
        assert_eq!(
            (level("2.337.0", &newest), level("2.338.0", &newest)),
            (Level::Error, Level::Warning)
        );
        let words = judged("pool linux", Some("2.338.0"), &newest, NOW)
            .unwrap()
            .what;
        assert_eq!(
            words,
            "pool linux: the image's runner has version 2.338.0; 2.338.1 is out for 2 days: GitHub stops giving it jobs in 28 days"
        );
    }

    #[test]
    fn below_the_floor_nothing_helps() {
        for newest in [
            known(&[("2.338.1", 2)]),
            Newest::NotKnown("no answer".into()),
        ] {
            assert_eq!(level("2.328.9", &newest), Level::Error);
        }
        assert_eq!(level("2.328.9", &Newest::OwnRules), Level::Good);
    }

    #[test]
    fn where_github_is_not_asked_only_the_floor_is_known() {
        assert_eq!(
            level("2.329.0", &Newest::NotKnown("no answer".into())),
            Level::Unknown
        );
    }

    #[test]
    fn versions_are_numbers_and_what_is_none_is_a_runner_that_does_not_start() {
        assert_eq!(level("2.1000.0", &known(&[("2.338.1", 2)])), Level::Good);
        for said in [
            "",
            "2.338",
            "2.338.1.4",
            "Libicu is missing",
            "2.x.1",
            "v2.338.1",
        ] {
            assert_eq!(
                level(said, &known(&[("2.338.1", 2)])),
                Level::Error,
                "{said}"
            );
        }
        assert_eq!(level("none", &Newest::OwnRules), Level::Unknown);
        assert_eq!(judged("pool linux", None, &Newest::OwnRules, NOW), None);
    }

    #[test]
    fn only_githubs_own_are_bound_by_it() {
        for (url, is) in [
            ("https://github.com", true),
            ("https://GitHub.com/", true),
            ("https://acme.ghe.com", true),
            ("https://github.example.com", false),
            ("http://127.0.0.1:4000", false),
            ("https://notghe.com", false),
        ] {
            assert_eq!(enforced(url), is, "{url}");
        }
    }
}
