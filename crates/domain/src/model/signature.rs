//! The signature of a webhook delivery: HMAC-SHA256 over the raw body.
//!
//! Source: docs.github.com "Validating webhook deliveries".

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::secret::Secret;

/// What GitHub and Mayfly share to sign deliveries; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSecret(Secret);

impl WebhookSecret {
    /// Takes a secret; `None` if it is empty, since an empty key would let everyone sign.
    #[must_use]
    pub fn new(secret: Secret) -> Option<Self> {
        (!secret.expose().is_empty()).then_some(Self(secret))
    }
}

/// Why a delivery is not GitHub's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No `X-Hub-Signature-256` header.
    #[error("the X-Hub-Signature-256 header is missing")]
    Missing,
    /// Not `sha256=` and 64 hexadecimal digits.
    #[error("the X-Hub-Signature-256 header is not sha256= and 64 hexadecimal digits")]
    Malformed,
    /// Well formed, but not made with a secret that is active.
    #[error("the signature does not match")]
    Wrong,
}

/// Checks `header` (`X-Hub-Signature-256`) against the raw bytes of the body, with each secret in
/// force (two while rotating; none refuses everything).
///
/// Takes the same time wherever the first wrong digit is.
///
/// # Errors
///
/// [`SignatureError`]: nothing of the body may be believed.
pub fn verify(
    secrets: &[WebhookSecret],
    header: Option<&str>,
    body: &[u8],
) -> Result<(), SignatureError> {
    let digits = header
        .ok_or(SignatureError::Missing)?
        .strip_prefix("sha256=")
        .ok_or(SignatureError::Malformed)?;
    let given = decode_hex(digits).ok_or(SignatureError::Malformed)?;
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.0.expose().as_bytes())
            .map_err(|_| SignatureError::Wrong)?;
        mac.update(body);
        if mac.verify_slice(&given).is_ok() {
            return Ok(());
        }
    }
    Err(SignatureError::Wrong)
}

fn decode_hex(digits: &str) -> Option<[u8; 32]> {
    let digits = digits.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 64 {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of docs.github.com "Validating webhook deliveries".
    const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

    fn secret(text: &str) -> WebhookSecret {
        WebhookSecret::new(Secret::new(text)).unwrap()
    }

    #[test]
    fn githubs_own_example_is_accepted() {
        let secrets = [secret("It's a Secret to Everybody")];
        assert_eq!(verify(&secrets, Some(SIGNED), b"Hello, World!"), Ok(()));
        assert_eq!(
            verify(
                &secrets,
                Some(&SIGNED.to_uppercase().replace("SHA", "sha")),
                b"Hello, World!"
            ),
            Ok(())
        );
    }

    #[test]
    fn either_secret_is_accepted_while_rotating() {
        let secrets = [secret("new"), secret("It's a Secret to Everybody")];
        assert_eq!(verify(&secrets, Some(SIGNED), b"Hello, World!"), Ok(()));
    }

    #[test]
    fn anything_else_is_refused() {
        let secrets = [secret("It's a Secret to Everybody")];
        let check = |secrets: &[_], header, body: &[u8]| verify(secrets, header, body).unwrap_err();
        assert_eq!(
            check(&secrets, None, b"Hello, World!"),
            SignatureError::Missing
        );
        assert_eq!(
            check(&secrets, Some(SIGNED), b"Hello, World"),
            SignatureError::Wrong
        );
        assert_eq!(
            check(&[], Some(SIGNED), b"Hello, World!"),
            SignatureError::Wrong
        );
        assert_eq!(
            check(&[secret("other")], Some(SIGNED), b"Hello, World!"),
            SignatureError::Wrong
        );
        for malformed in [
            "",
            "sha256=",
            "sha1=757107ea",
            &SIGNED[..70],
            &format!("{SIGNED}0"),
            &SIGNED.replace('7', "g"),
            &SIGNED.replace("75", "é"),
        ] {
            assert_eq!(
                check(&secrets, Some(malformed), b"Hello, World!"),
                SignatureError::Malformed,
                "{malformed}"
            );
        }
    }

    #[test]
    fn empty_secret_is_none_and_no_secret_is_printed() {
        assert!(WebhookSecret::new(Secret::new("")).is_none());
        assert!(!format!("{:?}", secret("hush")).contains("hush"));
    }
}
