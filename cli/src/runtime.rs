//! The runtime in which commands ask AWS and GitHub.

use crate::failure::Failure;

/// Runs a command that calls AWS or GitHub.
///
/// # Errors
///
/// The command's failure.
pub fn block_on<T>(asking: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime
        .map_err(|error| Failure::new(format!("start: {error}"), ""))?
        .block_on(asking)
}
