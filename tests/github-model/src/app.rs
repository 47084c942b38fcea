//! The GitHub App, and how it proves that it is it.

use super::accounts::{ACME, Permissions, granted};
use super::id::AccountId;
use super::key::KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rsa::RsaPublicKey;
use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::sha2::Sha256;
use rsa::signature::Verifier as _;
use serde::Deserialize;
use serde_json::Value;

/// The longest life of an App JWT: 10 minutes (GitHub docs, generating a JSON web token for an
/// App).
pub const LONGEST_JWT_SECONDS: i64 = 600;

/// The App as GitHub knows it.
#[derive(Debug, Clone)]
pub struct App {
    /// The id an App has always had.
    pub id: i64,
    /// The id GitHub recommends today; both are accepted as issuer.
    pub client_id: String,
    /// Its name in URLs.
    pub slug: String,
    /// Its name.
    pub name: String,
    /// Whose it is. A private App can be installed nowhere else.
    pub owner: AccountId,
    /// What it asks for.
    pub permissions: Permissions,
    /// What it is told of.
    pub events: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// What its signatures are checked with.
    pub public_key: RsaPublicKey,
    /// The half that only its owner has: kept for anyone who sets up a test.
    pub private_pem: String,
}

/// Why a JWT is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Not a JWT, not RS256, or not signed by the App's key.
    Undecodable,
    /// `exp` is missing or over.
    Expired,
    /// `exp` is more than ten minutes ahead.
    TooLong,
    /// `iat` is missing or in the future.
    IssuedInFuture,
    /// `iss` is no one.
    UnknownIssuer,
}

impl Rejection {
    /// GitHub's status and words.
    #[must_use]
    pub fn words(self) -> (u16, &'static str) {
        match self {
            Self::Undecodable => (401, "A JSON web token could not be decoded"),
            Self::Expired => (
                401,
                "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the \
                 assertion expires",
            ),
            Self::TooLong => (
                401,
                "'Expiration time' claim ('exp') is too far in the future",
            ),
            Self::IssuedInFuture => (
                401,
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            ),
            Self::UnknownIssuer => (404, "Integration not found"),
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    #[serde(default)]
    iss: Value,
    #[serde(default)]
    iat: Value,
    #[serde(default)]
    exp: Value,
}

impl App {
    /// The one that is there from the beginning.
    #[must_use]
    pub fn first(key: &KeyPair, now: Timestamp) -> Self {
        Self {
            id: 1_234_567,
            client_id: "Iv23liMayflyModel0000".to_owned(),
            slug: "mayfly".to_owned(),
            name: "Mayfly".to_owned(),
            owner: ACME,
            permissions: granted(),
            events: vec!["workflow_job".to_owned()],
            created_at: now,
            public_key: key.public.clone(),
            private_pem: key.private_pem.clone(),
        }
    }

    /// Checks a JWT the way GitHub does: signature first, then the claims.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, token: &str, now: Timestamp) -> Result<(), Rejection> {
        let claims = self.verified(token).ok_or(Rejection::Undecodable)?;
        let now = now.as_second();
        let expires = whole(&claims.exp)
            .filter(|exp| *exp > now)
            .ok_or(Rejection::Expired)?;
        if expires > now + LONGEST_JWT_SECONDS {
            return Err(Rejection::TooLong);
        }
        whole(&claims.iat)
            .filter(|iat| *iat <= now)
            .ok_or(Rejection::IssuedInFuture)?;
        match &claims.iss {
            Value::Number(number) if number.as_i64() == Some(self.id) => Ok(()),
            Value::String(text) if *text == self.client_id || *text == self.id.to_string() => {
                Ok(())
            }
            _ => Err(Rejection::UnknownIssuer),
        }
    }

    /// The claims of a JWT that carries our signature.
    fn verified(&self, token: &str) -> Option<Claims> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).ok()?).ok()?;
        // "none" and HMAC with the public key as secret are the classic ways in.
        if header.alg != "RS256" {
            return None;
        }
        let signature =
            Signature::try_from(URL_SAFE_NO_PAD.decode(signature).ok()?.as_slice()).ok()?;
        VerifyingKey::<Sha256>::new(self.public_key.clone())
            .verify(signed.as_bytes(), &signature)
            .ok()?;
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()
    }
}

/// A claim as whole seconds; a JWT may write them with a fraction.
#[expect(
    clippy::cast_possible_truncation,
    reason = "seconds since 1970 fit, and what does not is a wrong claim"
)]
fn whole(claim: &Value) -> Option<i64> {
    claim
        .as_i64()
        .or_else(|| claim.as_f64().map(|seconds| seconds as i64))
}
