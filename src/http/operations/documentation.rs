//! The operations that serve the guides. They need no token.

use crate::http::{
    handlers::{docs, index},
    operations::operation::{
        Availability, MerchantScope, Operation, OperationMethod, QueryKeys, RequestBody, RequiredRole, ok,
    },
};
use axum::routing::on;

/// The operations that serve the guides.
pub(super) static DOCUMENTATION: [Operation; 4] = [
    Operation {
        method: OperationMethod::Get,
        path: "/",
        role: RequiredRole::Public,
        merchants: MerchantScope::OfToken,
        query: QueryKeys::None,
        body: RequestBody::None,
        answers: &[ok("Index"), ok("text/html")],
        problems: &[],
        availability: Availability::Main,
        handler: |method| on(method, index::index),
        summary: "Shows where the guides, health, metrics and status are.",
    },
    Operation {
        method: OperationMethod::Get,
        path: "/docs",
        role: RequiredRole::Public,
        merchants: MerchantScope::OfToken,
        query: QueryKeys::None,
        body: RequestBody::None,
        answers: &[ok("text/html")],
        problems: &[],
        availability: Availability::Main,
        handler: |method| on(method, docs::list),
        summary: "Lists the guides.",
    },
    Operation {
        method: OperationMethod::Get,
        path: "/docs/style.css",
        role: RequiredRole::Public,
        merchants: MerchantScope::OfToken,
        query: QueryKeys::None,
        body: RequestBody::None,
        answers: &[ok("text/css")],
        problems: &[],
        availability: Availability::Main,
        handler: |method| on(method, docs::style),
        summary: "Serves the style sheet of the guides.",
    },
    Operation {
        method: OperationMethod::Get,
        path: "/docs/{guide}",
        role: RequiredRole::Public,
        merchants: MerchantScope::OfToken,
        query: QueryKeys::None,
        body: RequestBody::None,
        answers: &[ok("text/html")],
        problems: &[],
        availability: Availability::Main,
        handler: |method| on(method, docs::show),
        summary: "Shows a guide.",
    },
];
