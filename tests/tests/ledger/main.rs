//! The ledger, held to DESIGN §4: the same tests against a model of the table and against a real DynamoDB API on loopback.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "this is a test")]

/// Each test of a module, once on the model and once on DynamoDB's API.
macro_rules! on_both {
    ($($test:ident)*) => {
        mod model {
            $(#[tokio::test] async fn $test() { Box::pin(super::$test(crate::stores::model())).await })*
        }
        mod dynamodb {
            $(#[tokio::test] async fn $test() { Box::pin(super::$test(crate::stores::dynamodb().await)).await })*
        }
    };
}

mod admissions;
mod deliveries;
mod emulator;
mod halves;
mod history;
mod items;
mod jobs;
mod plans;
mod reasons;
mod registrations;
mod scene;
mod stores;
mod sweeps;
mod table;
mod tasks;
mod template;
mod truths;
mod wishes;
