//! Two customers made one.

use super::{
    customer::texts,
    desk::render,
    problem::{Problem, Told},
    staff::Staff,
};
use crate::domain::{identifier_text, refusal::Refusal};
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
