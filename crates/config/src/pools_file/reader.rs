//! Typed reading of TOML that remembers where everything stands and goes on after a problem.

use std::collections::BTreeSet;

use toml::de::{DeArray, DeTable, DeValue, Error};

use super::problem::Problem;
use super::suggest::nearest;

/// A value, its path and where it stands.
pub(super) struct Field<'d> {
    pub(super) key: &'d str,
    pub(super) path: String,
    /// Byte of the file at which its key begins; that of the value for a part of a list.
    pub(super) at: usize,
    value: &'d DeValue<'d>,
}

/// A table, its path and where it stands.
pub(super) struct Section<'d> {
    /// The last part of its path.
    pub(super) key: &'d str,
    pub(super) path: String,
    pub(super) at: usize,
    table: &'d DeTable<'d>,
}

impl<'d> Section<'d> {
    pub(super) const fn root(table: &'d DeTable<'d>) -> Self {
        Self {
            key: "",
            path: String::new(),
            at: 0,
            table,
        }
    }

    /// A table that is part of a list.
    pub(super) fn inline(part: &Field<'d>, table: &'d DeTable<'d>) -> Self {
        Self {
            key: part.key,
            path: part.path.clone(),
            at: part.at,
            table,
        }
    }

    /// Its fields, in the order of their names.
    pub(super) fn fields(&self) -> impl Iterator<Item = Field<'d>> {
        self.table.iter().map(|(key, value)| Field {
            key: key.get_ref().as_ref(),
            path: self.path_of(key.get_ref()),
            at: key.span().start,
            value: value.get_ref(),
        })
    }

    pub(super) fn field(&self, key: &str) -> Option<Field<'d>> {
        self.fields().find(|field| field.key == key)
    }

    /// The path of a key in here, whether it is there or not.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }
}

/// Reads, and collects what is wrong.
pub(super) struct Reader<'t> {
    text: &'t str,
    /// False if the file is not TOML throughout: then what is absent may only have been lost.
    whole: bool,
    /// Lines that are not TOML: what else seems wrong with them follows from that.
    broken: BTreeSet<usize>,
    problems: Vec<Problem>,
}

impl<'t> Reader<'t> {
    pub(super) const fn new(text: &'t str, whole: bool) -> Self {
        Self {
            text,
            whole,
            broken: BTreeSet::new(),
            problems: Vec::new(),
        }
    }

