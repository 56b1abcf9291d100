//! What a reload of the configuration files would change, the text of a merchant's file, and the reload.

use crate::{
    console::{
        document::{in_words, list, text},
        layout::Content,
        page_request::{Outcome, PageRequest, Paged},
        pages::operator::{
            merchant_choice::merchant_field,
            system::{difference_lists, sentences},
        },
        parts::nothing,
    },
    domain::{
        customer::audit::{Author, ChangeSource},
        vocabulary::names::Name,
    },
    service::{error::ServiceError, monitoring::reload_preview::PreviewDocument, reply::Reply},
    storage::journal::Lsn,
};
use maud::{Markup, html};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn preview_of(request: &PageRequest) -> Result<Value, ServiceError> {
    let merchant = Some(request.query("merchant")).filter(|id| !id.is_empty()).and_then(Name::existing);
    let preview = PreviewDocument::of(request.console.parts.status.control.preview_reload(merchant));
    request.read(Ok(Reply::new(&preview).depending_on(Lsn::NONE)))
}

/// What a preview showed, to be compared at the confirmation: the version of the rules and the differences. The number of
/// customers that a difference affects changes all the time; it comes after the first semicolon of its line.
fn fingerprint(preview: &Value) -> String {
    let mut digest = Sha256::new();
    digest.update(text(preview, "/config_version"));
    for path in ["/added", "/changed", "/removed", "/restart_needed"] {
        for line in list(preview, path).iter().filter_map(Value::as_str) {
            digest.update(path);
            digest.update(line.split("; ").next().unwrap_or_default());
        }
    }
    digest.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

/// What a reload would change, and a button that reloads.
fn changes(preview: &Value) -> Markup {
    html! {
        section class="card" {
            h2 { "A reload would change" }
            @if preview["is_valid"] == true {
                (difference_lists(preview))
                (warnings(preview))
                form method="post" action="reload" {
                    input type="hidden" name="seen" value=(fingerprint(preview));
                    p class="actions" { button { "Reload" } " " a href="../system" { "Cancel" } }
                }
            } @else {
                div class="notice bad" role="alert" { p { "The files are not valid, so a reload would change nothing." } }
                (sentences("Problems", "bad", list(preview, "/problems")))
                (warnings(preview))
            }
        }
    }
}

/// The warnings about the files. They are often many, and the same as before.
fn warnings(preview: &Value) -> Markup {
    let lines = list(preview, "/warnings");
    html! {
        @if !lines.is_empty() {
            details class="notice" {
                summary { (lines.len()) " warnings" }
                ul { @for line in lines { li { (in_words(line)) } } }
            }
        }
    }
}

/// The files of merchants, and the text of one.
fn files(request: &PageRequest, preview: &Value) -> Markup {
    let shown = request.query("merchant");
    let file = list(preview, "/files").iter().find(|file| text(file, "/merchant") == shown);
    html! {
        section {
            h2 { "The file of a merchant" }
            form method="get" class="filters" {
                (merchant_field(request, shown, "none"))
                div class="actions" { button { "Show the file" } }
            }
            @match (file, preview["text"].as_str()) {
                (Some(file), Some(content)) => {
                    p { code { (text(file, "/file")) } " as it is on the disk now" }
                    pre class="file" tabindex="0" { (content) }
                }
                _ if shown.is_empty() => p class="quiet" { "A merchant's file is the source of its rules. Edit it on the machine of the daemon." },
                _ => (nothing("No file on the disk defines this merchant.")),
            }
        }
    }
}

fn page(request: &PageRequest, preview: &Value, before: &Markup) -> Paged {
    let body = html! { (before) (changes(preview)) (files(request, preview)) };
    Ok(Outcome::Page(Content::new("Reload", body).below("System", request.links.to(&["system"]))))
}

/// `GET /console/system/reload`
pub(in crate::console) fn show(request: &PageRequest) -> Paged {
    page(request, &preview_of(request)?, &html! {})
}

/// `POST /console/system/reload`: reloads, if the files are those of the preview.
pub(in crate::console) fn reload(request: &PageRequest) -> Paged {
    let preview = preview_of(request)?;
    if preview["is_valid"] != true || fingerprint(&preview) != request.field("seen") {
        let words = "The files are not those of the preview. Look at the changes again.";
        return page(request, &preview, &html! { div class="notice bad" role="alert" { p { (words) } } });
    }
    let author = Author { source: ChangeSource::Api, by: request.token.as_ref().map(|token| token.name), job: None };
    let parts = &request.console.parts;
    match parts.status.control.reload(author) {
        Ok(report) => {
            // The answer depends on the record of who reloaded.
            request.read(Ok(Reply::new(&report.version)))?;
            Ok(Outcome::Redirect(format!("{}?done=reload", request.links.to(&["system"]))))
        }
        Err(refused) => Err(ServiceError::refused_reload(&refused)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_preview_is_the_same_while_only_the_affected_customers_change() {
        let preview = |line: &str| fingerprint(&json!({ "config_version": "v", "changed": [line] }));
        assert_eq!(
            preview("a: 5 -> 3; 41 customers are above it now"),
            preview("a: 5 -> 3; 42 customers are above it now")
        );
        assert_ne!(preview("a: 5 -> 3"), preview("a: 5 -> 4"));
    }
}
