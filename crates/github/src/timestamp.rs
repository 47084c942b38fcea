//! Points in time as GitHub writes them.

use http::HeaderMap;
use http::header::DATE;
use mayfly_domain::model::time::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A time that is present, and can be read. What cannot is as good as not told: no list and no job
/// is given up for it.
pub(crate) fn shown<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Timestamp>, D::Error> {
    let time = Value::deserialize(from)?
        .as_str()
        .and_then(|text| text.parse::<jiff::Timestamp>().ok());
    Ok(time.map(told))
}

/// A time that has to be told.
pub(crate) fn required<'de, D: Deserializer<'de>>(from: D) -> Result<Timestamp, D::Error> {
    jiff::Timestamp::deserialize(from).map(told)
}

fn told(time: jiff::Timestamp) -> Timestamp {
    Timestamp::from_millis(time.as_millisecond())
}

/// When an answer was made, by the clock of who made it.
pub(crate) fn of(headers: &HeaderMap) -> Option<Timestamp> {
    // An HTTP date is one that a mail may have, too (RFC 9110, section 5.6.7).
    let made = jiff::fmt::rfc2822::parse(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(told(made.timestamp()))
}
