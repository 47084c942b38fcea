//! Why there is no setting.

use crate::parameter::Unreadable;

/// Why there is no setting to work with, not even an old one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SettingsError {
    /// The store did not answer: ask again.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
    /// There is no such parameter: someone must write it.
    #[error("parameter {parameter} does not exist")]
    Missing {
        /// Its name.
        parameter: String,
    },
    /// The parameter's text is of no use: someone must correct it. The problems never quote a
    /// secret.
    #[error("parameter {parameter} (version {version}) is invalid: {}", in_one_line(.problems))]
    Invalid {
        /// Its name.
        parameter: String,
        /// Which version of it.
        version: u64,
        /// What is wrong with it.
        problems: Vec<String>,
    },
    /// The function was not told the parameter's name: it asks for what it should not need.
    #[error("this function has no parameter for {0}")]
    NotConfigured(&'static str),
}

impl SettingsError {
    /// True if it passes by itself: the same question may be answered in a moment. What does not
    /// needs a person.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreadable(unreadable) => unreadable.is_transient(),
            Self::Missing { .. } | Self::Invalid { .. } | Self::NotConfigured(_) => false,
        }
    }
}

fn in_one_line(problems: &[String]) -> String {
    problems.join("; ")
}
