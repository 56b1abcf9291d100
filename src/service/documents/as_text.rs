//! Values that documents show as texts: amounts, times, currencies, ids.

use crate::{
    config::schema::amounts::AmountText,
    config::schema::texts::{CurrencyText, CustomerIdText, MonthText, NameText, TimeText},
    domain::vocabulary::{
        calendar::{WeekStart, Window, month::Month},
        money::{Currency, Minor},
        names::Name,
        time::{Millis, show_span},
    },
    ledger::CustomerId,
};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, Serializer};
use std::{any::type_name, borrow::Cow, fmt::Display};

/// A value that is serialized as its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AsText<T>(pub(crate) T);

impl<T: Display> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// A value whose text has a schema.
pub(crate) trait TextSchema {
    /// The type whose schema describes the text.
    type Text: JsonSchema;
}

impl TextSchema for Minor {
    type Text = AmountText;
}

impl TextSchema for Millis {
    type Text = TimeText;
}

impl TextSchema for Currency {
    type Text = CurrencyText;
}

impl TextSchema for Name {
    type Text = NameText;
}

impl TextSchema for Month {
    type Text = MonthText;
}

impl TextSchema for &CustomerId<'_> {
    type Text = CustomerIdText;
}

impl<T: TextSchema> JsonSchema for AsText<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        T::Text::schema_name()
    }

    fn schema_id() -> Cow<'static, str> {
        type_name::<Self>().into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<T::Text>()
    }
}

/// An amount as a decimal number in a text.
pub(crate) type Amount = AsText<Minor>;
/// A time as RFC 3339.
pub(crate) type Time = AsText<Millis>;

/// The span of a window in words.
pub(crate) fn span_word(window: Window) -> String {
    match window {
        Window::Rolling(ms) => show_span(ms),
        Window::RollingMonth => "same_day_month".to_owned(),
        Window::Lifetime => "lifetime".to_owned(),
        Window::Day => "day".to_owned(),
        Window::Week(WeekStart::Monday) => "week_from_monday".to_owned(),
        Window::Week(WeekStart::Sunday) => "week_from_sunday".to_owned(),
        Window::Month => "month".to_owned(),
    }
}
