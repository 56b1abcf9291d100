//! Reads one table of a file or a body: the reader reads each known key once, and [`Section::close`] reports all other keys.
//!
//! A wrong value is reported, and reading continues: one pass over a file finds all of its problems.

use crate::config::{
    parse::{
        level_entry,
        located::Located,
        value::{Table, Value},
    },
    report::{file_report::FileReport, source::Span},
};
use crate::domain::vocabulary::{
    card_numbers::id_has_card_number,
    money::Currency,
    names::Name,
    text::suggest::{nearest, one_of},
    time::Millis,
    words::Word,
};
use std::{cell::RefCell, ops::RangeInclusive, path::PathBuf};
/// The largest number that TOML can write.
pub(in crate::config) const WHOLE_MAX: u64 = i64::MAX as u64;

/// A table of a file while it is read.
pub(in crate::config) struct Section<'d> {
    pub(in crate::config) report: &'d FileReport,
    table: &'d Table,
    /// The kind of table for messages, such as `a gate` or `[http]`.
    what: &'static str,
    /// The header of the table.
    pub(in crate::config) span: Span,
    /// The keys that were read.
    known: RefCell<Vec<&'static str>>,
}

impl<'d> Section<'d> {
    pub(in crate::config) fn new(report: &'d FileReport, table: &'d Table, what: &'static str, span: Span) -> Self {
        Self { report, table, what, span, known: RefCell::default() }
    }

