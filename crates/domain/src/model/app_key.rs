//! What the GitHub App proves itself with.

use crate::model::secret::Secret;

/// The App's id and private key, and the one GitHub that may be shown them.
///
/// The address is part of the key: requests carry a JWT that the key signed, a bearer token for
/// anyone who receives it. So only a person who may replace the key may say where it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppKey {
    /// The App's id (not its client id).
    pub app_id: u64,
    /// Its private key, RSA in PEM form, as GitHub hands it out.
    pub private_key: Secret,
    /// The GitHub that the App belongs to, as people open it: `https://github.com`, without a slash
    /// at the end.
    pub url: String,
}
