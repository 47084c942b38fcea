//! Reading an SSM parameter.

use aws_sdk_ssm::types::Parameter;

use crate::deployment::refused::refused;
use crate::failure::Failure;

/// How a parameter is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Text {
    /// As it is.
    Plain,
    /// Encrypted: a SecureString.
    Secret,
}

/// Reads an SSM parameter; `name` may end in `:` and a version. None if there is none, or none of
/// this version.
///
/// # Errors
///
/// If SSM does not answer, or refuses.
pub(crate) async fn read_parameter(
    client: &aws_sdk_ssm::Client,
    name: &str,
    kept: Text,
) -> Result<Option<Parameter>, Failure> {
    let asked = client
        .get_parameter()
        .name(name)
        .set_with_decryption((kept == Text::Secret).then_some(true));
    match asked.send().await {
        Ok(answer) => Ok(answer.parameter),
        Err(error)
            if error.as_service_error().is_some_and(|error| {
                error.is_parameter_not_found() || error.is_parameter_version_not_found()
            }) =>
        {
            Ok(None)
        }
        Err(error) => Err(refused(&format!("read the SSM parameter {name}"), &error)),
    }
}
