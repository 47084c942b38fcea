//! What IAM knows of a role: `GetRole`, one signed request of its Query API
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRole.html>).
//!
//! Not by IAM's SDK: that has some 180 operations to compile, for one that is asked. Signing is
//! what all other SDKs bring anyway.

use std::time::Duration;

use async_trait::async_trait;
use aws_sigv4::http_request::SigningSettings;
use aws_smithy_runtime_api::client::http::{HttpConnector as _, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::byte_stream::ByteStream;
use aws_types::SdkConfig;
use mayfly_config::aws::signed::{Unsigned, configured_endpoint};
use tokio::time::timeout;

use crate::deployment::connect::CONNECT;
use crate::deployment::refused::MAY_NOT;
use crate::failure::Failure;

/// The version of IAM's API, the only one there is.
const VERSION: &str = "2010-05-08";

/// How long IAM may take: someone waits before a terminal.
const PATIENCE: Duration = Duration::from_secs(10);

const FORM: &str = "application/x-www-form-urlencoded";

/// A role, as far as it matters who may be it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Role {
    /// Its ARN, path included.
    pub arn: String,
    /// Who may assume it: a policy, in JSON.
    pub trust: String,
}

/// Looks at roles.
#[async_trait]
pub trait Roles: Send + Sync {
    /// A role of the account by its name; none if there is none.
    ///
    /// # Errors
    ///
    /// If IAM does not answer, or refuses.
    async fn role(&self, name: &str) -> Result<Option<Role>, Failure>;
}

/// The real IAM. Needs `iam:GetRole` on the roles.
pub struct Iam {
    sdk: SdkConfig,
    partition: String,
    connector: SharedHttpConnector,
}

impl Iam {
    /// With these credentials, in the partition of this ARN: IAM has one endpoint for each.
    #[must_use]
    pub fn new(sdk: &SdkConfig, arn: &str) -> Self {
        let partition = arn.split(':').nth(1).unwrap_or("aws").to_owned();
        Self {
            sdk: sdk.clone(),
            partition,
            connector: mayfly_config::aws::http_connector_within(CONNECT),
        }
    }

    /// Where IAM is, and the region that its requests are signed for
    /// (<https://docs.aws.amazon.com/general/latest/gr/iam-service.html>).
    fn endpoint(&self) -> Option<(String, &'static str)> {
        let (url, region) = match self.partition.as_str() {
            "aws" => ("https://iam.amazonaws.com", "us-east-1"),
            "aws-cn" => ("https://iam.cn-north-1.amazonaws.com.cn", "cn-north-1"),
            "aws-us-gov" => ("https://iam.us-gov.amazonaws.com", "us-gov-west-1"),
            _ => return None,
        };
        let other = configured_endpoint(&self.sdk, "IAM");
        Some((other.unwrap_or_else(|| url.to_owned()), region))
    }

    async fn request(&self, body: String) -> Result<HttpRequest, String> {
        let (url, region) = self.endpoint().ok_or_else(|| {
            format!(
                "mayfly does not know where IAM is in partition {}",
                self.partition
            )
        })?;
        let url = format!("{}/", url.trim_end_matches('/'));
        let unsigned = Unsigned {
            service: "iam",
            region,
            method: "POST",
            url,
            content_type: Some(FORM),
            settings: SigningSettings::default(),
            body: body.into_bytes(),
        };
        unsigned.sign(&self.sdk).await
    }

    async fn ask(&self, body: String) -> Result<(u16, String), String> {
        let answer = self
            .connector
            .call(self.request(body).await?)
            .await
            .map_err(|error| error.to_string())?;
        let status = answer.status().as_u16();
        let bytes = ByteStream::new(answer.into_body())
            .collect()
            .await
            .map_err(|error| error.to_string())?
            .into_bytes();
        Ok((status, String::from_utf8_lossy(&bytes).into_owned()))
    }
}

