//! Refusals: why a request is no decision. A denial is an answer; these are not.

use crate::domain::{
    customer::{attributes::attribute_words, own_limits::NotConfirmed},
    rules::{configuration::OperationMode, registration::NotRegistered},
    vocabulary::{money::AmountError, names::NameError},
};
use std::borrow::Cow;

/// What a refusal means to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The request cannot be read.
    Malformed,
    /// What it names does not exist.
    NotFound,
    /// The same id came with other content.
    Conflict,
    /// It is well-formed but cannot be.
    Impossible,
    /// It is not the caller's to do.
    Forbidden,
    /// It was there, and is lost.
    Gone,
    /// Not now.
    Unavailable,
}

/// Why a request was refused; nothing was changed by it.
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
    /// Nobody knows the currency.
    #[error("`currency`: {0:?} is no ISO 4217 code and is not configured under [currencies]")]
    UnknownCurrency(String),
    /// A word is not of the vocabulary.
    #[error("`{field}`: {value:?} is none of {words}")]
    Word {
        /// Where.
        field: &'static str,
        /// What was written.
        value: String,
        /// What may be written.
        words: String,
    },
    /// A text cannot be an id or a name.
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
    #[error("`{0}` is no RFC 3339 time between 1900 and 9000, as 2026-11-20T10:00:00Z")]
    Time(&'static str),
    /// An attribute that is not known.
    #[error("`customer` knows no attribute {0:?}: it has {words}", words = attribute_words())]
    UnknownAttribute(String),
    /// No merchant of that id.
    #[error("no merchant {0:?}")]
    UnknownMerchant(String),
    /// No transaction of that id.
    #[error("no transaction {0:?} of this merchant")]
    UnknownTransaction(String),
    /// No customer of that id.
    #[error("no customer {0:?} of this merchant")]
    UnknownCustomer(String),
    /// No level of that key.
    #[error("no {0}")]
    UnknownLevel(String),
    /// There is a level of that key.
    #[error("there is a {0} already")]
    LevelExists(String),
    /// Another customer has what is to be unique.
    #[error("`{field}`: customer {customer_id} has it already")]
    Taken {
        /// Which.
        field: &'static str,
        /// Who has it.
        customer_id: String,
    },
    /// The customer is part of another one already.
    #[error("customer {customer_id} was merged into {into} already; merge {into} instead, if that is meant")]
    Merged {
        /// Who was to be merged.
        customer_id: String,
        /// Whose part it is.
        into: String,
    },
    /// The transaction is a customer's already.
    #[error(
        "transaction {transaction_id:?} belongs to customer {customer_id}; only one that has no customer can be linked"
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
        /// What was to change.
        field: &'static str,
        /// Why not.
        reason: String,
    },
    /// The caller may not lift a block of an instrument. It names no merchant: others are no matter of the caller's.
    #[error(
        "`payment_instrument` is blocked by a signal that this token may not take back: it takes a token for every merchant where the block was set or the instrument is held"
    )]
    BlockOutOfReach,
    /// The merchant's policy of registration forbids it.
    #[error("{0}")]
    NotRegistered(NotRegistered),
    /// A raise of the customer's own limits cannot be confirmed.
    #[error("{0}")]
    NotConfirmed(NotConfirmed),
    /// More of something than one customer may have.
    #[error("`{field}`: a customer has at most {most}")]
    TooMany {
        /// Of what.
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
        /// The one that was sent.
        field: &'static str,
        /// The merchant's.
        mode: OperationMode,
    },
    /// No project or endpoint of that id.
    #[error("`{field}`: the merchant has no {value:?}; it has {candidates}")]
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
    /// No endpoint takes the currency.
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
    /// Nothing by which the customer could ever be found again.
    #[error(
        "the customer cannot be identified: send `merchant_customer_identifier`, or in `customer` one of the client definition ({0})"
    )]
    Unidentifiable(String),
    /// Further back than the allowed skew.
    #[error("`{field}` lies {behind_ms} ms back; at most {max_ms} ms are taken")]
    TooFarBack {
        /// Where.
        field: &'static str,
        /// How far.
        behind_ms: i64,
        /// The limit.
        max_ms: i64,
    },
    /// Further ahead than the allowed skew.
    #[error("`{field}` lies {ahead_ms} ms ahead; at most {max_ms} ms are taken")]
    TooFarAhead {
        /// Where.
        field: &'static str,
        /// How far.
        ahead_ms: i64,
        /// The limit.
        max_ms: i64,
    },
    /// The clock runs by requests and none has said a time yet.
    #[error("the clock runs by requests: send `occurred_at` (`at` in a batch) with the first one")]
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
    /// More than is left.
    #[error("cannot {operation} {amount}: {left} is left")]
    MoreThanLeft {
        /// The operation.
        operation: &'static str,
        /// What was asked.
        amount: String,
        /// What there is.
        left: String,
    },
    /// An amount without the id that names it.
    #[error("`{0}` is required with an amount, so that a retry is told from a second one")]
    AmountNeedsId(&'static str),
    /// An approval without an amount where nothing is left of the reservation.
    #[error("`amount` is required: nothing is left of the reservation, so the amount that was captured must be sent")]
    AmountNeeded,
    /// An approval of an unknown transaction without what records it.
    #[error("`{0}` is required to record an approval of an unknown transaction")]
    NeededToRecord(&'static str),
    /// A hold that would not become longer.
    #[error("`until` must be later than {0}")]
    NotLater(String),
    /// More facts than one transaction may hold.
    #[error("the transaction holds {0} facts already")]
    TooManyFacts(usize),
    /// A full card number where text is expected.
    #[error("`{0}` looks like a full card number; send a token or the masked number")]
    CardNumber(Cow<'static, str>),
    /// The memory is full.
    #[error("{0} transactions are held, the configured maximum; facts about known transactions still pass")]
    Full(u64),
    /// The journal is not written as fast as requests come.
    #[error("more is waiting to be written than may wait; try again")]
    Behind,
    /// The facts of a transaction were lost from the archive, and an operator has accepted that.
    #[error("the transaction is known and its record is lost: {0}")]
    RecordLost(String),
    /// The facts of a transaction cannot be read again.
    #[error("the journal cannot be read: {0}")]
    Unreadable(String),
}

impl Refusal {
    /// What it means to the caller.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Name { error, .. } if error.is_full() => Kind::Impossible,
            Self::Missing(_)
            | Self::Amount { .. }
            | Self::UnknownCurrency(_)
            | Self::Word { .. }
            | Self::Name { .. }
            | Self::TooLong { .. }
            | Self::Time(_)
            | Self::UnknownAttribute(_)
            | Self::AmountNeedsId(_)
            | Self::CardNumber(_) => Kind::Malformed,
            Self::UnknownMerchant(_)
            | Self::UnknownTransaction(_)
            | Self::UnknownCustomer(_)
            | Self::UnknownLevel(_) => Kind::NotFound,
            Self::Conflict(_)
            | Self::LevelExists(_)
            | Self::Taken { .. }
            | Self::Merged { .. }
            | Self::HasCustomer { .. }
            | Self::NotRegistered(NotRegistered::Duplicate(_) | NotRegistered::OfAnother { .. }) => Kind::Conflict,
            Self::WrongIdentifier { .. }
            | Self::UnknownPlace { .. }
            | Self::EndpointCurrency { .. }
            | Self::NoEndpoint(_)
            | Self::Ambiguous { .. }
            | Self::Unidentifiable(_)
            | Self::TooFarBack { .. }
            | Self::TooFarAhead { .. }
            | Self::NoTimeYet
            | Self::Status { .. }
            | Self::MoreThanLeft { .. }
            | Self::NotLater(_)
            | Self::AmountNeeded
            | Self::NeededToRecord(_)
            | Self::NotAllowed { .. }
            | Self::NotRegistered(_)
            | Self::NotConfirmed(_)
            | Self::TooMany { .. }
            | Self::TooManyFacts(_) => Kind::Impossible,
            Self::BlockOutOfReach => Kind::Forbidden,
            Self::RecordLost(_) => Kind::Gone,
            Self::Full(_) | Self::Behind | Self::Unreadable(_) => Kind::Unavailable,
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
            Self::UnknownAttribute(_) => "unknown_field",
            Self::UnknownMerchant(_) => "merchant_not_found",
            Self::UnknownTransaction(_) => "transaction_not_found",
            Self::UnknownCustomer(_) => "customer_not_found",
            Self::UnknownLevel(_) => "level_not_found",
            Self::LevelExists(_) => "level_exists",
            Self::WrongIdentifier { .. } => "wrong_identifier",
            Self::UnknownPlace { .. } => "place_unknown",
            Self::EndpointCurrency { .. } => "endpoint_currency",
            Self::NoEndpoint(_) => "no_endpoint",
            Self::Ambiguous { .. } => "ambiguous",
            Self::Unidentifiable(_) => "customer_unidentifiable",
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
            Self::NotRegistered(why) => why.code(),
            Self::NotConfirmed(why) => why.code(),
            Self::BlockOutOfReach => "forbidden",
            Self::Full(_) => "memory_full",
            Self::Behind => "journal_behind",
            Self::RecordLost(_) => "record_lost",
            Self::Unreadable(_) => "journal_unreadable",
        }
    }

    /// The field at fault, where one is.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        match self {
            Self::Missing(field)
            | Self::Amount { field, .. }
            | Self::Word { field, .. }
            | Self::Name { field, .. }
            | Self::TooLong { field, .. }
            | Self::Time(field)
            | Self::WrongIdentifier { field, .. }
            | Self::UnknownPlace { field, .. }
            | Self::Ambiguous { field, .. }
            | Self::TooFarBack { field, .. }
            | Self::TooFarAhead { field, .. }
            | Self::AmountNeedsId(field)
            | Self::Taken { field, .. }
            | Self::NotAllowed { field, .. }
            | Self::TooMany { field, .. } => Some(field),
            Self::CardNumber(field) => Some(field),
            Self::UnknownCurrency(_) | Self::NoEndpoint(_) => Some("currency"),
            Self::EndpointCurrency { .. } => Some("endpoint"),
            Self::UnknownAttribute(name) => Some(name),
            Self::Conflict(fields) => fields.first().copied(),
            Self::NotRegistered(why) => Some(why.field()),
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
