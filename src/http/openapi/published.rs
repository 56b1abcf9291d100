//! The description of the API as it is served. The router builds it at start, because the operation table names the
//! handlers that serve it.

use crate::config::schema::{described, object::objects, texts::VersionText};
use std::sync::OnceLock;

/// The description of the API.
#[derive(Debug)]
pub(crate) struct PublishedApi {
    /// The OpenAPI document.
    pub(crate) json: Vec<u8>,
    /// The content of its page, as HTML.
    pub(crate) html: String,
}

static PUBLISHED: OnceLock<PublishedApi> = OnceLock::new();

/// Stores what `make` returns, the document and its page, at the first call.
pub(crate) fn publish(make: impl FnOnce() -> (Vec<u8>, String)) {
    PUBLISHED.get_or_init(|| {
        let (json, html) = make();
        PublishedApi { json, html }
    });
}

/// The description of the API; `None`: no router was built.
pub(crate) fn published() -> Option<&'static PublishedApi> {
    PUBLISHED.get()
}

described! {
    /// A part of the document, as the OpenAPI Specification 3.1 defines it.
    OpenApiPart { "type": "object", "additionalProperties": true, "examples": [{ "title": "levelgate" }] }
}

objects! {
    /// An OpenAPI 3.1 document.
    Open OpenApiDocument {
        /// The version of the OpenAPI Specification.
        must "openapi": VersionText,
        /// The name and the version of the API.
        must "info": OpenApiPart,
        /// The address of the daemon, for the paths.
        may "servers": Vec<OpenApiPart>,
        /// The groups of operations.
        must "tags": Vec<OpenApiPart>,
        /// The operations by path.
        must "paths": OpenApiPart,
        /// Schemas, problems and kinds of credentials.
        must "components": OpenApiPart,
    }
}
