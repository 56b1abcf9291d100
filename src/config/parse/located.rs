//! Values with their places in a file.

use crate::config::{
    report::{file_report::FileReport, source::Span},
    schema::{
        texts::{CurrencyText, NameText, TimeText},
        words::word_schema,
    },
};
use crate::domain::vocabulary::{
    money::Currency,
    names::Name,
    time::{Millis, parse_span_ms},
    words::Word,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use std::{any::type_name, borrow::Cow};

/// A value with its place in the file.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(in crate::config) value: T,
    pub(in crate::config) span: Span,
}

/// The place of a value that is not written anywhere: it comes from the rules.
const UNPLACED: Span = 0..0;

impl<T> Located<T> {
    /// A value that comes from the rules.
    pub(in crate::config) const fn unplaced(value: T) -> Self {
        Self { value, span: UNPLACED }
    }
}

/// Whether a place is in a text.
pub(in crate::config) fn is_placed(span: &Span) -> bool {
    *span != UNPLACED
}

/// A document shows a value as a file writes it, without its place.
impl<T: Written> Serialize for Located<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.write(serializer)
    }
}

/// The schema of a value is that of what is written.
impl<T: Written> JsonSchema for Located<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Located".into()
    }

    fn schema_id() -> Cow<'static, str> {
        type_name::<Self>().into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::schema(generator)
    }
}

/// A value that a document shows as a file writes it.
pub(crate) trait Written {
    /// Writes the value.
    ///
    /// # Errors
    /// Those of the serializer.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// The schema of what is written.
    fn schema(generator: &mut SchemaGenerator) -> Schema;
}

impl<W: Word + PartialEq> Written for W {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Self::WORDS.iter().find(|(_, meaning)| meaning == self).map(|(word, _)| *word).serialize(serializer)
    }

    fn schema(_: &mut SchemaGenerator) -> Schema {
        word_schema::<W>()
    }
}

impl Written for String {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<String>()
    }
}

impl Written for bool {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<bool>()
    }
}

impl Written for u64 {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<u64>()
    }
}

impl Written for Name {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_str().serialize(serializer)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<NameText>()
    }
}

impl Written for Currency {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<CurrencyText>()
    }
}

impl Written for Millis {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<TimeText>()
    }
}

impl<T: Written> Written for Vec<Located<T>> {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self)
    }

    fn schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<Self>()
    }
}

/// The written value, or the default.
pub(in crate::config) fn value_or<T: Copy>(written: &Option<Located<T>>, default: T) -> T {
    written.as_ref().map_or(default, |located| located.value)
}

/// The milliseconds of a duration. `more` names words that are also allowed, for the help text.
pub(in crate::config) fn duration_ms(
    report: &FileReport,
    key: &str,
    text: &Located<String>,
    more: &str,
) -> Option<i64> {
    let ms = parse_span_ms(&text.value);
    if ms.is_none() {
        let help =
            format!("write {more}a whole number and a unit of ms, s, m, h, d or w, such as \"45m\"; at most 100 years");
        report.error(&text.span, format!("`{}` is not a duration for `{key}`", text.value), help);
    }
    ms
}
