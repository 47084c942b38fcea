//! What CloudWatch's console sends to the function that draws a widget of its dashboard:
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html>.

use super::{ACCOUNT, STACK};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The files of dashboard.
pub(super) fn all() -> BTreeMap<String, Value> {
    BTreeMap::from([
        (
            "dashboard/describe.json".to_owned(),
            json!({ "describe": true }),
        ),
        ("dashboard/widget.json".to_owned(), widget()),
    ])
}

/// A refresh of the last six hours, in the dark.
fn widget() -> Value {
    json!({
        "widgetContext": {
            "dashboardName": format!("mayfly-{STACK}"),
            "widgetId": "widget-16",
            "accountId": ACCOUNT,
            "locale": "en",
            "timezone": { "label": "Local", "offsetISO": "+01:00", "offsetInMinutes": -60 },
            "period": 300,
            "isAutoPeriod": true,
            "timeRange": {
                "mode": "relative",
                "start": 1_795_334_400_000_i64,
                "end": 1_795_356_000_000_i64,
                "relativeStart": 21_600_000,
            },
            "theme": "dark",
            "linkCharts": true,
            "title": "Runners and jobs now",
            "forms": { "all": {} },
            "params": {},
            "width": 1180,
            "height": 640,
        },
    })
}
