//! One difference of two configurations, with its parts and in words.

use crate::domain::{rules::level::LevelKey, vocabulary::names::Name};
use std::fmt;

/// What happened to an item of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DifferenceKind {
    /// Only the new configuration has it.
    Added,
    /// Both have it, and one of its values differs.
    Changed,
    /// Only the old configuration has it.
    Removed,
}

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitMeasure {
    /// The sum of amounts.
    Amount,
    /// The number of transactions.
    Quantity,
    /// Both: the whole filter differs.
    Both,
}

/// The object of a difference, for callers that add what only the state of the daemon shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceSubject {
    /// A level as a whole.
    Level(LevelKey),
    /// A limit of a filter.
    Limit {
        /// The level of the filter.
        level: LevelKey,
        /// The name of the filter.
        filter: Name,
        /// The limit of the filter.
        measure: LimitMeasure,
    },
    /// A setting that takes effect at the next start.
    RestartSetting,
    /// Anything else.
    Other,
}

/// One difference of two configurations. `Display` writes it in words, such as `acme: gold deposits in EUR: daily amount
/// 500.00 -> 300.00; 41 customers are above it now`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What happened.
    pub kind: DifferenceKind,
    /// The merchant of the item; `None`: the item belongs to the daemon or to all merchants.
    pub merchant: Option<Name>,
    /// The item, such as `gold deposits in EUR`; empty: the merchant or the daemon itself.
    pub item: String,
    /// The part of the item, such as `daily amount`; empty: the item as a whole.
    pub part: String,
    /// The old value or content; `None`: absent, or secret.
    pub before: Option<String>,
    /// The new value or content; `None`: absent, or secret.
    pub after: Option<String>,
    /// The object, for programs.
    pub subject: DifferenceSubject,
    /// An addition, such as `41 customers are above it now`; may be empty.
    pub note: String,
}

/// The word for an absent value.
const ABSENT: &str = "not set";

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(merchant) = self.merchant {
            write!(f, "{merchant}: ")?;
        }
        if !self.item.is_empty() {
            write!(f, "{}: ", self.item)?;
        }
        if !self.part.is_empty() {
            write!(f, "{} ", self.part)?;
        }
        let content = |f: &mut fmt::Formatter<'_>, word: &str, content: Option<&str>| match content {
            Some(content) if !content.is_empty() => write!(f, "{word} ({content})"),
            _ => f.write_str(word),
        };
        match (self.kind, self.before.as_deref(), self.after.as_deref()) {
            (DifferenceKind::Added, _, after) => content(f, "added", after)?,
            (DifferenceKind::Removed, before, _) => content(f, "removed", before)?,
            (DifferenceKind::Changed, None, None) => f.write_str("changed")?,
            (DifferenceKind::Changed, before, after) => {
                write!(f, "{} -> {}", before.unwrap_or(ABSENT), after.unwrap_or(ABSENT))?;
            }
        }
        if self.note.is_empty() { Ok(()) } else { write!(f, "; {}", self.note) }
    }
}
