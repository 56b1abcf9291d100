//! One row, read against the rules.

use crate::{
    domain::{
        decision::payment::{Payment, PaymentPurpose, PaymentRequest},
        request::{fields::parse_time, refusal::Refusal},
        rules::{
            configuration::Rules,
            merchant::{Merchant, OperationMode},
        },
        transaction::past_payment::{HoldEnd, PastOutcome, PastPayment, ReadingContext, StatedAmounts, StatedPayment},
        vocabulary::{
            card_numbers::masked,
            denial_codes::{DENIAL_CODES, DenialCode},
            money::parse_minor,
            names::Name,
            text::suggest::did_you_mean,
            time::Millis,
            words::Word,
        },
    },
    ledger::{FIRST_CUSTOMER, PastCustomer, PastTransaction, number_of},
    service::{
        documents::card_guard::no_card_text,
        import_export::outcome::BadRow,
        transaction_history::column::{HistoryColumn, TextRow},
    },
};
use std::borrow::Cow;

/// The largest `customer_id` that a file may name. Customers are found by their number in a table, so a number far beyond
/// the others would cost memory.
pub const CUSTOMER_ID_MAX: u64 = FIRST_CUSTOMER + 100_000_000;

/// The circumstances in which rows are read.
#[derive(Debug, Clone, Copy)]
pub struct RowContext<'a> {
    /// The rules in force.
    pub rules: &'a Rules,
    /// The merchant of rows that name none.
    pub merchant: Option<&'a str>,
    /// The project of rows that name none.
    pub project: Option<&'a str>,
    /// The present time.
    pub now: Millis,
}

/// A row that can be imported.
#[derive(Debug)]
pub struct HistoryRow<'a> {
    /// The payment as a reserve would name it.
    pub payment: Payment<'a>,
    /// Its result.
    pub past: PastPayment,
    /// Whose it is.
    pub customer: PastCustomer,
}

impl HistoryRow<'_> {
    /// The transaction for the ledger.
    #[must_use]
    pub fn transaction(&self) -> PastTransaction<'_> {
        PastTransaction { payment: &self.payment, past: &self.past, customer: self.customer }
    }
}

/// The wire names of a payment's fields, and the columns that contain them.
const FIELDS: [(&str, HistoryColumn); 5] = [
    ("transaction_id", HistoryColumn::Id),
    ("merchant_customer_identifier", HistoryColumn::Customer),
    ("customer_level", HistoryColumn::Level),
    ("occurred_at", HistoryColumn::Time),
    ("customer", HistoryColumn::Customer),
];

/// The bad row of a fault in a column. The text names columns, not the fields of the wire.
fn bad(row: &TextRow, column: Option<HistoryColumn>, reason: &str) -> BadRow {
    let mut reason = masked(reason).into_owned();
    for (field, column) in FIELDS {
        reason = reason.replace(&format!("`{field}`"), &format!("`{}`", column.word()));
    }
    BadRow { line: row.line, column: column.map(|column| column.word().to_owned()), reason }
}

/// The bad row of a refusal.
pub(super) fn refused(row: &TextRow, refusal: &Refusal) -> BadRow {
    let column = |field: &str| {
        let wire = FIELDS.iter().find(|(wire, _)| *wire == field).map(|(_, column)| *column);
        wire.or_else(|| HistoryColumn::parse(field))
    };
    bad(row, refusal.field().and_then(column), &refusal.to_string())
}

