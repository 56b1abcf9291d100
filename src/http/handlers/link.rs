//! A transaction that had no customer, and whose it becomes.

use crate::http::{
    dto::{
        customer::{self, CustomerIn},
        problem::{Problem, Told},
    },
    handlers::admin_request::Staff,
};
use crate::{
    config::parse::body::object,
    domain::{decision::refusal::Refusal, vocabulary::identifier_text},
    ledger::Whose,
};
use axum::response::Response;

/// `POST /v1/merchants/{m}/transactions/{transaction_id}/customer`: links it to the customer whom `customer_id` names, or
/// to one who is registered for it by the rest of the body.
pub(crate) async fn link(staff: Staff) -> Response {
    staff.aside(become_somebodys).await
}

/// Whose a transaction is to become, as the body says it.
enum LinkRequest {
    Known(String),
    New(CustomerIn),
}

fn become_somebodys(staff: &Staff) -> Result<Told, Problem> {
    let (merchant, id, now) = (staff.merchant.id.as_str(), staff.named(0), staff.now()?);
    let said = said(staff)?;
    let desk = &staff.daemon.desk;
    let is_new = {
        let _inside = desk.ledger.enter();
        // Inside, a level's name is the one by which the customers know it.
        let rules = desk.rules();
        let merchant = rules.merchant(merchant).ok_or_else(|| Refusal::UnknownMerchant(merchant.to_owned()))?;
        let applying;
        let whose = match &said {
            LinkRequest::Known(customer_id) => Whose::Known(customer_id),
            LinkRequest::New(sent) => {
                applying = sent.applying(merchant, staff.author);
                Whose::New(&applying)
            }
        };
        desk.ledger.link(merchant, id, whose, (staff.author, now))?.0
    };
    let shown = desk.show(merchant, id)?;
    Ok(if is_new { Told::created(shown) } else { Told::of(shown) })
}

fn said(staff: &Staff) -> Result<LinkRequest, Problem> {
    let fields = object(&staff.body)?.0;
    let Some((_, raw)) = fields.iter().find(|(key, _)| key == "customer_id") else {
        return Ok(LinkRequest::New(customer::read(&staff.body, &staff.rules, true)?));
    };
    if let Some((other, _)) = fields.iter().find(|(key, _)| key != "customer_id") {
        let detail = format!(
            "`{other}` is not taken beside `customer_id`, which names a customer who is known; leave `customer_id` out to \
             make a new one, or change the known one by PATCH"
        );
        return Err(Problem::malformed("unknown_field", detail).at(other));
    }
    let written = customer::text("customer_id", raw)?.unwrap_or_default();
    let id = identifier_text::parse("customer_id", &written)?.ok_or(Refusal::Missing("customer_id"))?;
    Ok(LinkRequest::Known(id.to_owned()))
}
