//! The console: pages for staff at `/console`, rendered on the server. It shows the documents of the service, and never
//! reads the state in another way.
//!
//! A request finds its row in `page_table`. `router` admits it: the session, the role, the merchant, and for a write the
//! origin. The handler in `pages` asks the service and returns the content, which `layout` puts into a page. `respond`
//! forbids every script in a page; pages with a live part load two files of ours, and show the same without them.

mod background_job;
mod customer_write;
mod document;
mod error_page;
mod file_download;
mod forms;
mod layout;
mod links;
mod multipart;
mod page_request;
mod page_table;
mod pages;
mod parts;
mod problem;
mod respond;
mod router;
mod session_cookie;
mod sessions;
mod sign_in;
mod state;
mod stylesheet;
#[cfg(test)]
mod tests;
mod upload;
mod writes;

pub use crate::console::{
    router::routes,
    state::{Console, ConsoleParts},
};