/// Reads a row.
///
/// # Errors
/// What is wrong, and where.
pub fn read_row<'a>(row: &'a TextRow, c: &RowContext<'a>) -> Result<HistoryRow<'a>, BadRow> {
    let fault = |column, reason: String| bad(row, Some(column), &reason);
    let refuse = |refusal: Refusal| refused(row, &refusal);
    let required = |column| row.text(column).ok_or_else(|| fault(column, "is empty".to_owned()));
    let merchant = row.text(HistoryColumn::Merchant).or(c.merchant);
    let merchant =
        merchant.ok_or_else(|| fault(HistoryColumn::Merchant, "is empty; name one with --merchant".to_owned()))?;
    check_card_numbers(row, c.rules.merchant(merchant).map(|merchant| &**merchant)).map_err(refuse)?;
    let unknown = || {
        let near = did_you_mean(merchant, c.rules.merchant_ids());
        fault(HistoryColumn::Merchant, format!("the configuration has no merchant {merchant:?}{near}"))
    };
    let rules: &'a Merchant = c.rules.merchant(merchant).ok_or_else(unknown)?;
    for column in [HistoryColumn::Level, HistoryColumn::PaymentMethod] {
        if let Some(text) = row.text(column) {
            Name::intern_for(rules.id, text).map_err(|error| fault(column, error.to_string()))?;
        }
    }
    let customer = read_customer(row, rules)?;
    let text = |column| row.text(column).map(Cow::Borrowed);
    let (identifier, customer_id) = match (rules.mode, customer.number) {
        (OperationMode::Crm, _) => (text(HistoryColumn::Customer), None),
        (OperationMode::PaymentGateway, Some(_)) => (None, text(customer.column)),
        (OperationMode::PaymentGateway, None) => (None, text(HistoryColumn::Customer)),
    };
    let request = PaymentRequest {
        transaction_id: text(HistoryColumn::Id),
        project: text(HistoryColumn::Project).or(c.project.map(Cow::Borrowed)),
        endpoint: text(HistoryColumn::Endpoint),
        direction: text(HistoryColumn::Direction),
        amount: text(HistoryColumn::Amount),
        currency: text(HistoryColumn::Currency),
        payment_method: text(HistoryColumn::PaymentMethod),
        merchant_customer_identifier: identifier,
        customer_id,
        customer_level: row.cell(HistoryColumn::Level).map(Cow::Borrowed),
        customer: Vec::new(),
        payment_instrument: text(HistoryColumn::PaymentInstrument),
        occurred_at: Some(Cow::Borrowed(required(HistoryColumn::Time)?)),
        explain: false,
    };
    let payment = Payment::admit(c.rules, merchant, request, PaymentPurpose::Record).map_err(refuse)?;
    let at = payment.occurred_at.ok_or_else(|| fault(HistoryColumn::Time, "is empty".to_owned()))?;
    if at > c.now {
        return Err(fault(HistoryColumn::Time, format!("is in the future: it is {} now", c.now)));
    }
    let outcome = required(HistoryColumn::Outcome)?;
    let outcome = PastOutcome::parse(outcome).ok_or_else(|| {
        let words: Vec<&str> = PastOutcome::WORDS.iter().map(|(word, _)| *word).collect();
        fault(
            HistoryColumn::Outcome,
            format!("{outcome:?} is not one of {}{}", words.join(", "), did_you_mean(outcome, words)),
        )
    })?;
    let units = c.rules.currencies.units(payment.currency);
    let amount = |column| {
        let read = |text| parse_minor(text, units).map_err(|error| fault(column, error.to_string()));
        row.text(column).map(read).transpose()
    };
    let stated = StatedPayment {
        at,
        outcome,
        amount: payment.amount.unwrap_or(0),
        amounts: StatedAmounts {
            released: amount(HistoryColumn::ReleasedAmount)?,
            approved: amount(HistoryColumn::ApprovedAmount)?,
            cancelled: amount(HistoryColumn::CancelledAmount)?,
            refunded: amount(HistoryColumn::RefundedAmount)?,
            charged_back: amount(HistoryColumn::ChargedBackAmount)?,
        },
        expires_at: match row.text(HistoryColumn::ExpiresAt) {
            Some("never") => Some(HoldEnd::Never),
            text => parse_time("expires_at", text).map_err(refuse)?.map(HoldEnd::At),
        },
        code: row.text(HistoryColumn::Code).map(|text| read_code(row, text)).transpose()?,
    };
    let context = ReadingContext { hold_ms: rules.hold_ms(payment.direction), now: c.now };
    let past = PastPayment::read(&stated, context).map_err(|(field, contradiction)| {
        bad(row, HistoryColumn::parse(field), &format!("`{field}` {contradiction}"))
    })?;
    let customer = match (customer.is_nobody, customer.number) {
        (true, _) => PastCustomer::Nobody,
        (false, Some(number)) => PastCustomer::Numbered(number),
        (false, None) => PastCustomer::Named,
    };
    Ok(HistoryRow { payment, past, customer })
}

