//! How GitHub's page names a key: SHA-256 of its public half.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mayfly_domain::model::secret::Secret;
use ring::digest::{SHA256, digest};
use ring::signature::{KeyPair as _, RsaKeyPair};

/// What stands before the key in a SubjectPublicKeyInfo: rsaEncryption without parameters (RFC
/// 8017, appendix C; DER).
const ALGORITHM: [u8; 15] = [
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00,
];

/// The fingerprint, as `SHA256:…` (docs.github.com, "Managing private keys for GitHub Apps",
/// verifying private keys). None if the key cannot be read.
#[must_use]
pub fn fingerprint(key: &Secret) -> Option<String> {
    let pem = key.expose();
    let body: String = pem
        .lines()
        .filter(|line| !line.starts_with('-'))
        .map(str::trim)
        .collect();
    let der = STANDARD.decode(body).ok()?;
    let pair = if pem.contains("BEGIN RSA ") {
        RsaKeyPair::from_der(&der)
    } else {
        RsaKeyPair::from_pkcs8(&der)
    }
    .ok()?;
    let public = pair.public_key().as_ref();
    let bits = element(0x03, &[&[0], public].concat());
    let info = element(0x30, &[&ALGORITHM[..], &bits].concat());
    Some(format!(
        "SHA256:{}",
        STANDARD.encode(digest(&SHA256, &info))
    ))
}

/// A DER element: tag, length, content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let significant = &length[length
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(length.len() - 1)..];
    let mut element = vec![tag];
    match (significant, u8::try_from(significant.len())) {
        ([short @ 0..=0x7f], _) => element.push(*short),
        (long, Ok(count)) => {
            element.push(0x80 | count);
            element.extend_from_slice(long);
        }
        (_, Err(_)) => {}
    }
    element.extend_from_slice(content);
    element
}
