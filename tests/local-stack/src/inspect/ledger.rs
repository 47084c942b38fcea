//! The ledger as it lies in the table.

use anyhow::{Context, Result};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use mayfly_domain::model::id::JobId;
use mayfly_domain::model::job::{JobRecord, WaitingJob};
use mayfly_domain::model::runner::Runner;
use mayfly_ledger::key::Key;
use mayfly_ledger::store::read;

use crate::stack::Stack;

/// Everything that concerns jobs and runners, read at about one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// Jobs' records.
    pub jobs: Vec<JobRecord>,
    /// Waiting rows.
    pub waiting: Vec<WaitingJob>,
    /// Open runners' rows.
    pub open: Vec<Runner>,
    /// Closed runners' records.
    pub closed: Vec<Runner>,
}

impl Snapshot {
    /// The record of a job.
    #[must_use]
    pub fn job(&self, id: i64) -> Option<&JobRecord> {
        self.jobs.iter().find(|job| job.id == JobId(id))
    }
}

/// The table, read only.
pub struct LedgerView {
    client: Client,
    table: String,
}

impl LedgerView {
    /// The table of this stack.
    #[must_use]
    pub fn new(stack: &Stack) -> Self {
        let key = Credentials::new(
            &stack.access_key,
            &stack.access_key,
            None,
            None,
            "local stack",
        );
        let config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(stack.region.clone()))
            .endpoint_url(&stack.aws_endpoint)
            .credentials_provider(key)
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .build();
        Self {
            client: Client::from_conf(config),
            table: stack.table.clone(),
        }
    }

    /// What it reads with.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads the whole table.
    ///
    /// # Errors
    /// If it cannot be read, or holds an item of another form.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let mut snapshot = Snapshot::default();
        let mut pages = self
            .client
            .scan()
            .table_name(&self.table)
            .consistent_read(true)
            .into_paginator()
            .send();
        while let Some(page) = pages.next().await {
            for item in page.context("scan the ledger")?.items.unwrap_or_default() {
                let text = |name: &str| {
                    item.get(name)
                        .and_then(|value| value.as_s().ok())
                        .cloned()
                        .unwrap_or_default()
                };
                let key = Key {
                    pk: text("pk"),
                    sk: text("sk"),
                };
                let kind = (
                    key.pk.split('#').next().unwrap_or_default(),
                    key.sk.split('#').next().unwrap_or_default(),
                );
                match kind {
                    ("pool", "job") => snapshot.waiting.push(read(&key, item)?),
                    ("pool", "runner") => snapshot.open.push(read(&key, item)?),
                    ("job", "record") => snapshot.jobs.push(read(&key, item)?),
                    ("runner", "record") => snapshot.closed.push(read(&key, item)?),
                    _ => {}
                }
            }
        }
        Ok(snapshot)
    }
}
