//! The guard against full card numbers in paths and queries.

use crate::{
    domain::{
        request::{card_number::refuse_card_number_in_id, refusal::Refusal},
        rules::{configuration::Rules, merchant::Merchant},
        vocabulary::card_numbers::may_hold,
    },
    service::documents::card_guard::no_card_text,
};
use axum::http::Uri;
use std::borrow::Cow;

/// Refuses a path or a query.
pub(crate) fn no_card_in_uri(uri: &Uri, rules: &Rules) -> Result<(), Refusal> {
    no_card_in_path(uri.path(), rules)?;
    uri.query().map_or(Ok(()), |query| no_card_in_query(uri.path(), query, rules))
}

/// The merchant that a path names.
fn merchant_of<'r>(path: &str, rules: &'r Rules) -> Option<&'r Merchant> {
    let id = path.strip_prefix("/v1/merchants/")?.split('/').next()?;
    rules.merchant(&decoded(id)).map(|merchant| &**merchant)
}

/// A segment of a path without its percent-encoding (RFC 3986, section 2.1).
pub(crate) fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let (mut bytes, mut rest) = (Vec::with_capacity(segment.len()), segment.as_bytes());
    while let [byte, after @ ..] = rest {
        let hexadecimal = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| std::str::from_utf8(digits).ok());
        let octet = hexadecimal.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(octet.unwrap_or(*byte));
        rest = if octet.is_some() { &after[2..] } else { after };
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

/// Refuses a path.
pub(crate) fn no_card_in_path(path: &str, rules: &Rules) -> Result<(), Refusal> {
    if !path.contains('%') && !may_hold(path) {
        return Ok(());
    }
    let mut before = "";
    for segment in path.split('/') {
        let field = match before {
            "merchants" => "merchant",
            "transactions" => "transaction_id",
            "customers" => "customer_id",
            "instruments" => "payment_instrument",
            "jobs" => "job",
            _ => "path",
        };
        before = segment;
        no_card_text(field, &decoded(segment), || merchant_of(path, rules))?;
    }
    Ok(())
}

/// Query keys whose values are numbers that the daemon made. They are parsed and neither stored nor repeated.
const POSITIONS: [&str; 4] = ["cursor", "after", "limit", "wait"];

fn no_card_in_query(path: &str, query: &str, rules: &Rules) -> Result<(), Refusal> {
    for (field, value) in form_urlencoded::parse(query.as_bytes()) {
        refuse_card_number_in_id("query", &field)?;
        if !POSITIONS.contains(&field.as_ref()) {
            no_card_text(&field, &value, || merchant_of(path, rules))?;
        }
    }
    Ok(())
}
