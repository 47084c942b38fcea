//! Tables for people: aligned columns, no borders, no wider than the terminal.

use std::fmt;

use anstyle::Style;

use crate::terminal::screen::FAINT;
use crate::terminal::text_format::{cut, cut_front, cut_middle, plain, width, wrap};

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
    /// A text, which may come from others. Nothing is shown as `-`.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = plain(text.as_ref());
        Self {
            text: if text.is_empty() {
                "-".to_owned()
            } else {
                text
            },
            style: Style::new(),
            right: false,
        }
    }

    /// A number: to the right.
    #[must_use]
    pub fn number(number: impl fmt::Display) -> Self {
        Self {
            right: true,
            ..Self::new(number.to_string())
        }
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

/// How a column gives way where the table is too wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gives {
    /// It does not.
    Nothing,
    /// Its texts end earlier.
    End,
    /// Its texts begin later.
    Front,
    /// Its texts lose their middle.
    Middle,
    /// Its texts go on in the next line.
    Lines,
}

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    name: &'static str,
    gives: Gives,
    least: usize,
    hides: Option<u8>,
}

impl Column {
    /// A column that keeps its width.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            gives: Gives::Nothing,
            least: 0,
            hides: None,
        }
    }

    /// Its texts may be cut at their end, to this width at the least.
    #[must_use]
    pub const fn cuts(self, least: usize) -> Self {
        Self {
            gives: Gives::End,
            least,
            ..self
        }
    }

    /// Its texts may be cut at their beginning, to this width at the least.
    #[must_use]
    pub const fn cuts_front(self, least: usize) -> Self {
        Self {
            gives: Gives::Front,
            least,
            ..self
        }
    }

    /// Its ids may lose their middle, to this width at the least.
    #[must_use]
    pub const fn cuts_middle(self, least: usize) -> Self {
        Self {
            gives: Gives::Middle,
            least,
            ..self
        }
    }

    /// Its texts may go on in the next line, at this width at the least.
    #[must_use]
    pub const fn wraps(self, least: usize) -> Self {
        Self {
            gives: Gives::Lines,
            least,
            ..self
        }
    }

    /// It may be left out, the lowest number first, where cutting is not enough.
    #[must_use]
    pub const fn hides(self, order: u8) -> Self {
        Self {
            hides: Some(order),
            ..self
        }
    }
}

impl From<&'static str> for Column {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

/// A table; its first row are the columns' names.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table with these columns.
    #[must_use]
    pub fn new<const N: usize, C: Into<Column>>(columns: [C; N]) -> Self {
        let columns: Vec<Column> = columns.into_iter().map(Into::into).collect();
        let names = columns
            .iter()
            .map(|column| Cell::new(column.name).styled(FAINT))
            .collect();
        Self {
            columns,
            rows: vec![names],
        }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.to_vec());
    }

    /// The table, in a terminal of this width; none: as wide as it is.
    #[must_use]
    pub fn fitted(&self, room: Option<usize>) -> String {
        let widths = self.widths(room);
        // A column of numbers has its name to the right, too.
        let right: Vec<bool> = (0..self.columns.len())
            .map(|column| {
                self.rows
                    .iter()
                    .any(|row| row.get(column).is_some_and(|cell| cell.right))
            })
            .collect();
        self.rows
            .iter()
            .flat_map(|row| self.lines(row, &widths, &right))
            .collect::<Vec<_>>()
            .join("\n")
    }

    /// How wide each column is; none: it is left out.
    fn widths(&self, room: Option<usize>) -> Vec<Option<usize>> {
        let widest = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| width(&cell.text))
                .max()
                .unwrap_or(0)
        };
        let natural: Vec<usize> = (0..self.columns.len()).map(widest).collect();
        let Some(room) = room else {
            return natural.into_iter().map(Some).collect();
        };
        let least = |column: usize| match self.columns[column].gives {
            Gives::Nothing => natural[column],
            _ => natural[column].min(
                self.columns[column]
                    .least
                    .max(width(self.columns[column].name)),
            ),
        };
        let mut widths: Vec<Option<usize>> = (0..self.columns.len())
            .map(|column| Some(least(column)))
            .collect();
        let mut order: Vec<(u8, usize)> = self
            .columns
            .iter()
            .enumerate()
            .filter_map(|(column, one)| Some((one.hides?, column)))
            .collect();
        order.sort_unstable();
        for (_, column) in order {
            if taken(&widths) <= room {
                break;
            }
            widths[column] = None;
        }
        // What is left over goes to those that were cut, evenly, so that the longest text gets the
        // rest.
        let mut left = room.saturating_sub(taken(&widths));
        let mut grew = true;
        while left > 0 && grew {
            grew = false;
            for (now, natural) in widths.iter_mut().zip(&natural) {
                if let Some(now) = now.as_mut().filter(|now| **now < *natural && left > 0) {
                    *now += 1;
                    left -= 1;
                    grew = true;
                }
            }
        }
        widths
    }

    /// A row's lines.
    fn lines(&self, row: &[Cell], widths: &[Option<usize>], right: &[bool]) -> Vec<String> {
        let shown: Vec<(usize, &Cell, usize)> = row
            .iter()
            .enumerate()
            .filter_map(|(column, cell)| Some((column, cell, (*widths.get(column)?)?)))
            .collect();
        let texts: Vec<Vec<String>> = shown
            .iter()
            .map(|(column, cell, room)| match self.columns[*column].gives {
                Gives::Nothing => vec![cell.text.clone()],
                Gives::End => vec![cut(&cell.text, *room)],
                Gives::Front => vec![cut_front(&cell.text, *room)],
                Gives::Middle => vec![cut_middle(&cell.text, *room)],
                Gives::Lines => wrap(&cell.text, *room),
            })
            .collect();
        let high = texts.iter().map(Vec::len).max().unwrap_or(0);
        (0..high)
            .map(|line| written(&shown, &texts, line, right))
            .collect()
    }
}

