//! The whole table as JSON, to be compared and looked at.

use std::collections::BTreeMap;

use serde_json::Value;

use super::table::Table;

/// Every item by its key's text, without the key's attributes.
pub(super) fn of(table: &Table) -> BTreeMap<String, Value> {
    let items = table.settled().map(|(key, item)| {
        let mut value: Value = serde_dynamo::from_item(item.clone()).unwrap_or_default();
        if let Some(members) = value.as_object_mut() {
            members.remove("pk");
            members.remove("sk");
        }
        (key.to_string(), value)
    });
    items.collect()
}
