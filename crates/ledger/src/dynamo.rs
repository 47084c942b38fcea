//! The table in DynamoDB.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::RequestId;
use aws_sdk_dynamodb::operation::transact_get_items::TransactGetItemsError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Get, Put, TransactGetItem, TransactWriteItem,
};
use mayfly_domain::model::time::Timestamp;

use crate::history::{After, ClosedPage, History, INDEX, Order, Span};
use crate::key::Key;
use crate::store::{CommitError, Expect, Item, Page, REV, Store, StoreError, Write};

/// A DynamoDB table with the string keys `pk` and `sk`.
#[derive(Clone, Debug)]
pub struct Dynamo {
    client: Client,
    table: String,
}

impl Dynamo {
    /// The table of this name.
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    /// One write needs no transaction, which costs twice as much; and a plain write never conflicts
    /// with a transaction in progress.
    async fn commit_one(&self, write: Write) -> Result<(), CommitError> {
        let condition = Condition::of(write.expect());
        let failed = match write {
            Write::Put(key, item, _) => {
                let request = self
                    .client
                    .put_item()
                    .table_name(&self.table)
                    .set_item(Some(with_key(&key, item)));
                let sent = request
                    .set_condition_expression(condition.expression)
                    .set_expression_attribute_values(condition.values)
                    .send()
                    .await;
                sent.err().map(|error| not_carried_out("PutItem", &error))
            }
            Write::Delete(key, _) => {
                let request = self
                    .client
                    .delete_item()
                    .table_name(&self.table)
                    .set_key(Some(attributes(&key)));
                let sent = request
                    .set_condition_expression(condition.expression)
                    .set_expression_attribute_values(condition.values)
                    .send()
                    .await;
                sent.err()
                    .map(|error| not_carried_out("DeleteItem", &error))
            }
        };
        failed.map_or(Ok(()), Err)
    }

    fn action(&self, write: Write) -> Result<TransactWriteItem, StoreError> {
        let condition = Condition::of(write.expect());
        let incomplete = |error: &dyn std::fmt::Display| StoreError {
            operation: "TransactWriteItems",
            problem: error.to_string(),
        };
        let action = TransactWriteItem::builder();
        Ok(match write {
            Write::Put(key, item, _) => action.put(
                Put::builder()
                    .table_name(&self.table)
                    .set_item(Some(with_key(&key, item)))
                    .set_condition_expression(condition.expression)
                    .set_expression_attribute_values(condition.values)
                    .build()
                    .map_err(|error| incomplete(&error))?,
            ),
            Write::Delete(key, _) => action.delete(
                Delete::builder()
                    .table_name(&self.table)
                    .set_key(Some(attributes(&key)))
                    .set_condition_expression(condition.expression)
                    .set_expression_attribute_values(condition.values)
                    .build()
                    .map_err(|error| incomplete(&error))?,
            ),
        }
        .build())
    }
}

/// A condition expression with its values.
struct Condition {
    expression: Option<String>,
    values: Option<HashMap<String, AttributeValue>>,
}

impl Condition {
    fn of(expect: Expect) -> Self {
        match expect {
            Expect::Any => Self {
                expression: None,
                values: None,
            },
            Expect::Absent => Self {
                expression: Some("attribute_not_exists(pk)".to_owned()),
                values: None,
            },
            Expect::Rev(rev) => Self {
                expression: Some(format!("{REV} = :rev")),
                values: Some(HashMap::from([(
                    ":rev".to_owned(),
                    AttributeValue::N(rev.to_string()),
                )])),
            },
        }
    }
}

fn attributes(key: &Key) -> Item {
    HashMap::from([
        ("pk".to_owned(), AttributeValue::S(key.pk.clone())),
        ("sk".to_owned(), AttributeValue::S(key.sk.clone())),
    ])
}

fn with_key(key: &Key, mut item: Item) -> Item {
    item.extend(attributes(key));
    item
}

fn key_of(item: &Item) -> Option<Key> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(Key {
        pk: text("pk")?,
        sk: text("sk")?,
    })
}

fn store_error<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E>,
) -> StoreError {
    let request = error.request_id().unwrap_or("none");
    let problem = match error.as_service_error() {
        Some(service) => format!(
            "{} {} (request {request})",
            service.code().unwrap_or("no code"),
            service.message().unwrap_or_default()
        ),
        None => format!(
            "{} (request {request})",
            aws_sdk_dynamodb::error::DisplayErrorContext(error)
        ),
    };
    StoreError { operation, problem }
}

/// Tells a lost race from a failure, for plain writes.
fn not_carried_out<E: ProvideErrorMetadata + std::error::Error + 'static>(
    operation: &'static str,
    error: &SdkError<E>,
) -> CommitError {
    match error
        .as_service_error()
        .and_then(ProvideErrorMetadata::code)
    {
        Some("ConditionalCheckFailedException" | "TransactionConflictException") => {
            CommitError::Conflict
        }
        _ => CommitError::Store(store_error(operation, error)),
    }
}

