//! Names and numbers that identify things: one type each, so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// GitHub's id of one job of one run attempt (`workflow_job.id`); a re-run gets a new one.
    /// Larger than 2³¹ since years.
    JobId
}
number_id! {
    /// GitHub's id of a workflow run; attempts share it.
    RunId
}
number_id! {
    /// GitHub's id of a repository; survives renames and transfers.
    RepositoryId
}
number_id! {
    /// GitHub's id of an organization or user; survives renames.
    OwnerId
}
number_id! {
    /// GitHub's id of one installation of the App on one account.
    InstallationId
}
number_id! {
    /// GitHub's id of a registered runner.
    GithubRunnerId
}
number_id! {
    /// GitHub's id of one attempt to deliver an event. Attempts at the same event have ids of their
    /// own and share its GUID.
    DeliveryId
}

/// A name that does not have the form that its type asks for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} {value:?} {problem}")]
pub struct InvalidName {
    /// What the value was meant to be.
    pub what: &'static str,
    /// The value as given.
    pub value: String,
    /// What is wrong with it, and what is allowed.
    pub problem: &'static str,
}

/// The name of a pool: 1 to 28 characters of `a-z`, `0-9` and single inner `-`.
///
/// 28, because a runner's name is `mayfly-<pool>-<26 characters>-<registration attempt>` and GitHub
/// allows 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PoolName(String);

impl PoolName {
    /// Most characters a pool's name may have.
    pub const MAX_LENGTH: usize = 28;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PoolName {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let refuse = |problem| {
            Err(InvalidName {
                what: "pool name",
                value: value.to_owned(),
                problem,
            })
        };
        if value.is_empty() {
            return refuse("is empty: use 1 to 28 characters");
        }
        if value.len() > Self::MAX_LENGTH {
            return refuse(
                "is longer than 28 characters (GitHub's limit of 64 for a runner's name leaves no more)",
            );
        }
        if !value
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        {
            return refuse("may contain only a-z, 0-9 and '-'");
        }
        if value.starts_with('-') || value.ends_with('-') || value.contains("--") {
            return refuse("may contain '-' only between other characters, one at a time");
        }
        Ok(Self(value.to_owned()))
    }
}

impl TryFrom<String> for PoolName {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, InvalidName> {
        value.parse()
    }
}

impl From<PoolName> for String {
    fn from(name: PoolName) -> Self {
        name.0
    }
}

impl fmt::Display for PoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Mayfly's id of a runner: a ULID in lower case, 26 characters of Crockford's base 32. Sorts by
/// the time it was made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RunnerId(String);

impl RunnerId {
    /// Characters of an id.
    pub const LENGTH: usize = 26;

    /// The id of a ULID's 128 bits (48 of time, 80 of chance).
    #[must_use]
    pub fn from_ulid(bits: u128) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let digit = |place: u32| {
            char::from(DIGITS[usize::try_from((bits >> (5 * place)) & 31).unwrap_or_default()])
        };
        Self((0..26).rev().map(digit).collect())
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RunnerId {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let crockford = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'h' | b'j' | b'k' | b'm' | b'n' | b'p'..=b't' | b'v'..=b'z');
        if value.len() != Self::LENGTH || !value.bytes().all(crockford) {
            return Err(InvalidName {
                what: "runner id",
                value: value.to_owned(),
                problem: "is not a ULID in lower case (26 characters)",
            });
        }
        Ok(Self(value.to_owned()))
    }
}

impl TryFrom<String> for RunnerId {
    type Error = InvalidName;

    fn try_from(value: String) -> Result<Self, InvalidName> {
        value.parse()
    }
}

impl From<RunnerId> for String {
    fn from(id: RunnerId) -> Self {
        id.0
    }
}

impl fmt::Display for RunnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where one runner's row lies: `<pool>/<runner id>`. This text is ECS's `startedBy` and the body
/// of a request for registration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RunnerAddress {
    /// The pool that the runner was started for.
    pub pool: PoolName,
    /// The runner.
    pub runner: RunnerId,
}

impl fmt::Display for RunnerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.pool, self.runner)
    }
}

impl FromStr for RunnerAddress {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let (pool, runner) = value.split_once('/').ok_or_else(|| InvalidName {
            what: "runner address",
            value: value.to_owned(),
            problem: "is not <pool>/<runner id>",
        })?;
        Ok(Self {
            pool: pool.parse()?,
            runner: runner.parse()?,
        })
    }
}

/// The name under which a runner registers at GitHub:
/// `mayfly-<pool>-<runner id>-<registration attempt>`.
///
/// Every call for a registration has its own registration attempt, so that a retry never collides
/// with what an earlier call left at GitHub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunnerName {
    /// The runner and its pool.
    pub address: RunnerAddress,
    /// Which registration of this runner it is, from 1.
    pub registration_attempt: u32,
}

impl RunnerName {
    /// Most characters of a runner's name at GitHub.
    pub const MAX_LENGTH: usize = 64;
}

fn to_base_36(number: u32) -> String {
    let mut digits = Vec::new();
    let mut rest = number;
    while rest > 0 || digits.is_empty() {
        digits.push(char::from_digit(rest % 36, 36).unwrap_or('0'));
        rest /= 36;
    }
    digits.iter().rev().collect()
}

