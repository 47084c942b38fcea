//! The archive: closed records of days that are over, as JSON lines in S3. The last thing in a
//! sweep, and only for as long as is left of it.

use std::time::Duration;

use anyhow::Context as _;
use mayfly_domain::model::retention::Retention;
use mayfly_domain::transitions::archive::ArchiveCursor;
use mayfly_ledger::archive::{ArchivePlace, day_of};
use mayfly_ledger::history::After;
use mayfly_ledger::{History, Store};
use mayfly_queue::Wakes;
use tokio::time::timeout;
use tracing::{error, info, warn};

use crate::budget::Budget;
use crate::sweeper::{Archive, EcsPort, GitHub, Sweeper};

/// A sweep works on the archive for so long at most: some thirty parts, or 7,500 records.
const AT_MOST: Duration = Duration::from_secs(5);

/// An archive that has been behind for so long needs a person: nothing is lost yet, for records are
/// kept for 30 days at least.
const TOO_LONG: Duration = Duration::from_secs(2 * 24 * 60 * 60);

impl<S: Store + History, F: EcsPort, G: GitHub, W: Wakes> Sweeper<S, F, G, W> {
    /// Writes what is due, if there is an archive. `keep` is how far back a new one begins.
    pub(crate) async fn archive(&self, keep: Retention, budget: &Budget) {
        let Some(archive) = &self.deps.archive else {
            return;
        };
        let before = match self.ledger.archive_place().await {
            Ok(place) => place,
            Err(problem) => {
                warn!(error = %problem, "could not read how far the archive is: the next sweep tries again");
                return;
            }
        };
        let from = before.at.clone();
        let problem = match timeout(AT_MOST, self.write_parts(archive, before, keep, budget)).await
        {
            Ok(Ok(())) => return,
            Ok(Err(problem)) => format!("{problem:#}"),
            Err(_) => format!("not through within {} s", AT_MOST.as_secs()),
        };
        warn!(
            error = problem,
            "could not write all of the archive that is due: the next sweep continues"
        );
        // One that moves at all makes up for what it is behind, as a new one does.
        let after = self.ledger.archive_place().await;
        let Some(after) = after.ok().filter(|after| after.at == from) else {
            return;
        };
        let next = after.into_inner().at;
        let next = next.unwrap_or_else(|| ArchiveCursor::first(keep, self.now()));
        let overdue = next.overdue(self.now());
        if overdue > TOO_LONG {
            error!(
                archive.day = day_of(next.day),
                archive.overdue_hours = overdue.as_secs() / 3600,
                error = problem,
                "the archive has had no closed records for days: see why its bucket takes none, before the ledger forgets them"
            );
        }
    }

    async fn write_parts(
        &self,
        archive: &Archive,
        mut place: ArchivePlace,
        keep: Retention,
        budget: &Budget,
    ) -> anyhow::Result<()> {
        while !budget.over() {
            let next = place.at.clone();
            let next = next.unwrap_or_else(|| ArchiveCursor::first(keep, self.now()));
            if !next.is_due(self.now()) {
                return Ok(());
            }
            let last = self.write_part(archive, &next).await?;
            let after = Some(next.following(last));
            let Some(moved) = self.ledger.move_cursor(&place, after).await? else {
                info!("another sweep writes the archive");
                return Ok(());
            };
            place = moved;
        }
        Ok(())
    }

    /// Stores a part; answers its last record if others of its day follow.
    async fn write_part(
        &self,
        archive: &Archive,
        next: &ArchiveCursor<After>,
    ) -> anyhow::Result<Option<After>> {
        let part = self
            .ledger
            .archive_part(next)
            .await
            .context("read closed records")?;
        for (kind, lines) in [("jobs", part.jobs), ("runners", part.runners)] {
            if lines.is_empty() {
                continue;
            }
            let key = object_key(&archive.prefix, kind, next);
            let records = lines.lines().count();
            archive.bucket.put(&key, lines.into_bytes()).await?;
            info!(archive.key = key, archive.records = records, "archived");
        }
        Ok(part.last)
    }
}

/// The key of a part's object: Athena finds a day by `day=`.
fn object_key(prefix: &str, kind: &str, place: &ArchiveCursor<After>) -> String {
    let day = day_of(place.day);
    format!("{prefix}/{kind}/day={day}/part-{:05}.jsonl", place.part)
}