    /// Everything that was reported, each thing once, in the order of the file.
    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort();
        self.problems.dedup();
        self.problems
    }

    pub(super) fn report(
        &mut self,
        at: usize,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let (line, column) = self.place(at);
        if !self.broken.contains(&line) {
            self.problems.push(Problem {
                line,
                column,
                path: path.to_owned(),
                message: message.into(),
                hint: hint.into(),
            });
        }
    }

    /// Something that should be there is not.
    pub(super) fn report_absence(
        &mut self,
        at: usize,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        if self.whole {
            self.report(at, path, message, hint);
        }
    }

    pub(super) fn report_syntax(&mut self, error: &Error) {
        let at = error.span().map_or(0, |span| span.start);
        let (line, column) = self.place(at);
        let twice = error.message().contains("duplicate key");
        let hint = if twice {
            "each table and each key may appear only once: merge the two"
        } else {
            "the file is not TOML here: see https://toml.io"
        };
        let word = error
            .span()
            .and_then(|span| self.text.get(span))
            .filter(|_| twice)
            .unwrap_or_default();
        let message = format!("{} {word}", error.message()).trim_end().to_owned();
        if self.broken.insert(line) {
            self.problems.push(Problem {
                line,
                column,
                path: String::new(),
                message,
                hint: hint.to_owned(),
            });
        }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before
            .rsplit('\n')
            .next()
            .unwrap_or_default()
            .chars()
            .count()
            + 1;
        (line, column)
    }

    /// Reports keys that are not `known`; those that are `elsewhere` get the hint beside them,
    /// others the one that `hints` has for them.
    pub(super) fn check_keys(
        &mut self,
        section: &Section<'_>,
        known: &[&'static str],
        elsewhere: &[(&str, &'static str)],
        hints: fn(&str) -> Option<&'static str>,
    ) {
        for field in section.fields().filter(|field| !known.contains(&field.key)) {
            let hint = elsewhere
                .iter()
                .find(|(key, _)| *key == field.key)
                .map(|(_, hint)| *hint)
                .or_else(|| hints(field.key));
            let hint = match (hint, nearest(field.key, known.iter().copied())) {
                (Some(hint), _) => hint.to_owned(),
                (None, Some(near)) => format!("did you mean {near}?"),
                (None, None) => format!("known here: {}", known.join(", ")),
            };
            self.report(field.at, &field.path, "unknown key", hint);
        }
    }

    pub(super) fn section<'d>(&mut self, field: Field<'d>) -> Option<Section<'d>> {
        match field.value {
            DeValue::Table(table) => Some(Section {
                key: field.key,
                path: field.path,
                at: field.at,
                table,
            }),
            _ => self.other_type(
                &field,
                "a table",
                &format!(
                    "write [{}] on a line of its own, and its keys below",
                    field.path
                ),
            ),
        }
    }

    /// A table that is written in one line.
    pub(super) fn table<'d>(&mut self, field: Field<'d>, example: &str) -> Option<Section<'d>> {
        match field.value {
            DeValue::Table(_) => self.section(field),
            _ => self.other_type(&field, "a table", &format!("write it as {example}")),
        }
    }

    /// A whole or decimal number, as it is written: a price must not be rounded.
    pub(super) fn decimal<'d>(&mut self, field: &Field<'d>, example: &str) -> Option<&'d str> {
        match field.value {
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
            DeValue::Float(number) => Some(number.as_str()),
            _ => self.other_type(
                field,
                "a number",
                &format!("write it without quotes, as {example}"),
            ),
        }
    }

    pub(super) fn string<'d>(&mut self, field: &Field<'d>, example: &str) -> Option<&'d str> {
        match field.value {
            DeValue::String(text) => Some(text),
            _ => self.other_type(field, "a string", &format!("write it as {example}")),
        }
    }

    pub(super) fn boolean(&mut self, field: &Field<'_>) -> Option<bool> {
        match field.value {
            DeValue::Boolean(yes) => Some(*yes),
            _ => self.other_type(
                field,
                "true or false",
                "write true or false, without quotes",
            ),
        }
    }

    /// A whole number from `low` to `high`.
    pub(super) fn integer(&mut self, field: &Field<'_>, low: i64, high: i64) -> Option<i64> {
        let DeValue::Integer(number) = field.value else {
            return self.other_type(
                field,
                "a whole number",
                &format!("write a number of at least {low}, without quotes"),
            );
        };
        let number = i64::from_str_radix(number.as_str(), number.radix())
            .ok()
            .filter(|number| (low..=high).contains(number));
        if number.is_none() {
            self.report(
                field.at,
                &field.path,
                "is out of range",
                format!("{low} to {high} are possible"),
            );
        }
        number
    }

    /// A whole or decimal number.
    pub(super) fn number(&mut self, field: &Field<'_>, example: &str) -> Option<f64> {
        let text = match field.value {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => {
                return self.other_type(
                    field,
                    "a number",
                    &format!("write it without quotes, as {example}"),
                );
            }
        };
        text.parse().ok()
    }

    /// A list, its parts as fields of their own.
    pub(super) fn list<'d>(&mut self, field: &Field<'d>, example: &str) -> Option<Vec<Field<'d>>> {
        match field.value {
            DeValue::Array(parts) => Some(parts_of(field, parts)),
            _ => self.other_type(field, "a list", &format!("write it as {example}")),
        }
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(
        &mut self,
        field: &Field<'_>,
        words: &[(&'static str, T)],
    ) -> Option<T> {
        let all = words
            .iter()
            .map(|(word, _)| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(" or ");
        let text = self.string(field, &all)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            self.report(
                field.at,
                &field.path,
                format!("{text:?} is unknown"),
                format!("write {all}"),
            );
        }
        found
    }

    fn other_type<T>(&mut self, field: &Field<'_>, wanted: &str, hint: &str) -> Option<T> {
        let is = match field.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.report(
            field.at,
            &field.path,
            format!("is {is}, and should be {wanted}"),
            hint,
        );
        None
    }
}

impl<'d> Field<'d> {
    /// The value as a table, if it is one.
    pub(super) const fn as_table(&self) -> Option<&'d DeTable<'d>> {
        match self.value {
            DeValue::Table(table) => Some(table),
            _ => None,
        }
    }
}

fn parts_of<'d>(list: &Field<'d>, parts: &'d DeArray<'d>) -> Vec<Field<'d>> {
    parts
        .iter()
        .map(|part| Field {
            key: list.key,
            path: list.path.clone(),
            at: part.span().start,
            value: part.get_ref(),
        })
        .collect()
}