/// Refuses a full card number in a text that is stored.
fn check_card_numbers(row: &TextRow, merchant: Option<&Merchant>) -> Result<(), Refusal> {
    let stored = [
        ("merchant", HistoryColumn::Merchant),
        ("transaction_id", HistoryColumn::Id),
        ("merchant_customer_identifier", HistoryColumn::Customer),
        ("customer_id", HistoryColumn::CustomerId),
        ("customer_level", HistoryColumn::Level),
        ("project", HistoryColumn::Project),
        ("endpoint", HistoryColumn::Endpoint),
        ("payment_method", HistoryColumn::PaymentMethod),
        ("payment_instrument", HistoryColumn::PaymentInstrument),
    ];
    let texts = stored.iter().filter_map(|(field, column)| Some((*field, row.text(*column)?)));
    texts.into_iter().try_for_each(|(field, text)| no_card_text(field, text, || merchant))
}

/// The customer of a row.
struct RowCustomer {
    number: Option<u64>,
    /// The column of the number.
    column: HistoryColumn,
    is_nobody: bool,
}

fn read_customer(row: &TextRow, merchant: &Merchant) -> Result<RowCustomer, BadRow> {
    let fault = |column, reason: &str| bad(row, Some(column), reason);
    let is_nobody = match row.text(HistoryColumn::Bypassed) {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(fault(HistoryColumn::Bypassed, "is true, false or empty")),
    };
    let (named, id) = (row.text(HistoryColumn::Customer), row.text(HistoryColumn::CustomerId));
    if is_nobody {
        return match id {
            None => Ok(RowCustomer { number: None, column: HistoryColumn::Customer, is_nobody }),
            Some(_) => Err(fault(HistoryColumn::CustomerId, "must be empty where `bypassed` is true")),
        };
    }
    let (column, text) = match merchant.mode {
        OperationMode::Crm => (HistoryColumn::CustomerId, id),
        OperationMode::PaymentGateway if named.is_some() => (HistoryColumn::Customer, named),
        OperationMode::PaymentGateway => (HistoryColumn::CustomerId, id),
    };
    let number = text.map(|text| {
        let number = number_of(text).filter(|number| *number <= CUSTOMER_ID_MAX);
        number.ok_or_else(|| {
            let reason = format!(
                "is no customer_id of levelgate, which is a number from {FIRST_CUSTOMER} to {CUSTOMER_ID_MAX}; a payment \
                 that belongs to no customer has `bypassed` true, and counts nowhere"
            );
            bad(row, Some(column), &reason)
        })
    });
    let number = number.transpose()?;
    if number.is_none() && named.is_none() {
        return Err(fault(
            HistoryColumn::Customer,
            "is empty; a payment that belongs to no customer has `bypassed` true",
        ));
    }
    let disagrees =
        merchant.mode == OperationMode::PaymentGateway && named.is_some() && id.is_some_and(|id| Some(id) != named);
    if disagrees {
        return Err(fault(HistoryColumn::CustomerId, "differs from `customer`; leave one of the two empty"));
    }
    Ok(RowCustomer { number, column, is_nobody })
}

fn read_code(row: &TextRow, text: &str) -> Result<DenialCode, BadRow> {
    let number: Option<u16> = text.parse().ok();
    let known = DENIAL_CODES.iter().find(|(_, code, _)| Some(*code) == number).map(|(code, ..)| *code);
    known.ok_or_else(|| {
        let codes: Vec<String> = DENIAL_CODES.iter().map(|(_, code, _)| code.to_string()).collect();
        bad(row, Some(HistoryColumn::Code), &format!("{text:?} is not one of {}", codes.join(", ")))
    })
}
