//! Requests to AWS that no SDK makes here, signed as the SDKs sign theirs.

use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials as _;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::service_config::ServiceConfigKey;

/// A request that is not signed yet.
pub struct Unsigned<'a> {
    /// The service's name in signatures: `s3`, `iam`.
    pub service: &'a str,
    /// The region that the request is signed for.
    pub region: &'a str,
    /// The HTTP method.
    pub method: &'static str,
    /// Where it goes.
    pub url: String,
    /// The body's type, a header that is signed; none: no such header.
    pub content_type: Option<&'static str>,
    /// How the service wants it signed.
    pub settings: SigningSettings,
    /// The body.
    pub body: Vec<u8>,
}

impl Unsigned<'_> {
    /// The request, signed with the configuration's credentials.
    ///
    /// # Errors
    ///
    /// In words: there are no credentials, or the URL or the method is none.
    pub async fn sign(self, sdk: &SdkConfig) -> Result<HttpRequest, String> {
        let provider = sdk
            .credentials_provider()
            .ok_or("there are no AWS credentials")?;
        let identity = provider
            .provide_credentials()
            .await
            .map_err(|error| error.to_string())?
            .into();
        let parameters = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region)
            .name(self.service)
            .time(SystemTime::now())
            .settings(self.settings)
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let headers = self.content_type.map(|kind| ("content-type", kind));
        let signable = SignableRequest::new(
            self.method,
            &self.url,
            headers.into_iter(),
            SignableBody::Bytes(&self.body),
        );
        let signed = sign(signable.map_err(|error| error.to_string())?, &parameters)
            .map_err(|error| error.to_string())?;
        let (instructions, _) = signed.into_parts();
        let mut request = HttpRequest::new(SdkBody::from(self.body));
        request
            .set_method(self.method)
            .map_err(|error| error.to_string())?;
        request
            .set_uri(self.url)
            .map_err(|error| error.to_string())?;
        if let Some((name, kind)) = headers {
            request.headers_mut().insert(name, kind);
        }
        for (name, value) in instructions.headers() {
            request
                .headers_mut()
                .insert(name.to_owned(), value.to_owned());
        }
        Ok(request)
    }
}

/// Where the configuration says that a service is, if it says so: `AWS_ENDPOINT_URL_<SERVICE>`, or
/// `AWS_ENDPOINT_URL`. `service_id` is the SDKs' name: `S3`, `IAM`.
#[must_use]
pub fn configured_endpoint(sdk: &SdkConfig, service_id: &str) -> Option<String> {
    let key = ServiceConfigKey::builder()
        .service_id(service_id)
        .env("AWS_ENDPOINT_URL")
        .profile("endpoint_url")
        .build()
        .ok();
    let of_service = key.and_then(|key| sdk.service_config()?.load_config(key));
    of_service.or_else(|| sdk.endpoint_url().map(str::to_owned))
}
