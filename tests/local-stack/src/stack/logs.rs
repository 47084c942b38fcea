//! What the functions printed.

use super::aws::Aws;
use super::deployment::{FUNCTIONS, function_name};
use super::machine;
use super::places::Places;
use anyhow::{Context, Result};
use std::fs;
use std::time::Duration;

/// Logs are nice to have when a stack ends, not worth waiting for.
const LIMIT: Duration = Duration::from_secs(5);

/// Saves what the functions printed into the emulator's CloudWatch, which goes with it. A stack
/// that no longer answers must end, too: that its logs are lost is said, and is no failure.
pub(super) async fn save_function_logs(places: &Places, aws_endpoint: String) {
    if let Err(why) = save(places, aws_endpoint).await {
        eprintln!("the functions' logs are lost: {why:#}");
    }
}

async fn save(places: &Places, aws_endpoint: String) -> Result<()> {
    let aws = Aws::new(aws_endpoint, machine::client(LIMIT)?);
    for function in FUNCTIONS {
        let text = aws
            .logs(&format!("/aws/lambda/{}", function_name(function)))
            .await?;
        fs::write(places.log(function), text)
            .with_context(|| format!("write the log of {function}"))?;
    }
    Ok(())
}
