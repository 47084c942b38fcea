//! The awslogs driver: what a container prints, into CloudWatch Logs.

use super::delivery::authorization;
use super::names::TaskId;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};

/// How often is looked for something new; the driver sends at least every 5 s.
const LOOK: Duration = Duration::from_secs(2);
/// Calls under way at once: a burst of tasks must not keep the emulator from its other work.
const CONCURRENT: usize = 2;
/// Most bytes sent at once. CloudWatch Logs takes a mebibyte, and 26 bytes of it go for each line.
const BATCH: u64 = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// Where a container's output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogStream {
    /// The log group.
    pub group: String,
    /// The stream: prefix, container, task.
    pub stream: String,
}

impl LogStream {
    /// The stream of a task's container, as the driver calls it.
    pub(crate) fn of(group: &str, prefix: &str, container: &str, task: &TaskId) -> Self {
        Self {
            group: group.to_owned(),
            stream: format!("{prefix}/{container}/{task}"),
        }
    }
}

/// CloudWatch Logs, if there is any.
pub(crate) struct Awslogs {
    endpoint: Option<String>,
    region: String,
    client: reqwest::Client,
    gate: Semaphore,
}

impl Awslogs {
    pub(crate) fn new(endpoint: Option<String>, region: &str, client: reqwest::Client) -> Self {
        Self {
            endpoint,
            region: region.to_owned(),
            client,
            gate: Semaphore::new(CONCURRENT),
        }
    }

    /// Sends what a container prints into its file, until it has ended and all is sent. What cannot
    /// be sent is lost, as with a driver that does not block.
    pub(crate) async fn ship(
        &self,
        file: PathBuf,
        to: LogStream,
        mut ended: oneshot::Receiver<()>,
    ) {
        if self.endpoint.is_none()
            || self
                .call(
                    "CreateLogStream",
                    json!({"logGroupName": to.group, "logStreamName": to.stream}),
                )
                .await
                .is_err()
        {
            return;
        }
        let mut place = 0;
        loop {
            let last = tokio::time::timeout(LOOK, &mut ended).await.is_ok();
            while let Ok(Some((lines, next))) = new_lines(&file, place, last) {
                place = next;
                let now = jiff::Timestamp::now().as_millisecond();
                let events: Vec<Value> = lines
                    .iter()
                    .map(|line| json!({"timestamp": now, "message": line}))
                    .collect();
                let _lost =
                    self.call("PutLogEvents", json!({"logGroupName": to.group, "logStreamName": to.stream, "logEvents": events})).await;
            }
            if last {
                return;
            }
        }
    }

    async fn call(&self, operation: &str, body: Value) -> Result<()> {
        let _permit = self.gate.acquire().await?;
        let endpoint = self
            .endpoint
            .as_deref()
            .context("there is no CloudWatch Logs")?;
        let request = self
            .client
            .post(endpoint)
            .timeout(TIMEOUT)
            .header("authorization", authorization(&self.region, "logs"));
        let request = request.header("x-amz-target", format!("Logs_20140328.{operation}"));
        let answer = request
            .header("content-type", "application/x-amz-json-1.1")
            .body(body.to_string())
            .send()
            .await?;
        if !answer.status().is_success() {
            bail!("CloudWatch Logs answered {}", answer.status());
        }
        Ok(())
    }
}

/// The lines after a place in a file, and the place after them. A line without an end is one only
/// if none can come any more.
fn new_lines(file: &Path, place: u64, last: bool) -> Result<Option<(Vec<String>, u64)>> {
    let mut file = std::fs::File::open(file)?;
    file.seek(SeekFrom::Start(place))?;
    let mut text = Vec::new();
    let read = file.take(BATCH).read_to_end(&mut text)?;
    // A batch that is full goes as it is, a line cut in two or not.
    let all = last || u64::try_from(read)? == BATCH;
    let whole = if all {
        read
    } else {
        text.iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1)
    };
    text.truncate(whole);
    let lines: Vec<String> = String::from_utf8_lossy(&text)
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect();
    Ok((!lines.is_empty()).then_some((lines, place + u64::try_from(whole)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_lines_are_sent_once_and_the_rest_at_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("task.log");
        std::fs::write(&file, "one\ntwo\nthr").unwrap();
        let (lines, next) = new_lines(&file, 0, false).unwrap().unwrap();
        assert_eq!((lines, next), (vec!["one".to_owned(), "two".to_owned()], 8));
        assert_eq!(new_lines(&file, next, false).unwrap(), None);
        std::fs::write(&file, "one\ntwo\nthree").unwrap();
        assert_eq!(
            new_lines(&file, next, true).unwrap(),
            Some((vec!["three".to_owned()], 13))
        );
        assert_eq!(new_lines(&file, 13, true).unwrap(), None);
    }
}
