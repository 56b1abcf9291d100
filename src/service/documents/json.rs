//! Reading the values of a JSON object one by one, so that an error names the field at fault.

use crate::{
    config::body::{JsonObject, object},
    service::error::ServiceError,
};
use serde_json::value::RawValue;

/// A text; `None`: `null`.
pub(crate) fn text(field: &str, raw: &RawValue) -> Result<Option<String>, ServiceError> {
    serde_json::from_str(raw.get()).map_err(|_| ServiceError::wrong_type(field, "a string"))
}

/// A list of texts; `None`: `null`.
pub(crate) fn text_list(field: &str, raw: &RawValue) -> Result<Option<Vec<String>>, ServiceError> {
    serde_json::from_str(raw.get()).map_err(|_| ServiceError::wrong_type(field, "a list of strings"))
}

/// A boolean.
pub(crate) fn boolean(field: &str, raw: &RawValue) -> Result<bool, ServiceError> {
    serde_json::from_str(raw.get()).map_err(|_| ServiceError::wrong_type(field, "true or false"))
}

/// An object in an object.
pub(crate) fn nested_object<'r>(field: &str, raw: &'r RawValue) -> Result<JsonObject<'r>, ServiceError> {
    if !raw.get().starts_with('{') {
        return Err(ServiceError::wrong_type(field, "an object"));
    }
    Ok(object(raw.get().as_bytes())?)
}

/// The value of a key.
pub(crate) fn member<'a>(object: &JsonObject<'a>, key: &str) -> Option<&'a RawValue> {
    object.0.iter().find(|(known, _)| known == key).map(|(_, raw)| *raw)
}

/// The first key that is not in `taken`.
pub(crate) fn unknown_key<'o>(object: &'o JsonObject<'_>, taken: &[&str]) -> Option<&'o str> {
    object.0.iter().map(|(key, _)| key.as_str()).find(|key| !taken.contains(key))
}

/// The fields of a body that takes only texts, in the order of `taken`; `None`: absent or `null`.
pub(crate) fn texts<const N: usize>(
    body: &[u8],
    taken: [&'static str; N],
) -> Result<[Option<String>; N], ServiceError> {
    let body = object(body)?;
    if let Some(key) = unknown_key(&body, &taken) {
        return Err(ServiceError::unknown_field(key, &taken.join(", ")));
    }
    let mut found = [const { None }; N];
    for (place, field) in taken.into_iter().enumerate() {
        if let Some(raw) = member(&body, field) {
            found[place] = text(field, raw)?;
        }
    }
    Ok(found)
}
