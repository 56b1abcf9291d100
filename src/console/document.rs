//! Reads the documents of the service, as the API answers them.

use serde_json::Value;

/// The text at a path of a document (RFC 6901); empty where the document has none.
pub(super) fn text<'v>(document: &'v Value, path: &str) -> &'v str {
    document.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a path; empty where the document has none.
pub(super) fn list<'v>(document: &'v Value, path: &str) -> &'v [Value] {
    document.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A value in words: texts and numbers as they are, lists with commas, the members of objects by name.
pub(super) fn in_words(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(in_words).collect::<Vec<_>>().join(", "),
        Value::Object(members) => {
            let is_told = |value: &Value| {
                !matches!(value, Value::Null | Value::Bool(false)) && *value != Value::Array(Vec::new())
            };
            let told = members.iter().filter(|(_, value)| is_told(value));
            let told = told.map(|(name, value)| format!("{} {}", spaced(name), in_words(value)));
            told.collect::<Vec<_>>().join("; ")
        }
    }
}

/// The parts of two values that differ: members of objects, and objects of lists. Other values are whole.
pub(super) fn differing(old: &Value, new: &Value) -> (Value, Value) {
    match (old, new) {
        (Value::Object(was), Value::Object(is)) => {
            let (mut was, mut is) = (was.clone(), is.clone());
            for (name, value) in old.as_object().into_iter().flatten() {
                let Some(other) = new.get(name) else { continue };
                if value == other {
                    was.remove(name);
                    is.remove(name);
                } else {
                    let (value, other) = differing(value, other);
                    was.insert(name.clone(), value);
                    is.insert(name.clone(), other);
                }
            }
            (Value::Object(was), Value::Object(is))
        }
        (Value::Array(was), Value::Array(is)) if was.iter().chain(is).any(Value::is_object) => {
            let without =
                |list: &[Value], other: &[Value]| list.iter().filter(|value| !other.contains(value)).cloned().collect();
            let (was, is): (Vec<Value>, Vec<Value>) = (without(was, is), without(is, was));
            // Another order alone.
            if was.is_empty() && is.is_empty() { (old.clone(), new.clone()) } else { (was.into(), is.into()) }
        }
        _ => (old.clone(), new.clone()),
    }
}

/// The value at a path in words.
pub(super) fn words_at(document: &Value, path: &str) -> String {
    document.pointer(path).map(in_words).unwrap_or_default()
}

/// A name of the wire as people read it: `not_active` as `not active`.
pub(super) fn spaced(word: &str) -> String {
    word.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn equal_parts_are_left_out() {
        let (daily, weekly) = (json!({ "window": "daily", "most": 5 }), json!({ "window": "weekly", "most": 9 }));
        let lower = json!({ "window": "daily", "most": 1 });
        let level = |filters: &[&Value]| json!({ "status": "active", "filters": filters, "gates": ["a"] });
        let (old, new) = (level(&[&daily, &weekly]), level(&[&lower, &weekly]));
        assert_eq!(differing(&old, &new), (json!({ "filters": [daily] }), json!({ "filters": [lower] })));
        let turned = (json!([daily, weekly]), json!([weekly, daily]));
        assert_eq!(differing(&turned.0, &turned.1), turned, "another order");
        let labels = (json!(["a"]), json!(["a", "b"]));
        assert_eq!(differing(&labels.0, &labels.1), labels, "words are whole");
        assert_eq!(differing(&Value::Null, &old), (Value::Null, old.clone()));
    }

    #[test]
    fn values_are_words() {
        let document =
            json!({"a": {"b": [1, "x", null]}, "f": true, "o": {"max_amount": "5.00", "min_amount": null, "bad": []}});
        assert_eq!(words_at(&document, "/a/b"), "1, x, ");
        assert_eq!(words_at(&document, "/f"), "yes");
        assert_eq!(words_at(&document, "/o"), "max amount 5.00");
        assert_eq!((text(&document, "/nothing"), list(&document, "/a/b").len()), ("", 3));
    }
}
