//! The pools file: TOML in, [`Pools`] out, or everything that is wrong with it at once.

mod github;
mod pool;
mod reader;
mod units;
mod words;

use std::fmt;

use mayfly_domain::pool::Pools;
use toml::de::DeTable;

use self::reader::{Reader, Section};

/// Most bytes of a pools file: what an Advanced parameter of SSM holds (8 KB). Source: SSM API reference, `PutParameter`.
pub const MAX_BYTES: usize = 8 * 1024;

/// One thing that is wrong with a pools file. `Display` gives `line 12: pools.linux.memory: what is wrong (what to do)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The key with everything above it, as `pools.linux.memory`; empty where the file is not TOML, or as a whole is wrong.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        write!(f, "{} ({})", self.message, self.hint)
    }
}

/// Reads a pools file. `generation` is the number that jobs will carry: the parameter's version.
///
/// # Errors
///
/// Every [`Problem`], in the order of the file.
pub fn parse(text: &str, generation: u64) -> Result<Pools, Vec<Problem>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut reader = Reader::new(text, errors.is_empty());
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes", text.len());
        reader.report(0, "", message, format!("SSM keeps at most {MAX_BYTES}: shorten comments, or move what pools share to [defaults]"));
    }
    for error in &errors {
        reader.report_syntax(error);
    }
    let pools = read(&mut reader, &Section::root(document.get_ref()), generation);
    let problems = reader.into_problems();
    if problems.is_empty() { Ok(pools) } else { Err(problems) }
}

fn read(reader: &mut Reader<'_>, root: &Section<'_>, generation: u64) -> Pools {
    reader.check_keys(root, &["github", "defaults", "pools"], &[]);
    let (accounts, github_url) = github::read(reader, root);
    let defaults = root.field("defaults").and_then(|field| reader.section(field));
    if let Some(defaults) = &defaults {
        reader.check_keys(defaults, pool::DEFAULT_KEYS, pool::NO_DEFAULT);
    }
    let sections = root.field("pools").and_then(|field| reader.section(field));
    if sections.as_ref().is_none_or(|sections| sections.is_empty()) {
        let at = sections.as_ref().map_or(0, |sections| sections.at);
        reader.report_absence(at, "pools", "there is no pool", "add one, as [pools.linux]");
    }
    let mut pools = Vec::new();
    for field in sections.iter().flat_map(Section::fields) {
        if let Some(own) = reader.section(field) {
            pools.extend(pool::Declared { own, defaults: defaults.as_ref(), accounts: &accounts }.read(reader));
        }
    }
    Pools { github_url, accounts, pools, generation }
}
