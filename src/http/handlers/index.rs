//! `GET /`: where a reader finds the guides, health, metrics and status. It is public and shows nothing of the
//! configuration.

use crate::{
    config::schema::texts::{AddressText, SentenceText},
    docs::GUIDES,
    http::{
        handlers::docs::{html_page, page},
        response::json,
    },
    service::reply::render,
};
use axum::{
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

/// Where a reader finds the guides, health, metrics and status.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Index")]
pub(crate) struct IndexDocument {
    /// Always `levelgate`.
    #[schemars(extend("enum" = ["levelgate"]))]
    name: &'static str,
    /// The pages that are no guides.
    links: Vec<Link>,
    /// The guides.
    guides: Vec<GuideLink>,
}

/// A page.
#[derive(Serialize, JsonSchema)]
struct Link {
    /// Its address.
    #[schemars(with = "AddressText")]
    href: &'static str,
    /// What it shows.
    #[schemars(with = "SentenceText")]
    title: &'static str,
}

/// A guide.
#[derive(Serialize, JsonSchema)]
struct GuideLink {
    /// Its address.
    #[schemars(with = "AddressText")]
    href: String,
    /// Its title.
    #[schemars(with = "SentenceText")]
    title: &'static str,
    /// Its readers and its content.
    #[schemars(with = "SentenceText")]
    readers: &'static str,
}

/// The pages that are no guides. Metrics and status need a token where tokens are configured.
const LINKS: [Link; 7] = [
    Link { href: "/docs", title: "The guides" },
    Link { href: "/docs/api", title: "Every operation, field and code of the API" },
    Link { href: "/openapi.json", title: "The same as an OpenAPI 3.1 document" },
    Link { href: "/healthz", title: "Whether the process lives" },
    Link { href: "/readyz", title: "Whether it takes payments" },
    Link { href: "/metrics", title: "Metrics for Prometheus" },
    Link { href: "/v1/status", title: "Versions, configuration, store, snapshots and clock" },
];

impl IndexDocument {
    fn new() -> Self {
        let guide = |guide: &crate::docs::Guide| GuideLink {
            href: format!("/docs/{}", guide.name),
            title: guide.title,
            readers: guide.readers,
        };
        Self { name: "levelgate", links: LINKS.into(), guides: GUIDES.iter().map(guide).collect() }
    }

    fn html(&self) -> String {
        let links: String = self
            .links
            .iter()
            .map(|Link { href, title }| format!("<li><a href=\"{href}\">{href}</a>: {title}</li>\n"))
            .collect();
        let guide = |GuideLink { href, title, readers }: &GuideLink| {
            format!("<li><a href=\"{href}\">{title}</a>: {readers}</li>\n")
        };
        let guides: String = self.guides.iter().map(guide).collect();
        let body = format!("<h1>levelgate</h1>\n<ul>\n{links}</ul>\n<h2>Guides</h2>\n<ul>\n{guides}</ul>\n");
        page("Start", &body)
    }
}

/// `GET /`: JSON, or HTML where the request prefers it.
pub(crate) async fn index(headers: HeaderMap) -> Response {
    let document = IndexDocument::new();
    let response = match prefers_html(&headers) {
        true => html_page(document.html()),
        false => json(render(&document)),
    };
    ([(header::VARY, "accept")], response).into_response()
}

/// Whether the request accepts HTML more than JSON (RFC 9110, section 12.5.1).
fn prefers_html(headers: &HeaderMap) -> bool {
    let ranges =
        || headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    let quality_of = |range: &str| ranges().find_map(|accepted| quality(accepted, range));
    let of_type = |range: &str, group: &str| {
        quality_of(range).or_else(|| quality_of(group)).or_else(|| quality_of("*/*")).unwrap_or(0)
    };
    of_type("text/html", "text/*") > of_type("application/json", "application/*")
}

/// The quality of an accepted range in thousandths, if it is this range.
fn quality(accepted: &str, range: &str) -> Option<u32> {
    let mut parts = accepted.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case(range) {
        return None;
    }
    let Some(weight) = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q="))) else {
        return Some(1_000);
    };
    let (whole, fraction) = weight.split_once('.').unwrap_or((weight, ""));
    let thousandths = format!("{fraction:0<3}").get(..3).and_then(|digits| digits.parse::<u32>().ok());
    Some(if whole == "1" { 1_000 } else { thousandths.unwrap_or(0) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::operations::table::operations;
    use axum::http::HeaderValue;

    #[test]
    fn html_is_for_requests_that_prefer_it() {
        for (accepted, is_html) in [
            ("", false),
            ("*/*", false),
            ("text/html", true),
            ("text/*", true),
            ("application/json", false),
            ("text/html, application/json", false),
            ("text/html;q=0.9, application/json", false),
            ("text/html, application/json;q=0.9", true),
            ("text/html;q=0.25, application/json;q=0.2", true),
            ("text/html;q=0", false),
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("image/png", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accepted));
            assert_eq!(prefers_html(&headers), is_html, "{accepted}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }

    #[test]
    fn every_link_leads_to_an_operation() {
        let document = IndexDocument::new();
        let is_served = |path: &str| operations().any(|operation| operation.path == path);
        assert!(document.links.iter().all(|link| is_served(link.href)));
        assert!(document.guides.iter().all(|link| link.href.starts_with("/docs/")) && is_served("/docs/{guide}"));
        assert!(document.html().contains("<a href=\"/metrics\">"));
    }
}
