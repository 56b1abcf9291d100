//! Groups of problem codes that several operations share.

/// The codes that every operation can answer with.
pub(crate) const EVERY_OPERATION: &[&str] = &[
    "unknown_field",
    "duplicate_field",
    "card_number",
    "path_not_found",
    "path_malformed",
    "internal",
    "outcome_unknown",
    "stopping",
    "redis_unavailable",
    "fenced_out",
    "standby",
];
/// The codes of operations that need a token.
pub(crate) const WITH_TOKEN: &[&str] = &["unauthorized", "token_expired", "forbidden", "rate_limited"];
/// The codes of operations that need a token: they read a body even where they use none.
pub(crate) const WITH_BODY: &[&str] = &["body_too_large", "body_broken", "request_too_slow", "overloaded"];
/// A long answer is refused when too many bytes are in memory.
pub(crate) const LONG_ANSWER: &[&str] = &["overloaded"];
/// The path names a merchant.
pub(crate) const MERCHANT: &[&str] = &["merchant_not_found"];
/// The path names a customer.
pub(crate) const CUSTOMER: &[&str] = &["merchant_not_found", "customer_not_found", "record_lost", "journal_unreadable"];
/// The path names a stored payment instrument of a customer.
pub(crate) const INSTRUMENT: &[&str] = &["instrument_not_found"];
/// The path names a transaction.
pub(crate) const TRANSACTION: &[&str] =
    &["merchant_not_found", "transaction_not_found", "record_lost", "journal_unreadable"];
/// A JSON document cannot be read.
pub(crate) const JSON: &[&str] = &["json_malformed", "invalid_utf8", "wrong_type", "body_invalid", "field_missing"];
/// A value of a body, a query or a path cannot be read.
pub(crate) const VALUES: &[&str] = &[
    "value_unknown",
    "currency_unknown",
    "name_invalid",
    "text_too_long",
    "time_malformed",
    "amount_malformed",
    "amount_zero",
    "amount_too_large",
    "amount_too_many_digits",
];
/// The time of a request, or the clock.
pub(crate) const TIME: &[&str] = &["no_time_yet", "clock_jumped", "too_far_back", "too_far_ahead"];
/// The daemon cannot record now.
pub(crate) const RECORDING: &[&str] = &["too_many_names", "memory_full", "journal_behind"];
/// A payment that is well-formed and cannot be decided.
pub(crate) const PAYMENT: &[&str] = &[
    "merchant_not_found",
    "customer_not_found",
    "wrong_identifier",
    "place_unknown",
    "endpoint_currency",
    "no_endpoint",
    "ambiguous",
    "customer_unidentifiable",
    "customer_not_registered",
    "record_lost",
    "journal_unreadable",
];
/// A fact that a transaction does not take.
pub(crate) const TRANSITION: &[&str] =
    &["conflict", "status_forbids", "more_than_left", "id_missing", "not_later", "too_many_facts", "already_taken"];
/// A change of a customer that is not possible.
pub(crate) const CUSTOMER_CHANGE: &[&str] = &[
    "attribute_invalid",
    "not_allowed",
    "too_many",
    "already_taken",
    "already_merged",
    "level_not_found",
    "place_unknown",
    "identifier_required",
    "identifier_duplicate",
    "identifier_of_another",
    "registered_too_early",
    "identifier_fixed",
    "wrong_identifier",
    "customer_unidentifiable",
    "status_forbids",
];
/// A job.
pub(crate) const JOB: &[&str] =
    &["job_differs", "too_many_jobs", "job_interrupted", "storage_full", "store_unavailable"];
/// A pending raise of a customer's own limits cannot be confirmed.
pub(crate) const RAISE: &[&str] = &["raise_too_early", "raise_lapsed", "confirmation_not_needed", "nothing_pending"];
/// A change of levels or rates that does not go together with the configuration.
pub(crate) const CONFIGURATION: &[&str] = &["configuration_invalid", "level_not_found", "body_invalid", "not_allowed"];
