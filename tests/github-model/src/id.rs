//! Ids, one type each, so that a job is never taken for a run.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// An organization or a user.
    AccountId
);
id!(
    /// A repository; it keeps its id when it is renamed.
    RepositoryId
);
id!(
    /// The App on one account.
    InstallationId
);
id!(
    /// A runner group of an organization; 1 is the default group everywhere.
    GroupId
);
id!(
    /// A registered runner.
    RunnerId
);
id!(
    /// A workflow run.
    RunId
);
id!(
    /// A workflow job. Larger than 2^31 at GitHub for years, so here, too.
    JobId
);
id!(
    /// One attempt to deliver an event.
    DeliveryId
);

/// A runner program's connection: what it shows on every call after the first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub String);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
