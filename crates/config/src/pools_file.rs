//! The pools file: TOML in, [`Pools`] out, or everything that is wrong with it at once.

mod github;
mod history;
mod metrics;
mod pool;
mod prices;
mod problem;
mod reader;
mod suggest;
mod units;
mod warnings;

use mayfly_domain::model::pool::Pools;
use toml::de::{DeTable, Error};

pub use self::problem::Problem;
use self::reader::{Reader, Section};
pub use self::units::{cpu_in_words, duration_in_words, memory_in_words};
pub use self::warnings::Vcpus;

/// Most bytes of a pools file: what an Advanced parameter of SSM holds (8 KB). Source: SSM API
/// reference, `PutParameter`
/// (<https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_PutParameter.html>).
pub const MAX_BYTES: usize = 8 * 1024;

/// The JSON Schema of a pools file, for editors: it knows the keys and their forms, [`parse`] knows
/// the rest.
pub const SCHEMA: &str = include_str!("../pools.schema.json");

/// Reads a pools file. `pools_version` is the number that jobs will carry: the parameter's version.
///
/// # Errors
///
/// Every [`Problem`], in the order of the file.
pub fn parse(text: &str, pools_version: u64) -> Result<Pools, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    parse_document(text, document.get_ref(), &errors, pools_version)
}

/// A pools file as someone who is about to apply it reads it.
#[derive(Clone, Debug)]
pub struct Review {
    /// What it says, or every problem in the order of the file.
    pub pools: Result<Pools, Vec<Problem>>,
    /// What is possible but surely not meant, in the order of the file. Nothing is said of a file
    /// with problems.
    pub warnings: Vec<Problem>,
    /// What is worth knowing and no mistake, in sentences without a full stop.
    pub notes: Vec<String>,
}

/// Reads a pools file and says what looks like a mistake in it, too. `vcpus`: how many vCPUs the
/// account may run at a time on demand and on Spot, if that is known.
#[must_use]
pub fn review(text: &str, pools_version: u64, vcpus: Vcpus) -> Review {
    let (document, errors) = DeTable::parse_recoverable(text);
    let root = document.get_ref();
    let pools = parse_document(text, root, &errors, pools_version);
    let warnings = pools
        .as_ref()
        .map(|pools| warnings::about(text, &Section::root(root), pools, vcpus))
        .unwrap_or_default();
    let notes = pools
        .as_ref()
        .map(|pools| notes(text, pools))
        .unwrap_or_default();
    Review {
        pools,
        warnings,
        notes,
    }
}

/// What is worth knowing of a good file.
fn notes(text: &str, pools: &Pools) -> Vec<String> {
    let mut notes = Vec::new();
    if text.len() > MAX_BYTES / 2 {
        let full = text.len() * 100 / MAX_BYTES;
        notes.push(format!(
            "the file has {} of at most {MAX_BYTES} bytes ({full} %)",
            text.len()
        ));
    }
    notes.extend(
        pools
            .pools
            .iter()
            .filter(|pool| pool.is_paused())
            .map(|pool| format!("pool {} is paused (max = 0): it takes jobs, but starts no runners until max is raised", pool.name)),
    );
    if pools.accounts.len() > 1 {
        notes.push(
            "several accounts are served, but GitHub lets a private App, as mayfly init creates it, be installed only on its owner's account; make it public on its settings page (Advanced), or use one stack for each account"
                .to_owned(),
        );
    }
    notes
}

fn parse_document(
    text: &str,
    root: &DeTable<'_>,
    errors: &[Error],
    pools_version: u64,
) -> Result<Pools, Vec<Problem>> {
    let mut reader = Reader::new(text, errors.is_empty());
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes", text.len());
        reader.report(0, "", message, format!("SSM keeps at most {MAX_BYTES}: shorten comments, or move what pools share to [defaults]"));
    }
    if let Some(at) = template_brackets(text) {
        let message = "SSM refuses values with {{...}} in them, in a comment, too";
        reader.report(
            at,
            "",
            message,
            "write it with single brackets, or leave it out",
        );
    }
    for error in errors {
        reader.report_syntax(error);
    }
    let pools = read(&mut reader, &Section::root(root), pools_version);
    let problems = reader.into_problems();
    if problems.is_empty() {
        Ok(pools)
    } else {
        Err(problems)
    }
}

/// Where something stands in double brackets: "You can't include values wrapped in double brackets
/// {{}} or {{ssm:parameter-name}} in a parameter value"
/// (<https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html>).
/// Outside of strings and comments TOML has no two opening ones in a row.
fn template_brackets(text: &str) -> Option<usize> {
    let at = text.find("{{")?;
    text[at..].contains("}}").then_some(at)
}

fn read(reader: &mut Reader<'_>, root: &Section<'_>, pools_version: u64) -> Pools {
    reader.check_keys(
        root,
        &[
            "github", "defaults", "pools", "prices", "metrics", "history",
        ],
        &[],
        |_| None,
    );
    let accounts = github::read(reader, root);
    let prices = prices::read(reader, root);
    let metrics = metrics::read(reader, root);
    let keep = history::read(reader, root);
    let defaults = root
        .field("defaults")
        .and_then(|field| reader.section(field));
    if let Some(defaults) = &defaults {
        reader.check_keys(
            defaults,
            pool::DEFAULT_KEYS,
            pool::NO_DEFAULT,
            pool::no_credentials,
        );
    }
    let sections = root.field("pools").and_then(|field| reader.section(field));
    // `[pools]` with nothing in it is said on purpose, to drain everything; without the line pools
    // were most likely forgotten.
    if root.field("pools").is_none() {
        reader.report_absence(
            0,
            "pools",
            "there is no pool",
            "add one, as [pools.linux], or an empty [pools] to drain everything",
        );
    }
    let mut pools = Vec::new();
    for field in sections.iter().flat_map(Section::fields) {
        if let Some(own) = reader.section(field) {
            pools.extend(
                pool::Declared {
                    own,
                    defaults: defaults.as_ref(),
                    accounts: &accounts,
                }
                .read(reader),
            );
        }
    }
    Pools {
        accounts,
        pools,
        prices,
        metrics,
        keep,
        version: pools_version,
    }
}
