//! Values that cannot be printed.

use std::fmt;

/// A value that must not appear in a log, an error or an answer: it has no `Display` and no
/// `Serialize`, and its `Debug` says nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret<T>(T);

impl<T> Secret<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for the one place that needs it.
    pub const fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_exposed_only_when_asked() {
        let secret = Secret::new("hush".to_owned());
        assert!(!format!("{secret:?} {secret:#?} {:?}", Some(&secret)).contains("hush"));
        assert_eq!(secret.expose(), "hush");
    }
}
