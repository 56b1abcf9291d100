//! An HTTP answer, and what the contract promises about each.

use serde_json::Value;

/// One answer: the status, the headers with names in lower case, and the body as text.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Names in lower case, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body, which the contract promises to be UTF-8.
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("the body is not JSON ({e}): {self:?}"))
    }

    /// The body as JSON of a call that must have succeeded.
    #[track_caller]
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "a 200 was expected: {}", self.body);
        self.json()
    }

    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Whether the answer says that it was remembered.
    #[track_caller]
    pub fn is_replay(&self) -> bool {
        match self.header("idempotent-replay") {
            None => false,
            Some(text) => {
                assert_eq!(text, "true", "the header is `true` or absent");
                true
            }
        }
    }

    /// Asserts a problem document (RFC 9457) of this status and hands it back.
    #[track_caller]
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "another status was expected: {}", self.body);
        let media = self.header("content-type").unwrap_or_default();
        assert!(media.starts_with("application/problem+json"), "media type {media:?} of {}", self.body);
        let problem = self.json();
        assert_problem(&problem, status);
        problem
    }
}

/// Asserts that a document has every member that a problem must have, with this status.
#[track_caller]
pub fn assert_problem(problem: &Value, status: u16) {
    for member in ["type", "title", "detail", "code"] {
        let text = problem[member].as_str().unwrap_or_default();
        assert!(!text.is_empty(), "`{member}` of a problem is a text: {problem}");
    }
    assert_eq!(problem["status"], status, "the status inside is the status outside: {problem}");
    let code = problem["code"].as_str().unwrap_or_default();
    let is_snake = code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    assert!(is_snake, "the code of a problem is snake_case: {problem}");
    for leak in ["panicked", "src/", "RUST_BACKTRACE"] {
        assert!(!problem.to_string().contains(leak), "a problem tells nothing of the inside: {problem}");
    }
}
