//! A line of a stream while it is put together: its fields in order, each with its value as JSON as written, so that an
//! amount can be a bare number with just these digits.

/// The fields of one line, each with its value as JSON.
#[derive(Clone, Debug, Default)]
pub struct Fields(pub Vec<(String, String)>);

impl Fields {
    pub fn set(&mut self, key: &str, json: String) {
        self.drop(key);
        self.0.push((key.to_owned(), json));
    }

    pub fn text(&mut self, key: &str, value: &str) {
        self.set(key, serde_json::to_string(value).expect("a string in JSON"));
    }

    pub fn drop(&mut self, key: &str) {
        self.0.retain(|(k, _)| k != key);
    }

    pub fn has(&self, key: &str) -> bool {
        self.0.iter().any(|(k, _)| k == key)
    }

    /// A field that is a string, or an empty one where it is absent or something else.
    pub fn string(&self, key: &str) -> String {
        let json = self.0.iter().find(|(k, _)| k == key).map(|(_, json)| json.as_str());
        json.and_then(|j| serde_json::from_str(j).ok()).unwrap_or_default()
    }

    pub fn line(&self) -> String {
        let fields: Vec<String> = self.0.iter().map(|(key, json)| format!("{key:?}: {json}")).collect();
        format!("{{{}}}", fields.join(", "))
    }
}
