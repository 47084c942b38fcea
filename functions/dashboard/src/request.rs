//! What CloudWatch asks for.
//!
//! The event is the widget's own parameters and `widgetContext`
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/add_custom_widget_dashboard_about.html>).
//! Anyone who edits a dashboard writes the parameters, and of the context any field may be missing: what
//! is not there, or is no number, is as by default.

use std::time::Duration;

use mayfly_domain::model::time::Timestamp;
use mayfly_reports::look::View;
use mayfly_reports::text::repository_pattern;
use mayfly_reports::time_format::Zone;
use mayfly_reports::widget::Frame;
use serde_json::Value;

/// What ended is read for this long at most.
pub const MOST_TIME: Duration = Duration::from_secs(24 * 60 * 60);

/// The shortest range that a timeline is drawn for.
const LEAST_TIME: Duration = Duration::from_secs(60);

/// The range where CloudWatch tells none.
const USUAL_TIME: Duration = Duration::from_secs(3 * 60 * 60);

/// What an event asks for.
#[derive(Clone, Debug)]
pub enum Request {
    /// The function's description.
    Describe,
    /// The widget.
    Show {
        /// What of.
        view: View,
        /// How.
        frame: Frame,
    },
    /// A parameter is wrong.
    Refused {
        /// What is wrong, and what would be right.
        why: String,
        /// How to say so.
        frame: Frame,
    },
}

impl Request {
    /// What an event asks for.
    #[must_use]
    pub fn of(event: &Value, now: Timestamp) -> Self {
        if event["describe"] == Value::Bool(true) {
            return Self::Describe;
        }
        let context = &event["widgetContext"];
        let frame = frame(context);
        let repository = match &event["repository"] {
            Value::Null => None,
            Value::String(text) if text.is_empty() => None,
            given => match given.as_str().and_then(repository_pattern) {
                Some(pattern) => Some(pattern),
                None => {
                    return Self::Refused {
                        why: format!(
                            "The widget's parameter repository is {given}: write it as owner/name, or owner/*"
                        ),
                        frame,
                    };
                }
            },
        };
        let (within, until) = range(&context["timeRange"], now);
        let view = View {
            repository,
            within,
            until,
            refresh: false,
        };
        Self::Show { view, frame }
    }
}

fn frame(context: &Value) -> Frame {
    let pixels = |name: &str, otherwise: u32| {
        let given = context[name].as_f64().filter(|pixels| *pixels >= 1.0);
        // A number beyond the bounds is brought within them by `bounded`.
        given.map_or(otherwise, |pixels| {
            format!("{:.0}", pixels.min(1e6))
                .parse()
                .unwrap_or(otherwise)
        })
    };
    let zone = context["timezone"]["offsetISO"].as_str();
    Frame {
        dark: context["theme"] == "dark",
        width: pixels("width", Frame::DEFAULT.width),
        height: pixels("height", Frame::DEFAULT.height),
        zone: zone.and_then(Zone::of_offset).unwrap_or(Zone::UTC),
    }
    .bounded()
}

/// How long, and until when; what is zoomed into goes first. A range that ends in the future, or is
/// relative, ends now.
fn range(range: &Value, now: Timestamp) -> (Duration, Option<Timestamp>) {
    let of = |range: &Value| Some((range["start"].as_i64()?, range["end"].as_i64()?));
    let (zoomed, whole) = (of(&range["zoom"]), of(range));
    let Some((start, end)) = zoomed.or(whole) else {
        return (USUAL_TIME, None);
    };
    let end = Timestamp::from_millis(end).min(now);
    let within = end.since(Timestamp::from_millis(start));
    let until = (zoomed.is_some() || range["mode"] == "absolute").then_some(end);
    (within.clamp(LEAST_TIME, MOST_TIME), until)
}
