//! Two customers made one.

use super::{
    customer::text,
    desk::render,
    problem::{Problem, Told},
    staff::Staff,
};
use crate::{config::body::object, domain::refusal::Refusal};
use axum::response::Response;

/// `POST /v1/merchants/{m}/customers/{customer_id}/merge`: into another customer.
pub(crate) async fn merge(staff: Staff) -> Response {
    let done = become_one(&staff);
    staff.tell(done).await
}

fn become_one(staff: &Staff) -> Result<Told, Problem> {
    let mut into = None;
    for (key, raw) in object(&staff.body)?.0 {
        if key != "into" {
            let detail = format!("`{key}` is not taken here; taken is into, a customer_id");
            return Err(Problem::malformed("unknown_field", detail).at(&key));
        }
        into = text("into", raw)?;
    }
    let into = into.filter(|id| !id.is_empty()).ok_or(Refusal::Missing("into"))?;
    let (ledger, now) = (&staff.daemon.desk.ledger, staff.now()?);
    ledger.merge(&staff.merchant, staff.customer_id(), &into, (staff.author, now))?;
    let merchant = staff.merchant.id.as_str();
    Ok(Told::of(render(&ledger.look(merchant, &into, now, |customer, now| staff.document_of(customer, now))?)))
}
