//! The log: one line of JSON per event, one readable sentence with dotted fields.

use std::time::{SystemTime, UNIX_EPOCH};

use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::{self, JsonFields, Writer};
use tracing_subscriber::fmt::{self, FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;

use crate::emf;

/// The variable that sets the level: `off`, `error`, `warn`, `info` (the default), `debug` or
/// `trace`.
const LEVEL: &str = "MAYFLY_LOG";

/// The variable with the namespace of the stack's metrics. Without it no line is made a metric of.
const NAMESPACE: &str = "MAYFLY_METRICS_NAMESPACE";

/// Sends `tracing` events to standard output from here on. Call it once, first thing in `main`; a
/// later call changes nothing.
///
/// Just a level, no filter expressions: those would bring a regex engine into every function's
/// start.
pub fn init() {
    let level = level(std::env::var(LEVEL).ok().as_deref());
    let namespace = std::env::var(NAMESPACE).ok();
    let subscriber = subscriber(level, namespace, std::io::stdout);
    // Fails only if a subscriber is set already, and then that one stays.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// What the variable asks for; a word that is no level must not silence a function.
fn level(word: Option<&str>) -> LevelFilter {
    word.map(str::trim)
        .filter(|word| !word.is_empty())
        .and_then(|word| word.parse().ok())
        .unwrap_or(LevelFilter::INFO)
}

fn subscriber<W>(
    level: LevelFilter,
    namespace: Option<String>,
    writer: W,
) -> impl tracing::Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // Below `info`, libraries write down whole requests and answers, a runner's registration among
    // them. What a handler fails with the handlers log themselves, and Lambda counts it
    // (`AWS/Lambda Errors`).
    let targets = Targets::new()
        .with_target("mayfly", level)
        .with_target("lambda_runtime::layers::panic", LevelFilter::OFF)
        .with_default(level.min(LevelFilter::INFO));
    let json = fmt::format()
        .json()
        .flatten_event(true)
        .with_span_list(false);
    let lines = fmt::layer()
        .event_format(Lines {
            json,
            namespace: namespace.filter(|name| !name.is_empty()),
        })
        .fmt_fields(JsonFields::new())
        .with_writer(writer);
    tracing_subscriber::registry().with(targets).with(lines)
}

/// Lines of JSON; those with metrics among their fields say so to CloudWatch.
struct Lines {
    json: format::Format<format::Json>,
    namespace: Option<String>,
}

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'s> LookupSpan<'s>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let preface = self
            .namespace
            .as_deref()
            .filter(|_| emf::may_have_metrics(event.metadata()))
            .and_then(|namespace| emf::preface(event, namespace, now()));
        let Some(preface) = preface else {
            return self.json.format_event(context, writer, event);
        };
        let mut line = String::new();
        self.json
            .format_event(context, Writer::new(&mut line), event)?;
        match (preface.strip_suffix('}'), line.strip_prefix('{')) {
            (Some(first), Some(rest)) => write!(writer, "{first},{rest}"),
            _ => writer.write_str(&line),
        }
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use mayfly_domain::model::metric::{METRICS, MetricsLevel, Source};
    use std::collections::BTreeSet;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: LevelFilter, log: impl FnOnce()) -> String {
        let lines = Lines::default();
        let writer = lines.clone();
        let namespace = Some("Mayfly/test".to_owned());
        let subscriber = subscriber(level, namespace, move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = lines.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn an_event_is_one_line_of_json_with_dotted_fields_beside_the_sentence() {
        let text = logged(LevelFilter::INFO, || {
            tracing::info!(job.id = 7, pool.name = "linux", "recorded the job")
        });
        let line: serde_json::Value = serde_json::from_str(text.trim_end()).unwrap();
        assert_eq!(line["message"], "recorded the job");
        assert_eq!(line["job.id"], 7);
        assert_eq!(line["pool.name"], "linux");
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].is_string());
        // By it our own errors are told from the libraries', which are not counted as what a person
        // has to act on: the AWS SDK logs one for every 5xx.
        assert!(line["target"].as_str().unwrap().starts_with("mayfly"));
        assert_eq!(text.lines().count(), 1);
    }

    /// What the specification says of a line, as far as it goes for these: the JSON schema there, and
    /// the limits beside it.
    const SPECIFICATION: &str = r#"{
        "type": "object",
        "required": ["_aws"],
        "properties": { "_aws": {
            "type": "object",
            "required": ["Timestamp", "CloudWatchMetrics"],
            "properties": {
                "Timestamp": { "type": "integer", "minimum": 1700000000000 },
                "CloudWatchMetrics": { "type": "array", "minItems": 1, "items": {
                    "type": "object",
                    "required": ["Namespace", "Dimensions", "Metrics"],
                    "additionalProperties": false,
                    "properties": {
                        "Namespace": { "type": "string", "minLength": 1, "maxLength": 1024 },
                        "Dimensions": { "type": "array", "minItems": 1, "items": {
                            "type": "array", "maxItems": 30,
                            "items": { "type": "string", "minLength": 1, "maxLength": 250 }
                        } },
                        "Metrics": { "type": "array", "minItems": 1, "maxItems": 100, "items": {
                            "type": "object",
                            "required": ["Name"],
                            "additionalProperties": false,
                            "properties": {
                                "Name": { "type": "string", "minLength": 1, "maxLength": 1024 },
                                "Unit": { "enum": ["Seconds", "Count", "None"] }
                            }
                        } }
                    }
                } }
            }
        } }
    }"#;

    /// The names of the metrics of a line, by their dimensions; checks the line against the
    /// specification.
    fn metrics(line: &str) -> Vec<(String, Vec<String>)> {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        if line.get("_aws").is_none() {
            return Vec::new();
        }
        let schema = serde_json::from_str(SPECIFICATION).unwrap();
        assert!(jsonschema::is_valid(&schema, &line), "{line}");
        let mut found = Vec::new();
        for directive in line["_aws"]["CloudWatchMetrics"].as_array().unwrap() {
            let names = directive["Metrics"].as_array().unwrap().iter().map(|one| {
                let name = one["Name"].as_str().unwrap();
                // A reference to something that is not there, or is of another type, makes CloudWatch
                // drop the whole line.
                assert!(line[name].is_number(), "{name}: {line}");
                name.to_owned()
            });
            let dimensions = directive["Dimensions"][0].as_array().unwrap();
            let dimensions: Vec<&str> =
                dimensions.iter().map(|one| one.as_str().unwrap()).collect();
            for name in &dimensions {
                let text = line[*name].as_str().unwrap();
                assert!((1..=1024).contains(&text.len()), "{name}: {line}");
            }
            found.push((dimensions.join(" "), names.collect()));
        }
        found
    }

    #[test]
    fn a_line_with_metrics_tells_cloudwatch_those_of_its_level() {
        let at = |level: &str| {
            let line = logged(LevelFilter::INFO, || {
                tracing::info!(
                    metrics = level,
                    pool.name = %"linux",
                    waiting_jobs = 3,
                    gha_idle_runners = 1_usize,
                    oldest_waiting_job_seconds = Some(12.5),
                    open_breakers = None::<u32>,
                    held.pool_max = 2,
                    "planned"
                );
            });
            let text: serde_json::Value = serde_json::from_str(&line).unwrap();
            assert_eq!(
                (&text["message"], line.lines().count()),
                (&"planned".into(), 1)
            );
            assert!(!line.contains("open_breakers"), "{line}");
            metrics(&line)
        };
        let one = |dimensions: &str, names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            (dimensions.to_owned(), names)
        };
        let watched = one("", &["oldest_waiting_job_seconds"]);
        let basic = [watched.clone(), one("pool", &["waiting_jobs"])];
        assert_eq!(at("off"), vec![watched.clone()]);
        assert_eq!(at("basic"), basic);
        assert_eq!(at("nonsense"), basic);
        let full = ["waiting_jobs", "gha_idle_runners"];
        assert_eq!(at("full"), [watched, one("pool", &full)]);
    }

    #[test]
    fn a_metric_without_its_dimensions_or_a_number_is_a_field_and_no_more() {
        let line = logged(LevelFilter::INFO, || {
            tracing::info!(metrics = "full", waiting_jobs = 3, "no pool");
        });
        assert_eq!(
            (metrics(&line), line.contains("\"waiting_jobs\":3")),
            (Vec::new(), true)
        );
        let line = logged(LevelFilter::INFO, || {
            tracing::info!(
                pool.name = "linux",
                runner_cost_dollars = f64::NAN,
                metrics = "full",
                "odd"
            );
        });
        assert_eq!(metrics(&line), Vec::new());
        // What is counted by a filter is none of a line's.
        let line = logged(LevelFilter::INFO, || tracing::info!(sweeps = 1, "odd"));
        assert_eq!(metrics(&line), Vec::new());
    }

    #[test]
    fn names_are_those_of_the_list_whatever_a_job_is_called() {
        let line = logged(LevelFilter::INFO, || {
            let name = "\",\"_aws\":{\"waiting_jobs\":9e9},\"open_breakers\":1,\"x\":\"";
            tracing::info!(
                job.name = name,
                pool.name = name,
                open_breakers = 2,
                "{name}"
            );
        });
        assert_eq!(
            metrics(&line),
            [(String::new(), vec!["open_breakers".to_owned()])]
        );
        let text: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(text["open_breakers"], 2);
    }

    /// The lines that the template's alarms are tried with are such as functions write.
    #[test]
    fn the_lines_that_alarms_are_tried_with_name_the_metrics_that_they_should() {
        let lines = include_str!("../../../infra/tests/log-lines.jsonl");
        let mut tried = 0;
        for case in lines.lines() {
            let case: serde_json::Value = serde_json::from_str(case).unwrap();
            let text = case["line"].as_str().unwrap();
            let Ok(line) = serde_json::from_str::<serde_json::Value>(text) else {
                continue;
            };
            let level = line["metrics"].as_str().map_or(MetricsLevel::Off, |word| {
                MetricsLevel::of_word(word).unwrap()
            });
            let sent = METRICS.iter().filter(|metric| {
                line[metric.name].is_number()
                    && metric.level <= level
                    && matches!(metric.source, Source::Field(_))
            });
            let sent: BTreeSet<&str> = sent.map(|metric| metric.name).collect();
            let told = metrics(text);
            let names: BTreeSet<&str> = told
                .iter()
                .flat_map(|(_, names)| names.iter().map(String::as_str))
                .collect();
            assert_eq!(names, sent, "{}", case["cause"]);
            for (dimensions, names) in &told {
                for name in names {
                    let metric = mayfly_domain::model::metric::named(name).unwrap();
                    assert_eq!(*dimensions, metric.dimensions.join(" "), "{name}");
                }
            }
            tried += names.len();
        }
        assert!(tried > 15, "{tried}");
    }

    #[test]
    fn lower_levels_are_silent() {
        assert_eq!(
            logged(LevelFilter::WARN, || tracing::info!("nothing to see")),
            ""
        );
    }

    #[test]
    fn libraries_are_not_heard_below_info_whatever_the_level() {
        let text = logged(LevelFilter::TRACE, || {
            tracing::trace!(target: "lambda_runtime", "secret");
            tracing::info!(target: "lambda_runtime", "news");
            tracing::trace!("our own");
        });
        assert!(
            !text.contains("secret") && text.contains("news") && text.contains("our own"),
            "{text}"
        );
    }

    #[test]
    fn what_a_handler_fails_with_is_not_logged_a_second_time() {
        let text = logged(LevelFilter::INFO, || {
            tracing::error!(target: "lambda_runtime::layers::panic", "the handler's error");
            tracing::error!(target: "lambda_runtime", "the runtime's own");
        });
        assert!(
            !text.contains("the handler's error") && text.contains("the runtime's own"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_level_means_info() {
        for (word, expected) in [
            (None, LevelFilter::INFO),
            (Some(""), LevelFilter::INFO),
            (Some("loud"), LevelFilter::INFO),
            (Some("DEBUG"), LevelFilter::DEBUG),
            (Some(" warn "), LevelFilter::WARN),
            (Some("off"), LevelFilter::OFF),
        ] {
            assert_eq!(level(word), expected, "{word:?}");
        }
    }
}
