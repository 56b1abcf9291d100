//! What the scripts take and answer.

pub mod answers;
pub mod error;
pub mod head;
pub mod pages;
pub mod requests;
pub mod server;
