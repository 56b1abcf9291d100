//! The parts of a row of the operation table.

use crate::{
    http::{dto::card_guard::decoded, state::AppState},
    service::{access::access_tokens::Role, commit::AnswerKind, documents::query::TakenKeys},
};
use axum::routing::{MethodFilter, MethodRouter};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use std::{fmt, sync::Arc};

/// One HTTP operation. The router, the authorisation, the check of the query, the answers 404 and 405 and the OpenAPI
/// document come from it.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) method: OperationMethod,
    /// The path as clients see it, with its parameters in braces.
    pub(crate) path: &'static str,
    pub(crate) role: RequiredRole,
    pub(crate) merchants: MerchantScope,
    pub(crate) query: QueryKeys,
    pub(crate) body: RequestBody,
    /// The answers that are no problem documents.
    pub(crate) answers: &'static [Answer],
    /// The codes of its problem documents, in groups. [`Self::problem_codes`] adds those of every operation.
    pub(crate) problems: &'static [&'static [&'static str]],
    pub(crate) availability: Availability,
    /// Registers the handler for the method.
    pub(crate) handler: fn(MethodFilter) -> MethodRouter<Arc<AppState>>,
    /// The name of the operation in the OpenAPI document, and so of the function in generated clients.
    pub(crate) id: &'static str,
    /// One line for the API's documentation.
    pub(crate) summary: &'static str,
}

/// The method of an operation. `GET` answers `HEAD` as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum OperationMethod {
    Get,
    Post,
    Put,
    Patch,
    Delete,
}

impl OperationMethod {
    /// The method's name in a request line.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }

    pub(crate) const fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Patch => MethodFilter::PATCH,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

/// The roles whose tokens may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequiredRole {
    /// Everyone, without a token.
    Public,
    /// Every role.
    Any,
    /// `viewer` and `operator`: tables of many customers, and how they were imported.
    BackOffice,
    /// `gateway` and `operator`: payments, registrations, signals, the customer's own limits.
    Gateway,
    /// `operator` alone.
    Operator,
}

impl RequiredRole {
    /// The words of the golden listing, of the documentation and of a refusal.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Any => "any",
            Self::BackOffice => "viewer,operator",
            Self::Gateway => "gateway,operator",
            Self::Operator => "operator",
        }
    }

    /// Whether a token of this role may call the operation.
    pub(crate) const fn allows(self, role: Role) -> bool {
        match self {
            Self::Public | Self::Any => true,
            Self::BackOffice => matches!(role, Role::Viewer | Role::Operator),
            Self::Gateway => matches!(role, Role::Gateway | Role::Operator),
            Self::Operator => matches!(role, Role::Operator),
        }
    }
}

/// The merchants that an operation concerns, and so the tokens for some merchants that may call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MerchantScope {
    /// The path names a merchant, and the token must be for it.
    OfPath,
    /// The operation shows or changes what the token's merchants have; the handler leaves the others out.
    OfToken,
    /// The operation concerns all merchants, and the token must be for all.
    All,
}

/// The keys that an operation takes in its query.
#[derive(Debug, Clone, Copy)]
pub(crate) enum QueryKeys {
    /// No key.
    None,
    /// These keys, each at most once.
    Listed(&'static [&'static str]),
    /// The keys that the service reads.
    Taken(TakenKeys),
    /// Any query, which is ignored: a probe must not fail because of a stray one.
    Ignored,
}

/// The schema of a document: [`schema_of`] its type.
pub(crate) type DocumentSchema = fn(&mut SchemaGenerator) -> Schema;

/// The schema of a type, as a reference where it has a name.
pub(crate) fn schema_of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The body that an operation takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RequestBody {
    None,
    /// A JSON document.
    Json(DocumentSchema),
    /// A JSON document, or no body.
    OptionalJson(DocumentSchema),
    /// Lines of JSON of any number, each such a document. The handler watches the sender's pace.
    JsonLines(DocumentSchema),
    /// A CSV table of any length. The handler watches the sender's pace.
    Csv,
}

impl RequestBody {
    #[cfg_attr(not(test), expect(dead_code, reason = "a test compares the paths with it"))]
    /// Whether the body has no limit on its length.
    pub(crate) const fn is_streamed(self) -> bool {
        matches!(self, Self::JsonLines(_) | Self::Csv)
    }
}

/// An answer that is no problem document.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content: AnswerContent,
}

/// The content of an answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum AnswerContent {
    /// A JSON document.
    Json(DocumentSchema),
    /// Lines of JSON, each such a document.
    JsonLines(DocumentSchema),
    /// A text of this media type.
    Text(&'static str),
}

/// 200 with a document.
pub(crate) const fn ok<T: JsonSchema>() -> Answer {
    Answer { status: 200, content: AnswerContent::Json(schema_of::<T>) }
}

/// 201 with a document.
pub(crate) const fn created<T: JsonSchema>() -> Answer {
    Answer { status: 201, content: AnswerContent::Json(schema_of::<T>) }
}

/// 200 with lines of documents.
pub(crate) const fn ok_lines<T: JsonSchema>() -> Answer {
    Answer { status: 200, content: AnswerContent::JsonLines(schema_of::<T>) }
}

/// 200 with a text of a media type.
pub(crate) const fn text(media_type: &'static str) -> Answer {
    Answer { status: 200, content: AnswerContent::Text(media_type) }
}

