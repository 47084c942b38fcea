//! S3: one object is stored, whole (`PutObject`,
//! <https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html>).
//!
//! Not by S3's SDK: that has a hundred operations to compile, and checksums, endpoint rules and
//! streams that a function would carry for one request a day. Signing and HTTP are what all other
//! SDKs bring anyway.

use std::time::Duration;

use async_trait::async_trait;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SigningSettings, UriPathNormalizationMode,
};
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::SdkConfig;
use mayfly_config::aws::signed::{Unsigned, configured_endpoint};
use tokio::time::timeout;

/// A connection within the region takes milliseconds.
const CONNECT: Duration = Duration::from_secs(1);

/// Half a megabyte within the region is stored in a tenth of a second. It is not tried again here:
/// the next sweep does that.
const PATIENCE: Duration = Duration::from_secs(3);

/// Most bytes of an answer that are read: an error is a short XML document.
const WORDS: usize = 500;

/// Why an object was not stored, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("S3 did not store {key}: {reason}")]
pub struct NotStored {
    /// The object's key.
    pub key: String,
    /// What S3 said, or why nothing was heard.
    pub reason: String,
}

/// Stores objects.
#[async_trait]
pub trait PutObject: Send + Sync {
    /// Stores an object, in the place of one of the same key. The key has letters, digits and
    /// `/ = - _ .` only.
    ///
    /// # Errors
    ///
    /// [`NotStored`]; it may be stored all the same.
    async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), NotStored>;
}

/// A bucket of the stack's own region.
pub struct Bucket {
    name: String,
    sdk: SdkConfig,
    connector: SharedHttpConnector,
}

impl Bucket {
    /// The bucket of this name, with these credentials and this region.
    #[must_use]
    pub fn new(sdk: &SdkConfig, name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            sdk: sdk.clone(),
            connector: mayfly_config::aws::http_connector_within(CONNECT),
        }
    }

    /// Where the object is. `=` is what a key may have that a path may not
    /// (<https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html>, `UriEncode`).
    fn url(&self, region: &str, key: &str) -> String {
        let key = key.replace('=', "%3D");
        let bucket = &self.name;
        match configured_endpoint(&self.sdk, "S3") {
            Some(url) => format!("{}/{bucket}/{key}", url.trim_end_matches('/')),
            None => format!("https://{bucket}.s3.{region}.{}/{key}", suffix(region)),
        }
    }

    async fn request(&self, key: &str, body: Vec<u8>) -> Result<HttpRequest, String> {
        let region = self.sdk.region().ok_or("there is no region")?.to_string();
        // As S3 wants it: the body's digest in a header, the path as it is sent.
        let mut settings = SigningSettings::default();
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        let unsigned = Unsigned {
            service: "s3",
            region: &region,
            method: "PUT",
            url: self.url(&region, key),
            content_type: None,
            settings,
            body,
        };
        unsigned.sign(&self.sdk).await
    }

    async fn store(&self, key: &str, body: Vec<u8>) -> Result<(), String> {
        let request = self.request(key, body).await?;
        let answer = self
            .connector
            .call(request)
            .await
            .map_err(|error| error.to_string())?;
        if answer.status().is_success() {
            return Ok(());
        }
        let status = answer.status().as_u16();
        let words = ByteStream::new(answer.into_body()).collect().await;
        let words = words.map(|words| words.into_bytes()).unwrap_or_default();
        let words = words.get(..WORDS).unwrap_or(&words);
        Err(format!("{status} {}", String::from_utf8_lossy(words)))
    }
}

#[async_trait]
impl PutObject for Bucket {
    async fn put(&self, key: &str, body: Vec<u8>) -> Result<(), NotStored> {
        let stored = timeout(PATIENCE, self.store(key, body)).await;
        stored
            .unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())))
            .map_err(|reason| NotStored {
                key: key.to_owned(),
                reason,
            })
    }
}

/// The domain of a partition's endpoints
/// (<https://docs.aws.amazon.com/general/latest/gr/s3.html>).
fn suffix(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    }
}
