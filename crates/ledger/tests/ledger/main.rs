//! The ledger's transitions: the same tests on a model of the table and on DynamoDB's API, on
//! loopback.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "this is a test"
)]

/// Each test of a module, once on the model and once on each program that answers DynamoDB's API:
/// `MiniStack`, which the stories run on, and Amazon's own DynamoDB Local.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod model {
            $(#[tokio::test] async fn $test() { Box::pin(super::$test(crate::stores::model())).await })*
        }
        mod ministack {
            $(#[tokio::test] async fn $test() { Box::pin(super::$test(crate::stores::ministack().await)).await })*
        }
        mod dynamodb_local {
            $(#[tokio::test] async fn $test() {
                if let Some(ledger) = crate::stores::dynamodb_local().await {
                    Box::pin(super::$test(ledger)).await;
                }
            })*
        }
    };
}

mod admissions;
mod deliveries;
mod emulator;
mod fixture;
mod halves;
mod history;
mod holds;
mod items;
mod jobs;
mod plans;
mod races;
mod reconcile;
mod registrations;
mod requests;
mod stores;
mod stories;
mod sweeps;
mod table;
mod tasks;
mod template;
mod usages;
