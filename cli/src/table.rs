//! Tables for people: aligned columns, no borders.

use std::fmt;

use anstyle::Style;

use crate::screen::FAINT;
use crate::words::plain;

/// Between two columns.
const GAP: usize = 2;

/// One cell.
#[derive(Clone, Debug)]
pub struct Cell {
    text: String,
    style: Style,
    right: bool,
}

impl Cell {
    /// A text, which may be of others' making. Nothing is shown as `-`.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = plain(text.as_ref());
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, style: Style::new(), right: false }
    }

    /// A number: to the right.
    #[must_use]
    pub fn number(number: impl fmt::Display) -> Self {
        Self { right: true, ..Self::new(number.to_string()) }
    }

    /// In this style.
    #[must_use]
    pub fn styled(self, style: Style) -> Self {
        Self { style, ..self }
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Option<String>> for Cell {
    fn from(text: Option<String>) -> Self {
        Self::new(text.unwrap_or_default())
    }
}

/// A table; its first row are the columns' names.
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new<const N: usize>(columns: [&str; N]) -> Self {
        Self { rows: vec![columns.map(|name| Cell::new(name).styled(FAINT)).to_vec()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.to_vec());
    }
}

/// How wide a text is on a terminal, as far as that can be known: one place a character.
fn width(text: &str) -> usize {
    text.chars().count()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widest = |column: usize| self.rows.iter().filter_map(|row| row.get(column)).map(|cell| width(&cell.text)).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(widest).collect();
        // A column of numbers has its name to the right, too.
        let right: Vec<bool> =
            (0..columns).map(|column| self.rows.iter().any(|row| row.get(column).is_some_and(|cell| cell.right))).collect();
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            for (column, Cell { text, style, .. }) in row.iter().enumerate() {
                let last = column + 1 == row.len();
                let room = widths[column].saturating_sub(width(text));
                let (before, after) = if right[column] { (room, 0) } else { (0, if last { 0 } else { room }) };
                let gap = if last { 0 } else { GAP };
                write!(f, "{:before$}{style}{text}{style:#}{:after$}{:gap$}", "", "", "")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::screen::BAD;

    #[test]
    fn columns_are_aligned_whatever_their_style_and_nothing_trails() {
        let mut table = Table::new(["POOL", "LIVE", "WHY"]);
        table.row(["linux".into(), Cell::number(7), Cell::new("").styled(BAD)]);
        table.row(["a".into(), Cell::number(12), "é\u{1b}x".into()]);
        let text = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(text, "POOL   LIVE  WHY\nlinux     7  -\na        12  é\u{fffd}x");
    }
}
