//! The files of the pages. Their names contain a hash of the content, so browsers keep them.

use crate::console::respond::secure;
use axum::{
    body::Body,
    http::{HeaderValue, header},
    response::Response,
};
use sha2::{Digest, Sha256};
use std::{fmt::Write, sync::LazyLock};

const STYLE: &str = include_str!("style.css");
const ICON: &str = include_str!("icon.svg");
/// htmx 4.0.1, as its authors publish it: `dist/htmx.min.js`. Its licence is in the file next to it.
const HTMX: &str = include_str!("assets/htmx.min.js");
const REFRESH: &str = include_str!("assets/refresh.js");

const SCRIPT: &str = "text/javascript; charset=utf-8";

static STYLE_NAME: LazyLock<String> = LazyLock::new(|| hashed_name("style", "css", STYLE));
static HTMX_NAME: LazyLock<String> = LazyLock::new(|| hashed_name("htmx", "js", HTMX));
static REFRESH_NAME: LazyLock<String> = LazyLock::new(|| hashed_name("refresh", "js", REFRESH));
static ICON_NAME: LazyLock<String> = LazyLock::new(|| hashed_name("icon", "svg", ICON));

fn hashed_name(name: &str, extension: &str, content: &str) -> String {
    let mut hash = String::new();
    for byte in Sha256::digest(content.as_bytes()).iter().take(8) {
        // A text takes every byte.
        _ = write!(hash, "{byte:02x}");
    }
    format!("{name}-{hash}.{extension}")
}

/// The name of the stylesheet.
pub(super) fn style_name() -> &'static str {
    &STYLE_NAME
}

/// The name of the icon.
pub(super) fn icon_name() -> &'static str {
    &ICON_NAME
}

/// The names of the scripts of pages with a part that is refreshed, in their order.
pub(super) fn script_names() -> [&'static str; 2] {
    [&HTMX_NAME, &REFRESH_NAME]
}

/// The file of a name; `None`: there is none, or it has another content now.
pub(super) fn file(name: &str) -> Option<Response> {
    let (content, kind) = match name {
        name if name == style_name() => (STYLE, "text/css; charset=utf-8"),
        name if name == icon_name() => (ICON, "image/svg+xml"),
        name if name == *HTMX_NAME => (HTMX, SCRIPT),
        name if name == *REFRESH_NAME => (REFRESH, SCRIPT),
        _ => return None,
    };
    let mut response = secure(Response::new(Body::from(content)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    Some(response)
}
