//! One cached setting.

use std::sync::Arc;
use std::time::Duration;

use mayfly_domain::model::time::Timestamp;

use super::error::SettingsError;
use crate::parameter::{Parameter, Unreadable};

/// After a failed refresh the last good value serves for this long before the store is asked again,
/// so that a store that is down does not slow every delivery.
const RETRY_REFRESH: Duration = Duration::from_secs(5);

/// That a parameter does not exist is believed for this long at first, so that the first delivery
/// after `mayfly init` finds the secret, and twice as long each time that it is asked for again
/// right away, up to [`RETRY_REFRESH`]: a stranger who sends one request after another must not
/// cause a call to SSM for each, whose limit the whole account shares (40 calls a second:
/// docs.aws.amazon.com, "AWS Systems Manager endpoints and quotas").
const RETRY_MISSING: Duration = Duration::from_secs(1);

/// After this long without a question, a parameter that did not exist is believed missing for the
/// short time again.
const QUIET: Duration = Duration::from_secs(10);

/// What became of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refresh {
    /// The setting was not asked for.
    NotAsked,
    /// It is as fresh as it can be.
    Read,
    /// It is what it was before, or still nothing.
    Failed,
}

/// A setting with its last good value.
pub(super) struct Cached<T> {
    what: &'static str,
    parameter: Option<String>,
    fresh_for: Duration,
    good: Option<Good<T>>,
    /// Why the last reading failed; returned to callers while there is no good value.
    failure: Option<SettingsError>,
    /// When it was last asked for.
    asked_at: Timestamp,
    /// For how long it was last believed that the parameter does not exist.
    missing_for: Duration,
    /// When it is to be asked for again. At first: always.
    due_at: Timestamp,
}

struct Good<T> {
    value: Arc<T>,
    version: u64,
}

impl<T> Cached<T> {
    pub(super) const fn new(
        what: &'static str,
        parameter: Option<String>,
        fresh_for: Duration,
    ) -> Self {
        let never = Timestamp::from_millis(0);
        Self {
            what,
            parameter,
            fresh_for,
            good: None,
            failure: None,
            asked_at: never,
            missing_for: RETRY_MISSING,
            due_at: never,
        }
    }

    /// True if the value is too old, or there is none.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        self.due(now).is_some()
    }

    /// The parameter's name, if it is due.
    pub(super) fn due(&self, now: Timestamp) -> Option<&str> {
        self.parameter.as_deref().filter(|_| now >= self.due_at)
    }

    /// True if the last asking was at least this long ago.
    pub(super) fn was_asked_before(&self, now: Timestamp, duration: Duration) -> bool {
        now >= self.asked_at.plus(duration)
    }

    /// Makes the value due.
    pub(super) fn expire(&mut self, now: Timestamp) {
        self.due_at = now;
    }

    /// The last good value, or why there is none.
    pub(super) fn value(&self) -> Result<Arc<T>, SettingsError> {
        match (&self.good, &self.failure) {
            (Some(good), _) => Ok(Arc::clone(&good.value)),
            (None, Some(failure)) => Err(failure.clone()),
            (None, None) => Err(SettingsError::NotConfigured(self.what)),
        }
    }

    /// Takes from the store's answer what concerns this setting, if it was asked for.
    pub(super) fn take(
        &mut self,
        asked: &[String],
        answer: &Result<Vec<Parameter>, Unreadable>,
        now: Timestamp,
        read: fn(&Parameter) -> Result<T, Vec<String>>,
    ) -> Refresh {
        let Some(name) = self.parameter.clone().filter(|name| asked.contains(name)) else {
            return Refresh::NotAsked;
        };
        let quiet = self.was_asked_before(now, QUIET);
        self.asked_at = now;
        match self.reading(name, answer, read) {
            Ok(()) => {
                self.failure = None;
                self.due_at = now.plus(self.fresh_for);
                Refresh::Read
            }
            Err(failure) => {
                let again = !quiet && matches!(self.failure, Some(SettingsError::Missing { .. }));
                self.missing_for = if again {
                    (self.missing_for * 2).min(RETRY_REFRESH)
                } else {
                    RETRY_MISSING
                };
                self.failed(failure, now);
                Refresh::Failed
            }
        }
    }

    /// The parameter and its version, if it was read and is of no use, and there is no good value.
    pub(super) fn broken(&self) -> Option<(String, u64)> {
        match (&self.good, &self.failure) {
            (
                None,
                Some(SettingsError::Invalid {
                    parameter, version, ..
                }),
            ) => Some((parameter.clone(), *version)),
            _ => None,
        }
    }

    /// Takes an earlier version's value, since the newest is of no use; that one is looked at again
    /// before long.
    pub(super) fn take_earlier(&mut self, value: T, version: u64, now: Timestamp) {
        if let Some(failure) = &self.failure {
            tracing::error!(settings_problems = 1, settings.version = version, error = %failure, "{} cannot be used: an earlier version stays active", self.what);
        }
        self.good = Some(Good {
            value: Arc::new(value),
            version,
        });
        self.due_at = now.plus(RETRY_REFRESH);
    }

    fn reading(
        &mut self,
        name: String,
        answer: &Result<Vec<Parameter>, Unreadable>,
        read: fn(&Parameter) -> Result<T, Vec<String>>,
    ) -> Result<(), SettingsError> {
        let found = answer
            .as_ref()
            .map_err(Clone::clone)?
            .iter()
            .find(|parameter| parameter.name == name);
        let Some(parameter) = found else {
            return Err(SettingsError::Missing { parameter: name });
        };
        if self
            .good
            .as_ref()
            .is_some_and(|good| good.version == parameter.version)
        {
            return Ok(());
        }
        let value = read(parameter).map_err(|problems| SettingsError::Invalid {
            parameter: name,
            version: parameter.version,
            problems,
        })?;
        self.good = Some(Good {
            value: Arc::new(value),
            version: parameter.version,
        });
        Ok(())
    }

    /// Without a good value nothing is logged here: the failure goes to the caller, who handles it.
    fn failed(&mut self, failure: SettingsError, now: Timestamp) {
        if matches!(failure, SettingsError::Missing { .. }) {
            self.due_at = now.plus(self.missing_for);
        }
        if let Some(good) = &self.good {
            self.due_at = now.plus(RETRY_REFRESH);
            let news = self
                .failure
                .as_ref()
                .is_none_or(|before| before.to_string() != failure.to_string());
            match &failure {
                SettingsError::Unreadable(_) => {
                    tracing::warn!(settings.version = good.version, error = %failure, "could not refresh {}: its last good version stays active", self.what);
                }
                // Someone must act, but need not be told every few seconds.
                _ if news => {
                    tracing::error!(settings_problems = 1, settings.version = good.version, error = %failure, "{} cannot be used: its last good version stays active", self.what);
                }
                _ => {}
            }
        }
        self.failure = Some(failure);
    }
}
