//! Which GitHub: its URL stands in the pools file, and may change while a function lives.

use std::sync::{Arc, Mutex, PoisonError};

/// Makes an adapter for a GitHub of that URL.
pub type Connect<G> = Box<dyn Fn(&str) -> Result<G, crate::BadAddress> + Send + Sync>;

/// The adapter for the URL that was asked for last: kept, with its tokens and connections, as long as the URL stays.
pub struct ByUrl<G> {
    connect: Connect<G>,
    last: Mutex<Option<(String, Arc<G>)>>,
}

impl<G> ByUrl<G> {
    /// Adapters are made by `connect` when they are needed first.
    #[must_use]
    pub fn new(connect: Connect<G>) -> Self {
        Self { connect, last: Mutex::new(None) }
    }

    /// The adapter for the GitHub of this URL.
    ///
    /// # Errors
    /// When the URL cannot be used.
    pub fn at(&self, url: &str) -> Result<Arc<G>, crate::BadAddress> {
        // What a panic may have left undone here is an adapter that is made again.
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, github)) = last.as_ref()
            && known == url
        {
            return Ok(Arc::clone(github));
        }
        let github = Arc::new((self.connect)(url)?);
        *last = Some((url.to_owned(), Arc::clone(&github)));
        Ok(github)
    }
}
