//! What CloudWatch asks, and what it is answered.
#![expect(clippy::panic, reason = "a test that cannot go on says so by a panic")]

use std::time::Duration;

use async_trait::async_trait;
use mayfly_config::parameter::{Parameter, ParameterStore, Unreadable};
use mayfly_config::store::{Parameters, Settings};
use mayfly_dashboard::{DESCRIPTION, Dashboard, MOST_TIME, Request};
use mayfly_domain::model::time::Timestamp;
use mayfly_dynamodb_model::Model;
use mayfly_reports::widget::Frame;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_millis(1_795_356_000_000);
const POOLS: &str = r#"
[github]
accounts = ["acme"]

[pools.linux]
labels = ["linux", "mayfly"]
cpu = 2
memory = "8 GiB"
max = 4
"#;

/// A parameter store with this pools file, or none that answers.
struct Store(Option<&'static str>);

#[async_trait]
impl ParameterStore for Store {
    async fn read(&self, names: &[&str]) -> Result<Vec<Parameter>, Unreadable> {
        match self.0 {
            Some("") => Ok(Vec::new()),
            Some(text) => Ok(vec![Parameter {
                name: names[0].to_owned(),
                value: text.into(),
                version: 1,
            }]),
            None => Err(Unreadable {
                names: names.join(", "),
                reason: "<b>down</b>".into(),
                denied: true,
            }),
        }
    }
}

async fn answer(pools: Option<&'static str>, event: &Value) -> String {
    let parameters = Parameters {
        pools: Some("/mayfly/mayfly/pools".to_owned()),
        ..Parameters::default()
    };
    let settings = Settings::new(Store(pools), parameters, Box::new(|| NOW));
    let dashboard = Dashboard::new(Model::new().ledger("dashboard"), settings, Box::new(|| NOW));
    dashboard.answer(event).await
}

fn shown(event: &Value) -> (Duration, Option<Timestamp>, Frame) {
    match Request::of(event, NOW) {
        Request::Show { view, frame } => (view.within, view.until, frame),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_description_is_asked_for_and_told() {
    assert_eq!(
        answer(Some(POOLS), &json!({ "describe": true })).await,
        DESCRIPTION
    );
    for event in [json!({ "describe": false }), json!({ "describe": "no" })] {
        assert_ne!(answer(Some(POOLS), &event).await, DESCRIPTION);
    }
}

#[tokio::test]
async fn the_widget_shows_pools_in_the_colours_and_by_the_clock_of_the_dashboard() {
    let event = json!({ "widgetContext": {
        "theme": "dark", "width": 640, "height": 300,
        "timezone": { "offsetISO": "+02:00" },
    } });
    let page = answer(Some(POOLS), &event).await;
    for part in [
        "<td>linux",
        "color-scheme:dark",
        "max-width:640px",
        "UTC+02:00",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = answer(Some(POOLS), &json!({})).await;
    assert!(
        page.contains("color-scheme:light") && page.contains(" UTC</p>"),
        "{page}"
    );
    // Before the first apply there is no pools file, and that is no fault.
    let page = answer(Some(""), &json!({})).await;
    assert!(page.contains("<h2>Pools</h2>"), "{page}");
}

#[tokio::test]
async fn what_is_wrong_is_said_in_the_widget_and_escaped() {
    let page = answer(None, &json!({})).await;
    assert!(
        page.contains("read the pools file") && page.contains("&lt;b&gt;down"),
        "{page}"
    );
    for repository in [
        json!("acme"),
        json!(7),
        json!(["acme/app"]),
        json!("a</style><script>/b"),
    ] {
        let page = answer(Some(POOLS), &json!({ "repository": repository })).await;
        assert!(
            page.contains("write it as owner/name") && !page.contains("<script"),
            "{page}"
        );
    }
    for event in [
        json!(null),
        json!([]),
        json!("x"),
        json!({ "widgetContext": 3 }),
    ] {
        let page = answer(Some(POOLS), &event).await;
        assert!(page.contains("<td>linux"), "{event}: {page}");
    }
}

#[test]
fn sizes_are_brought_within_bounds() {
    let of = |width: Value, height: Value| {
        let frame = shown(&json!({ "widgetContext": { "width": width, "height": height } })).2;
        (frame.width, frame.height)
    };
    assert_eq!(of(json!(588), json!(369.4)), (588, 369));
    assert_eq!(of(json!(1), json!(1e300)), (200, 4_000));
    let usual = (Frame::DEFAULT.width, Frame::DEFAULT.height);
    assert_eq!(of(json!(-5), json!("wide")), usual);
    assert_eq!(of(json!(null), json!({})), usual);
}

#[test]
fn the_range_is_the_dashboard_s_as_far_as_one_look_may_read() {
    let now = NOW.millis();
    let hour = 3_600_000;
    let of = |range: Value| {
        let (within, until, _) = shown(&json!({ "widgetContext": { "timeRange": range } }));
        (within.as_secs(), until.map(Timestamp::millis))
    };
    let day = MOST_TIME.as_secs();
    let last = json!({ "mode": "relative", "start": now - hour, "end": now });
    assert_eq!(of(last), (3_600, None));
    let month = json!({ "mode": "relative", "start": now - 720 * hour, "end": now });
    assert_eq!(of(month), (day, None));
    let past = json!({ "mode": "absolute", "start": now - 9 * hour, "end": now - 8 * hour });
    assert_eq!(of(past), (3_600, Some(now - 8 * hour)));
    let future = json!({ "mode": "absolute", "start": now - hour, "end": now + hour });
    assert_eq!(of(future), (3_600, Some(now)));
    let zoomed = json!({
        "mode": "relative", "start": now - 9 * hour, "end": now,
        "zoom": { "start": now - 3 * hour, "end": now - 2 * hour },
    });
    assert_eq!(of(zoomed), (3_600, Some(now - 2 * hour)));
    let backwards = json!({ "mode": "absolute", "start": now, "end": now - hour });
    assert_eq!(of(backwards), (60, Some(now - hour)));
    for range in [
        json!(null),
        json!({ "start": "x" }),
        json!({ "start": i64::MIN }),
    ] {
        assert_eq!(of(range), (10_800, None));
    }
    let ends = json!({ "mode": "absolute", "start": i64::MIN, "end": i64::MAX });
    assert_eq!(of(ends).0, day);
}
