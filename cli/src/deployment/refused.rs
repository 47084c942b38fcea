//! Why AWS or the ledger did not do something, in words, with what to do about the usual causes.

use std::error::Error;
use std::fmt::Display;

use aws_sdk_ssm::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use mayfly_ledger::LedgerError;

use crate::deployment::credentials::{self, SIGN_IN, unreachable};
use crate::failure::Failure;

/// What to do where AWS denies access.
pub(crate) const MAY_NOT: &str = "these credentials are not allowed to do that: the stack's outputs name policies for viewers and operators";

const OVER: &str = "the session has expired: sign in again (aws sso login, or aws login)";

/// Why AWS did not do something, in words, with what to do about the usual causes. `what` is what
/// was tried, as `read the SSM parameter /mayfly/mayfly/pools`.
pub fn refused<E, R>(what: &str, error: &SdkError<E, R>) -> Failure
where
    E: Error + ProvideErrorMetadata + 'static,
    R: std::fmt::Debug + 'static,
{
    // The SDK reports credentials that it could not get as a request that it could not send.
    if let Some(Failure { problem, hint }) = credentials::cause(error) {
        return Failure::new(format!("could not {what}: {problem}"), hint);
    }
    let code = error.code().unwrap_or_default();
    let hint = match code {
        "AccessDeniedException" | "AccessDenied" => MAY_NOT.to_owned(),
        "ExpiredTokenException" | "ExpiredToken" => OVER.to_owned(),
        "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidSignatureException" => {
            "AWS does not know these credentials: check them with aws sts get-caller-identity"
                .to_owned()
        }
        _ => match error {
            SdkError::ConstructionFailure(_) => SIGN_IN.to_owned(),
            SdkError::DispatchFailure(_) | SdkError::TimeoutError(_) => unreachable(),
            _ => String::new(),
        },
    };
    let said = error
        .message()
        .map_or_else(|| innermost(error), str::to_owned);
    let named: &dyn Display = if code.is_empty() {
        &""
    } else {
        &format_args!("{code}: ")
    };
    Failure::new(format!("could not {what}: {named}{said}"), hint)
}

/// Why the ledger did not answer, in words. `what` is what was tried, as `read the ledger`.
#[must_use]
pub fn ledger_refused(what: &str, error: &LedgerError) -> Failure {
    let LedgerError::Unavailable(store) = error else {
        let hint = if matches!(error, LedgerError::Corrupt { .. }) {
            "this mayfly may be older than the deployment: see mayfly version"
        } else {
            "try again"
        };
        return Failure::new(format!("could not {what}: {error}"), hint);
    };
    let hint = match store.code() {
        "AccessDeniedException" => MAY_NOT,
        "ResourceNotFoundException" => "the table that the deployment names is gone: deploy again",
        "ExpiredTokenException" => OVER,
        _ => "",
    };
    Failure::new(format!("could not {what}: {store}"), hint)
}

/// The cause at the end of the chain: what people can do something about.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    let text = error.to_string();
    if text.is_empty() {
        DisplayErrorContext(error).to_string()
    } else {
        text
    }
}
