//! What a session has made on the server and finds again by name: prepared statements, temp tables.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Things by name, for as long as the session lives.
#[derive(Debug)]
pub(super) struct Memory<T>(Mutex<BTreeMap<String, T>>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Memory<T> {
    /// What has this name; made where nothing has it yet, with the number of things that there are already.
    pub(super) fn recall<E>(
        &self,
        name: &str,
        make: impl FnOnce(usize) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut things = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thing) = things.get(name) {
            return Ok(thing.clone());
        }
        let made = make(things.len())?;
        things.insert(name.to_owned(), made.clone());
        Ok(made)
    }
}