/// One line of a row. Nothing trails.
fn written(
    shown: &[(usize, &Cell, usize)],
    texts: &[Vec<String>],
    line: usize,
    right: &[bool],
) -> String {
    let (mut written, mut blank) = (String::new(), 0);
    for ((column, cell, room), texts) in shown.iter().zip(texts) {
        let text = texts.get(line).map_or("", String::as_str);
        let rest = room.saturating_sub(width(text));
        let (before, after) = if right[*column] { (rest, 0) } else { (0, rest) };
        if text.is_empty() {
            blank += room + GAP;
            continue;
        }
        let style = cell.style;
        written.push_str(&format!("{:1$}{style}{text}{style:#}", "", blank + before));
        blank = after + GAP;
    }
    written
}

/// The width of a line.
fn taken(widths: &[Option<usize>]) -> usize {
    let shown = widths.iter().flatten().count();
    widths.iter().flatten().sum::<usize>() + GAP * shown.saturating_sub(1)
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.fitted(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terminal::screen::BAD;

    fn bare(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn columns_are_aligned_whatever_their_style_and_nothing_trails() {
        let mut table = Table::new(["POOL", "LIVE", "WHY"]);
        table.row(["linux".into(), Cell::number(7), Cell::new("").styled(BAD)]);
        table.row(["a".into(), Cell::number(12), "é\u{1b}x".into()]);
        assert_eq!(
            bare(&table.to_string()),
            "POOL   LIVE  WHY\nlinux     7  -\na        12  é\u{fffd}x"
        );
    }

    fn jobs() -> Table {
        let mut table = Table::new([
            Column::new("JOB"),
            Column::new("REPOSITORY").cuts_front(10),
            Column::new("COST").hides(1),
            Column::new("AGE").hides(2),
            Column::new("WHY").cuts(12),
        ]);
        table.row([
            "43821".into(),
            "acme/a-very-long-name".into(),
            Cell::number("$0.01"),
            "3m12s".into(),
            "the pool is at its max of 3".into(),
        ]);
        table
    }

    #[test]
    fn a_table_is_as_wide_as_the_terminal_and_its_longest_texts_share_what_is_left() {
        let wide = jobs().to_string();
        assert_eq!(jobs().fitted(Some(200)), wide);
        assert!(bare(&jobs().fitted(Some(40))).starts_with("JOB    REPOSITORY"));
        assert!(
            !bare(&jobs().fitted(Some(44))).contains("COST")
                && !bare(&jobs().fitted(Some(30))).contains("AGE")
        );
        assert!(bare(&jobs().fitted(Some(60))).contains("…"));
    }

    #[test]
    fn no_terminal_from_40_columns_on_breaks_a_line() {
        for room in 40..220 {
            let table = bare(&jobs().fitted(Some(room)));
            assert!(
                table.lines().all(|line| width(line) <= room),
                "{room}:\n{table}"
            );
            assert!(table.contains("43821"));
        }
    }

    #[test]
    fn what_wraps_goes_on_under_its_column() {
        let mut table = Table::new([Column::new("TIME"), Column::new("WHAT").wraps(10)]);
        table.row(["14:03".into(), "its task pulls the image".into()]);
        assert_eq!(
            bare(&table.fitted(Some(22))),
            "TIME   WHAT\n14:03  its task pulls\n       the image"
        );
    }

    #[test]
    fn wide_characters_take_two_places() {
        let mut table = Table::new(["NAME", "POOL"]);
        table.row(["構築".into(), "linux".into()]);
        table.row(["👩‍💻 a".into(), "arm".into()]);
        let lines: Vec<usize> = bare(&table.to_string())
            .lines()
            .map(|line| width(line.rsplit_once(' ').unwrap().0))
            .collect();
        assert!(lines.iter().all(|before| *before == lines[0]), "{lines:?}");
    }
}
