//! Refusals as pages.

use crate::{
    console::layout::Content,
    service::error::{ErrorKind, ServiceError},
};
use maud::html;

fn title_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Malformed => "This request cannot be read",
        ErrorKind::Unauthenticated => "Sign in first",
        ErrorKind::Forbidden => "This token may not do that",
        ErrorKind::NotFound => "Not found",
        ErrorKind::Conflict => "It has changed in the meantime",
        ErrorKind::Gone => "It is gone",
        ErrorKind::TooLarge => "This is too long",
        ErrorKind::Impossible => "This cannot be done",
        ErrorKind::TooMany => "Too many requests",
        ErrorKind::Internal => "A fault of the daemon",
        ErrorKind::Unavailable => "Not available now; try again",
    }
}

/// The page of an error.
pub(super) fn error_content(error: &ServiceError) -> Content {
    let title = title_of(error.kind);
    let body = html! {
        div class="notice bad" role="alert" {
            p { (error.detail) }
            @if let Some(field) = &error.field { p class="quiet" { "Field: " code { (field) } } }
            @if !error.problems.is_empty() { ul { @for problem in &error.problems { li { (problem) } } } }
            p class="quiet" { "Code: " code { (error.code) } }
        }
    };
    Content::new(title, body)
}
