//! Schemas of the values in documents: how the OpenAPI document describes amounts, times, names and words.
//!
//! A type of [`texts`] or [`amounts`] replaces the type of a field in the schema, where the Rust type is a plain text:
//! `#[schemars(with = "NameText")]`. It has no values.

pub(crate) mod amounts;
pub(crate) mod lists;
pub(crate) mod object;
pub(crate) mod texts;
pub(crate) mod words;

/// Types without values, each with a name in `components/schemas`, its documentation as description, and a schema.
macro_rules! described {
    ($($(#[doc = $doc:literal])+ $name:ident { $($schema:tt)+ })+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub(crate) enum $name {}

            impl schemars::JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    // In documents a text is called by what it contains.
                    let name = stringify!($name);
                    name.strip_suffix("Text").unwrap_or(name).into()
                }

                fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    let mut schema = schemars::json_schema!({ $($schema)+ });
                    schema.insert("description".to_owned(), concat!($($doc),+).trim().into());
                    schema
                }
            }
        )+
    };
}
pub(crate) use described;