/// True if every reason is a race: an item was not as expected, or another transaction was at it.
/// Throttling and validation are failures. Source: DynamoDB API reference, `CancellationReason`.
fn lost_race(reasons: &[CancellationReason]) -> bool {
    let mut codes = reasons
        .iter()
        .filter_map(|reason| reason.code())
        .filter(|code| *code != "None")
        .peekable();
    codes.peek().is_some()
        && codes.all(|code| matches!(code, "ConditionalCheckFailed" | "TransactionConflict"))
}

#[async_trait]
impl Store for Dynamo {
    async fn get(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let sent = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(attributes(key)))
            .consistent_read(true)
            .send()
            .await;
        Ok(sent.map_err(|error| store_error("GetItem", &error))?.item)
    }

    async fn get_many(&self, keys: &[Key]) -> Result<Vec<Option<Item>>, CommitError> {
        let mut request = self.client.transact_get_items();
        for key in keys {
            let get = Get::builder()
                .table_name(&self.table)
                .set_key(Some(attributes(key)))
                .build();
            let get = get.map_err(|error| StoreError {
                operation: "TransactGetItems",
                problem: error.to_string(),
            })?;
            request = request.transact_items(TransactGetItem::builder().get(get).build());
        }
        let answer = request
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                Some(TransactGetItemsError::TransactionCanceledException(cancelled))
                    if lost_race(cancelled.cancellation_reasons()) =>
                {
                    CommitError::Conflict
                }
                _ => store_error("TransactGetItems", &error).into(),
            })?;
        let mut items: Vec<Option<Item>> = answer
            .responses
            .unwrap_or_default()
            .into_iter()
            .map(|response| response.item)
            .collect();
        items.resize(keys.len(), None);
        Ok(items)
    }

    async fn query(
        &self,
        pk: &str,
        prefix: &str,
        after: Option<&str>,
        limit: Option<i32>,
    ) -> Result<Page, StoreError> {
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .consistent_read(true)
            .set_limit(limit);
        request = request.expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()));
        request = if prefix.is_empty() {
            request.key_condition_expression("pk = :pk")
        } else {
            request
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", AttributeValue::S(prefix.to_owned()))
        };
        if let Some(after) = after {
            request = request.set_exclusive_start_key(Some(attributes(&Key {
                pk: pk.to_owned(),
                sk: after.to_owned(),
            })));
        }
        let answer = request
            .send()
            .await
            .map_err(|error| store_error("Query", &error))?;
        let next = answer
            .last_evaluated_key
            .as_ref()
            .and_then(key_of)
            .map(|key| key.sk);
        let items = answer
            .items
            .unwrap_or_default()
            .into_iter()
            .filter_map(|item| Some((key_of(&item)?, item)))
            .collect();
        Ok(Page { items, next })
    }

    async fn commit(&self, mut writes: Vec<Write>) -> Result<(), CommitError> {
        if writes.len() <= 1 {
            return match writes.pop() {
                Some(write) => self.commit_one(write).await,
                None => Ok(()),
            };
        }
        let mut request = self.client.transact_write_items();
        for write in writes {
            request = request.transact_items(self.action(write)?);
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled))
                    if lost_race(cancelled.cancellation_reasons()) =>
                {
                    CommitError::Conflict
                }
                _ => store_error("TransactWriteItems", &error).into(),
            }),
        }
    }

    async fn pause(&self, attempt: u32) {
        // Full jitter, doubling from 20 ms: two who met once are unlikely to meet again.
        let most = 20_u64 << attempt.min(5);
        tokio::time::sleep(Duration::from_millis(fastrand::u64(1..=most))).await;
    }
}

#[async_trait]
impl History for Dynamo {
    async fn closed(
        &self,
        span: &Span,
        after: Option<&After>,
        limit: i32,
    ) -> Result<ClosedPage, StoreError> {
        let number = |at: Timestamp| AttributeValue::N(at.millis().to_string());
        let mut request = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .limit(limit);
        request = request.scan_index_forward(span.order == Order::OldestFirst);
        // `day` is one of DynamoDB's reserved words.
        request = request
            .key_condition_expression("#day = :day AND closed_at BETWEEN :from AND :to")
            .expression_attribute_names("#day", "day");
        request = request.expression_attribute_values(":day", AttributeValue::S(span.day.clone()));
        request = request
            .expression_attribute_values(":from", number(span.from))
            .expression_attribute_values(":to", number(span.to));
        if let Some(after) = after {
            let mut start = attributes(&after.key);
            start.insert("day".to_owned(), AttributeValue::S(span.day.clone()));
            start.insert("closed_at".to_owned(), number(after.closed_at));
            request = request.set_exclusive_start_key(Some(start));
        }
        let answer = request
            .send()
            .await
            .map_err(|error| store_error("Query", &error))?;
        let items = answer
            .items
            .unwrap_or_default()
            .into_iter()
            .filter_map(|item| Some((key_of(&item)?, item)))
            .collect();
        Ok(ClosedPage {
            items,
            next: answer.last_evaluated_key.as_ref().and_then(after_of),
        })
    }
}

fn after_of(item: &Item) -> Option<After> {
    let millis = item.get("closed_at")?.as_n().ok()?.parse().ok()?;
    Some(After {
        key: key_of(item)?,
        closed_at: Timestamp::from_millis(millis),
    })
}
