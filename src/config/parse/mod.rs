//! From the text of files to raw values with their places.

pub(crate) mod amount;
pub mod body;
pub(crate) mod entry;
pub(crate) mod files;
pub(crate) mod raw;
pub(crate) mod read;
pub(crate) mod source;
