//! The operations that show what happens at a merchant.

use crate::{
    http::{
        handlers::monitoring,
        operations::{
            operation::{
                Availability, MerchantScope, Operation, OperationMethod, QueryKeys, RequestBody, RequiredRole, ok,
            },
            problem_codes::{CUSTOMER, LONG_ANSWER, MERCHANT, TIME, VALUES},
        },
    },
    service::{
        configuration::level_status::LevelStatusDocument,
        customers::audit::AUDIT_KEYS,
        decision_series::{SERIES_KEYS, SeriesDocument},
        documents::answers::Audit,
    },
};
use axum::routing::on;

/// The operations that show what happens at a merchant.
pub(super) static MONITORING: [Operation; 3] = [
    Operation {
        method: OperationMethod::Get,
        path: "/v1/merchants/{merchant}/audit",
        role: RequiredRole::BackOffice,
        merchants: MerchantScope::OfPath,
        query: QueryKeys::Taken(AUDIT_KEYS),
        body: RequestBody::None,
        answers: &[ok::<Audit>()],
        problems: &[CUSTOMER, VALUES, LONG_ANSWER, &["job_not_found"]],
        availability: Availability::Main,
        handler: |method| on(method, monitoring::audit),
        id: "audit",
        summary: "Shows who changed what at a merchant.",
    },
    Operation {
        method: OperationMethod::Get,
        path: "/v1/merchants/{merchant}/series",
        role: RequiredRole::Any,
        merchants: MerchantScope::OfPath,
        query: QueryKeys::Taken(SERIES_KEYS),
        body: RequestBody::None,
        answers: &[ok::<SeriesDocument>()],
        problems: &[MERCHANT, VALUES, TIME, LONG_ANSWER],
        availability: Availability::Main,
        handler: |method| on(method, monitoring::series),
        id: "decision_series",
        summary: "Counts the decisions of a merchant over time.",
    },
    Operation {
        method: OperationMethod::Get,
        path: "/v1/merchants/{merchant}/levels/{direction}/{currency}/{name}/status",
        role: RequiredRole::Any,
        merchants: MerchantScope::OfPath,
        query: QueryKeys::None,
        body: RequestBody::None,
        answers: &[ok::<LevelStatusDocument>()],
        problems: &[MERCHANT, VALUES, &["level_not_found"]],
        availability: Availability::Main,
        handler: |method| on(method, monitoring::level_status),
        id: "level_status",
        summary: "Shows who has a level, and where it comes from.",
    },
];