/// `mayfly-<pool>-<runner id>-<registration attempt>`; where that is too long, without the last
/// dash and with the registration attempt to base 36: a runner of a pool with a long name may also
/// need many registration attempts.
impl fmt::Display for RunnerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain = format!(
            "mayfly-{}-{}-{}",
            self.address.pool, self.address.runner, self.registration_attempt
        );
        if plain.len() <= Self::MAX_LENGTH {
            return f.write_str(&plain);
        }
        // The runner's id has 26 characters, so what follows them needs no dash; and digits to base
        // 36 are fewer.
        write!(
            f,
            "mayfly-{}-{}{}",
            self.address.pool,
            self.address.runner,
            to_base_36(self.registration_attempt)
        )
    }
}

impl FromStr for RunnerName {
    type Err = InvalidName;

    fn from_str(value: &str) -> Result<Self, InvalidName> {
        let refuse = || InvalidName {
            what: "runner name",
            value: value.to_owned(),
            problem: "is not mayfly-<pool>-<runner id>-<registration attempt>",
        };
        let rest = value.strip_prefix("mayfly-").ok_or_else(refuse)?;
        let (before, last) = rest.rsplit_once('-').ok_or_else(refuse)?;
        let short = last
            .split_at_checked(RunnerId::LENGTH)
            .filter(|(_, registration_attempt)| !registration_attempt.is_empty());
        let (pool, runner, registration_attempt) = match short {
            Some((runner, registration_attempt)) => (
                before,
                runner,
                u32::from_str_radix(registration_attempt, 36).map_err(|_| refuse())?,
            ),
            None => {
                let (pool, runner) = before.rsplit_once('-').ok_or_else(refuse)?;
                (pool, runner, last.parse().map_err(|_| refuse())?)
            }
        };
        let name = Self {
            address: RunnerAddress {
                pool: pool.parse()?,
                runner: runner.parse()?,
            },
            registration_attempt,
        };
        // Each name has one way to be written, so that two texts are never one runner's
        // registration.
        if name.to_string() == value {
            Ok(name)
        } else {
            Err(refuse())
        }
    }
}

/// The ARN of an ECS task; the text after the last `/` is the task's id, which is also the session
/// name of its role.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskArn(pub String);

impl TaskArn {
    /// The task's id: 32 hexadecimal digits on AWS.
    #[must_use]
    pub fn task_id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

impl fmt::Display for TaskArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_runner_name_fits_githubs_limit() {
        let pool: PoolName = "a".repeat(PoolName::MAX_LENGTH).parse().unwrap();
        let runner: RunnerId = "01jd0000000000000000000000".parse().unwrap();
        let name = RunnerName {
            address: RunnerAddress { pool, runner },
            registration_attempt: 9,
        };
        assert_eq!(name.to_string().len(), 64);
        assert_eq!(name.to_string().parse(), Ok(name));
    }

    #[test]
    fn a_thousand_registrations_of_a_pool_with_the_longest_name_fit_and_are_read_back() {
        let pool: PoolName = "a".repeat(PoolName::MAX_LENGTH).parse().unwrap();
        let address = RunnerAddress {
            pool,
            runner: "01jd0000000000000000000000".parse().unwrap(),
        };
        let names: std::collections::BTreeSet<String> = (1..=1_295)
            .map(|registration_attempt| {
                RunnerName {
                    address: address.clone(),
                    registration_attempt,
                }
                .to_string()
            })
            .collect();
        assert_eq!(names.len(), 1_295);
        for name in &names {
            assert!(name.len() <= RunnerName::MAX_LENGTH, "{name}");
            assert_eq!(
                name.parse::<RunnerName>().map(|name| name.to_string()),
                Ok(name.clone())
            );
        }
        assert!(
            "mayfly-linux-01jd00000000000000000000001"
                .parse::<RunnerName>()
                .is_err(),
            "a short name written the other way"
        );
    }

    #[test]
    fn runner_name_of_a_pool_with_dashes_is_read_back() {
        let name: RunnerName = "mayfly-linux-arm-64-01jd0000000000000000000000-12"
            .parse()
            .unwrap();
        assert_eq!(name.address.pool.as_str(), "linux-arm-64");
        assert_eq!(name.registration_attempt, 12);
    }

    #[test]
    fn an_id_made_of_bits_is_read_back_and_sorts_as_they_do() {
        let ids: Vec<RunnerId> = [0, 1, 31, 1 << 80, u128::MAX]
            .map(RunnerId::from_ulid)
            .into();
        assert!(ids.is_sorted());
        assert_eq!(ids[4].as_str(), "7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert!(ids.iter().all(|id| id.as_str().parse::<RunnerId>().is_ok()));
    }

    #[test]
    fn foreign_runner_names_are_refused() {
        for name in [
            "",
            "mayfly",
            "GitHub Actions 5",
            "mayfly-linux-01JD0000000000000000000000-1",
            "mayfly-linux-x-1",
        ] {
            assert!(name.parse::<RunnerName>().is_err(), "{name}");
        }
    }

    #[test]
    fn bad_pool_names_are_refused() {
        for name in [
            "",
            "-a",
            "a-",
            "a--b",
            "A",
            "a b",
            "ä",
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ] {
            assert!(name.parse::<PoolName>().is_err(), "{name}");
        }
    }
}
