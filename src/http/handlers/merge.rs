//! Two customers made one.

use crate::domain::{decision::refusal::Refusal, vocabulary::identifier_text};
use crate::{
    http::{
        dto::{
            customer::texts,
            problem::{Problem, Told},
        },
        handlers::admin_request::Staff,
    },
    service::payments::render,
};
use axum::response::Response;

/// `POST /v1/merchants/{m}/customers/{customer_id}/merge`: into another customer.
pub(crate) async fn merge(staff: Staff) -> Response {
    let done = become_one(&staff);
    staff.tell(done).await
}

fn become_one(staff: &Staff) -> Result<Told, Problem> {
    let [into] = texts(&staff.body, ["into"])?;
    let into = identifier_text::parse("into", into.as_deref().unwrap_or_default())?.ok_or(Refusal::Missing("into"))?;
    let (ledger, now) = (&staff.daemon.desk.ledger, staff.now()?);
    ledger.merge(&staff.merchant, staff.customer_id(), into, (staff.author, now))?;
    let merchant = staff.merchant.id.as_str();
    Ok(Told::of(render(&ledger.look(merchant, into, now, |customer, now| staff.document_of(customer, now))?)))
}
