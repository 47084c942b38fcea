//! Which of several words somebody meant.

/// The known word that is nearest to `word`, if any is near enough to be meant: at most about half of the letters differ.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let (distance, nearest) = known.into_iter().map(|known| (distance(&word, known), known)).min()?;
    let longer = word.chars().count().max(nearest.chars().count());
    (distance * 2 <= longer).then_some(nearest)
}

/// How many letters must be put in, left out, changed or swapped with the next to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let mut rows: Vec<Vec<usize>> = vec![(0..=other.len()).collect()];
    for (i, letter) in one.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, its) in other.iter().enumerate() {
            let changed = rows[i][j] + usize::from(letter != its);
            let swapped = (i > 0 && j > 0 && one[i - 1] == *its && other[j - 1] == *letter).then(|| rows[i - 1][j - 1] + 1);
            let fewest = changed.min(row[j] + 1).min(rows[i][j + 1] + 1);
            row.push(swapped.map_or(fewest, |swapped| swapped.min(fewest)));
        }
        rows.push(row);
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_none() {
        let known = ["labels", "memory", "max", "max_per_repository", "min_idle"];
        assert_eq!(nearest("label", known), Some("labels"));
        assert_eq!(nearest("memroy", known), Some("memory"));
        assert_eq!(nearest("Max", known), Some("max"));
        assert_eq!(nearest("max-per-repository", known), Some("max_per_repository"));
        assert_eq!(nearest("min-idle", known), Some("min_idle"));
        assert_eq!(nearest("ulr", ["accounts", "url"]), Some("url"));
        assert_eq!(nearest("subnets", known), None);
        assert_eq!(nearest("", known), None);
    }
}
