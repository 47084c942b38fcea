//! A runner as people name it: its id, the beginning of it, its address, or its name at GitHub.

use mayfly_domain::id::{RunnerAddress, RunnerId, RunnerName};
use mayfly_domain::pool::Pools;
use mayfly_domain::runner::Runner;
use mayfly_ledger::{Ledger, LedgerError, Store};

use crate::failure::Failure;
use crate::pools_now;

/// The shortest beginning of an id that is looked for: ids of one hour begin with the same six characters.
const LEAST: usize = 4;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// One runner, open or closed.
    One(Box<Runner>),
    /// Several open runners begin so: their addresses.
    Several(Vec<RunnerAddress>),
    /// None.
    None,
}

/// Finds a runner. The beginning of an id finds open runners only; a closed one is found by the whole of it.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn find<S: Store>(ledger: &Ledger<S>, pools: Option<&Pools>, named: &str) -> Result<Found, LedgerError> {
    let named = named.trim().to_ascii_lowercase();
    if let Some(address) = address(&named) {
        let standing = ledger.standing(&address).await?;
        return Ok(standing.row.or(standing.record).map_or(Found::None, |runner| Found::One(Box::new(runner))));
    }
    let mut open = Vec::new();
    if named.len() >= LEAST {
        for pool in pools_now::known(ledger, pools).await?.into_keys() {
            open.extend(ledger.runners(&pool).await?.into_iter().filter(|runner| runner.id.as_str().starts_with(&named)));
        }
    }
    if open.len() > 1 {
        return Ok(Found::Several(open.iter().map(Runner::address).collect()));
    }
    if let Some(runner) = open.pop() {
        return Ok(Found::One(Box::new(runner)));
    }
    let closed = match named.parse::<RunnerId>() {
        Ok(id) => ledger.runner_record(&id).await?,
        Err(_) => None,
    };
    Ok(closed.map_or(Found::None, |runner| Found::One(Box::new(runner))))
}

/// The pool is part of an address and of a runner's name.
fn address(named: &str) -> Option<RunnerAddress> {
    named.parse::<RunnerName>().ok().map(|name| name.address).or_else(|| named.parse().ok())
}

/// Why there is no one runner of that name.
#[must_use]
pub fn several(named: &str, all: &[RunnerAddress]) -> Failure {
    let list: Vec<String> = all.iter().map(ToString::to_string).collect();
    Failure::new(format!("{} runners begin with {named}: {}", all.len(), list.join(", ")), "write more of the id")
}
