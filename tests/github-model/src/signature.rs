//! How GitHub signs a delivery: HMAC-SHA256 over the raw bytes of the body, as lower-case hex.
//!
//! Written without the product's code, so that the two check each other. Source: GitHub's page on
//! validating webhook deliveries, whose example is a test here.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::fmt::Write as _;

/// The value of `X-Hub-Signature-256` for this body.
#[must_use]
pub fn sign(secret: &str, body: &[u8]) -> String {
    // HMAC takes keys of every length; the empty one stands in for the error that cannot be.
    let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).map(|mut mac| {
        mac.update(body);
        mac.finalize().into_bytes()
    });
    mac.map_or_else(
        |_| String::new(),
        |bytes| {
            bytes
                .iter()
                .fold(String::from("sha256="), |mut text, byte| {
                    let _ = write!(text, "{byte:02x}");
                    text
                })
        },
    )
}

#[cfg(test)]
mod tests {
    use super::sign;

    #[test]
    fn signs_githubs_published_example() {
        assert_eq!(
            sign("It's a Secret to Everybody", b"Hello, World!"),
            "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        );
    }
}
