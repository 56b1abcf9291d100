//! Relative links between pages, so that a proxy can serve the console under another path.

use form_urlencoded::Serializer;
use std::fmt::Write;

/// The links of one page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Links {
    /// From the page to the folder that contains `console`.
    root: String,
}

impl Links {
    /// The links of the page at a path, such as `/console/m/acme`.
    pub(super) fn of_page(path: &str) -> Self {
        let folders = path.matches('/').count().saturating_sub(1);
        Self { root: "../".repeat(folders) }
    }

    /// The address of the page with these segments after `console`.
    pub(super) fn to(&self, segments: &[&str]) -> String {
        let mut link = format!("{}console", self.root);
        for segment in segments {
            link.push('/');
            push_segment(&mut link, segment);
        }
        link
    }

    /// The address of a path of the console that the daemon knows, such as the one that a browser asked for.
    pub(super) fn to_path(&self, path: &str) -> String {
        format!("{}{}", self.root, path.trim_start_matches('/'))
    }
}

/// Percent-encodes a segment (RFC 3986: everything but unreserved characters).
fn push_segment(link: &mut String, segment: &str) {
    for byte in segment.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => link.push(char::from(byte)),
            // A text takes every byte.
            _ => _ = write!(link, "%{byte:02X}"),
        }
    }
}

/// A query of the pairs with a value, with its question mark; empty without a pair.
pub(super) fn query_text<'p>(pairs: impl IntoIterator<Item = (&'p str, &'p str)>) -> String {
    let mut query = Serializer::new(String::new());
    for (key, value) in pairs {
        if !value.is_empty() {
            query.append_pair(key, value);
        }
    }
    let query = query.finish();
    if query.is_empty() { query } else { format!("?{query}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_relative_and_every_character_of_an_id_is_a_part_of_its_segment() {
        let to = |page: &str, segments: &[&str]| Links::of_page(page).to(segments);
        assert_eq!(to("/console", &["m", "acme"]), "console/m/acme");
        assert_eq!(to("/console/login", &[]), "../console");
        assert_eq!(to("/console/m/acme/customers/1000001", &["m", "acme"]), "../../../../console/m/acme");
        assert_eq!(to("/console", &["m", "a/b?c#d e\u{e9}%"]), "console/m/a%2Fb%3Fc%23d%20e%C3%A9%25");
        assert_eq!(query_text([("a", "b&c"), ("d", ""), ("e", "f")]), "?a=b%26c&e=f");
        assert_eq!(query_text([("a", "")]), "");
    }
}
