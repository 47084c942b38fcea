//! What `mayfly jobs` and `mayfly runners` share: what a list is filtered by, and how long it is.

use std::time::Duration;

use mayfly_domain::model::id::PoolName;
use mayfly_domain::model::pool::{Pools, RepositoryPattern};
use mayfly_ledger::{Ledger, LedgerError, Store};
use mayfly_reports::text::repository_pattern;

use crate::deployment::pool_status;
use crate::terminal::screen::Screen;

/// Most lines of a list for people, unless asked otherwise.
const SHOWN: usize = 200;

/// How many lines a list may have: as many as were asked for; else what people can read, and for
/// programs all.
pub(crate) fn limit(asked: Option<usize>, screen: &Screen) -> usize {
    asked.unwrap_or(if screen.json() { usize::MAX } else { SHOWN })
}

/// Says that records do not reach back as far as was asked.
pub(crate) fn reaches_back(since: Duration, pools: Option<&Pools>, screen: &Screen) {
    let keep = pools.map(|pools| pools.keep).unwrap_or_default();
    if since > keep.duration() {
        screen.say(format_args!(
            "records are kept for {} days ([history] keep in the pools file): older ones are gone, unless they were made while it said more",
            keep.days()
        ));
    }
}

/// A note if there is no pool of this name, neither active nor in the ledger.
///
/// # Errors
///
/// [`LedgerError`].
pub(crate) async fn no_such_pool<S: Store>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    named: Option<&PoolName>,
) -> Result<Option<String>, LedgerError> {
    let Some(named) = named else { return Ok(None) };
    let known = pool_status::known(ledger, pools).await?;
    if known.contains_key(named) {
        return Ok(None);
    }
    let names: Vec<&str> = known.keys().map(PoolName::as_str).collect();
    Ok(Some(if names.is_empty() {
        format!("there is no pool {named}: there are none")
    } else {
        format!("there is no pool {named}: there are {}", names.join(", "))
    }))
}

/// Reads `owner/name`, either part with `*`.
pub(crate) fn pattern(text: &str) -> Result<RepositoryPattern, String> {
    repository_pattern(text).ok_or_else(|| "pass it as owner/name, or owner/*".to_owned())
}

/// Reads a pool's name.
pub(crate) fn pool(text: &str) -> Result<PoolName, String> {
    text.parse()
        .map_err(|error: mayfly_domain::model::id::InvalidName| error.problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Color;

    /// Sums of an answer in JSON are wrong if something is missing from it.
    #[test]
    fn programs_get_all_and_people_what_they_can_read_unless_they_say_how_many() {
        for (asked, json, lines) in [
            (None, true, usize::MAX),
            (None, false, SHOWN),
            (Some(5), true, 5),
            (Some(1_000), false, 1_000),
        ] {
            assert_eq!(
                limit(asked, &Screen::new(Color::Never, json)),
                lines,
                "{asked:?}, JSON {json}"
            );
        }
    }
}
