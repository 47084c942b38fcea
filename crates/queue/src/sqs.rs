//! Wakes by way of Amazon SQS.

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::operation::RequestId;
use mayfly_domain::model::id::PoolName;
use ulid::Ulid;

use crate::wake::{NotSent, Wake, Wakes};

/// The wake queue: FIFO, one message group per pool. Needs `sqs:SendMessage`.
#[derive(Clone, Debug)]
pub struct SqsWakes {
    client: Client,
    queue_url: String,
}

impl SqsWakes {
    /// Uses the queue of this URL.
    #[must_use]
    pub const fn new(client: Client, queue_url: String) -> Self {
        Self { client, queue_url }
    }
}

#[async_trait]
impl Wakes for SqsWakes {
    async fn wake(&self, pool: &PoolName) -> Result<(), NotSent> {
        // A fresh deduplication id: SQS swallows a repeated one for 5 minutes, and with it a wake
        // for something new.
        let sent = self
            .client
            .send_message()
            .queue_url(&self.queue_url)
            .message_group_id(pool.as_str())
            .message_deduplication_id(Ulid::generate().to_string())
            .message_body(Wake { pool: pool.clone() }.to_body())
            .send()
            .await;
        sent.map(drop).map_err(|error| {
            let request = error.request_id().unwrap_or("none").to_owned();
            NotSent {
                pool: pool.clone(),
                reason: format!(
                    "SQS SendMessage, request {request}: {}",
                    DisplayErrorContext(error)
                ),
            }
        })
    }
}
