//! Reading one TOML table: each key is asked for once, and what nobody asked for is unknown.
//!
//! A wrong value is reported and read on, so that one look at a file finds every problem in it.

use crate::config::{
    parse::{entry, source::Span},
    report::report::Report,
};
use crate::domain::{
    rules::configuration::Word,
    vocabulary::{
        card_numbers::no_card_id,
        money::Currency,
        names::Name,
        suggest::{nearest, one_of},
        time::{Millis, parse_span_ms},
    },
};
use std::{cell::RefCell, ops::RangeInclusive};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

/// The largest number that TOML can write.
pub(in crate::config) const WHOLE_MAX: u64 = i64::MAX as u64;

/// A value and where it is written.
#[derive(Debug, Clone)]
pub(in crate::config) struct At<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) span: Span,
}

/// One table of a file, half read.
pub(in crate::config) struct Section<'d, 'i> {
    pub(in crate::config) report: &'d Report,
    table: &'d DeTable<'i>,
    /// What it is, as `a gate` or `[http]`.
    what: &'static str,
    /// Its header.
    pub(in crate::config) span: Span,
    known: RefCell<Vec<&'static str>>,
}

impl<'d, 'i> Section<'d, 'i> {
    pub(in crate::config) fn new(report: &'d Report, table: &'d DeTable<'i>, what: &'static str, span: Span) -> Self {
        Self { report, table, what, span, known: RefCell::default() }
    }

    fn value(&self, key: &'static str) -> Option<&'d Spanned<DeValue<'i>>> {
        self.known.borrow_mut().push(key);
        self.table.get(key)
    }

    fn wrong(&self, key: &str, value: &Spanned<DeValue<'_>>, want: &str, help: impl Into<String>) {
        let found = with_article(value.get_ref().type_str());
        self.report.error(&value.span(), format!("`{key}` must be {want}, not {found}"), help);
    }

    /// Says so where a key that must be there is not.
    fn missing(&self, key: &str, help: &str) {
        if !self.table.contains_key(key) {
            self.report.error(&self.span, format!("`{key}` is missing in {}", self.what), help);
        }
    }

