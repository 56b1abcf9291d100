//! Lists of transactions, and signals about customers.

use crate::{
    domain::{
        customer::{instrument_blocks::Reach, status::Signal},
        decision::{
            payment::{time, word},
            refusal::Refusal,
        },
        transaction::record::{Flag, Status},
        vocabulary::identifier_text::{self, no_control},
    },
    ledger::{PAGE_MAX, SentSignal, Wanted},
};
use crate::{
    http::{
        dto::{card_guard::no_card_in_json, customer::texts, facts::TransactionOut, problem::Problem},
        handlers::handlers::{Call, Daemon, told},
        server::grants::Grant,
    },
    service::payments::render,
};
use axum::{
    extract::{Path, RawQuery, State},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

#[derive(Serialize)]
struct PageOut<'a> {
    transactions: Vec<TransactionOut<'a>>,
    next_cursor: Option<String>,
}

/// `GET /v1/merchants/{m}/transactions`.
pub(crate) async fn transactions(
    State(daemon): State<Arc<Daemon>>,
    Path(merchant): Path<String>,
    RawQuery(query): RawQuery,
) -> Response {
    // It may look at many, and at what lies on the disk: not on the threads that answer payments.
    let read = tokio::task::spawn_blocking(move || {
        let page = page_of(&daemon, &merchant, query.as_deref().unwrap_or_default(), None);
        (daemon, page)
    });
    match read.await {
        Ok((daemon, page)) => told(&daemon.desk, page).await,
        Err(error) => Problem::unfinished(&error).into_response(),
    }
}

/// A page of transactions, of all customers or of one.
pub(crate) fn page_of(daemon: &Daemon, merchant: &str, query: &str, of: Option<&str>) -> Result<Vec<u8>, Problem> {
    let mut wanted = wanted(query)?;
    if let Some(customer_id) = of {
        wanted.customer_id = Some(customer_id.to_owned());
    }
    let desk = &daemon.desk;
    let (rules, now) = (desk.rules(), desk.time()?);
    let page = desk.ledger.list(merchant, &wanted, now)?;
    if rules.merchant(merchant).is_none() && page.transactions.is_empty() {
        return Err(Refusal::UnknownMerchant(merchant.to_owned()).into());
    }
    Ok(render(&PageOut {
        transactions: page.transactions.iter().map(|shown| TransactionOut::of(shown, &rules)).collect(),
        next_cursor: page.next.map(|(number, slot)| format!("{number}-{slot}")),
    }))
}

fn wanted(query: &str) -> Result<Wanted, Problem> {
    const TAKEN: [&str; 7] = ["status", "flag", "from", "to", "customer_id", "limit", "cursor"];
    let mut wanted = Wanted { limit: 100, ..Wanted::default() };
    let mut seen = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(field) = TAKEN.into_iter().find(|taken| *taken == name) else {
            let detail = format!("`{name}` is not taken here; taken are {}", TAKEN.join(", "));
            return Err(Problem::malformed("unknown_field", detail).at(&name));
        };
        if seen.insert(field, ()).is_some() {
            return Err(Problem::malformed("duplicate_field", format!("`{field}` comes twice")).at(field));
        }
        let bad = |what: &str| Problem::malformed("value_unknown", format!("`{field}` {what}")).at(field);
        match field {
            "status" => wanted.status = Some(word::<Status>(field, &value)?),
            "flag" => wanted.flag = Some(word::<Flag>(field, &value)?),
            "from" => wanted.from = time(field, Some(&value))?,
            "to" => wanted.to = time(field, Some(&value))?,
            "customer_id" => {
                no_control(field, value.trim())?;
                wanted.customer_id = Some(value.trim().to_owned());
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=PAGE_MAX).contains(limit));
                wanted.limit = limit.ok_or_else(|| bad(&format!("is a number from 1 to {PAGE_MAX}")))?;
            }
            _ => {
                let place = value.split_once('-').and_then(|(n, slot)| Some((n.parse().ok()?, slot.parse().ok()?)));
                wanted.after = Some(place.ok_or_else(|| bad("is a `next_cursor` of an earlier page"))?);
            }
        }
    }
    Ok(wanted)
}

#[derive(Serialize)]
struct SignalOut<'a> {
    customer_id: &'a str,
    status: &'static str,
}

/// `POST /v1/merchants/{m}/customers/{id}/signals`.
pub(crate) async fn signal(call: Call) -> Response {
    told(&call.daemon.desk, take_signal(&call)).await
}

fn take_signal(call: &Call) -> Result<Vec<u8>, Problem> {
    let customer_id = call.named.as_deref().unwrap_or_default();
    let desk = &call.daemon.desk;
    no_card_in_json(&call.body, desk.rules().merchant(&call.merchant).map(|merchant| &**merchant))?;
    let [signal, instrument] = texts(&call.body, ["signal", "payment_instrument"])?;
    let signal = word::<Signal>("signal", &signal.ok_or(Refusal::Missing("signal"))?)?;
    let instrument = identifier_text::parse("payment_instrument", instrument.as_deref().unwrap_or_default())?;
    let desk = &call.daemon.desk;
    let now = desk.time()?;
    if instrument.is_none() && matches!(signal, Signal::CardExpired | Signal::CardInvalid) {
        return Err(Refusal::Missing("payment_instrument").into());
    }
    let reach = call.grant.as_ref().map_or(Reach::All, Grant::reach);
    let by = call.grant.as_ref().map(|grant| grant.name);
    let trusts_blocks = desk.rules().merchant(&call.merchant).is_some_and(|merchant| merchant.trust_blocks);
    let sent =
        SentSignal { merchant: &call.merchant, customer_id, signal, instrument, by, reach: &reach, trusts_blocks };
    let (status, _) = desk.ledger.signal(&sent, now)?;
    Ok(render(&SignalOut { customer_id, status: status.word() }))
}
