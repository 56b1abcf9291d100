//! Where a configured item comes from, and when it changed.

use crate::domain::vocabulary::{names::Name, time::Millis, words::words};

words! {
    /// The origin of a configured item.
    Origin {
        /// A file of the configuration.
        File = "file",
        /// A call of the API.
        Api = "api",
        /// A payment request that named it.
        Request = "request",
    }
}

/// The origin and the times of a configured item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Provenance {
    /// Its origin.
    pub origin: Origin,
    /// When it was created, where known.
    pub created: Option<Millis>,
    /// When it changed last, where known.
    pub modified: Option<Millis>,
    /// Who changed it last, where known.
    pub by: Option<Name>,
}

impl Provenance {
    /// Of an item that a payment request made.
    #[must_use]
    pub fn made_at(created: Millis) -> Self {
        Self { origin: Origin::Request, created: Some(created), modified: Some(created), by: None }
    }
}

impl Default for Provenance {
    fn default() -> Self {
        Self { origin: Origin::File, created: None, modified: None, by: None }
    }
}