    fn text_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        match value.get_ref() {
            DeValue::String(text) if no_card_id(key, text).is_err() => {
                self.report.error(
                    &value.span(),
                    format!("`{key}` holds a full card number"),
                    "write a token or another id",
                );
                None
            }
            DeValue::String(text) => Some(At { value: text.clone().into_owned(), span: value.span() }),
            _ => {
                let written = self.report.source.slice(&value.span());
                let plain = matches!(value.get_ref(), DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_));
                let help =
                    if plain { format!("write it in quotes: \"{written}\"") } else { "write a text in quotes".into() };
                self.wrong(key, value, "a text", help);
                None
            }
        }
    }

    /// A text.
    pub(in crate::config) fn text(&self, key: &'static str) -> Option<At<String>> {
        self.text_of(key, self.value(key)?)
    }

    /// A text that says something.
    pub(in crate::config) fn nonempty(&self, key: &'static str) -> Option<At<String>> {
        self.nonempty_or(key, "write a value, or leave the key out")
    }

    fn nonempty_or(&self, key: &'static str, help: &str) -> Option<At<String>> {
        let text = self.text(key)?;
        if text.value.trim().is_empty() {
            self.report.error(&text.span, format!("`{key}` is empty"), help);
            return None;
        }
        Some(text)
    }

    /// A text that must be there and say something.
    pub(in crate::config) fn needed_text(&self, key: &'static str, help: &str) -> Option<At<String>> {
        self.missing(key, help);
        self.nonempty_or(key, help)
    }

    fn name_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<Name>> {
        let text = self.text_of(key, value)?;
        match self.report.name(&text.value) {
            Ok(name) => Some(At { value: name, span: text.span }),
            Err(error) if error.is_full() => {
                let help = "use a name that the daemon knows, or write it into the configuration files";
                self.report.error(&text.span, format!("`{key}`: {error}"), help);
                None
            }
            Err(error) => {
                let help = "write 1 to 128 bytes of printable text";
                self.report.error(&text.span, format!("`{key}` is no name: {error}"), help);
                None
            }
        }
    }

    /// A name that must be there.
    pub(in crate::config) fn needed_name(&self, key: &'static str, help: &str) -> Option<At<Name>> {
        self.missing(key, help);
        self.name(key)
    }

    /// A name.
    pub(in crate::config) fn name(&self, key: &'static str) -> Option<At<Name>> {
        self.name_of(key, self.value(key)?)
    }

    /// `true` or `false`.
    pub(in crate::config) fn flag(&self, key: &'static str) -> Option<At<bool>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Boolean(flag) => Some(At { value: *flag, span: value.span() }),
            _ => {
                self.wrong(key, value, "`true` or `false`", "write true or false, without quotes");
                None
            }
        }
    }

    /// A whole number within bounds.
    pub(in crate::config) fn whole(&self, key: &'static str, bounds: RangeInclusive<u64>) -> Option<At<u64>> {
        self.whole_of(key, self.value(key)?, bounds)
    }

    fn whole_of(&self, key: &str, value: &Spanned<DeValue<'_>>, bounds: RangeInclusive<u64>) -> Option<At<u64>> {
        let span = value.span();
        let help = match (bounds.start(), bounds.end()) {
            (low, &WHOLE_MAX) => format!("write a whole number of at least {low}, without quotes"),
            (low, high) => format!("write a whole number from {low} to {high}, without quotes"),
        };
        let DeValue::Integer(number) = value.get_ref() else {
            let unquoted = value.get_ref().as_str().filter(|text| text.parse().is_ok_and(|n: u64| bounds.contains(&n)));
            let help = unquoted.map_or(help, |text| format!("write it without quotes: {text}"));
            self.wrong(key, value, "a whole number", help);
            return None;
        };
        match u64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) if bounds.contains(&number) => Some(At { value: number, span }),
            _ => {
                let written = self.report.source.slice(&span);
                self.report.error(&span, format!("`{key} = {written}` is out of range"), help);
                None
            }
        }
    }

    /// A decimal number as written, in quotes or as a whole number; never a float, which has lost digits already.
    pub(in crate::config) fn decimal(&self, key: &'static str) -> Option<At<String>> {
        self.decimal_of(key, self.value(key)?)
    }

    fn decimal_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<String>> {
        let span = value.span();
        let written = self.report.source.slice(&span);
        let text = match value.get_ref() {
            DeValue::String(text) => text.clone().into_owned(),
            DeValue::Integer(number) if number.radix() == 10 => number.as_str().trim_start_matches('+').to_owned(),
            DeValue::Float(_) => {
                let message = format!("`{key} = {written}` is a float, and floats are not exact");
                self.report.error(&span, message, format!("write it in quotes: \"{written}\""));
                return None;
            }
            _ => {
                self.wrong(key, value, "a decimal number", "write plain digits in quotes, as \"125.50\"");
                return None;
            }
        };
        if text.starts_with('-') {
            self.report.error(&span, format!("`{key}` is negative"), "write a number that is not below zero");
            return None;
        }
        Some(At { value: text, span })
    }

    fn word_of<W: Word>(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<W>> {
        let words = W::WORDS.iter().map(|(word, _)| *word);
        let DeValue::String(text) = value.get_ref() else {
            self.wrong(key, value, "a word in quotes", one_of("", words));
            return None;
        };
        let meaning = W::parse(text);
        if meaning.is_none() {
            self.report.error(&value.span(), format!("`{text}` is no word for `{key}`"), one_of(text, words));
        }
        Some(At { value: meaning?, span: value.span() })
    }

    /// A word of a closed vocabulary.
    pub(in crate::config) fn word<W: Word>(&self, key: &'static str) -> Option<At<W>> {
        self.word_of(key, self.value(key)?)
    }

    /// A word that must be there.
    pub(in crate::config) fn needed_word<W: Word>(&self, key: &'static str) -> Option<At<W>> {
        let words: Vec<String> = W::WORDS.iter().map(|(word, _)| format!("{key} = \"{word}\"")).collect();
        self.missing(key, &format!("write {}", words.join(" or ")));
        self.word(key)
    }

    /// A currency code that must be there; whether anybody knows the currency is not looked at here.
    pub(in crate::config) fn needed_currency(&self, key: &'static str) -> Option<At<Currency>> {
        self.missing(key, &format!("write its code, as {key} = \"EUR\""));
        self.currency_of(key, self.value(key)?)
    }

    fn currency_of(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Option<At<Currency>> {
        let text = self.text_of(key, value)?;
        currency(self.report, &text)
    }

    fn items<T>(
        &self,
        key: &'static str,
        item: impl Fn(&Self, &Spanned<DeValue<'i>>) -> Option<At<T>>,
    ) -> Option<At<Vec<At<T>>>> {
        let value = self.value(key)?;
        let DeValue::Array(items) = value.get_ref() else {
            let written = self.report.source.slice(&value.span());
            let help = match value.get_ref() {
                DeValue::String(_) => format!("write [{written}]"),
                _ => "write a list, as [\"a\", \"b\"]".to_owned(),
            };
            self.wrong(key, value, "a list", help);
            return None;
        };
        Some(At { value: items.iter().filter_map(|value| item(self, value)).collect(), span: value.span() })
    }

    /// A list of names.
    pub(in crate::config) fn names(&self, key: &'static str) -> Option<At<Vec<At<Name>>>> {
        self.items(key, |section, value| section.name_of(key, value))
    }

    /// A list of names that must be there.
    pub(in crate::config) fn needed_names(&self, key: &'static str, help: &str) -> Option<At<Vec<At<Name>>>> {
        self.missing(key, help);
        self.names(key)
    }

    /// A list of words of a closed vocabulary.
    pub(in crate::config) fn words<W: Word>(&self, key: &'static str) -> Option<At<Vec<At<W>>>> {
        self.items(key, |section, value| section.word_of(key, value))
    }

    /// A list of currency codes.
    pub(in crate::config) fn currencies(&self, key: &'static str) -> Option<At<Vec<At<Currency>>>> {
        self.items(key, |section, value| section.currency_of(key, value))
    }

    /// An instant, as a TOML date and time with an offset or as a text.
    pub(in crate::config) fn instant(&self, key: &'static str) -> Option<At<Millis>> {
        let value = self.value(key)?;
        let text = match value.get_ref() {
            DeValue::Datetime(at) => at.to_string(),
            DeValue::String(text) => text.clone().into_owned(),
            _ => {
                self.wrong(key, value, "a date and time", "write RFC 3339, as 2026-11-20T00:00:00Z");
                return None;
            }
        };
        let at = Millis::parse(&text);
        if at.is_none() {
            let help = "write RFC 3339 with an offset, as 2026-11-20T00:00:00Z";
            self.report.error(&value.span(), format!("`{key}` is no instant: `{text}`"), help);
        }
        Some(At { value: at?, span: value.span() })
    }

    /// A day or an instant, as written; the words of TOML or a text.
    pub(in crate::config) fn day_or_instant(&self, key: &'static str) -> Option<At<String>> {
        let value = self.value(key)?;
        let text = match value.get_ref() {
            DeValue::Datetime(at) => at.to_string(),
            DeValue::String(text) => text.clone().into_owned(),
            _ => {
                self.wrong(key, value, "a date", "write a day, as 2020-01-31, or an instant, as 2020-01-31T00:00:00Z");
                return None;
            }
        };
        Some(At { value: text, span: value.span() })
    }

    /// A table of its own.
    pub(in crate::config) fn table(&self, key: &'static str, what: &'static str) -> Option<Section<'d, 'i>> {
        let value = self.value(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.report, table, what, self.header(key, value))),
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

    /// Where a table begins; one made of dotted keys has no header, so its key stands for it.
    fn header(&self, key: &str, value: &Spanned<DeValue<'_>>) -> Span {
        let span = value.span();
        let at_key = || self.table.get_key_value(key).map(|(key, _)| key.span());
        if span.is_empty() { at_key().unwrap_or(span) } else { span }
    }

    /// Tables of which there may be many.
    pub(in crate::config) fn tables(&self, key: &'static str, what: &'static str) -> Vec<Section<'d, 'i>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let help = format!("write [[{key}]] before the keys of each");
        let DeValue::Array(items) = value.get_ref() else {
            self.wrong(key, value, "a list of tables", help);
            return Vec::new();
        };
        let section = |item: &'d Spanned<DeValue<'i>>| match item.get_ref() {
            DeValue::Table(table) => Some(Section::new(self.report, table, what, item.span())),
            _ => {
                self.wrong(key, item, "a list of tables", help.as_str());
                None
            }
        };
        items.iter().filter_map(section).collect()
    }

    /// Every key with its decimal number: for tables whose keys are currencies.
    pub(in crate::config) fn decimals_by_currency(&self) -> Vec<(At<Currency>, At<String>)> {
        self.by_currency(|key, value| self.decimal_of(key, value))
    }

    /// Every key with its whole number: for tables whose keys are currencies.
    pub(in crate::config) fn wholes_by_currency(&self, bounds: &RangeInclusive<u64>) -> Vec<(At<Currency>, At<u64>)> {
        self.by_currency(|key, value| self.whole_of(key, value, bounds.clone()))
    }

    fn by_currency<T>(&self, read: impl Fn(&str, &Spanned<DeValue<'i>>) -> Option<T>) -> Vec<(At<Currency>, T)> {
        let mut entries = Vec::new();
        for (key, value) in self.table {
            let text = At { value: key.get_ref().clone().into_owned(), span: key.span() };
            if let (Some(code), Some(value)) = (currency(self.report, &text), read(&text.value, value)) {
                entries.push((code, value));
            }
        }
        entries
    }

    /// Whether the key is written, rightly or not.
    pub(in crate::config) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// What the table says as JSON, without some of its keys.
    pub(in crate::config) fn json(&self, without: &[&str]) -> String {
        entry::json(self.table, without)
    }

    /// Whether the table holds nothing at all.
    pub(in crate::config) fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// Reports the keys that nobody asked for.
    pub(in crate::config) fn close(&self) {
        let known = self.known.borrow();
        for key in self.table.keys() {
            let text: &str = key.get_ref();
            if known.contains(&text) {
                continue;
            }
            let help = match nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            self.report.error(&key.span(), format!("unknown key `{text}` in {}", self.what), help);
        }
    }
}

fn with_article(kind: &str) -> String {
    match kind {
        "string" => "a text".to_owned(),
        "array" => "a list".to_owned(),
        "datetime" => "a date and time".to_owned(),
        "boolean" => "true or false".to_owned(),
        "integer" => "a whole number".to_owned(),
        _ => format!("a {kind}"),
    }
}

/// The currency of a code of three capital letters.
fn currency(report: &Report, text: &At<String>) -> Option<At<Currency>> {
    let code = Currency::parse(&text.value);
    if code.is_none() {
        let upper = text.value.trim().to_ascii_uppercase();
        let help = match Currency::parse(&upper) {
            Some(_) => format!("write it in capital letters: {upper}"),
            None => "write the three capital letters of ISO 4217, as EUR".to_owned(),
        };
        report.error(&text.span, format!("`{}` is no currency code", text.value), help);
    }
    Some(At { value: code?, span: text.span.clone() })
}

/// The milliseconds of a span of time; `more` names words that are allowed beside spans.
pub(in crate::config) fn span_ms(report: &Report, key: &str, text: &At<String>, more: &str) -> Option<i64> {
    let ms = parse_span_ms(&text.value);
    if ms.is_none() {
        let help =
            format!("write {more}a whole number and a unit of ms, s, m, h, d or w, as \"45m\"; at most 100 years");
        report.error(&text.span, format!("`{}` is no span of time for `{key}`", text.value), help);
    }
    ms
}
