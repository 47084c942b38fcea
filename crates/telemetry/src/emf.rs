//! CloudWatch's embedded metric format: what a line must say of itself for CloudWatch to make
//! metrics of its fields.
//!
//! Source: "Specification: Embedded metric format"
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html>).

use std::collections::BTreeMap;
use std::fmt::Debug;

use mayfly_domain::model::metric::{Metric, MetricsLevel, Source, named};
use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata};

/// The field with the level that the pools file sets, as a line's author knows it.
const LEVEL: &str = "metrics";

/// The dimension that is not called as its field: CloudWatch's own tools want names without a dot.
const POOL: (&str, &str) = ("pool", "pool.name");

/// What stands before the other members of a line.
#[derive(Serialize)]
struct Preface<'a> {
    #[serde(rename = "_aws")]
    aws: Aws<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pool: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Aws<'a> {
    timestamp: u64,
    cloud_watch_metrics: Vec<Directive<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive<'a> {
    namespace: &'a str,
    dimensions: [&'a [&'a str]; 1],
    metrics: Vec<Definition>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definition {
    name: &'static str,
    unit: &'static str,
}

/// True if a line like this may have metrics among its fields.
pub(crate) fn may_have_metrics(metadata: &Metadata<'_>) -> bool {
    metadata.fields().iter().any(|field| of(&field).is_some())
}

/// The members that make metrics of a line's fields, as a JSON object; none if nothing of it is sent
/// at its level.
pub(crate) fn preface(event: &Event<'_>, namespace: &str, millis: u64) -> Option<String> {
    let mut fields = Fields {
        level: MetricsLevel::Off,
        metrics: Vec::new(),
        texts: BTreeMap::new(),
    };
    event.record(&mut fields);
    let mut by_dimensions: BTreeMap<&[&str], Vec<Definition>> = BTreeMap::new();
    for metric in &fields.metrics {
        let complete = metric.dimensions.iter().all(|name| fields.has(name));
        if metric.level <= fields.level && complete {
            by_dimensions
                .entry(metric.dimensions)
                .or_default()
                .push(Definition {
                    name: metric.name,
                    unit: metric.unit.word(),
                });
        }
    }
    if by_dimensions.is_empty() {
        return None;
    }
    let directive = |(dimensions, metrics)| Directive {
        namespace,
        dimensions: [dimensions],
        metrics,
    };
    let preface = Preface {
        aws: Aws {
            timestamp: millis,
            cloud_watch_metrics: by_dimensions.into_iter().map(directive).collect(),
        },
        pool: fields.texts.get(POOL.1).map(String::as_str),
    };
    serde_json::to_string(&preface).ok()
}

/// The metric that a field is.
fn of(field: &Field) -> Option<&'static Metric> {
    named(field.name()).filter(|metric| matches!(metric.source, Source::Field(_)))
}

/// What a line says, as far as it matters here.
struct Fields {
    /// A line that does not tell the level has what is sent at every one.
    level: MetricsLevel,
    metrics: Vec<&'static Metric>,
    texts: BTreeMap<&'static str, String>,
}

impl Fields {
    fn has(&self, dimension: &str) -> bool {
        let field = if dimension == POOL.0 {
            POOL.1
        } else {
            dimension
        };
        self.texts.get(field).is_some_and(|text| !text.is_empty())
    }

    fn number(&mut self, field: &Field) {
        self.metrics.extend(of(field));
    }

    fn text(&mut self, field: &Field, text: String) {
        if field.name() == LEVEL {
            self.level = MetricsLevel::of_word(&text).unwrap_or_default();
        } else {
            self.texts.insert(field.name(), text);
        }
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for the others.
        if value.is_finite() {
            self.number(field);
        }
    }

    fn record_i64(&mut self, field: &Field, _: i64) {
        self.number(field);
    }

    fn record_u64(&mut self, field: &Field, _: u64) {
        self.number(field);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.text(field, format!("{value:?}"));
    }
}