#[async_trait]
impl Roles for Iam {
    async fn role(&self, name: &str) -> Result<Option<Role>, Failure> {
        let what = format!("read the role {name}");
        // The pools file has none but letters, digits and + = , . @ _ -.
        let name = name
            .replace('+', "%2B")
            .replace('=', "%3D")
            .replace(',', "%2C")
            .replace('@', "%40");
        let asked = timeout(
            PATIENCE,
            self.ask(format!("Action=GetRole&RoleName={name}&Version={VERSION}")),
        )
        .await;
        let answered =
            asked.unwrap_or_else(|_| Err(format!("no answer within {} s", PATIENCE.as_secs())));
        match answered {
            Ok((200, body)) => read(&body).map(Some).ok_or_else(|| {
                Failure::new(
                    format!("could not {what}: IAM's answer is not understood"),
                    "",
                )
            }),
            Ok((_, body)) if element(&body, "Code") == Some("NoSuchEntity") => Ok(None),
            Ok((status, body)) => {
                let code = element(&body, "Code").map_or_else(|| status.to_string(), plain);
                let message = element(&body, "Message").map(plain).unwrap_or_default();
                let hint = if ["AccessDenied", "AccessDeniedException"].contains(&&*code) {
                    MAY_NOT
                } else {
                    ""
                };
                Err(Failure::new(
                    format!("could not {what}: {code}: {message}"),
                    hint,
                ))
            }
            Err(why) => Err(Failure::new(
                format!("could not {what}: IAM could not be reached: {why}"),
                "",
            )),
        }
    }
}

/// The role in an answer.
fn read(body: &str) -> Option<Role> {
    let role = element(body, "Role")?;
    Some(Role {
        arn: plain(element(role, "Arn")?),
        trust: decoded(&plain(element(role, "AssumeRolePolicyDocument")?))?,
    })
}

/// What stands between the first such tags. IAM's answers give these elements no attributes.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    after
        .split_once(&format!("</{name}>"))
        .map(|(inside, _)| inside)
}

fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&#39;", "'")
        .replace("&amp;", "&")
}

/// "URL-encoded compliant with RFC 3986", as the reference says of policies.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digit = |byte: u8| {
                    char::from(byte)
                        .to_digit(16)
                        .and_then(|digit| u8::try_from(digit).ok())
                };
                digit(rest.next()?)? << 4 | digit(rest.next()?)?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of IAM's API reference, shortened.
    const ANSWER: &str = "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\"><GetRoleResult><Role>\
        <Path>/application_abc/component_xyz/</Path><Arn>arn:aws:iam::123456789012:role/application_abc/component_xyz/S3Access</Arn>\
        <RoleName>S3Access</RoleName><AssumeRolePolicyDocument>%7B%22Version%22%3A%222012-10-17%22%2C%22Statement%22%3A%5B%7B%22Effect%22%3A%22Allow\
        %22%2C%22Principal%22%3A%7B%22Service%22%3A%5B%22ec2.amazonaws.com%22%5D%7D%2C%22Action%22%3A%5B%22sts%3AAssumeRole%22%5D%7D%5D%7D\
        </AssumeRolePolicyDocument></Role></GetRoleResult></GetRoleResponse>";

    #[test]
    fn a_role_is_read_as_iam_tells_it() {
        let role = read(ANSWER).unwrap();
        assert_eq!(
            role.arn,
            "arn:aws:iam::123456789012:role/application_abc/component_xyz/S3Access"
        );
        assert_eq!(
            role.trust,
            r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":["ec2.amazonaws.com"]},"Action":["sts:AssumeRole"]}]}"#
        );
        assert_eq!(read("<Role></Role>"), None);
        assert_eq!(
            (decoded("%7"), decoded("%zz"), decoded("%ff")),
            (None, None, None)
        );
    }

    #[test]
    fn each_partition_has_its_endpoint() {
        let sdk = SdkConfig::builder().build();
        let at = |arn: &str| Iam::new(&sdk, arn).endpoint();
        assert_eq!(
            at("arn:aws:iam::1:role/x"),
            Some(("https://iam.amazonaws.com".to_owned(), "us-east-1"))
        );
        assert_eq!(
            at("arn:aws-cn:iam::1:role/x").map(|(_, region)| region),
            Some("cn-north-1")
        );
        assert_eq!(at("arn:aws-iso:iam::1:role/x"), None);
        let local = SdkConfig::builder()
            .endpoint_url("http://127.0.0.1:4566")
            .build();
        assert_eq!(
            Iam::new(&local, "arn:aws:iam::1:role/x").endpoint(),
            Some(("http://127.0.0.1:4566".to_owned(), "us-east-1"))
        );
    }
}
