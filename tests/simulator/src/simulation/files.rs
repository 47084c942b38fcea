//! Which pools file a function may go by at a time.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;

use super::scenario::{PoolSpec, PoolsFile};

/// A function believes a pools file for a minute, and may take this long from reading it to what it
/// does.
const BELIEVED: Duration = Duration::from_secs(60 + 35);

/// While Parameter Store fails, the last good file stays active. How long before a failure a file
/// can have been read that is still believed.
const BEFORE_FAILURE: Duration = Duration::from_secs(15 * 60);

/// The pools files of a story.
#[derive(Debug, Default)]
pub(super) struct Files {
    /// None: one that is of no use.
    applied: Vec<(Timestamp, Option<PoolsFile>)>,
    /// When Parameter Store was asked in vain.
    failed: Vec<Timestamp>,
}

impl Files {
    pub(super) fn applied(&mut self, at: Timestamp, file: Option<PoolsFile>) {
        self.applied.push((at, file));
    }

    pub(super) fn unreadable(&mut self, at: Timestamp) {
        self.failed.push(at);
    }

    /// The last good file.
    pub(super) fn last(&self) -> Option<&PoolsFile> {
        self.applied
            .iter()
            .rev()
            .find_map(|(_, file)| file.as_ref())
    }

    /// Every good file, and when it was applied.
    pub(super) fn good(&self) -> impl Iterator<Item = (Timestamp, &PoolsFile)> {
        self.applied
            .iter()
            .filter_map(|(at, file)| Some((*at, file.as_ref()?)))
    }

    /// Good files that someone may have gone by who acted between these times.
    pub(super) fn believed(
        &self,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = &PoolsFile> {
        let mut from = minus(from, BELIEVED);
        for failure in self.failed.iter().rev().filter(|failure| **failure <= to) {
            if *failure < minus(from, BEFORE_FAILURE) {
                break;
            }
            from = from.min(minus(*failure, BEFORE_FAILURE));
        }
        let good: Vec<(Timestamp, &PoolsFile)> = self.good().collect();
        let mut within = Vec::new();
        for (index, (at, file)) in good.iter().enumerate() {
            let until = good.get(index + 1).map(|(next, _)| *next);
            if *at <= to && until.is_none_or(|until| until >= from) {
                within.push(*file);
            }
        }
        within.into_iter()
    }

    /// What a pool was said to be by such files; none: that it is not there.
    pub(super) fn versions(
        &self,
        pool: &str,
        from: Timestamp,
        to: Timestamp,
    ) -> impl Iterator<Item = Option<&PoolSpec>> {
        self.believed(from, to).map(move |file| file.get(pool))
    }
}

/// A time earlier by this much.
pub(super) fn minus(at: Timestamp, by: Duration) -> Timestamp {
    Timestamp::from_millis(at.millis() - i64::try_from(by.as_millis()).unwrap_or(i64::MAX / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_millis(10_000_000).plus(Duration::from_secs(seconds))
    }

    fn file(name: &str) -> PoolsFile {
        PoolsFile {
            accounts: vec![name.to_owned()],
            pools: Vec::new(),
        }
    }

    fn names(files: &Files, from: u64, to: u64) -> Vec<String> {
        files
            .believed(at(from), at(to))
            .map(|file| file.accounts[0].clone())
            .collect()
    }

    #[test]
    fn a_file_is_believed_for_a_while_after_it_was_replaced_and_longer_while_nothing_can_be_read() {
        let mut files = Files::default();
        for (seconds, name) in [(0, "a"), (1_000, "b"), (2_000, "c")] {
            files.applied(at(seconds), Some(file(name)));
        }
        files.applied(at(3_000), None);
        assert_eq!(names(&files, 500, 500), ["a"]);
        assert_eq!(names(&files, 1_050, 1_060), ["a", "b"]);
        assert_eq!(names(&files, 1_300, 1_300), ["b"]);
        assert_eq!(names(&files, 3_300, 3_300), ["c"]);
        files.unreadable(at(2_100));
        assert_eq!(names(&files, 2_150, 2_150), ["b", "c"]);
    }
}
