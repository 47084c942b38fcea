//! The log: one line of JSON per event, one readable sentence with dotted fields.

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt as _;

/// The variable that sets the level: `off`, `error`, `warn`, `info` (the default), `debug` or
/// `trace`.
const LEVEL: &str = "MAYFLY_LOG";

/// Sends `tracing` events to standard output from here on. Call it once, first thing in `main`; a
/// later call changes nothing.
///
/// Just a level, no filter expressions: those would bring a regex engine into every function's
/// start.
pub fn init() {
    let level = level(std::env::var(LEVEL).ok().as_deref());
    // Fails only if a subscriber is set already, and then that one stays.
    let _ = tracing::subscriber::set_global_default(subscriber(level, std::io::stdout));
}

/// What the variable asks for; a word that is no level must not silence a function.
fn level(word: Option<&str>) -> LevelFilter {
    word.map(str::trim)
        .filter(|word| !word.is_empty())
        .and_then(|word| word.parse().ok())
        .unwrap_or(LevelFilter::INFO)
}

fn subscriber<W>(level: LevelFilter, writer: W) -> impl tracing::Subscriber + Send + Sync
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
    let lines = fmt::layer()
        .json()
        .flatten_event(true)
        .with_span_list(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(targets).with(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
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
        tracing::subscriber::with_default(subscriber(level, move || writer.clone()), log);
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
