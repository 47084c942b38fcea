//! dashboard: draws how things are, as a custom widget of a CloudWatch dashboard.
//!
//! It reads the ledger and the pools file, and writes nothing. CloudWatch's console calls it in the
//! name of the user who looks, at each refresh.

mod request;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mayfly_config::store::{Clock, Settings, SettingsError};
use mayfly_domain::model::pool::Pools;
use mayfly_ledger::{History, Ledger, Store};
use mayfly_reports::look::{self, Look, View};
use mayfly_reports::widget::{trouble, widget};
use tracing::{info, warn};

pub use request::{MOST_TIME, Request};

/// What the function tells of itself: CloudWatch shows it where a widget is added
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_create.html>).
pub const DESCRIPTION: &str = "\
# Mayfly

Runners and jobs as Mayfly's ledger has them: what is stuck and why, pools, jobs that are not over, a bar for each job that ended in the dashboard's time range, costs by repository beside GitHub's hosted runners, and why runners failed.

## Parameters

All are optional.

| name | |
| --- | --- |
| `repository` | only jobs and costs of this one: `owner/name`, or `owner/*` |

```yaml
repository: acme/*
```

The widget shows 24 hours at most: of a longer time range the last 24.
";

/// How long a look may take: below the function's time-out of 10 s.
const PATIENCE: Duration = Duration::from_secs(8);

/// The function, with all it needs.
pub struct Dashboard<S> {
    ledger: Ledger<S>,
    settings: Settings,
    clock: Clock,
}

impl<S: Store + History> Dashboard<S> {
    /// A dashboard over these.
    pub fn new(ledger: Ledger<S>, settings: Settings, clock: Clock) -> Self {
        Self {
            ledger,
            settings,
            clock,
        }
    }

    /// HTML for an event of CloudWatch's; for one that asks for a description, that in Markdown.
    /// What cannot be read is said in the widget: the one who looks is the one who can act.
    pub async fn answer(&self, event: &serde_json::Value) -> String {
        let now = (self.clock)();
        let (view, frame) = match Request::of(event, now) {
            Request::Describe => return DESCRIPTION.to_owned(),
            Request::Refused { why, frame } => return trouble(&why, frame),
            Request::Show { view, frame } => (view, frame),
        };
        let began = Instant::now();
        let looked = match tokio::time::timeout(PATIENCE, self.look(&view)).await {
            Ok(looked) => looked,
            Err(_) => Err(format!(
                "The ledger has not answered within {} s. Choose a shorter time range.",
                PATIENCE.as_secs()
            )),
        };
        match looked {
            Ok(look) => {
                let page = widget(&look, frame);
                info!(
                    records = look.ended.read,
                    bytes = page.len(),
                    duration_ms = began.elapsed().as_secs_f64() * 1e3,
                    "drew the widget"
                );
                page
            }
            Err(why) => {
                warn!(error = why, "could not draw the widget: it says so");
                trouble(&why, frame)
            }
        }
    }

    async fn look(&self, view: &View) -> Result<Look, String> {
        let pools = self.pools().await?;
        look::gather(&self.ledger, pools.as_deref(), view, (self.clock)())
            .await
            .map_err(|error| format!("read the ledger: {error}"))
    }

    async fn pools(&self) -> Result<Option<Arc<Pools>>, String> {
        match self.settings.pools().await {
            Ok(pools) => Ok(Some(pools)),
            Err(SettingsError::Missing { .. }) => Ok(None),
            Err(error) => Err(format!("read the pools file: {error}")),
        }
    }
}
