//! What comes from queues and clocks: wakes for scaler, the tick for sweeper.

use super::{ACCOUNT, REGION, STACK};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Pools and the MD5 of their wakes' bodies, which SQS sends along.
const WAKES: [(&str, &str); 3] = [
    ("linux", "e3c0193a705a4d5019a378484704c86f"),
    ("arm", "d55fa6c91632754a575aa35fd3fb6579"),
    ("linux", "e3c0193a705a4d5019a378484704c86f"),
];

/// The files of scaler and sweeper.
pub(super) fn all() -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("scaler/wakes.json".to_owned(), wakes()),
        ("sweeper/tick.json".to_owned(), tick()),
    ])
}

/// A batch of a FIFO queue with the messages of two groups.
fn wakes() -> Value {
    let records: Vec<Value> = WAKES
        .iter()
        .zip(1_i64..)
        .map(|((pool, md5), number)| {
            let sent = 1_795_356_000_000 + number * 40;
            json!({
                "messageId": format!("0b9ed7d2-5f2c-4d1f-9a3e-00000000000{number}"),
                "receiptHandle": format!("AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a{number}"),
                "body": format!(r#"{{"pool":"{pool}"}}"#),
                "attributes": {
                    "ApproximateReceiveCount": "1",
                    "SentTimestamp": sent.to_string(),
                    "SequenceNumber": format!("1889400000000000{number:04}"),
                    "MessageGroupId": pool,
                    "SenderId": format!("AROAEXAMPLEWEBHOOKROL:{STACK}-webhook"),
                    "MessageDeduplicationId": format!("01kah2c4e6g8j0kmnpqrstvw0{number}"),
                    "ApproximateFirstReceiveTimestamp": (sent + 12).to_string(),
                },
                "messageAttributes": {},
                "md5OfBody": md5,
                "eventSource": "aws:sqs",
                "eventSourceARN": format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{STACK}-wake.fifo"),
                "awsRegion": REGION,
            })
        })
        .collect();
    json!({ "Records": records })
}

/// EventBridge's schedule, once a minute.
fn tick() -> Value {
    json!({
        "version": "0",
        "id": "7f8a5c1e-2b3d-4e5f-8a9b-0c1d2e3f4a5b",
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": "2026-11-22T14:00:00Z",
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/{STACK}-tick")],
        "detail": {},
    })
}
