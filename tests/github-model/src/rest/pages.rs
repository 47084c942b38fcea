//! Lists in pages: `per_page` (30, at most 100), `page`, and a `Link` header to the next one.

use crate::wire::{Answer, Request};
use serde_json::{Value, json};

/// How many a page holds if no one says.
const USUAL: usize = 30;
/// How many a page holds at most.
const MOST: usize = 100;

/// How many this request wants on a page.
pub(super) fn size(request: &Request) -> usize {
    request.number("per_page").unwrap_or(USUAL).clamp(1, MOST)
}

/// The wanted page of `items`, alone or under `key` with the total.
pub(super) fn page(
    api: &str,
    request: &Request,
    key: Option<&str>,
    items: impl IntoIterator<IntoIter: ExactSizeIterator<Item = Value>>,
) -> Answer {
    let items = items.into_iter();
    let size = size(request);
    let number = request.number("page").unwrap_or(1).max(1);
    let total = items.len();
    let start = (number - 1).saturating_mul(size);
    let part: Vec<Value> = items.skip(start).take(size).collect();
    let body = match key {
        None => Value::Array(part),
        Some(key) => json!({ "total_count": total, key: part }),
    };
    let answer = Answer::json(200, body);
    if start.saturating_add(size) < total {
        let next = link(api, request, "page", &(number + 1).to_string());
        answer.header("link", format!("<{next}>; rel=\"next\""))
    } else {
        answer
    }
}

/// This request's address with one field changed.
pub(super) fn link(api: &str, request: &Request, field: &str, value: &str) -> String {
    let path = request
        .path
        .strip_prefix("/api/v3")
        .unwrap_or(&request.path);
    let others = request
        .query
        .iter()
        .filter(|(name, _)| *name != field)
        .map(|(name, value)| format!("{name}={value}"));
    let query: Vec<String> = others.chain([format!("{field}={value}")]).collect();
    format!("{api}{path}?{}", query.join("&"))
}
