//! The description of the API, OpenAPI 3.1, from the operation table and the types that handlers read and write.

mod build;
mod page;
mod parameters;
mod problems;
pub(crate) mod published;

#[cfg(test)]
mod tests;

use serde_json::Value;

/// The OpenAPI document.
#[must_use]
pub fn document() -> Value {
    build::document()
}

/// Builds the document and its page for the operations that serve them; does nothing where that is done.
pub(crate) fn publish() {
    published::publish(|| {
        let document = build::document();
        (serde_json::to_vec(&document).unwrap_or_default(), page::page(&document))
    });
}
