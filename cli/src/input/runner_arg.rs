//! A runner as people name it: its id, the beginning of it, what a narrow table shows of it, its
//! address, or its name at GitHub.

use mayfly_domain::model::id::{RunnerAddress, RunnerId, RunnerName};
use mayfly_domain::model::pool::Pools;
use mayfly_domain::model::runner::Runner;
use mayfly_domain::model::time::Timestamp;
use mayfly_domain::model::timeouts;
use mayfly_ledger::history::{Order, TimeRange};
use mayfly_ledger::{History, Ledger, LedgerError, Store};

use crate::deployment::pool_status;
use crate::failure::Failure;

/// The shortest beginning of an id that is looked for: ids of one hour begin with the same six
/// characters.
const LEAST: usize = 4;

/// How many first characters of an id are its time in milliseconds (ULID specification: 48 bits in
/// base 32). Narrow tables show at least these.
const TIME: usize = 10;

/// Most closed records that are read to find one by the beginning of its id.
const MOST_CLOSED: usize = 5_000;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// One runner, open or closed.
    One(Box<Runner>),
    /// Several runners begin so: their addresses.
    Several(Vec<RunnerAddress>),
    /// None.
    None,
}

/// Finds a runner. The beginning of an id finds open runners; a closed one, too, if it is long
/// enough to tell when it was made.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn find<S: Store + History>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    named: &str,
    now: Timestamp,
) -> Result<Found, LedgerError> {
    let named = named.trim().to_ascii_lowercase();
    if let Some(address) = address(&named) {
        let records = ledger.runner_records(&address).await?;
        return Ok(records
            .row
            .or(records.record)
            .map_or(Found::None, |runner| Found::One(Box::new(runner))));
    }
    // As a narrow table shows it: `01m81rwzxc…abdp`.
    let (begin, end) = named.split_once('…').unwrap_or((named.as_str(), ""));
    let is_meant = |runner: &Runner| {
        runner.id.as_str().starts_with(begin) && runner.id.as_str().ends_with(end)
    };
    let mut open = Vec::new();
    if named.len() >= LEAST {
        for pool in pool_status::known(ledger, pools).await?.into_keys() {
            open.extend(ledger.runners(&pool).await?.into_iter().filter(&is_meant));
        }
    }
    if open.len() > 1 {
        return Ok(Found::Several(open.iter().map(Runner::address).collect()));
    }
    if let Some(runner) = open.pop() {
        return Ok(Found::One(Box::new(runner)));
    }
    let mut closed: Vec<Runner> = match (named.parse::<RunnerId>(), made_at(begin)) {
        (Ok(id), _) => ledger.runner_record(&id).await?.into_iter().collect(),
        (Err(_), Some(made)) if made <= now => {
            // It closed after it was made, and within a day, or a little more.
            let until = made.plus(timeouts::MAX_LIFETIME * 2).min(now);
            let found = ledger
                .closed(
                    TimeRange {
                        from: made,
                        to: until,
                    },
                    Order::OldestFirst,
                    MOST_CLOSED,
                    now,
                )
                .await?;
            found.runners.into_iter().filter(&is_meant).collect()
        }
        _ => Vec::new(),
    };
    if closed.len() > 1 {
        return Ok(Found::Several(closed.iter().map(Runner::address).collect()));
    }
    Ok(closed
        .pop()
        .map_or(Found::None, |runner| Found::One(Box::new(runner))))
}

/// When a runner was made whose id begins so; none if that is too short, or no beginning of an id.
fn made_at(named: &str) -> Option<Timestamp> {
    let time = named.get(..TIME)?;
    // Crockford's alphabet has no i, l, o and u.
    let digit = |c: char| {
        "0123456789abcdefghjkmnpqrstvwxyz"
            .find(c)
            .and_then(|digit| i64::try_from(digit).ok())
    };
    let millis = time
        .chars()
        .try_fold(0_i64, |millis, c| Some(millis * 32 + digit(c)?))?;
    Some(Timestamp::from_millis(millis))
}

/// The pool is part of an address and of a runner's name.
fn address(named: &str) -> Option<RunnerAddress> {
    named
        .parse::<RunnerName>()
        .ok()
        .map(|name| name.address)
        .or_else(|| named.parse().ok())
}

/// Why no single runner has that name.
#[must_use]
pub fn several(named: &str, all: &[RunnerAddress]) -> Failure {
    let list: Vec<String> = all.iter().map(ToString::to_string).collect();
    Failure::new(
        format!(
            "{} runners begin with {named}: {}",
            all.len(),
            list.join(", ")
        ),
        "pass more of the id",
    )
}