    fn value(&self, key: &'static str) -> Option<&'d Located<Value>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong(&self, key: &str, value: &Located<Value>, want: &str, help: impl Into<String>) {
        let found = value.value.shown();
        self.report.error(&value.span, format!("`{key}` must be {want}, not {found}"), help);
    }

    /// Reports a required key that is absent.
    fn require(&self, key: &str, help: &str) {
        if self.table.get(key).is_none() {
            self.report.error(&self.span, format!("`{key}` is missing in {}", self.what), help);
        }
    }

    fn text_of(&self, key: &str, value: &Located<Value>) -> Option<Located<String>> {
        match &value.value {
            Value::Text(text) if id_has_card_number(text) => {
                self.report.error(
                    &value.span,
                    format!("`{key}` contains a full card number"),
                    "write a token or another id",
                );
                None
            }
            Value::Text(text) => Some(Located { value: text.clone(), span: value.span.clone() }),
            _ => {
                let written = self.report.source.slice(&value.span);
                let plain = matches!(value.value, Value::Integer(_) | Value::Float(_) | Value::Boolean(_));
                let help =
                    if plain { format!("write it in quotes: \"{written}\"") } else { "write a text in quotes".into() };
                self.wrong(key, value, "a text", help);
                None
            }
        }
    }

    /// A text.
    pub(in crate::config) fn text(&self, key: &'static str) -> Option<Located<String>> {
        self.text_of(key, self.value(key)?)
    }

    /// A text that is not empty.
    pub(in crate::config) fn nonempty(&self, key: &'static str) -> Option<Located<String>> {
        self.nonempty_or(key, "write a value, or remove the key")
    }

    fn nonempty_or(&self, key: &'static str, help: &str) -> Option<Located<String>> {
        let text = self.text(key)?;
        if text.value.trim().is_empty() {
            self.report.error(&text.span, format!("`{key}` is empty"), help);
            return None;
        }
        Some(text)
    }

    /// A path.
    pub(in crate::config) fn path(&self, key: &'static str) -> Option<PathBuf> {
        self.nonempty(key).map(|text| PathBuf::from(text.value))
    }

    /// A required text that is not empty.
    pub(in crate::config) fn required_text(&self, key: &'static str, help: &str) -> Option<Located<String>> {
        self.require(key, help);
        self.nonempty_or(key, help)
    }

    fn name_of(&self, key: &str, value: &Located<Value>) -> Option<Located<Name>> {
        let text = self.text_of(key, value)?;
        match self.report.name(&text.value) {
            Ok(name) => Some(Located { value: name, span: text.span }),
            Err(error) if error.is_full() => {
                let help = "use a name that the daemon knows, or write it into the configuration files";
                self.report.error(&text.span, format!("`{key}`: {error}"), help);
                None
            }
            Err(error) => {
                let help = "write 1 to 128 bytes of printable text";
                self.report.error(&text.span, format!("`{key}` is not a valid name: {error}"), help);
                None
            }
        }
    }

    /// A required name.
    pub(in crate::config) fn required_name(&self, key: &'static str, help: &str) -> Option<Located<Name>> {
        self.require(key, help);
        self.name(key)
    }

    /// A name.
    pub(in crate::config) fn name(&self, key: &'static str) -> Option<Located<Name>> {
        self.name_of(key, self.value(key)?)
    }

    /// `true` or `false`.
    pub(in crate::config) fn flag(&self, key: &'static str) -> Option<Located<bool>> {
        let value = self.value(key)?;
        match &value.value {
            Value::Boolean(flag) => Some(Located { value: *flag, span: value.span.clone() }),
            _ => {
                self.wrong(key, value, "`true` or `false`", "write true or false, without quotes");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(in crate::config) fn whole(&self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<Located<u64>> {
        self.whole_of(key, self.value(key)?, bounds)
    }

    fn whole_of(&self, key: &str, value: &Located<Value>, bounds: RangeInclusive<u64>) -> Option<Located<u64>> {
        let span = value.span.clone();
        let help = match (bounds.start(), bounds.end()) {
            (low, &WHOLE_MAX) => format!("write a whole number of at least {low}, without quotes"),
            (low, high) => format!("write a whole number from {low} to {high}, without quotes"),
        };
        let Value::Integer(number) = &value.value else {
            let help = match &value.value {
                Value::Text(text) if text.parse().is_ok_and(|n: u64| bounds.contains(&n)) => {
                    format!("write it without quotes: {text}")
                }
                _ => help,
            };
            self.wrong(key, value, "a whole number", help);
            return None;
        };
        match u64::from_str_radix(&number.digits, number.radix) {
            Ok(number) if bounds.contains(&number) => Some(Located { value: number, span }),
            _ => {
                let written = self.report.source.slice(&span);
                self.report.error(&span, format!("`{key} = {written}` is out of range"), help);
                None
            }
        }
    }

    /// A decimal number as written, in quotes or as a whole number. A float is refused, because it may have lost digits.
    pub(in crate::config) fn decimal(&self, key: &'static str) -> Option<Located<String>> {
        self.decimal_of(key, self.value(key)?)
    }

    fn decimal_of(&self, key: &str, value: &Located<Value>) -> Option<Located<String>> {
        let span = value.span.clone();
        let written = self.report.source.slice(&span);
        let text = match &value.value {
            Value::Text(text) => text.clone(),
            Value::Integer(number) if number.radix == 10 => number.digits.trim_start_matches('+').to_owned(),
            Value::Float(_) => {
                let message = format!("`{key} = {written}` is a float, and floats are not exact");
                self.report.error(&span, message, format!("write it in quotes: \"{written}\""));
                return None;
            }
            _ => {
                self.wrong(key, value, "a decimal number", "write plain digits in quotes, such as \"125.50\"");
                return None;
            }
        };
        if text.starts_with('-') {
            self.report.error(&span, format!("`{key}` is negative"), "write a number of at least zero");
            return None;
        }
        Some(Located { value: text, span })
    }

    fn word_of<W: Word>(&self, key: &str, value: &Located<Value>) -> Option<Located<W>> {
        let words = W::WORDS.iter().map(|(word, _)| *word);
        let Value::Text(text) = &value.value else {
            self.wrong(key, value, "a word in quotes", one_of("", words));
            return None;
        };
        let meaning = W::parse(text);
        if meaning.is_none() {
            self.report.error(&value.span, format!("`{text}` is not a value of `{key}`"), one_of(text, words));
        }
        Some(Located { value: meaning?, span: value.span.clone() })
    }

    /// One of a fixed set of words.
    pub(in crate::config) fn word<W: Word>(&self, key: &'static str) -> Option<Located<W>> {
        self.word_of(key, self.value(key)?)
    }

    /// A required word.
    pub(in crate::config) fn required_word<W: Word>(&self, key: &'static str) -> Option<Located<W>> {
        let words: Vec<String> = W::WORDS.iter().map(|(word, _)| format!("{key} = \"{word}\"")).collect();
        self.require(key, &format!("write {}", words.join(" or ")));
        self.word(key)
    }

    /// A required currency code. It may be unknown.
    pub(in crate::config) fn required_currency(&self, key: &'static str) -> Option<Located<Currency>> {
        self.require(key, &format!("write its code, such as {key} = \"EUR\""));
        self.currency_of(key, self.value(key)?)
    }

    fn currency_of(&self, key: &str, value: &Located<Value>) -> Option<Located<Currency>> {
        let text = self.text_of(key, value)?;
        currency(self.report, &text)
    }

    fn items<T>(
        &self,
        key: &'static str,
        item: impl Fn(&Self, &Located<Value>) -> Option<Located<T>>,
    ) -> Option<Located<Vec<Located<T>>>> {
        let value = self.value(key)?;
        let Value::List(items) = &value.value else {
            let written = self.report.source.slice(&value.span);
            let help = match &value.value {
                Value::Text(_) => format!("write [{written}]"),
                _ => "write a list, such as [\"a\", \"b\"]".to_owned(),
            };
            self.wrong(key, value, "a list", help);
            return None;
        };
        Some(Located { value: items.iter().filter_map(|value| item(self, value)).collect(), span: value.span.clone() })
    }

    /// A list of names.
    pub(in crate::config) fn names(&self, key: &'static str) -> Option<Located<Vec<Located<Name>>>> {
        self.items(key, |section, value| section.name_of(key, value))
    }

    /// A required list of names.
    pub(in crate::config) fn required_names(
        &self,
        key: &'static str,
        help: &str,
    ) -> Option<Located<Vec<Located<Name>>>> {
        self.require(key, help);
        self.names(key)
    }

    /// A list of words of a fixed set.
    pub(in crate::config) fn words<W: Word>(&self, key: &'static str) -> Option<Located<Vec<Located<W>>>> {
        self.items(key, |section, value| section.word_of(key, value))
    }

    /// A list of currency codes.
    pub(in crate::config) fn currencies(&self, key: &'static str) -> Option<Located<Vec<Located<Currency>>>> {
        self.items(key, |section, value| section.currency_of(key, value))
    }

    /// An instant, as a TOML date and time with an offset or as a text.
    pub(in crate::config) fn instant(&self, key: &'static str) -> Option<Located<Millis>> {
        let value = self.value(key)?;
        let text = match &value.value {
            Value::DateTime(at) => at.clone(),
            Value::Text(text) => text.clone(),
            _ => {
                self.wrong(key, value, "a date and time", "write RFC 3339, such as 2026-11-20T00:00:00Z");
                return None;
            }
        };
        let at = Millis::parse(&text);
        if at.is_none() {
            let help = "write RFC 3339 with an offset, such as 2026-11-20T00:00:00Z";
            self.report.error(&value.span, format!("`{key}` is not an instant: `{text}`"), help);
        }
        Some(Located { value: at?, span: value.span.clone() })
    }

    /// A day or an instant, as a TOML date or as a text.
    pub(in crate::config) fn day_or_instant(&self, key: &'static str) -> Option<Located<String>> {
        let value = self.value(key)?;
        let text = match &value.value {
            Value::DateTime(at) => at.clone(),
            Value::Text(text) => text.clone(),
            _ => {
                self.wrong(
                    key,
                    value,
                    "a date",
                    "write a day, such as 2020-01-31, or an instant, such as 2020-01-31T00:00:00Z",
                );
                return None;
            }
        };
        Some(Located { value: text, span: value.span.clone() })
    }

    /// A subtable.
    pub(in crate::config) fn table(&self, key: &'static str, what: &'static str) -> Option<Section<'d>> {
        let value = self.value(key)?;
        match &value.value {
            Value::Table(table) => Some(Section::new(self.report, table, what, self.header(key, value))),
            _ => {
                let help = match what.starts_with('[') {
                    true => format!("write {what}, with its keys in the lines below"),
                    false => format!("write {key} = {{ ... }}, with its keys between the braces"),
                };
                self.wrong(key, value, "a table", help);
                None
            }
        }
    }

    /// Where a table begins: its header, or its key if it is made of dotted keys.
    fn header(&self, key: &str, value: &Located<Value>) -> Span {
        let span = value.span.clone();
        if span.is_empty() { self.table.key_span(key).unwrap_or(span) } else { span }
    }

    /// A list of subtables.
    pub(in crate::config) fn tables(&self, key: &'static str, what: &'static str) -> Vec<Section<'d>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let help = format!("write [[{key}]] before the keys of each");
        let Value::List(items) = &value.value else {
            self.wrong(key, value, "a list of tables", help);
            return Vec::new();
        };
        let section = |item: &'d Located<Value>| match &item.value {
            Value::Table(table) => Some(Section::new(self.report, table, what, item.span.clone())),
            _ => {
                self.wrong(key, item, "a list of tables", help.as_str());
                None
            }
        };
        items.iter().filter_map(section).collect()
    }

    /// All entries of a table from currency to decimal number.
    pub(in crate::config) fn decimals_by_currency(&self) -> Vec<(Located<Currency>, Located<String>)> {
        self.by_currency(|key, value| self.decimal_of(key, value))
    }

    /// All entries of a table from currency to whole number.
    pub(in crate::config) fn wholes_by_currency(
        &self,
        bounds: &RangeInclusive<u64>,
    ) -> Vec<(Located<Currency>, Located<u64>)> {
        self.by_currency(|key, value| self.whole_of(key, value, bounds.clone()))
    }

    fn by_currency<T>(&self, read: impl Fn(&str, &Located<Value>) -> Option<T>) -> Vec<(Located<Currency>, T)> {
        let mut entries = Vec::new();
        for (key, value) in self.table.entries() {
            if let (Some(code), Some(value)) = (currency(self.report, key), read(&key.value, value)) {
                entries.push((code, value));
            }
        }
        entries
    }

    /// Whether the key is present, valid or not.
    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.table.get(key).is_some()
    }

    /// Whether the value of a key is this text.
    pub(in crate::config) fn is_text(&self, key: &str, text: &str) -> bool {
        self.table.get(key).is_some_and(|value| matches!(&value.value, Value::Text(found) if found == text))
    }

    /// Accepts keys that the reader does not read.
    pub(in crate::config) fn accept(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// All keys and values of the table.
    pub(in crate::config) fn content(&self) -> &'d Table {
        self.table
    }

    /// The table as JSON, without some of its keys.
    pub(in crate::config) fn json(&self, without: &[&str]) -> String {
        level_entry::table_json(self.table, without)
    }

    /// Whether the table has no keys.
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Reports the keys that were not read.
    pub(in crate::config) fn close(&self) {
        let known = self.known.borrow();
        for (key, _) in self.table.entries() {
            let text = key.value.as_str();
            if known.contains(&text) {
                continue;
            }
            let help = match nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known keys: {}", known.join(", ")),
            };
            self.report.error(&key.span, format!("unknown key `{text}` in {}", self.what), help);
        }
    }
}

/// The currency of a code of three capital letters.
fn currency(report: &FileReport, text: &Located<String>) -> Option<Located<Currency>> {
    let code = Currency::parse(&text.value);
    if code.is_none() {
        let upper = text.value.trim().to_ascii_uppercase();
        let help = match Currency::parse(&upper) {
            Some(_) => format!("write it in capital letters: {upper}"),
            None => "write the three capital letters of ISO 4217, such as EUR".to_owned(),
        };
        report.error(&text.span, format!("`{}` is not a currency code", text.value), help);
    }
    Some(Located { value: code?, span: text.span.clone() })
}
