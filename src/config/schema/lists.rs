//! The schema of a list with a bound.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::{borrow::Cow, marker::PhantomData};

/// The most items of a list in the body of a level, of settings, limits or rates. A level's body has room for fewer.
pub(crate) const LIST_ITEMS_MAX: usize = 16_384;

/// A list of at most so many items. It has no values.
#[derive(Debug)]
pub(crate) struct ListOf<T, const MAX: usize = LIST_ITEMS_MAX>(PhantomData<T>);

impl<T: JsonSchema, const MAX: usize> JsonSchema for ListOf<T, MAX> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("ListOf{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": generator.subschema_for::<T>(), "maxItems": MAX })
    }
}
