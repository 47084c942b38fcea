//! Who is not who he says changes nothing.

use serde_json::json;

use crate::settled::Stage;

#[tokio::test]
#[ignore = "needs the local stack: make test"]
async fn unsigned_and_wrongly_signed_requests_change_nothing() {
    let stage = Stage::enter().await;
    let before = stage.watch.ledger.snapshot().await.unwrap();
    let forged = stage.watch.forge().await.unwrap();
    assert_eq!(forged.status, 401);
    let body = json!({ "runner": "linux/01jd0000000000000000000000" });
    for route in ["registration", "admission"] {
        let url = format!("{}/{route}", stage.stack.registration_url);
        let unsigned = stage.client.post(&url).json(&body).send().await.unwrap();
        assert_eq!(unsigned.status(), 403, "{route}");
        assert!(
            unsigned.headers().get("x-mayfly").is_none(),
            "an unsigned request must not reach registrar"
        );
    }
    let after = stage.watch.ledger.snapshot().await.unwrap();
    assert_eq!(after.jobs, before.jobs);
    assert_eq!(after.open, before.open);
}