/// The listeners and connections on which an operation is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Availability {
    /// On the main listeners, for connections within `max_connections`.
    Main,
    /// Also on the admin listener, and for connections beyond `max_connections`. Its answer is never withheld when too
    /// many bytes are in memory.
    Always,
}

/// The role and the merchants that a token needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AccessRule {
    pub(crate) role: RequiredRole,
    pub(crate) merchants: MerchantScope,
}

/// The path of batches.
pub(crate) const BATCH_PATH: &str = "/v1/batch";
/// The end of the path of customer tables.
const TABLE_PATH_END: &str = "/customers.csv";
/// The paths of the operations that are [`Availability::Always`].
const ALWAYS_AVAILABLE_PATHS: [&str; 4] = ["/healthz", "/readyz", "/metrics", "/v1/status"];
/// The paths of the operations that are [`RequiredRole::Public`], without those below [`GUIDES_PREFIX`].
const PUBLIC_PATHS: [&str; 5] = ["/", "/docs", "/openapi.json", "/healthz", "/readyz"];
/// The start of the paths of guides.
const GUIDES_PREFIX: &str = "/docs/";
/// The end of the path of a rename. The router knows the rename as another method of the path of a level.
const RENAME_PATH_END: &str = "rename";
/// The start of the paths that name a merchant.
const MERCHANTS_PREFIX: &str = "/v1/merchants/";

impl AccessRule {
    /// The rule of a request that no operation takes, before it is answered with 404 or 405: every token of any
    /// role gets that answer. The paths of public operations need no token.
    pub(crate) fn of_unmatched(path: &str) -> Self {
        let is_public = PUBLIC_PATHS.contains(&path) || path.starts_with(GUIDES_PREFIX);
        let role = if is_public { RequiredRole::Public } else { RequiredRole::Any };
        Self { role, merchants: MerchantScope::OfToken }
    }
}

/// The segment of a path that names the merchant, still percent-encoded.
pub(crate) fn merchant_segment(path: &str) -> Option<&str> {
    path.strip_prefix(MERCHANTS_PREFIX).and_then(|rest| rest.split('/').next()).filter(|segment| !segment.is_empty())
}

/// Whether a path takes a body of any length. A test holds it to [`RequestBody::is_streamed`]: the time limit of a body
/// begins before the request is routed.
pub(crate) fn has_streamed_body(path: &str) -> bool {
    path == BATCH_PATH || path.ends_with(TABLE_PATH_END)
}

/// Whether a path is [`Availability::Always`]; a test holds it to the table.
pub(crate) fn is_always_available(path: &str) -> bool {
    ALWAYS_AVAILABLE_PATHS.contains(&path)
}

/// The paths of operations that are no `GET` and record nothing, and of batches, whose lines are checked one by one.
const READING_PATHS: [&str; 5] = [
    "/v1/merchants/{merchant}/decisions",
    "/v1/merchants/{merchant}/payment-form",
    "/v1/snapshot",
    "/v1/take-over",
    BATCH_PATH,
];

impl Operation {
    /// Whether the operation as a whole changes something.
    pub(crate) fn answer_kind(&self) -> AnswerKind {
        let is_read = self.method == OperationMethod::Get || READING_PATHS.contains(&self.path);
        if is_read { AnswerKind::Read } else { AnswerKind::Write }
    }

    /// Its name in metrics: its method and its path.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.method.word(), self.path)
    }

    /// Whether the operation takes a path that the router has matched with it. A `POST` to the path of a level is a rename
    /// only where the path ends so.
    pub(crate) fn takes(&self, path: &str) -> bool {
        let last = |path: &str| decoded(path.rsplit('/').next().unwrap_or_default()) == RENAME_PATH_END;
        !last(self.path) || last(path)
    }

    /// The role and the merchants that a token needs for the operation.
    pub(crate) const fn access_rule(&self) -> AccessRule {
        AccessRule { role: self.role, merchants: self.merchants }
    }

    /// The codes of all its problem documents, those of every operation included.
    pub(crate) fn problem_codes(&self) -> impl Iterator<Item = &'static str> {
        use crate::http::operations::problem_codes::{EVERY_OPERATION, WITH_BODY, WITH_TOKEN};
        let is_public = self.role == RequiredRole::Public;
        let [with_token, with_body]: [&[&str]; 2] = if is_public { [&[], &[]] } else { [WITH_TOKEN, WITH_BODY] };
        let general = [EVERY_OPERATION, with_token, with_body];
        general.into_iter().chain(self.problems.iter().copied()).flatten().copied()
    }
}

impl QueryKeys {
    /// The keys; `None`: any query is ignored.
    pub(crate) const fn taken(self) -> Option<TakenKeys> {
        match self {
            Self::None => Some(TakenKeys::once(&[])),
            Self::Listed(keys) => Some(TakenKeys::once(keys)),
            Self::Taken(keys) => Some(keys),
            Self::Ignored => None,
        }
    }
}

impl fmt::Display for QueryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("-"),
            Self::Listed(keys) | Self::Taken(TakenKeys { keys, repeatable: [] }) => f.write_str(&keys.join(",")),
            Self::Taken(TakenKeys { keys, repeatable }) => {
                let mark = |key: &&str| if repeatable.contains(key) { "+" } else { "" };
                f.write_str(&keys.iter().map(|key| format!("{key}{}", mark(key))).collect::<Vec<_>>().join(","))
            }
            Self::Ignored => f.write_str("*"),
        }
    }
}
