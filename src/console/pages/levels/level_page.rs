//! What all pages of one level share: its document, the tabs, its addresses, and the body that sets it.

use crate::{
    console::{
        document::text,
        layout::Content,
        page_request::{Outcome, PageRequest},
        pages::levels::preview::LevelWrite,
        parts::badge,
    },
    domain::rules::{level::LevelKey, merchant::Merchant},
    service::{configuration::change::ConfigurationAction, error::ServiceError},
};
use maud::{Markup, html};
use serde_json::{Map, Value, json};

/// The pages of a level: the last segment, and the name.
const TABS: [(&str, &str); 4] = [("", "Level"), ("methods", "Methods"), ("gates", "Gates"), ("filters", "Limits")];

/// The members of a level's document that set it. The others say where it comes from.
const SETTINGS: [&str; 6] = ["status", "projects", "methods", "gates", "routing", "filters"];

/// The level of a page.
pub(super) struct LevelPage<'a> {
    pub(super) request: &'a PageRequest,
    pub(super) merchant: &'a Merchant,
    pub(super) key: LevelKey,
    /// Its document.
    pub(super) level: Value,
}

impl<'a> LevelPage<'a> {
    /// The level that the path names.
    ///
    /// # Errors
    /// There is no such level.
    pub(super) fn of(request: &'a PageRequest) -> Result<Self, ServiceError> {
        let merchant = request.merchant()?;
        let (direction, currency) = request.direction_and_currency()?;
        let key = LevelKey { merchant: merchant.id, direction, currency, name: request.level_name()? };
        let shows_name = |name| request.shows_name(name);
        let level = request.read(request.console.parts.payments.level(&key, &shows_name))?;
        Ok(Self { request, merchant, key, level })
    }

    /// The name with direction and currency.
    pub(super) fn title(&self) -> String {
        let LevelKey { name, direction, currency, .. } = self.key;
        format!("{name}, {}s in {currency}", direction.word())
    }

    /// The code of its currency.
    pub(super) fn currency(&self) -> &str {
        text(&self.level, "/currency")
    }

    /// The address of a page of the level.
    pub(super) fn to(&self, segments: &[&str]) -> String {
        let currency = self.key.currency.to_string();
        let LevelKey { merchant, direction, name, .. } = self.key;
        let base = ["m", merchant.as_str(), "levels", direction.word(), currency.as_str(), name.as_str()];
        self.request.links.to(&[&base[..], segments].concat())
    }

    /// The address of the list of levels.
    pub(super) fn list(&self) -> String {
        self.request.links.to(&["m", self.key.merchant.as_str(), "levels"])
    }

    /// A page of the level with its tabs.
    pub(super) fn page(&self, tab: &str, body: &Markup) -> Outcome {
        let status = text(&self.level, "/status");
        let body = html! {
            @if self.request.query("done") == "1" { p class="notice good" role="status" { "The change is recorded." } }
            p class="badges" { (badge(status)) " " (badge(text(&self.level, "/origin"))) }
            nav class="tabs" aria-label="Level" {
                @for (word, name) in TABS {
                    @let address = if word.is_empty() { self.to(&[]) } else { self.to(&[word]) };
                    a href=(address) aria-current=[(word == tab).then_some("page")] { (name) }
                }
            }
            (body)
        };
        Outcome::Page(Content::new(self.title(), body).below("Levels", self.list()))
    }

    /// The body that sets the level to what it is, to be changed.
    pub(super) fn settings(&self) -> Map<String, Value> {
        let members = SETTINGS.iter().filter_map(|key| Some(((*key).to_owned(), self.level.get(*key)?.clone())));
        members.filter(|(_, value)| !value.is_null()).collect()
    }

    /// The action that sets the level.
    pub(super) fn put(&self, settings: Map<String, Value>) -> ConfigurationAction {
        ConfigurationAction::PutLevel(self.key, Value::Object(settings).to_string().into_bytes())
    }

    /// A change of the level. `tab`: the page that shows its outcome.
    pub(super) fn write(&self, title: &str, button: &'static str, tab: &str) -> LevelWrite<'a> {
        let done = if tab.is_empty() { self.to(&[]) } else { self.to(&[tab]) };
        LevelWrite {
            request: self.request,
            title: format!("{title}: {}", self.title()),
            trail: vec![("Levels".to_owned(), self.list()), (self.title(), self.to(&[]))],
            removes: None,
            button,
            done,
        }
    }
}

/// The entry of a list of a level's document with a value for a key.
pub(super) fn entry<'v>(entries: &'v [Value], key: &str, value: &str) -> Option<&'v Value> {
    entries.iter().find(|entry| entry[key] == json!(value))
}

/// The entries of a list of a body.
pub(super) fn entries(settings: &Map<String, Value>, key: &str) -> Vec<Value> {
    settings.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// A text of a form as a value of a body: an empty one is absent.
pub(super) fn optional(sent: &str) -> Value {
    if sent.is_empty() { Value::Null } else { json!(sent) }
}

/// The names of a field that lists them with commas; absent without one.
pub(super) fn names(sent: &str) -> Value {
    let names: Vec<&str> = sent.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { Value::Null } else { json!(names) }
}
