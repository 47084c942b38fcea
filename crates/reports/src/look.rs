//! What the page shows: how things are now, and what ended in the last hours.

use std::time::Duration;

use mayfly_domain::model::pool::{Pools, RepositoryPattern};
use mayfly_domain::model::time::Timestamp;
use mayfly_ledger::history::TimeRange;
use mayfly_ledger::{History, Ledger, LedgerError, Store};

use crate::ended::{Ended, read_ended};
use crate::jobs::{self as jobs, JobsReport};
use crate::pool_status::OpenWork;
use crate::status::{self as status, StatusReport};
use crate::summary::{Report, report};

/// Open jobs that are shown.
const MOST_OPEN: usize = 50;

/// What a reader asked to see.
#[derive(Clone, Debug)]
pub struct View {
    /// Jobs of repositories like this; none: of all.
    pub repository: Option<RepositoryPattern>,
    /// What ended within this time.
    pub within: Duration,
    /// The end of that time; none: now.
    pub until: Option<Timestamp>,
    /// The page asks again by itself, which a reader can turn off
    /// (<https://www.w3.org/TR/WCAG22/#timing-adjustable>).
    pub refresh: bool,
}

/// All that the page shows.
#[derive(Clone, Debug)]
pub struct Look {
    /// When it was read.
    pub at: Timestamp,
    /// What ended since then is in it.
    pub since: Timestamp,
    /// What ended until then is in it.
    pub until: Timestamp,
    /// Pools, what is stuck, the safety net; not the runners that failed, which `report` has.
    pub status: StatusReport,
    /// Jobs that are not over.
    pub open: JobsReport,
    /// What ended.
    pub ended: Ended,
    /// That in figures.
    pub report: Report,
}

/// Asks the ledger.
///
/// # Errors
///
/// [`LedgerError`].
pub async fn gather<S: Store + History>(
    ledger: &Ledger<S>,
    pools: Option<&Pools>,
    view: &View,
    now: Timestamp,
) -> Result<Look, LedgerError> {
    let until = view.until.map_or(now, |until| until.min(now));
    let since = until.minus(view.within);
    let open = jobs::Filter {
        repository: view.repository.clone(),
        pool: None,
        state: Some(jobs::State::Open),
        since,
        limit: MOST_OPEN,
    };
    let range = TimeRange {
        from: since,
        to: until,
    };
    let (work, ended) = futures::try_join!(
        OpenWork::read(ledger, pools, now),
        read_ended(ledger, range, now),
    )?;
    let open = jobs::of(ledger, Some(&work), &open, now).await?;
    // Runners that failed are told by the report, of the whole time: read once, with all that ended.
    let status = status::of(ledger, pools, work, &[], now).await?;
    let ended = only_of(ended, view.repository.as_ref());
    Ok(Look {
        at: now,
        since,
        until,
        status,
        open,
        report: report(&ended, pools, view.repository.as_ref(), since, now),
        ended,
    })
}

/// What ended, of these repositories alone. Runners stay: their costs are filtered by themselves.
fn only_of(mut ended: Ended, repository: Option<&RepositoryPattern>) -> Ended {
    if let Some(pattern) = repository {
        ended
            .jobs
            .retain(|_, job| pattern.matches(&job.repository_name));
    }
    ended
}
