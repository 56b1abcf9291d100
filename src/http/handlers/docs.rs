//! The guides as pages: `GET /docs` lists them, `GET /docs/NAME` shows one.
//!
//! The text is public, so no token is needed. A page has no script, no inline style, and nothing from another site; its
//! Content-Security-Policy allows the one stylesheet and the pictures of the guides. Each page is rendered once, at its first request.

use crate::docs::{GUIDES, Guide, PICTURES};
use crate::http::dto::problem::Problem;
use axum::{
    extract::Path,
    http::{HeaderName, header},
    response::{IntoResponse, Response},
};
use pulldown_cmark::{Alignment, CowStr, Event, Options, Parser, Tag, TagEnd, html};
use std::{collections::HashMap, sync::LazyLock};

/// The address of the list. Those of the guides begin with it.
const ROOT: &str = "/docs";

const HEADERS: [(HeaderName, &str); 4] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-cache"),
];

const STYLE: &str = "\
:root { color-scheme: light dark; --text: #1b1f24; --back: #fff; --soft: #f3f5f7; --line: #cfd6dd; --link: #0a58b8 }
@media (prefers-color-scheme: dark) {
  :root { --text: #e3e7eb; --back: #14181c; --soft: #20262c; --line: #3a434c; --link: #7db7ff }
}
body { margin: 0 auto; padding: 1rem 1.25rem 4rem; max-width: 60rem; color: var(--text); background: var(--back);
  font: 1rem/1.55 system-ui, sans-serif }
h1, h2, h3 { line-height: 1.25; margin: 2em 0 .6em }
h1 { margin-top: .8em }
a { color: var(--link) }
pre, code { font: .9em/1.45 ui-monospace, monospace; background: var(--soft); border-radius: .25rem }
code { padding: .1em .25em }
pre { padding: .75rem; overflow-x: auto }
pre code { padding: 0 }
table { display: block; overflow-x: auto; border-collapse: collapse; margin: 1em 0 }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top }
th { background: var(--soft) }
img { max-width: 100%; height: auto; border: 1px solid var(--line); border-radius: .25rem }
nav { border-bottom: 1px solid var(--line); padding-bottom: .5rem }
";

/// The pages of the guides, in the order of the table.
static PAGES: LazyLock<HashMap<&'static str, String>> =
    LazyLock::new(|| GUIDES.iter().map(|guide| (guide.name, page(guide.title, &body(guide.text)))).collect());

pub(crate) async fn list() -> Response {
    let rows: String = GUIDES.iter().map(row).collect();
    let api = "<li><a href=\"/docs/api\">API</a>: every operation, field and problem code</li>\n";
    html_page(page("Guides", &format!("<h1>levelgate: guides</h1>\n<ul>\n{rows}{api}</ul>\n")))
}

fn row(Guide { name, title, readers, .. }: &Guide) -> String {
    format!("<li><a href=\"{ROOT}/{name}\">{title}</a>: {readers}</li>\n")
}

