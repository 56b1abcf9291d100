//! The console: pages for staff at `/console`, rendered on the server. It shows the documents of the service, and never
//! reads the state in another way.
//!
//! A request finds its row in `page_table`. `router` admits it: the session, the role, the merchant, and for a write the
//! origin. The handler in `pages` asks the service and returns the content, which `layout` puts into a page. `respond`
//! forbids every script in a page; pages with a live part load two files of ours, and show the same without them.
//!
//! `actor` finds out who acts. A write that may need a second person asks for it after its preview was confirmed, directly
//! before it calls the service:
//!
//! ```text
//! if request.requires_second_person(FourEyesWrite::Erase) {
//!     return Ok(Outcome::NeedsSecondPerson(FourEyesWrite::Erase));
//! }
//! ```
//!
//! `confirmations` then keeps the request, and calls the same handler for the second person: with `step=preview`, and with
//! the hidden fields of that preview and `step=confirm`. The handler has to have a preview whose form has a button
//! `step=confirm` and, in hidden fields, everything that shows a change in the meantime.
//!
//! A number that a person types is kept with the request: the second person confirms it in a hidden field, and cannot confirm
//! it where `is_confirmed_value_outdated`. A write of several kinds asks with `second_person_for`. A test has every `POST` row of
//! the table: it waits, or the test says why it need not. An upload cannot wait, so `upload` takes trials only then.

mod actor;
mod background_job;
mod confirmations;
mod customer_write;
mod document;
mod error_page;
mod file_download;
mod forms;
mod layout;
mod links;
mod make_page;
mod multipart;
mod page_request;
mod page_table;
mod pages;
mod parts;
mod pending_changes;
mod preview_form;
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
    page_table::page_paths,
    router::routes,
    state::{Console, ConsoleParts},
};
