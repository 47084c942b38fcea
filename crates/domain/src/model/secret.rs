//! Text that must not be seen.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretString};

/// A secret. It cannot be printed, not even for debugging, is exposed only by an explicit call, and
/// is wiped from memory when dropped.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// Keeps a text secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into().into())
    }

    /// The text, for the one place that must have it.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

impl PartialEq for Secret {
    /// Tells whether a secret was changed. To check what a stranger sent, use
    /// [`verify`](crate::model::signature::verify): this comparison takes longer the more is right.
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{:?}", Some(&secret)), "Some(Secret(…))");
        assert_eq!(secret.expose(), "hunter2");
    }

    #[test]
    fn a_changed_secret_is_another_one() {
        assert_eq!(Secret::new("hush"), Secret::new("hush"));
        assert_ne!(Secret::new("hush"), Secret::new("Hush"));
    }
}
