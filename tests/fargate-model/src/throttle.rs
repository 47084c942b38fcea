//! AWS's token buckets, exact to the nanosecond and without a clock of their own.

use super::names::Operation;
use jiff::Timestamp;
use std::collections::BTreeMap;

/// The buckets a call takes from. Numbers: ECS developer guide, "Request throttling" (API buckets)
/// and "Fargate throttling quotas" (`RunTask` on Fargate, launches).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bucket {
    /// `RunTask`, `StopTask`: 100, refilled with 40 a second.
    ModifyResources,
    /// `DescribeTasks`, `ListTasks`: 100, refilled with 20 a second.
    ReadResources,
    /// `RegisterTaskDefinition`, `DeregisterTaskDefinition`: 20, refilled with 1 a second.
    ModifyDefinitions,
    /// `DescribeTaskDefinition`, `ListTaskDefinitions`: 50, refilled with 20 a second.
    ReadDefinitions,
    /// `RunTask` for Fargate: 20, refilled with 20 a second.
    RunFargate,
    /// Everything about clusters: 50, refilled with 20 a second.
    Clusters,
}

impl Bucket {
    /// Size and tokens a second.
    fn rate(self) -> (i128, i128) {
        match self {
            Self::ModifyResources => (100, 40),
            Self::ReadResources => (100, 20),
            Self::ModifyDefinitions => (20, 1),
            Self::ReadDefinitions | Self::Clusters => (50, 20),
            Self::RunFargate => (20, 20),
        }
    }

    fn of(operation: Operation) -> &'static [Self] {
        match operation {
            Operation::RunTask => &[Self::ModifyResources, Self::RunFargate],
            Operation::StopTask => &[Self::ModifyResources],
            Operation::DescribeTasks | Operation::ListTasks => &[Self::ReadResources],
            Operation::RegisterTaskDefinition | Operation::DeregisterTaskDefinition => {
                &[Self::ModifyDefinitions]
            }
            Operation::DescribeTaskDefinition | Operation::ListTaskDefinitions => {
                &[Self::ReadDefinitions]
            }
            Operation::CreateCluster | Operation::DescribeClusters => &[Self::Clusters],
        }
    }
}

/// One token, in the unit the buckets count in: a billionth of it comes in per nanosecond and rate.
const TOKEN: i128 = 1_000_000_000;

/// How full every bucket is, and when that was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Throttle {
    levels: BTreeMap<Bucket, (i128, Timestamp)>,
}

impl Throttle {
    /// Takes a token from every bucket of the operation; false, and none taken, if one is empty.
    pub(crate) fn admits(&mut self, operation: Operation, now: Timestamp) -> bool {
        let levels: Vec<_> = Bucket::of(operation)
            .iter()
            .map(|bucket| (*bucket, self.level(*bucket, now)))
            .collect();
        let admitted = levels.iter().all(|(_, level)| *level >= TOKEN);
        let taken = if admitted { TOKEN } else { 0 };
        for (bucket, level) in levels {
            self.levels.insert(bucket, (level - taken, now));
        }
        admitted
    }

    fn level(&self, bucket: Bucket, now: Timestamp) -> i128 {
        let (size, per_second) = bucket.rate();
        match self.levels.get(&bucket) {
            None => size * TOKEN,
            Some((level, at)) => {
                let passed = (now.as_nanosecond() - at.as_nanosecond()).max(0);
                (level + passed * per_second).min(size * TOKEN)
            }
        }
    }
}
