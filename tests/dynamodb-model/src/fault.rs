//! What may go wrong with a call to the table.

use super::counts::Operation;

/// Whether the work is done when a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It is not.
    Before,
    /// It is: anyone who called cannot know.
    After,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A `StoreError`.
    Fails,
    /// A conflict. After the work it is what happens to a plain write whose answer got lost: the
    /// SDK repeats it, and it meets itself. (A transaction's repetition carries a token and
    /// succeeds.)
    Conflicts,
    /// It never answers: its caller is killed there.
    Hangs,
}

/// One fault: which calls it befalls and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Only this caller.
    pub who: Option<String>,
    /// Only this operation.
    pub operation: Option<Operation>,
    /// Only calls that name a key whose text (`<pk> <sk>`) has this in it.
    pub key: Option<String>,
    /// Before the work or after it.
    pub when: When,
    /// How.
    pub what: What,
    /// So many matching calls pass unharmed first.
    pub after: u32,
    /// So many are struck.
    pub times: u32,
}

impl Fault {
    /// The next call goes wrong.
    #[must_use]
    pub fn once(when: When, what: What) -> Self {
        Self {
            who: None,
            operation: None,
            key: None,
            when,
            what,
            after: 0,
            times: 1,
        }
    }

    /// The same for one caller.
    #[must_use]
    pub fn of(self, who: &str) -> Self {
        Self {
            who: Some(who.to_owned()),
            ..self
        }
    }

    /// The same for one operation.
    #[must_use]
    pub fn on(self, operation: Operation) -> Self {
        Self {
            operation: Some(operation),
            ..self
        }
    }

    /// The same for calls about keys with this in their text.
    #[must_use]
    pub fn about(self, key: &str) -> Self {
        Self {
            key: Some(key.to_owned()),
            ..self
        }
    }

    /// The same after so many have passed.
    #[must_use]
    pub fn after(self, after: u32) -> Self {
        Self { after, ..self }
    }

    /// The same so many times.
    #[must_use]
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    fn befalls(&self, who: &str, operation: Operation, keys: &str) -> bool {
        self.who.as_deref().is_none_or(|only| only == who)
            && self.operation.is_none_or(|only| only == operation)
            && self.key.as_deref().is_none_or(|part| keys.contains(part))
    }
}

/// The first fault that strikes this call; it counts as used.
pub(super) fn inject(
    faults: &mut Vec<Fault>,
    who: &str,
    operation: Operation,
    keys: &str,
) -> Option<(When, What)> {
    let fault = faults
        .iter_mut()
        .find(|fault| fault.befalls(who, operation, keys))?;
    if fault.after > 0 {
        fault.after -= 1;
        return None;
    }
    fault.times = fault.times.saturating_sub(1);
    let struck = (fault.when, fault.what);
    faults.retain(|fault| fault.times > 0);
    Some(struck)
}