pub(crate) async fn style() -> Response {
    (HEADERS, [(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

/// Shows a guide, or a picture of one.
pub(crate) async fn show(Path(name): Path<String>) -> Result<Response, Problem> {
    if let Some(picture) = PICTURES.iter().find(|picture| picture.name == name) {
        return Ok((HEADERS, [(header::CONTENT_TYPE, "image/png")], picture.png).into_response());
    }
    let page = PAGES.get(name.as_str()).ok_or_else(Problem::no_such_path)?;
    Ok(html_page(page.as_str()))
}

/// An answer with a page.
pub(super) fn html_page(page: impl Into<axum::body::Body>) -> Response {
    (HEADERS, [(header::CONTENT_TYPE, "text/html; charset=utf-8")], page.into()).into_response()
}

/// A page with this body.
pub(super) fn page(title: &str, body: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title} - levelgate</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <link rel=\"stylesheet\" href=\"{ROOT}/style.css\">\n</head>\n<body>\n\
         <nav><a href=\"{ROOT}\">levelgate: guides</a></nav>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )
}

/// A guide's Markdown as HTML: headings get anchors, links to guides lead to their pages, links to other files of the
/// repository become text, HTML in the text is shown and not obeyed.
fn body(markdown: &str) -> String {
    let mut events: Vec<Event<'_>> = Parser::new_ext(markdown, Options::ENABLE_TABLES).collect();
    let mut anchors = Anchors::default();
    let mut heading = None;
    for at in 0..events.len() {
        match &events[at] {
            Event::Start(Tag::Heading { .. }) => heading = Some((at, String::new())),
            Event::Text(text) | Event::Code(text) => {
                heading.iter_mut().for_each(|(_, words)| words.push_str(text));
            }
            Event::End(TagEnd::Heading(_)) => {
                if let Some((start, words)) = heading.take()
                    && let Event::Start(Tag::Heading { id, .. }) = &mut events[start]
                {
                    *id = Some(anchors.next(&words).into());
                }
            }
            _ => {}
        }
    }
    let mut is_dropped = false;
    let events = events.into_iter().filter_map(|event| match event {
        // An alignment would be an inline style, which the policy forbids.
        Event::Start(Tag::Table(columns)) => Some(Event::Start(Tag::Table(vec![Alignment::None; columns.len()]))),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => {
            let dest_url = served(&dest_url);
            is_dropped = dest_url.is_none();
            dest_url.map(|dest_url| Event::Start(Tag::Link { link_type, dest_url: dest_url.into(), title, id }))
        }
        Event::Start(Tag::Image { link_type, dest_url, title, id }) => {
            let name = dest_url.strip_prefix("pictures/").unwrap_or(&dest_url);
            let dest_url = format!("{ROOT}/{name}").into();
            Some(Event::Start(Tag::Image { link_type, dest_url, title, id }))
        }
        Event::End(TagEnd::Link) if std::mem::take(&mut is_dropped) => None,
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        event => Some(event),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

/// The address of a link on a page; `None`: the page cannot lead there.
fn served(link: &CowStr<'_>) -> Option<String> {
    if link.starts_with('#') || link.starts_with("http://") || link.starts_with("https://") {
        return Some(link.to_string());
    }
    let (file, anchor) = link.split_once('#').map_or((&**link, None), |(file, anchor)| (file, Some(anchor)));
    let guide = crate::docs::guide(file.strip_suffix(".md")?)?;
    Some(anchor.map_or_else(|| format!("{ROOT}/{}", guide.name), |anchor| format!("{ROOT}/{}#{anchor}", guide.name)))
}

/// The anchors of a page's headings: lower case, spaces as dashes, no other punctuation; a repeated one is numbered.
#[derive(Default)]
struct Anchors(HashMap<String, usize>);

impl Anchors {
    fn next(&mut self, heading: &str) -> String {
        let of_char = |c: char| match c {
            ' ' => Some('-'),
            c if c.is_alphanumeric() || matches!(c, '-' | '_') => Some(c),
            _ => None,
        };
        let anchor: String = heading.to_lowercase().chars().filter_map(of_char).collect();
        let count = self.0.entry(anchor.clone()).and_modify(|count| *count += 1).or_insert(0);
        if *count == 0 { anchor } else { format!("{anchor}-{count}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of an attribute in a page.
    fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
        let begin = format!(" {attribute}=\"");
        page.split(&begin).skip(1).filter_map(|rest| rest.split_once('"')).map(|(value, _)| value).collect()
    }

    #[test]
    fn links_and_headings_are_those_of_the_pages() {
        let shown = body(
            "# A `b` c\n## A b, c\n[x](integration.md) [y](errors.md#codes-of-a-denial) [z](../../README.md) [w](#a-b-c)\n\n\
             | a |\n|:-:|\n| b |\n\n<script>alert(1)</script>",
        );
        assert_eq!(values(&shown, "id"), ["a-b-c", "a-b-c-1"]);
        assert_eq!(values(&shown, "href"), ["/docs/integration", "/docs/errors#codes-of-a-denial", "#a-b-c"]);
        assert!(shown.contains(" z ") && !shown.contains("README"), "{shown}");
        assert!(!shown.contains("style=") && !shown.contains("<script"), "{shown}");
    }

    #[test]
    fn every_link_of_every_page_leads_to_a_page_and_a_heading() {
        for guide in GUIDES {
            let page = &PAGES[guide.name];
            for link in values(page, "href").into_iter().filter(|link| !link.starts_with("http")) {
                let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
                let target = match path.strip_prefix("/docs/") {
                    Some(name) => PAGES.get(name),
                    None => path.is_empty().then_some(page),
                };
                let is_there =
                    anchor.is_none_or(|anchor| target.is_some_and(|target| values(target, "id").contains(&anchor)));
                let is_page = target.is_some() || matches!(path, "/docs" | "/docs/style.css");
                assert!(is_page && is_there, "{}: {link}", guide.name);
            }
            for picture in values(page, "src") {
                let name = picture.strip_prefix("/docs/").unwrap_or_default();
                assert!(PICTURES.iter().any(|known| known.name == name), "{}: {picture}", guide.name);
            }
        }
    }
}
