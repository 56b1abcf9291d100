//! The choice of a merchant on a page about one merchant or all of them.

use crate::{
    console::page_request::PageRequest,
    domain::{request::refusal::Refusal, rules::merchant::Merchant, vocabulary::names::Name},
    service::error::ServiceError,
};
use maud::{Markup, html};
use std::sync::Arc;

/// Whether the person may see a merchant.
pub(super) fn is_reached(request: &PageRequest, merchant: Name) -> bool {
    request.token.as_ref().is_none_or(|token| token.reaches(merchant.as_str()).is_ok())
}

/// The merchants that the person may see, by name.
pub(super) fn reached(request: &PageRequest) -> Vec<&Arc<Merchant>> {
    let mut merchants: Vec<_> =
        request.rules.merchants.values().filter(|merchant| is_reached(request, merchant.id)).collect();
    merchants.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    merchants
}

/// The merchant that the query names; `None`: it names none.
///
/// # Errors
/// There is no such merchant, or the token is not for it.
pub(super) fn chosen(request: &PageRequest) -> Result<Option<&Merchant>, ServiceError> {
    let id = request.query("merchant");
    if id.is_empty() {
        return Ok(None);
    }
    // As for the path of a merchant: the token first.
    if let Some(token) = &request.token {
        token.reaches(id)?;
    }
    let merchant = request.rules.merchant(id).ok_or_else(|| Refusal::UnknownMerchant(id.to_owned()))?;
    Ok(Some(merchant))
}

/// The merchant that the query names, or the first one that the person may see; `None`: there is none.
///
/// # Errors
/// Those of [`chosen`].
pub(super) fn chosen_or_first(request: &PageRequest) -> Result<Option<&Merchant>, ServiceError> {
    let first = || reached(request).first().map(|merchant| &***merchant);
    Ok(chosen(request)?.or_else(first))
}

/// The field of a form that chooses a merchant. `any`: the name of the empty choice; empty: there is none.
pub(super) fn merchant_field(request: &PageRequest, shown: &str, any: &str) -> Markup {
    html! {
        label class="field" {
            span { "Merchant" }
            select name="merchant" {
                @if !any.is_empty() { option value="" { (any) } }
                @for merchant in reached(request) {
                    option value=(merchant.id) selected[merchant.id.as_str() == shown] { (merchant.name) " (" (merchant.id) ")" }
                }
            }
        }
    }
}
