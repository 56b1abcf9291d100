//! The frame of every page: head, navigation, the person who signed in.

use crate::console::{links::Links, stylesheet};
use maud::{DOCTYPE, Markup, html};

/// What a handler returns: the title and the content of a page.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) title: String,
    /// The pages above this one, with their addresses.
    pub(super) trail: Vec<(String, String)>,
    pub(super) body: Markup,
    /// The seconds after which a browser loads the page again; `None`: it does not.
    pub(super) refresh_s: Option<u8>,
    /// Whether a part of the page is refreshed by a script.
    pub(super) has_live_part: bool,
}

impl Content {
    pub(super) fn new(title: impl Into<String>, body: Markup) -> Self {
        Self { title: title.into(), trail: Vec::new(), body, refresh_s: None, has_live_part: false }
    }

    /// The same with scripts that refresh its live part.
    pub(super) fn with_live_part(self) -> Self {
        Self { has_live_part: true, ..self }
    }

    /// The same with a page above it.
    pub(super) fn below(mut self, name: impl Into<String>, address: String) -> Self {
        self.trail.push((name.into(), address));
        self
    }
}

/// Who looks at a page, and where.
pub(super) struct Frame<'a> {
    pub(super) links: &'a Links,
    /// The name and the role of the token; `None`: the page is for everyone.
    pub(super) person: Option<(&'a str, &'a str)>,
    /// Whether a session can be ended. Without tokens there is none.
    pub(super) has_session: bool,
    /// The merchant that the page is about.
    pub(super) merchant: Option<&'a str>,
    /// The word of the merchant's section, such as `customers`; empty: the overview.
    pub(super) section: &'a str,
    /// The number of changes that wait for a second person; `None`: the person confirms none.
    pub(super) to_confirm: Option<usize>,
}

/// The sections of a merchant: the last segment of the address, and the name.
const SECTIONS: [(&str, &str); 5] = [
    ("", "Overview"),
    ("customers", "Customers"),
    ("transactions", "Transactions"),
    ("levels", "Levels"),
    ("decide", "Ask for a decision"),
];

/// The pages about all merchants and the daemon: the segment after `console`, and the name.
const DAEMON_PAGES: [(&str, &str); 7] = [
    ("", "Merchants"),
    ("live", "Live"),
    ("gates", "Gates"),
    ("rates", "Rates"),
    ("events", "Events"),
    ("audit", "Audit"),
    ("system", "System"),
];

/// The settings of htmx. It adds no style, because the policy refuses it. It keeps no history. A refused answer replaces
/// nothing. Details that a reader has opened stay open.
const HTMX_SETTINGS: &str = r#"{"includeIndicatorCSS":false,"history":false,"transitions":false,"noSwap":["204","304","4xx","5xx"],"morphIgnore":["data-htmx-powered","open"]}"#;

fn section_address(links: &Links, merchant: &str, word: &str) -> String {
    let segments = ["m", merchant, word];
    links.to(if word.is_empty() { &segments[..2] } else { &segments })
}

/// The whole page.
pub(super) fn page(frame: &Frame<'_>, content: &Content) -> String {
    let links = frame.links;
    let asset = |name: &str| links.to(&["assets", name]);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                @if let Some(seconds) = content.refresh_s { meta http-equiv="refresh" content=(seconds); }
                title { (content.title) " \u{2013} levelgate" }
                link rel="stylesheet" href=(asset(stylesheet::style_name()));
                @if content.has_live_part {
                    meta name="htmx-config" content=(HTMX_SETTINGS);
                    @for name in stylesheet::script_names() { script src=(asset(name)) defer {} }
                }
                link rel="icon" type="image/svg+xml" href=(asset(stylesheet::icon_name()));
            }
            body {
                a class="skip" href="#content" { "Skip to the content" }
                header class="bar" {
                    a class="brand" href=(links.to(&[])) { "levelgate" }
                    @if let Some((name, role)) = frame.person {
                        div class="person" {
                            @if let Some(waiting) = frame.to_confirm {
                                a href=(links.to(&["confirmations"])) {
                                    "Confirmations" @if waiting > 0 { " " span class="badge warn" { (waiting) } }
                                }
                            }
                            span { (name) " " span class="quiet" { "(" (role) ")" } }
                            @if frame.has_session {
                                form method="post" action=(links.to(&["logout"])) { button class="plain" { "Sign out" } }
                            }
                        }
                    }
                }
                @if frame.person.is_some() {
                    nav class="sections" aria-label="Console" {
                        @for (word, name) in DAEMON_PAGES {
                            @let address = links.to(if word.is_empty() { &[] } else { std::slice::from_ref(&word) });
                            @let current = (frame.merchant.is_none() && frame.section == word).then_some("page");
                            a href=(address) aria-current=[current] { (name) }
                        }
                    }
                }
                @if let Some(merchant) = frame.merchant {
                    nav class="sections" aria-label="Merchant" {
                        @for (word, name) in SECTIONS {
                            @let address = section_address(links, merchant, word);
                            @let current = (frame.section == word).then_some("page");
                            a href=(address) aria-current=[current] { (name) }
                        }
                    }
                }
                main id="content" {
                    @if !content.trail.is_empty() {
                        nav class="trail" aria-label="Pages above" {
                            @for (name, address) in &content.trail { a href=(address) { (name) } " / " }
                        }
                    }
                    h1 { (content.title) }
                    (content.body)
                }
            }
        }
    };
    page.into_string()
}
