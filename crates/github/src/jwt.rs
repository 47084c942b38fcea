//! The JSON web token by which a GitHub App proves who it is.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use mayfly_domain::model::time::Timestamp;
use ring::rand::SystemRandom;
use ring::rsa::KeyPair;
use ring::signature::RSA_PKCS1_SHA256;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::json;

/// How far back a token is dated, in seconds: GitHub asks for 60, because clocks drift.
/// Source: docs.github.com, "Generating a JSON Web Token (JWT) for a GitHub App".
const ISSUED_BEFORE: i64 = 60;

/// How long a token is good for, in seconds from now. GitHub accepts at most 600; one minute is
/// left for a clock that is behind GitHub's. Source: docs.github.com, "Generating a JSON Web Token
/// (JWT) for a GitHub App".
const GOOD_FOR: i64 = 540;

/// Signs tokens for one App.
pub(crate) struct Signer {
    app_id: u64,
    key: KeyPair,
}

/// The key cannot be used. The text never quotes it.
#[derive(Debug)]
pub(crate) struct UnusableKey(String);

impl std::fmt::Display for UnusableKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Signer {
    /// A signer for an RSA key in PEM form: PKCS#1, as GitHub hands it out, or PKCS#8, as `openssl`
    /// converts it.
    ///
    /// # Errors
    /// When the text is no such key, or one that is too short to be safe.
    pub(crate) fn new(app_id: u64, pem: &str) -> Result<Self, UnusableKey> {
        let refused = |why: &dyn std::fmt::Display| UnusableKey(why.to_string());
        let key = PrivateKeyDer::from_pem_slice(pem.as_bytes())
            .map_err(|_| refused(&"it is not in PEM form"))?;
        let key = match &key {
            PrivateKeyDer::Pkcs1(der) => KeyPair::from_der(der.secret_pkcs1_der()),
            PrivateKeyDer::Pkcs8(der) => KeyPair::from_pkcs8(der.secret_pkcs8_der()),
            _ => return Err(refused(&"it is not an RSA key")),
        };
        Ok(Self {
            app_id,
            key: key.map_err(|rejected| refused(&rejected))?,
        })
    }

    /// A token that is good from now on for nine minutes.
    ///
    /// # Errors
    /// When the key cannot sign.
    pub(crate) fn token(&self, now: Timestamp) -> Result<String, UnusableKey> {
        let now = now.seconds();
        // GitHub takes the App's id for `iss` as a number or as text.
        let claims = json!({ "iat": now - ISSUED_BEFORE, "exp": now + GOOD_FOR, "iss": self.app_id.to_string() });
        let encoded = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let signed = format!(
            "{}.{}",
            encoded(r#"{"typ":"JWT","alg":"RS256"}"#),
            encoded(&claims.to_string())
        );
        let mut signature = vec![0; self.key.public().modulus_len()];
        self.key
            .sign(
                &RSA_PKCS1_SHA256,
                &SystemRandom::new(),
                signed.as_bytes(),
                &mut signature,
            )
            .map_err(|_| UnusableKey("signing failed".to_owned()))?;
        Ok(format!(
            "{signed}.{}",
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use rsa::pkcs1::EncodeRsaPrivateKey as _;
    use rsa::pkcs8::{EncodePrivateKey as _, LineEnding};
    use serde_json::Value;

    fn key() -> rsa::RsaPrivateKey {
        rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap()
    }

    #[test]
    fn a_token_names_the_app_and_is_good_for_nine_minutes_from_a_minute_ago() {
        let key = key();
        let pems = [
            key.to_pkcs1_pem(LineEnding::LF).unwrap(),
            key.to_pkcs8_pem(LineEnding::CRLF).unwrap(),
        ];
        for pem in pems {
            let signer = Signer::new(7, &pem).unwrap();
            let token = signer
                .token(Timestamp::from_millis(1_800_000_000_999))
                .unwrap();
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let public =
                UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, signer.key.public().as_ref());
            public
                .verify(
                    signed.as_bytes(),
                    &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap(),
                )
                .unwrap();
            let (header, claims) = signed.split_once('.').unwrap();
            let read = |part: &str| {
                serde_json::from_slice::<Value>(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap())
                    .unwrap()
            };
            assert_eq!(read(header), json!({ "typ": "JWT", "alg": "RS256" }));
            assert_eq!(
                read(claims),
                json!({ "iat": 1_799_999_940, "exp": 1_800_000_540, "iss": "7" })
            );
        }
    }

    #[test]
    fn what_is_no_rsa_key_is_refused_and_not_quoted() {
        let short = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024)
            .unwrap()
            .to_pkcs1_pem(LineEnding::LF)
            .unwrap();
        let public =
            rsa::pkcs1::EncodeRsaPublicKey::to_pkcs1_pem(&key().to_public_key(), LineEnding::LF)
                .unwrap();
        let broken = "-----BEGIN RSA PRIVATE KEY-----\naGVsbG8=\n-----END RSA PRIVATE KEY-----\n";
        for pem in ["", "hunter2", broken, &short, &public] {
            let Err(refused) = Signer::new(7, pem) else {
                panic!("taken: {pem}")
            };
            assert!(!refused.to_string().contains("hunter2") && !refused.to_string().is_empty());
        }
    }
}
