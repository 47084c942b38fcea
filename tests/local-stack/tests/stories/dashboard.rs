//! The function that draws for CloudWatch, as it is deployed: with its role, on what the other
//! functions wrote.

use mayfly_local_stack::events;
use mayfly_local_stack::stack::{Places, invoke};
use serde_json::Value;

async fn drawn(kind: &str) -> String {
    let event = events::folder()
        .unwrap()
        .join(format!("dashboard/{kind}.json"));
    let (answer, failed) = invoke(&Places::of_repository().unwrap(), "dashboard", &event)
        .await
        .unwrap();
    assert!(!failed, "{answer}");
    match answer {
        Value::String(text) => text,
        other => panic!("HTML is a string of JSON: {other}"),
    }
}

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn the_deployed_widget_shows_the_pools_of_the_file_in_force() {
    let stage = crate::settled::Stage::enter().await;
    let page = drawn("widget").await;
    assert!(page.starts_with("<div class=\"mayfly\">"), "{page}");
    // It could read the ledger and the pools file: a role that may not is a note instead of tables.
    for title in ["Pools", "Jobs that are not over", "What ended", "UTC+01:00"] {
        assert!(page.contains(title), "{title}: {page}");
    }
    assert!(page.contains("color-scheme:dark"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    let file: toml::Table = stage.pools().await.parse().unwrap();
    let pools = file["pools"].as_table().unwrap();
    assert!(!pools.is_empty());
    for name in pools.keys() {
        assert!(page.contains(&format!("<td>{name}")), "{name}: {page}");
    }
    assert!(drawn("describe").await.starts_with("# Mayfly"));
}
