//! Schemas of objects whose Rust code is no struct: bodies that are read field by field, and documents that are composed.

use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Whether an object can have other fields than those of its schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherFields {
    /// An answer: a later version can add fields.
    Open,
    /// A body: any other field is refused.
    Refused,
}

/// The schema of an object, field by field.
#[derive(Debug)]
pub(crate) struct ObjectSchema {
    description: String,
    other_fields: OtherFields,
    properties: Map<String, Value>,
    required: Vec<String>,
}

impl ObjectSchema {
    /// An object without fields.
    pub(crate) fn new(description: &str, other_fields: OtherFields) -> Self {
        let description = description.trim().to_owned();
        Self { description, other_fields, properties: Map::new(), required: Vec::new() }
    }

    /// Adds a field.
    pub(crate) fn field(&mut self, name: &str, is_required: bool, schema: Schema, description: &str) {
        let mut schema = schema;
        schema.insert("description".to_owned(), description.trim().into());
        self.properties.insert(name.to_owned(), schema.to_value());
        if is_required {
            self.required.push(name.to_owned());
        }
    }

    /// Adds the fields of another object.
    pub(crate) fn fields_of(&mut self, object: &Schema) {
        let member = |key: &str| object.get(key).cloned().unwrap_or_default();
        if let Value::Object(properties) = member("properties") {
            self.properties.extend(properties);
        }
        let required = member("required");
        let required = required.as_array().into_iter().flatten().filter_map(Value::as_str);
        self.required.extend(required.map(str::to_owned));
    }

    /// The schema.
    pub(crate) fn schema(self) -> Schema {
        let Self { description, other_fields, properties, required } = self;
        let mut object = Map::new();
        object.insert("type".to_owned(), json!("object"));
        object.insert("description".to_owned(), json!(description));
        object.insert("properties".to_owned(), Value::Object(properties));
        if !required.is_empty() {
            object.insert("required".to_owned(), json!(required));
        }
        if other_fields == OtherFields::Refused {
            object.insert("additionalProperties".to_owned(), json!(false));
        }
        Schema::from(object)
    }
}

/// The schema of a type, also where it is a reference elsewhere.
pub(crate) fn whole_schema<T: schemars::JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    T::json_schema(generator)
}

/// Types without values that describe objects. `Open` objects may have further fields, which later versions add. A `must`
/// field is always present, a `may` field can be absent. A type after `..` gives all of its fields.
macro_rules! objects {
    ($(
        $(#[doc = $doc:literal])+
        $other:ident $name:ident {
            $($(#[doc = $field_doc:literal])+ $kind:ident $field:literal: $type:ty,)*
            $(.. $flat:ty,)*
        }
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub(crate) enum $name {}

            impl schemars::JsonSchema for $name {
                fn schema_name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }

                fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                    use crate::config::schema::object::{ObjectSchema, OtherFields};
                    let mut object = ObjectSchema::new(concat!($($doc),+), OtherFields::$other);
                    $(
                        let schema = generator.subschema_for::<$type>();
                        object.field($field, stringify!($kind) == "must", schema, concat!($($field_doc),+));
                    )*
                    $(object.fields_of(&crate::config::schema::object::whole_schema::<$flat>(generator));)*
                    object.schema()
                }
            }
        )+
    };
}
pub(crate) use objects;
