//! The App's key pair. Made once by the server, then only used.

use anyhow::Context as _;
use rsa::pkcs1::{EncodeRsaPrivateKey as _, LineEnding};
use rsa::rand_core::OsRng;
use rsa::{BigUint, RsaPrivateKey, RsaPublicKey};

/// Bits of the keys GitHub makes for Apps.
const BITS: usize = 2048;

/// A fresh key pair: the private half as GitHub hands it out (PKCS#1 PEM), the public half as the
/// model keeps it.
#[derive(Debug, Clone)]
pub struct KeyPair {
    /// What the App's owner downloads.
    pub private_pem: String,
    /// What GitHub checks signatures with.
    pub public: RsaPublicKey,
}

impl KeyPair {
    /// A public half whose private half no one has: for models that no one calls by JWT.
    ///
    /// # Errors
    /// Never, as long as the numbers below are a key's.
    pub fn without_private_half() -> anyhow::Result<Self> {
        let modulus = BigUint::from_bytes_be(&[0xff; BITS / 8]);
        let public =
            RsaPublicKey::new(modulus, BigUint::from(65_537_u32)).context("make half a key")?;
        Ok(Self {
            private_pem: String::new(),
            public,
        })
    }

    /// Makes one. Slow: a tenth of a second and more.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> anyhow::Result<Self> {
        let private = RsaPrivateKey::new(&mut OsRng, BITS).context("make the App's key")?;
        let private_pem = private
            .to_pkcs1_pem(LineEnding::LF)
            .context("write the App's key")?
            .to_string();
        Ok(Self {
            private_pem,
            public: private.to_public_key(),
        })
    }
}
