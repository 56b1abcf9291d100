//! Test merchants: ids that cause a denial, so that integrators can test each code without preparing a state.
//!
//! The triggers depend on the payment and the customer's identifiers alone, so a repetition, a replay and a batch give the
//! same answer. They end at the denial: it is recorded and repeated as any other one.

use crate::domain::{
    customer::{aggregate::core::CustomerCore, stored_identifier::StoredIdentifier},
    decision::payment::{Payment, SentIdentity},
    rules::{
        filter::{FilterScope, WindowClass},
        rates::MissingRate,
    },
    transaction::violation::{CustomerBlocks, LimitFigures, LimitOwner, Violation, ViolationDetail},
    vocabulary::{
        attributes::Attribute,
        calendar::Window,
        denial_codes::{DENIAL_CODES, DenialCode},
        money::Currency,
        names::Name,
        time::{DAY_MS, Millis},
    },
};

/// A customer with an identifier that begins with this is blocked.
pub const BLOCKED_CUSTOMER: &str = "blocked-";
/// A payment instrument whose token begins with this is blocked.
pub const BLOCKED_INSTRUMENT: &str = "stolen-";
/// The filter of the codes that are neither daily, weekly nor monthly.
const OTHER_WINDOW: &str = "90d";
const OTHER_WINDOW_DAYS: i64 = 90;

/// What a payment of a test merchant causes by its ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SandboxTriggers {
    /// The code at the end of the `transaction_id`: the payment is denied with it alone.
    pub code: Option<DenialCode>,
    /// Whether the customer is blocked.
    pub blocks_customer: bool,
    /// Whether the payment instrument is blocked.
    pub blocks_instrument: bool,
}

impl SandboxTriggers {
    /// The triggers in a payment of a test merchant.
    #[cold]
    #[must_use]
    pub fn of(payment: &Payment<'_>, customer: Option<&CustomerCore>) -> Self {
        let is_blocked = |identifier: &str| identifier.trim_start().starts_with(BLOCKED_CUSTOMER);
        let sent = matches!(&payment.identity, SentIdentity::Identifier(sent) if is_blocked(sent));
        let known = || {
            let mut identifiers = customer.into_iter().flat_map(CustomerCore::all_identifiers);
            identifiers.any(|identifier| StoredIdentifier::text(identifier).is_some_and(is_blocked))
        };
        let attribute = payment.attributes.value(Attribute::PaymentInstrument);
        let mut instruments = payment.instrument.as_deref().into_iter().chain(attribute);
        Self {
            // A form has no amount and asks what may pay.
            code: payment.amount.and_then(|_| code_at_end(&payment.transaction_id)),
            blocks_customer: sent || known(),
            blocks_instrument: instruments.any(|token| token.trim_start().starts_with(BLOCKED_INSTRUMENT)),
        }
    }
}

/// The denial code that an id ends in, after a hyphen.
fn code_at_end(id: &str) -> Option<DenialCode> {
    let (_, digits) = id.rsplit_once('-')?;
    // Only the plain form of the number: neither a sign nor leading zeros.
    let written = digits.len() == 5 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let number: u16 = digits.parse().ok().filter(|_| written)?;
    DENIAL_CODES.into_iter().find(|row| row.1 == number).map(|row| row.0)
}

/// The violation of a requested code at `at`. It has the fields of a real one: a filter whose limit is 0, or a bound that the
/// amount just misses.
pub(super) fn violation(code: DenialCode, payment: &Payment<'_>, at: Millis) -> Violation {
    let amount = payment.amount.unwrap_or(0);
    let bound = |bound| Violation::explained(code, ViolationDetail::Bound { owner: LimitOwner::Endpoint, bound });
    let filter = |class| limit_of_zero(code, class, at);
    match code {
        DenialCode::CustomerBlocked => {
            let blocks = CustomerBlocks { fraud: true, ..CustomerBlocks::default() };
            Violation::explained(code, ViolationDetail::Block(blocks))
        }
        DenialCode::AmountBelowMinimum => bound(amount.saturating_add(1)),
        DenialCode::AmountAboveMaximum => bound(amount.saturating_sub(1)),
        DenialCode::DailyAmountLimitExceeded | DenialCode::DailyQuantityLimitExceeded => filter(WindowClass::Daily),
        DenialCode::WeeklyAmountLimitExceeded | DenialCode::WeeklyQuantityLimitExceeded => filter(WindowClass::Weekly),
        DenialCode::MonthlyAmountLimitExceeded | DenialCode::MonthlyQuantityLimitExceeded => {
            filter(WindowClass::Monthly)
        }
        DenialCode::AmountLimitExceeded | DenialCode::QuantityLimitExceeded => filter(WindowClass::Other),
        DenialCode::RateUnavailable => {
            let pair = MissingRate { from: other_currency(payment.currency), to: payment.currency };
            Violation { pair: Some(pair), ..limit_of_zero(code, WindowClass::Daily, at) }
        }
        DenialCode::PaymentInstrumentBlocked | DenialCode::PaymentMethodNotAvailable | DenialCode::NoGateAvailable => {
            Violation::of(code)
        }
    }
}

/// A violation by a filter of the level whose limit is 0 and whose window rolls.
fn limit_of_zero(code: DenialCode, class: WindowClass, at: Millis) -> Violation {
    let (name, days) = match class {
        WindowClass::Daily => (class.word(), 1),
        WindowClass::Weekly => (class.word(), 7),
        WindowClass::Monthly => (class.word(), 30),
        WindowClass::Other => (OTHER_WINDOW, OTHER_WINDOW_DAYS),
    };
    let span = days * DAY_MS;
    let figures = LimitFigures {
        owner: LimitOwner::Level,
        scope: FilterScope::Level,
        limit: 0,
        used: (code != DenialCode::RateUnavailable).then_some(0),
        window: Window::Rolling(span),
        start: Some(at.plus(-span)),
        end: at,
    };
    // Without room for another name the filter has none.
    let filter = Name::parse(name).ok();
    Violation { filter, ..Violation::explained(code, ViolationDetail::Limit(figures)) }
}

/// A currency that is not this one, for the pair without a rate.
fn other_currency(currency: Currency) -> Currency {
    let others = ["USD", "EUR"].into_iter().filter_map(Currency::parse);
    others.into_iter().find(|other| *other != currency).unwrap_or(currency)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_requests_a_code_only_by_its_plain_number_after_a_hyphen() {
        for (code, number, _) in DENIAL_CODES {
            assert_eq!(code_at_end(&format!("tx-1-{number}")), Some(code));
            assert_eq!(code_at_end(&format!("-{number}")), Some(code));
            for other in [format!("{number}"), format!("tx{number}"), format!("tx-{number}0"), format!("tx-0{number}")]
            {
                assert_eq!(code_at_end(&other), None, "{other}");
            }
            for other in
                [format!("tx-{number} "), format!("tx-{number}-"), format!("tx-+{number}"), format!("{number}-1")]
            {
                assert_eq!(code_at_end(&other), None, "{other}");
            }
        }
        for id in ["", "-", "tx-19999", "tx-19107", "tx-1910", "tx-99999", "tx-\u{661}9000"] {
            assert_eq!(code_at_end(id), None, "{id}");
        }
    }

    #[test]
    fn the_pair_without_a_rate_has_two_currencies() {
        for code in ["EUR", "USD", "JPY"] {
            let currency = Currency::parse(code).unwrap();
            assert_ne!(other_currency(currency), currency);
        }
    }
}
