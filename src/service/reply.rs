//! The answer of the service to a request that it does not refuse.

use crate::{service::error::ServiceError, storage::journal::Lsn};
use serde::Serialize;

/// An answer: a document, and what its sender needs to know about it.
#[derive(Debug)]
pub struct Reply {
    /// The document, as JSON.
    pub body: Vec<u8>,
    /// Whether the request created what the document shows.
    pub is_created: bool,
    /// Whether the same request was answered before.
    pub is_replay: bool,
    /// The first code of a denied payment.
    pub denied: Option<u16>,
    /// The record that must be committed before the answer is sent; `None`: every record so far.
    pub depends_on_lsn: Option<Lsn>,
}

/// The outcome of a request.
pub type Answered = Result<Reply, ServiceError>;

impl Reply {
    /// An answer that depends on every record so far.
    pub(crate) fn new(document: &impl Serialize) -> Self {
        Self::from_body(render(document))
    }

    /// The same with a document that is rendered already.
    pub(crate) fn from_body(body: Vec<u8>) -> Self {
        Self { body, is_created: false, is_replay: false, denied: None, depends_on_lsn: None }
    }

    /// The same answer; `is_created`: the request created what it shows.
    pub(crate) fn created_if(self, is_created: bool) -> Self {
        Self { is_created, ..self }
    }

    /// The same answer, which depends on no record after this one.
    pub(crate) fn depending_on(self, lsn: Lsn) -> Self {
        Self { depends_on_lsn: Some(lsn), ..self }
    }
}

/// The JSON of a document; documents contain nothing that serialization rejects.
pub(crate) fn render(document: &impl Serialize) -> Vec<u8> {
    let mut body = Vec::with_capacity(768);
    match serde_json::to_writer(&mut body, document) {
        Ok(()) => body,
        Err(error) => {
            tracing::error!(%error, "an answer could not be serialized");
            b"{}".to_vec()
        }
    }
}
