//! The schemas of the OpenAPI document: what they allow, examples, and values just beyond their bounds.

use serde_json::{Map, Value, json};

/// The document of a daemon.
pub(crate) struct Document(pub(crate) Value);

/// A field of a body, or of an object in it.
#[derive(Clone)]
pub(crate) struct Field<'d> {
    /// The keys that lead to it; `0` is the item of a list.
    pub(crate) path: Vec<String>,
    pub(crate) schema: &'d Value,
    pub(crate) is_required: bool,
}

impl Field<'_> {
    pub(crate) fn name(&self) -> &str {
        self.path.last().unwrap()
    }

    /// Its place with dots, without the numbers of items.
    pub(crate) fn place(&self) -> String {
        let keys: Vec<&str> = self.path.iter().map(String::as_str).filter(|key| *key != "0").collect();
        keys.join(".")
    }
}

fn alternatives(schema: &Value) -> Vec<&Value> {
    ["anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten().collect()
}

fn types(schema: &Value) -> Vec<&str> {
    match &schema["type"] {
        Value::String(word) => vec![word],
        Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

impl Document {
    /// The schema that a reference names, or the schema itself.
    pub(crate) fn resolved<'d>(&'d self, schema: &'d Value) -> &'d Value {
        let target = schema["$ref"].as_str().and_then(|name| self.0.pointer(name.strip_prefix('#')?));
        target.unwrap_or(schema)
    }

    /// All schemas of which a value must match one.
    fn choices<'d>(&'d self, schema: &'d Value) -> Vec<&'d Value> {
        let schema = self.resolved(schema);
        match alternatives(schema).as_slice() {
            [] => vec![schema],
            all => all.iter().flat_map(|one| self.choices(one)).collect(),
        }
    }

    /// The described object that a value can be, or the item of a list can be; with the keys that lead to it.
    fn object<'d>(&'d self, schema: &'d Value) -> Option<(Vec<String>, &'d Value)> {
        self.choices(schema).into_iter().find_map(|choice| {
            if choice.get("properties").is_some() {
                return Some((Vec::new(), choice));
            }
            let (path, object) = self.object(choice.get("items")?)?;
            Some(([vec!["0".to_owned()], path].concat(), object))
        })
    }

    /// The fields of a body and of the objects in it.
    pub(crate) fn fields<'d>(&'d self, schema: &'d Value, path: &[String]) -> Vec<Field<'d>> {
        let Some((below, object)) = self.object(schema) else { return Vec::new() };
        let required: Vec<&str> =
            object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut fields = Vec::new();
        for (name, schema) in object["properties"].as_object().unwrap() {
            let path = [path, &below, std::slice::from_ref(name)].concat();
            fields.push(Field { path: path.clone(), schema, is_required: required.contains(&name.as_str()) });
            fields.extend(self.fields(schema, &path));
        }
        fields
    }

    /// The objects of a body: the keys that lead to each, and the names of its fields.
    pub(crate) fn objects<'d>(&'d self, schema: &'d Value, path: &[String]) -> Vec<(Vec<String>, Vec<&'d str>)> {
        let Some((below, object)) = self.object(schema) else { return Vec::new() };
        let path = [path, &below].concat();
        let properties = object["properties"].as_object().unwrap();
        let mut objects = vec![(path.clone(), properties.keys().map(String::as_str).collect())];
        for (name, schema) in properties {
            objects.extend(self.objects(schema, &[path.as_slice(), std::slice::from_ref(name)].concat()));
        }
        objects
    }

    /// The example of a schema.
    pub(crate) fn example(&self, schema: &Value) -> Value {
        if let Some(example) = schema["examples"].get(0) {
            return example.clone();
        }
        let schema = self.resolved(schema);
        if let Some(example) = schema["examples"].get(0) {
            return example.clone();
        }
        let is_null = |one: &Value| one["type"] == "null";
        if let Some(first) = alternatives(schema).into_iter().find(|one| !is_null(one)) {
            return self.example(first);
        }
        for choice in self.choices(schema) {
            if let Some(properties) = choice["properties"].as_object() {
                let required = choice["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let members: Map<String, Value> =
                    required.map(|name| (name.to_owned(), self.example(&properties[name]))).collect();
                return Value::Object(members);
            }
            if let Some(items) = choice.get("items") {
                return json!([self.example(items)]);
            }
            if let Some(example) = choice["examples"].get(0) {
                return example.clone();
            }
        }
        Value::Null
    }

    /// Whether a schema allows a value. A question mark is in no text that matches a pattern.
    pub(crate) fn allows(&self, schema: &Value, value: &Value) -> bool {
        let is_one_of = |key: &str| schema[key].as_array().is_none_or(|words| words.contains(value));
        self.choices(schema).into_iter().any(|choice| allows_one(choice, value)) && is_one_of("enum")
    }

    /// Values that a schema does not allow, each with the reason.
    pub(crate) fn values_beyond(&self, schema: &Value) -> Vec<(String, Value)> {
        let mut beyond = vec![
            ("an object".to_owned(), json!({ "x": 1 })),
            ("a list of numbers".to_owned(), json!([1])),
            ("a number".to_owned(), json!(5)),
            ("a text".to_owned(), json!("?")),
            ("true".to_owned(), json!(true)),
            ("null".to_owned(), Value::Null),
        ];
        for choice in self.choices(schema) {
            let number = |key: &str| choice[key].as_u64();
            if let Some(most) = number("maxLength").filter(|most| *most < 60_000) {
                let unit = if choice.get("pattern").is_some() { "1" } else { "a" };
                let text = unit.repeat(usize::try_from(most).unwrap() + 1);
                beyond.push((format!("more than {most} characters"), json!(text)));
            }
            if number("minLength").is_some_and(|least| least > 0) {
                beyond.push(("an empty text".to_owned(), json!("")));
            }
            if let Some(least) = choice["minimum"].as_i64() {
                beyond.push((format!("less than {least}"), json!(least - 1)));
            }
            if let Some(least) = choice["exclusiveMinimum"].as_i64() {
                beyond.push((format!("not above {least}"), json!(least)));
            }
            if let Some(most) = number("maximum").filter(|most| *most < u64::MAX) {
                beyond.push((format!("more than {most}"), json!(most + 1)));
            }
            let item = choice.get("items").map(|items| self.example(items));
            if let (Some(most), Some(item)) = (number("maxItems").filter(|most| *most <= 2_000), item) {
                let items = vec![item; usize::try_from(most).unwrap() + 1];
                beyond.push((format!("more than {most} items"), Value::Array(items)));
            }
            if number("minItems").is_some_and(|least| least > 0) {
                beyond.push(("no item".to_owned(), json!([])));
            }
        }
        beyond.retain(|(_, value)| !self.allows(schema, value));
        beyond
    }
}

fn allows_one(schema: &Value, value: &Value) -> bool {
    let is_type = |word: &&str| match *word {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => false,
    };
    let types = types(schema);
    if !types.is_empty() && !types.iter().any(is_type) {
        return false;
    }
    let number = |key: &str| schema[key].as_u64();
    let length_fits = |length: usize, least: &str, most: &str| {
        let length = length as u64;
        number(least).is_none_or(|least| length >= least) && number(most).is_none_or(|most| length <= most)
    };
    let fits = match value {
        Value::String(text) => {
            let has_form = schema.get("pattern").is_some() || schema.get("format").is_some();
            length_fits(text.chars().count(), "minLength", "maxLength") && !(has_form && text.contains('?'))
        }
        Value::Array(items) => length_fits(items.len(), "minItems", "maxItems"),
        Value::Number(found) => {
            let least =
                schema["minimum"].as_i64().is_none_or(|least| found.as_i64().is_none_or(|found| found >= least));
            let above = schema["exclusiveMinimum"]
                .as_i64()
                .is_none_or(|least| found.as_i64().is_none_or(|found| found > least));
            least && above && number("maximum").is_none_or(|most| found.as_u64().is_none_or(|found| found <= most))
        }
        Value::Null | Value::Bool(_) | Value::Object(_) => true,
    };
    let is_word = schema["enum"].as_array().is_none_or(|words| words.contains(value));
    let has_items = schema.get("items").is_none() || value.as_array().is_none_or(|items| !items.contains(&json!(1)));
    fits && is_word && has_items && schema.get("const").is_none_or(|only| only == value)
}
