//! A configuration as items with values, the form in which two configurations are compared.

use crate::domain::{rules::level::LevelKey, vocabulary::names::Name};

/// A named value of an item.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: String,
    /// Equal values have equal texts, and different values different ones. `None`: absent.
    pub(super) value: Option<String>,
    /// Whether the value is never shown.
    pub(super) is_secret: bool,
}

impl Field {
    /// A value that is present.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass words, numbers and references alike")]
    pub(super) fn new(name: impl Into<String>, value: impl ToString) -> Self {
        Self::optional(name, Some(value.to_string()))
    }

    /// A value that may be absent.
    pub(super) fn optional(name: impl Into<String>, value: Option<String>) -> Self {
        Self { name: name.into(), value, is_secret: false }
    }

    /// A value that is compared and never shown.
    pub(super) fn secret(name: impl Into<String>, value: Option<String>) -> Self {
        Self { name: name.into(), value, is_secret: true }
    }
}

/// The kind of an item that the comparison treats separately.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemRole {
    /// A merchant: its differences carry its id.
    Merchant(Name),
    /// A level.
    Level(LevelKey),
    /// A filter of the level around it.
    Filter(Name),
    /// Settings that are read at a start only.
    RestartSettings,
    /// Anything else.
    Other,
}

/// An item of a configuration: its values, and lists of items in it.
#[derive(Debug)]
pub(super) struct Item {
    /// The identity of the item in its list.
    pub(super) key: String,
    /// The item in words.
    pub(super) title: String,
    pub(super) role: ItemRole,
    pub(super) fields: Vec<Field>,
    pub(super) lists: Vec<ItemList>,
}

/// A list of items. The order has a meaning.
#[derive(Debug)]
pub(super) struct ItemList {
    /// The items in words, such as `gates`.
    pub(super) name: &'static str,
    pub(super) items: Vec<Item>,
}

impl Item {
    /// An item whose title is its kind and its name.
    pub(super) fn named(kind: &str, name: &str, fields: Vec<Field>) -> Self {
        let title = format!("{kind} {}", shown(name));
        Self { key: name.to_owned(), title, role: ItemRole::Other, fields, lists: Vec::new() }
    }

    /// What the item contains, for the words about an item that was added or removed.
    pub(super) fn content(&self) -> String {
        let is_large = matches!(self.role, ItemRole::Merchant(_));
        let present = |field: &Field| Some(format!("{} {}", field.name, field.value.as_ref()?));
        let shown = self.fields.iter().filter(|field| !is_large && !field.is_secret).filter_map(present);
        let lists = self.lists.iter().filter(|list| !list.items.is_empty()).flat_map(|list| {
            let is_short = list.items.iter().all(|item| matches!(item.role, ItemRole::Filter(_)));
            if is_short {
                let filter = |item: &Item| format!("filter {}: {}", item.title, item.content());
                list.items.iter().map(filter).collect()
            } else {
                vec![format!("{} {}", list.items.len(), list.name)]
            }
        });
        shown.chain(lists).collect::<Vec<_>>().join(", ")
    }
}

/// A name in words: in quotes where it contains characters that separate names in these words.
pub(super) fn shown(name: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '@' | '/' | '+');
    if !name.is_empty() && name.chars().all(is_plain) { name.to_owned() } else { format!("{name:?}") }
}

/// A list of names in words. An empty list is in parentheses, which no plain name contains.
pub(super) fn shown_list<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| shown(name.as_ref())).collect();
    if names.is_empty() { "(none)".to_owned() } else { names.join(", ") }
}
