//! Which of several words was meant.

use strsim::osa_distance;

/// The known word that is nearest to `word`, if any is near enough to be meant: at most about half
/// of the letters differ.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    let (distance, nearest) = known
        .into_iter()
        .map(|known| (osa_distance(&word, known), known))
        .min()?;
    let longer = word.chars().count().max(nearest.chars().count());
    (distance * 2 <= longer).then_some(nearest)
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
        assert_eq!(
            nearest("max-per-repository", known),
            Some("max_per_repository")
        );
        assert_eq!(nearest("min-idle", known), Some("min_idle"));
        assert_eq!(nearest("ulr", ["accounts", "url"]), Some("url"));
        assert_eq!(nearest("subnets", known), None);
        assert_eq!(nearest("", known), None);
    }
}
