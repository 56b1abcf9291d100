//! Refusals: why a request gets no decision. A denial is a decision; a refusal is not.

use crate::domain::{
    request::field_names::{unknown_attribute_help, unknown_currency},
    rules::{merchant::OperationMode, raise_policy::ConfirmationError, registration::policy::RegistrationError},
    vocabulary::{money::AmountError, names::NameError, text::suggest::with_nearest},
};
use std::borrow::Cow;

/// The kind of a refusal, as the caller sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// The request cannot be read.
    Malformed,
    /// A named object does not exist.
    NotFound,
    /// The same id came with other content.
    Conflict,
    /// The request is well-formed but contradicts the rules or the state.
    Impossible,
    /// The caller may not do it.
    Forbidden,
    /// The object existed and is lost.
    Gone,
    /// The daemon cannot do it at present.
    Unavailable,
}

/// Why a request was refused. A refused request changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A required field is absent.
    #[error("`{0}` is required")]
    Missing(&'static str),
    /// An amount cannot be read.
    #[error("`{field}`: {error}")]
    Amount {
        /// Where.
        field: &'static str,
        /// Why.
        error: AmountError,
    },
    /// The currency is unknown.
    #[error("`currency`: {what}", what = unknown_currency(.0))]
    UnknownCurrency(String),
    /// A word is not in the vocabulary.
    #[error("`{field}`: {value:?} is not one of {}", with_nearest(.words, .value))]
    Word {
        /// Where.
        field: &'static str,
        /// What was written.
        value: String,
        /// What may be written.
        words: String,
    },
    /// A text is not a valid id or name.
    #[error("`{field}`: {error}")]
    Name {
        /// Where.
        field: &'static str,
        /// Why.
        error: NameError,
    },
    /// A text is longer than it may be.
    #[error("`{field}` is longer than {bytes_max} bytes")]
    TooLong {
        /// Where.
        field: &'static str,
        /// The limit.
        bytes_max: usize,
    },
    /// A time cannot be read.
    #[error("`{0}` must be an RFC 3339 time between 1900 and 9000, such as 2026-11-20T10:00:00Z")]
    Time(&'static str),
    /// The value of an attribute has another form than it must have. The message does not repeat the value, which is
    /// personal.
    #[error("`{field}` must be {expected}")]
    AttributeForm {
        /// The attribute.
        field: &'static str,
        /// What it must be.
        expected: &'static str,
    },
    /// An attribute that is not known.
    #[error("`customer` has no attribute {0:?}; {help}", help = unknown_attribute_help(.0))]
    UnknownAttribute(String),
    /// A payment has an attribute that only staff and tables set.
    #[error(
        "`customer` of a payment has no `{0}`: staff set it, by POST or PATCH of the customer or in an uploaded table"
    )]
    AttributeOfStaff(&'static str),
    /// No merchant of that id.
    #[error("no merchant {0:?}")]
    UnknownMerchant(String),
    /// No transaction of that id.
    #[error("no transaction {0:?} of this merchant")]
    UnknownTransaction(String),
    /// No customer of that id.
    #[error("no customer {0:?} of this merchant")]
    UnknownCustomer(String),
    /// The customer has no stored instrument of that id.
    #[error("no payment instrument {0:?} is stored for this customer")]
    UnknownInstrument(String),
    /// No level of that key.
    #[error("no {0}")]
    UnknownLevel(String),
    /// A level of that key exists.
    #[error("there is a {0} already")]
    LevelExists(String),
    /// Another customer has a value that must be unique.
    #[error("`{field}`: customer {customer_id} has it already")]
    Taken {
        /// Which.
        field: &'static str,
        /// Who has it.
        customer_id: String,
    },
    /// The customer is merged into another one.
    #[error("customer {customer_id} is already merged into {into}; to continue, merge {into} instead")]
    Merged {
        /// The customer to merge.
        customer_id: String,
        /// The customer that it is merged into.
        into: String,
    },
    /// The transaction belongs to a customer already.
    #[error(
        "transaction {transaction_id:?} belongs to customer {customer_id}; only a transaction without a customer can be linked"
    )]
    HasCustomer {
        /// Which.
        transaction_id: String,
        /// Whose it is.
        customer_id: String,
    },
    /// The merchant's rules forbid the change.
    #[error("`{field}` {reason}")]
    NotAllowed {
        /// The field to change.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// The caller may not lift a block of an instrument. The message names no merchant, because the caller may not know it.
    #[error(
        "`payment_instrument` is blocked by a signal that this token may not revoke: that needs a token for every merchant where the block was set or a customer has the instrument"
    )]
    BlockOutOfReach,
    /// The merchant's registration policy forbids it.
    #[error("{0}")]
    RegistrationError(RegistrationError),
    /// A raise of the customer's own limits cannot be confirmed.
    #[error("{0}")]
    ConfirmationError(ConfirmationError),
    /// More items than one customer may have.
    #[error("`{field}`: a customer has at most {most}")]
    TooMany {
        /// The field.
        field: &'static str,
        /// The bound.
        most: usize,
    },
    /// The identifier of the other operation mode.
    #[error("`{field}` must be left out: the merchant works in `{mode}` mode and names customers by `{other}`", mode = mode.word(), other = match mode {
        OperationMode::Crm => "merchant_customer_identifier",
        OperationMode::PaymentGateway => "customer_id",
    })]
    WrongIdentifier {
        /// The identifier that was sent.
        field: &'static str,
        /// The merchant's.
        mode: OperationMode,
    },
    /// No project or endpoint of that id.
    #[error("`{field}`: the merchant has no {value:?}; it has {}", with_nearest(.candidates, .value))]
    UnknownPlace {
        /// `project` or `endpoint`.
        field: &'static str,
        /// What was sent.
        value: String,
        /// What exists.
        candidates: String,
    },
    /// The endpoint has another currency.
    #[error("`endpoint`: {endpoint:?} takes {takes}, not {sent}")]
    EndpointCurrency {
        /// Which one.
        endpoint: String,
        /// Its currency.
        takes: String,
        /// The payment's.
        sent: String,
    },
    /// No endpoint takes the currency; it is followed by those that the endpoints take.
    #[error("no endpoint takes {0}")]
    NoEndpoint(String),
    /// More than one endpoint fits.
    #[error("`{field}` is needed, because several fit: {candidates}")]
    Ambiguous {
        /// `project` or `endpoint`.
        field: &'static str,
        /// Those that fit.
        candidates: String,
    },
    /// No identifier by which the customer could be found again.
    #[error(
        "the customer cannot be identified: send `merchant_customer_identifier`, or in `customer` one of the client definition ({0})"
    )]
    Unidentifiable(String),
    /// No customer has the identity of the payment, and payments create none.
    #[error(
        "`{0}` names no registered customer, and a payment registers none (`from_payments` is `match`): register the \
         customer first"
    )]
    NotRegistered(&'static str),
    /// Further back than the allowed skew.
    #[error("`{field}` is {behind_ms} ms in the past; the maximum is {max_ms} ms")]
    TooFarBack {
        /// Where.
        field: &'static str,
        /// How far.
        behind_ms: i64,
        /// The limit.
        max_ms: i64,
    },
    /// Further ahead than the allowed skew.
    #[error("`{field}` is {ahead_ms} ms in the future; the maximum is {max_ms} ms")]
    TooFarAhead {
        /// Where.
        field: &'static str,
        /// How far.
        ahead_ms: i64,
        /// The limit.
        max_ms: i64,
    },
    /// The clock follows requests and no request has sent a time yet.
    #[error("the clock follows requests: send `occurred_at` (`at` in a batch) with the first request")]
    NoTimeYet,
    /// The same id came with other content.
    #[error("this id was sent before with another {}", .0.join(", "))]
    Conflict(Vec<&'static str>),
    /// A transition that the transaction's status does not allow.
    #[error("cannot {operation} a transaction that is {status}")]
    Status {
        /// The operation.
        operation: &'static str,
        /// The status.
        status: &'static str,
    },
    /// The amount is larger than what remains.
    #[error("cannot {operation} {amount}: {left} is left")]
    MoreThanLeft {
        /// The operation.
        operation: &'static str,
        /// The requested amount.
        amount: String,
        /// The remaining amount.
        left: String,
    },
    /// An amount without an id.
    #[error("`{0}` is required with an amount, to distinguish a retry from a second request")]
    AmountNeedsId(&'static str),
    /// An approval without an amount where nothing remains of the reservation.
    #[error("`amount` is required: nothing remains of the reservation, so the captured amount must be sent")]
    AmountNeeded,
    /// An approval of an unknown transaction without a field that is needed to record it.
    #[error("`{0}` is required to record an approval of an unknown transaction")]
    NeededToRecord(&'static str),
    /// The new end of a hold is not later than the present one.
    #[error("`until` must be later than {0}")]
    NotLater(String),
    /// The transaction has the maximum number of facts.
    #[error("the transaction has the maximum of {0} facts")]
    TooManyFacts(usize),
    /// A full card number where text is expected.
    #[error("`{0}` looks like a full card number; send a token or the masked number")]
    CardNumber(Cow<'static, str>),
    /// The memory is full.
    #[error(
        "memory is full: {0} transactions, the configured maximum; facts about known transactions are still accepted"
    )]
    MemoryFull(u64),
    /// The write backlog of the journal is full.
    #[error("write backlog full; retry")]
    WriteBacklogFull,
    /// The record of the transaction is lost from the archive, and an operator has accepted the loss.
    #[error("the record of this transaction is lost: {0}")]
    RecordLost(String),
    /// The record of the transaction cannot be read.
    #[error("the journal cannot be read: {0}")]
    Unreadable(String),
}

impl From<RegistrationError> for Refusal {
    fn from(error: RegistrationError) -> Self {
        Self::RegistrationError(error)
    }
}

impl Refusal {
    /// The kind of the refusal.
    #[must_use]
    pub fn kind(&self) -> RefusalKind {
        match self {
            Self::Name { error, .. } if error.is_full() => RefusalKind::Impossible,
            Self::Missing(_)
            | Self::Amount { .. }
            | Self::UnknownCurrency(_)
            | Self::Word { .. }
            | Self::Name { .. }
            | Self::TooLong { .. }
            | Self::Time(_)
            | Self::AttributeForm { .. }
            | Self::UnknownAttribute(_)
            | Self::AttributeOfStaff(_)
            | Self::AmountNeedsId(_)
            | Self::CardNumber(_) => RefusalKind::Malformed,
            Self::UnknownMerchant(_)
            | Self::UnknownTransaction(_)
            | Self::UnknownCustomer(_)
            | Self::UnknownInstrument(_)
            | Self::UnknownLevel(_) => RefusalKind::NotFound,
            Self::Conflict(_)
            | Self::LevelExists(_)
            | Self::Taken { .. }
            | Self::Merged { .. }
            | Self::HasCustomer { .. }
            | Self::RegistrationError(RegistrationError::Duplicate { .. } | RegistrationError::OfAnother { .. }) => {
                RefusalKind::Conflict
            }
            Self::WrongIdentifier { .. }
            | Self::UnknownPlace { .. }
            | Self::EndpointCurrency { .. }
            | Self::NoEndpoint(_)
            | Self::Ambiguous { .. }
            | Self::Unidentifiable(_)
            | Self::NotRegistered(_)
            | Self::TooFarBack { .. }
            | Self::TooFarAhead { .. }
            | Self::NoTimeYet
            | Self::Status { .. }
            | Self::MoreThanLeft { .. }
            | Self::NotLater(_)
            | Self::AmountNeeded
            | Self::NeededToRecord(_)
            | Self::NotAllowed { .. }
            | Self::RegistrationError(_)
            | Self::ConfirmationError(_)
            | Self::TooMany { .. }
            | Self::TooManyFacts(_) => RefusalKind::Impossible,
            Self::BlockOutOfReach => RefusalKind::Forbidden,
            Self::RecordLost(_) => RefusalKind::Gone,
            Self::MemoryFull(_) | Self::WriteBacklogFull | Self::Unreadable(_) => RefusalKind::Unavailable,
        }
    }

    /// The stable name on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "field_missing",
            Self::Amount { error: AmountError::TooManyDigits(_), .. } => "amount_too_many_digits",
            Self::Amount { error: AmountError::Zero, .. } => "amount_zero",
            Self::Amount { error: AmountError::TooLarge, .. } => "amount_too_large",
            Self::Amount { error: AmountError::Malformed, .. } => "amount_malformed",
            Self::UnknownCurrency(_) => "currency_unknown",
            Self::Word { .. } => "value_unknown",
            Self::Name { error, .. } if error.is_full() => "too_many_names",
            Self::Name { .. } => "name_invalid",
            Self::TooLong { .. } => "text_too_long",
            Self::Time(_) => "time_malformed",
            Self::AttributeForm { .. } => "attribute_invalid",
            Self::UnknownAttribute(_) | Self::AttributeOfStaff(_) => "unknown_field",
            Self::UnknownMerchant(_) => "merchant_not_found",
            Self::UnknownTransaction(_) => "transaction_not_found",
            Self::UnknownCustomer(_) => "customer_not_found",
            Self::UnknownInstrument(_) => "instrument_not_found",
            Self::UnknownLevel(_) => "level_not_found",
            Self::LevelExists(_) => "level_exists",
            Self::WrongIdentifier { .. } => "wrong_identifier",
            Self::UnknownPlace { .. } => "place_unknown",
            Self::EndpointCurrency { .. } => "endpoint_currency",
            Self::NoEndpoint(_) => "no_endpoint",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Unidentifiable(_) => "customer_unidentifiable",
            Self::NotRegistered(_) => "customer_not_registered",
            Self::TooFarBack { .. } => "too_far_back",
            Self::TooFarAhead { .. } => "too_far_ahead",
            Self::NoTimeYet => "no_time_yet",
            Self::Conflict(_) => "conflict",
            Self::Status { .. } => "status_forbids",
            Self::MoreThanLeft { .. } => "more_than_left",
            Self::AmountNeedsId(_) => "id_missing",
            Self::NotLater(_) => "not_later",
            Self::AmountNeeded | Self::NeededToRecord(_) => "field_missing",
            Self::TooManyFacts(_) => "too_many_facts",
            Self::CardNumber(_) => "card_number",
            Self::Taken { .. } => "already_taken",
            Self::Merged { .. } => "already_merged",
            Self::HasCustomer { .. } => "already_linked",
            Self::NotAllowed { .. } => "not_allowed",
            Self::TooMany { .. } => "too_many",
            Self::RegistrationError(why) => why.code(),
            Self::ConfirmationError(why) => why.code(),
            Self::BlockOutOfReach => "forbidden",
            Self::MemoryFull(_) => "memory_full",
            Self::WriteBacklogFull => "journal_behind",
            Self::RecordLost(_) => "record_lost",
            Self::Unreadable(_) => "journal_unreadable",
        }
    }

    /// The field at fault, if any.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Missing(field)
            | Self::Amount { field, .. }
            | Self::Word { field, .. }
            | Self::Name { field, .. }
            | Self::TooLong { field, .. }
            | Self::AttributeForm { field, .. }
            | Self::Time(field)
            | Self::AttributeOfStaff(field)
            | Self::WrongIdentifier { field, .. }
            | Self::UnknownPlace { field, .. }
            | Self::Ambiguous { field, .. }
            | Self::TooFarBack { field, .. }
            | Self::TooFarAhead { field, .. }
            | Self::AmountNeedsId(field)
            | Self::NotRegistered(field)
            | Self::Taken { field, .. }
            | Self::NotAllowed { field, .. }
            | Self::TooMany { field, .. } => Some(field),
            Self::CardNumber(field) => Some(field),
            Self::UnknownCurrency(_) | Self::NoEndpoint(_) => Some("currency"),
            Self::EndpointCurrency { .. } => Some("endpoint"),
            Self::UnknownAttribute(name) => Some(name),
            Self::Conflict(fields) => fields.first().copied(),
            Self::RegistrationError(why) => Some(why.field()),
            Self::MoreThanLeft { .. } | Self::AmountNeeded => Some("amount"),
            Self::NeededToRecord(field) => Some(field),
            Self::BlockOutOfReach => Some("payment_instrument"),
            Self::NotLater(_) => Some("until"),
            Self::Unidentifiable(_) => Some("merchant_customer_identifier"),
            Self::NoTimeYet => Some("occurred_at"),
            _ => None,
        }
    }
}
