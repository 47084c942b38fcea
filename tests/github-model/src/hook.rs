//! The App's webhook: where deliveries go and how they are signed.

use serde::{Deserialize, Serialize};

/// The secret of GitHub's own example, and this model's at first: the event files are signed with
/// it.
pub const EXAMPLE_SECRET: &str = "It's a Secret to Everybody";

/// How the body is written. The signature is over the bytes in both cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContentType {
    /// `application/json`.
    Json,
    /// `application/x-www-form-urlencoded`, the JSON in the field `payload`.
    Form,
}

impl ContentType {
    /// The header's value.
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }

    /// The bytes that are sent for this JSON.
    #[must_use]
    pub fn encode(self, json: &str) -> Vec<u8> {
        match self {
            Self::Json => json.as_bytes().to_vec(),
            Self::Form => form(json),
        }
    }
}

/// The webhook's settings.
#[derive(Debug, Clone)]
pub struct Hook {
    /// Where to; without it nothing is delivered.
    pub url: Option<String>,
    /// What signs the deliveries.
    pub secret: String,
    /// How the body is written.
    pub content_type: ContentType,
}

/// `PATCH /app/hook/config`: what is absent stays.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct HookChange {
    url: Option<String>,
    content_type: Option<ContentType>,
    secret: Option<String>,
}

impl Hook {
    /// Changes what is named.
    pub fn apply(&mut self, change: HookChange) {
        self.url = change.url.or(self.url.take());
        self.content_type = change.content_type.unwrap_or(self.content_type);
        if let Some(secret) = change.secret {
            self.secret = secret;
        }
    }
}

/// `payload=` and the text, percent-encoded: everything but letters, digits and `-._*`, a space as
/// `+`.
fn form(json: &str) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut bytes = b"payload=".to_vec();
    for byte in json.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'*' => bytes.push(byte),
            b' ' => bytes.push(b'+'),
            other => bytes.extend([
                b'%',
                HEX[usize::from(other >> 4)],
                HEX[usize::from(other & 15)],
            ]),
        }
    }
    bytes
}
