//! Members of a request's body that describe what is in force. A body may repeat them as the document of the item shows
//! them, so that a caller can send a document back. Another value is a wish that cannot be granted, and is refused.

use crate::{
    config::body::object,
    domain::request::refusal::Refusal,
    service::{documents::json::member, error::ServiceError},
};
use serde_json::{Value, value::RawValue};

/// The members of a body that describe what is in force, without those that are `null`.
#[derive(Debug)]
pub(crate) struct Description(Vec<(&'static str, Value)>);

impl Description {
    /// Reads the members of a body that have one of these names.
    ///
    /// # Errors
    /// The body is not a JSON object.
    pub(crate) fn read(body: &[u8], members: &[&'static str]) -> Result<Self, ServiceError> {
        let body = object(body)?;
        let value = |raw: &RawValue| {
            // A number that no document shows is not equal to any shown value.
            serde_json::from_str(raw.get()).unwrap_or_else(|_| Value::String(raw.get().to_owned()))
        };
        let mut found: Vec<(&'static str, Value)> =
            members.iter().filter_map(|key| Some((*key, value(member(&body, key)?)))).collect();
        found.retain(|(_, value)| !value.is_null());
        Ok(Self(found))
    }

    /// Whether the body has the member.
    #[must_use]
    pub(crate) fn has(&self, member: &str) -> bool {
        self.0.iter().any(|(known, _)| *known == member)
    }

    /// Compares the members with the document that shows what is in force.
    ///
    /// # Errors
    /// A member has another value.
    pub(crate) fn check(&self, shown: &Value) -> Result<(), Refusal> {
        let in_force = |member: &str| shown.get(member).unwrap_or(&Value::Null);
        match self.0.iter().find(|(member, value)| in_force(member) != value) {
            None => Ok(()),
            Some((field, _)) => {
                let reason = match in_force(field) {
                    Value::Null => "describes the item of the path, which has none: leave it out".to_owned(),
                    shown => format!("describes the item of the path, which has {shown}: send that, or leave it out"),
                };
                Err(Refusal::NotAllowed { field, reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_description_that_is_not_in_force_is_refused() {
        let shown = json!({ "name": "gold", "by": null, "pending": { "a": [1], "b": "x" } });
        let members = ["name", "by", "pending", "created"];
        for (body, refused) in [
            (json!({}), None),
            (json!({ "name": "gold", "other": 1 }), None),
            (json!({ "name": null, "by": null, "created": null }), None),
            (json!({ "pending": { "b": "x", "a": [1] } }), None),
            (json!({ "name": "silver" }), Some("name")),
            (json!({ "by": "alice" }), Some("by")),
            (json!({ "created": "2020-01-01T00:00:00.000Z" }), Some("created")),
            (json!({ "pending": { "a": [1] } }), Some("pending")),
        ] {
            let description = Description::read(body.to_string().as_bytes(), &members).unwrap();
            let checked = description.check(&shown);
            assert_eq!(
                checked.err().and_then(|refusal| refusal.field().map(str::to_owned)).as_deref(),
                refused,
                "{body}"
            );
        }
    }
}
