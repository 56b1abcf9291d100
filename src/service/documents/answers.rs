//! Answers that are composed member by member, as the OpenAPI document describes them. The tests over HTTP compare every
//! answer with its description, and refuse a member that is not described.

use crate::{
    config::schema::{
        described,
        object::objects,
        texts::{
            AddressText, CursorText, CustomerIdText, IdentifierText, InstrumentTokenText, JobIdText, NameText,
            SentenceText, TimeText, TokenNameText, TransactionIdText, VersionText,
        },
        words::WordOf,
    },
    domain::vocabulary::money::Currency,
    domain::{
        customer::{
            audit::ChangeSource,
            status::{CustomerStatus, Signal},
        },
        events::audited_operation::OperationKind,
        vocabulary::direction::Direction,
    },
    ledger::AuditKind,
    service::{
        bulk_change::bulk_job::BulkCounts,
        configuration::{
            effective::{DeletedLevels, LevelChange, RenamedLevel},
            trial::TrialDocument,
        },
        documents::{
            as_text::{Amount, AsText},
            attributes::ShownAttributes,
            customers::{
                instrument::InstrumentDocument, limits::LimitsDocument, own_rate::OwnRateDocument,
                settings::SettingsDocument,
            },
            payments::{
                decision::{DecisionDocument, FilterUsage},
                event::{EventDocument, UnreadableDocument},
                transaction::{TransactionDocument, TransitionDocument},
            },
            problem::ProblemDocument,
        },
        import_export::outcome::ImportOutcome,
        jobs::tracked_job::JobDocument,
        payments::transactions::UnreadableDocument as UnreadableTransaction,
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

objects! {
    /// The fields of every answer about a customer.
    Open CustomerFields {
        /// The id of the customer.
        must "customer_id": CustomerIdText,
        /// The merchant's own identifier. `null`: the customer has none.
        must "merchant_customer_identifier": Option<IdentifierText>,
        /// Identifiers of customers that were merged into this one.
        must "other_identifiers": Vec<IdentifierText>,
        /// The stored level of deposits. `null`: there is none.
        must "deposit_level": Option<NameText>,
        /// The stored level of withdrawals. `null`: there is none.
        must "withdrawal_level": Option<NameText>,
        /// The status.
        must "status": WordOf<CustomerStatus>,
        /// The labels.
        must "labels": Vec<NameText>,
        /// The restrictions of the labels.
        must "restrictions": Vec<NameText>,
        /// Individual payment settings.
        must "settings": Vec<SettingsDocument<'static>>,
        /// The customer's own limits.
        must "limits": Vec<LimitsDocument>,
        /// The projects in which the customer cannot pay.
        must "disabled_projects": Vec<NameText>,
        /// The customer's own exchange rates.
        must "rates": Vec<OwnRateDocument>,
        /// When personal data will be erased. `null`: no deletion is requested.
        must "deletion_due": Option<TimeText>,
        /// Whether personal data was erased.
        must "erased": bool,
        /// The address of the customer in the merchant's terminal. `null`: the merchant has no template.
        must "terminal_url": Option<AddressText>,
        /// Customers that were merged into this one.
        must "merged_customers": Vec<CustomerIdText>,
        /// The customer into which this one was merged. `null`: it was not.
        must "merged_into": Option<CustomerIdText>,
        /// When the customer was created.
        must "created_at": TimeText,
        /// When the customer was last changed.
        must "modified_at": TimeText,
        .. ShownAttributes,
    }

    /// A customer.
    Open Customer {
        /// The stored payment instruments, the one that was used last first.
        must "payment_instruments": Vec<InstrumentDocument<'static>>,
        .. CustomerFields,
    }

    /// A customer in a list.
    Open ListedCustomer {
        /// The last payment; only in a list that is sorted by it. `null`: there was none.
        may "last_payment_at": Option<TimeText>,
        .. Customer,
    }

    /// A page of customers.
    Open CustomerPage {
        /// The customers.
        must "customers": Vec<ListedCustomer>,
        /// The position of the next page. `null`: this was the last one.
        must "next_cursor": Option<CursorText>,
    }

    /// A payment instrument that a payment named, stored or not.
    Open RecordedInstrument {
        /// Whether an approved payment or a call stored it.
        must "stored": bool,
        .. InstrumentDocument<'static>,
    }

    /// A customer with every payment instrument that a payment named.
    Open RecordedCustomer {
        /// The payment instruments.
        must "payment_instruments": Vec<RecordedInstrument>,
        .. CustomerFields,
    }

    /// The usage of a direction and a currency.
    Open CurrencyUsage {
        /// The direction of payments.
        must "direction": WordOf<Direction>,
        /// The currency of payments.
        must "currency": AsText<Currency>,
        /// The level whose filters are shown. `null`: no level applies.
        must "level": Option<NameText>,
        /// Every filter with what is used and what is left.
        must "limits": Vec<FilterUsage>,
    }

    /// An amount and a number of transactions.
    Open TotalUsage {
        /// The amount.
        must "amount": Amount,
        /// The number of transactions.
        must "quantity": u64,
    }

    /// The usage of a direction, a currency and a level, of all time.
    Open LevelTotals {
        /// The direction of payments.
        must "direction": WordOf<Direction>,
        /// The currency of payments.
        must "currency": AsText<Currency>,
        /// The level. `null`: the payments count under no level.
        must "level": Option<NameText>,
        /// Without subtracting cancels.
        must "gross": TotalUsage,
        /// After subtracting cancels.
        must "net": TotalUsage,
    }

    /// The usage of each limit of a customer.
    Open CustomerUsage {
        /// The usage of each direction and currency.
        must "usage": Vec<CurrencyUsage>,
        /// The totals.
        must "totals": Vec<LevelTotals>,
        /// The time of the answer.
        must "server_time": TimeText,
    }

    /// A change of a field.
    Open FieldChange {
        /// The field, or what was changed in words.
        must "field": SentenceText,
        /// The value before.
        must "old": ChangedValue,
        /// The value after.
        must "new": ChangedValue,
    }

    /// The signal that caused a step.
    Open StepSignal {
        /// The signal.
        must "signal": WordOf<Signal>,
        /// Whether it named an instrument.
        must "names_instrument": bool,
    }

    /// A step of a customer's history.
    Open HistoryStep {
        /// When. `null`: the record cannot be read.
        must "at": Option<TimeText>,
        /// Whose step it was, before a merge.
        must "customer_id": CustomerIdText,
        /// Where it came from. `null`: the record cannot be read.
        must "source": Option<WordOf<ChangeSource>>,
        /// The name of the token. `null`: there was none, or it is not shown.
        must "by": Option<TokenNameText>,
        /// The payment that brought the change. `null`: there was none.
        must "transaction_id": Option<TransactionIdText>,
        /// The changes.
        must "changes": Vec<FieldChange>,
        /// Of a step of an upload or a bulk change: the id of the job.
        may "job": JobIdText,
        /// Of a step that a signal caused: the signal.
        may "signal": StepSignal,
        /// Of a step that cannot be read: why.
        may "unreadable": SentenceText,
    }

    /// A page of a history, the newest step first.
    Open CustomerHistory {
        /// The steps.
        must "history": Vec<HistoryStep>,
        /// The position of the next page. `null`: this was the last one.
        must "next_cursor": Option<CursorText>,
    }

    /// Everything that is kept about a customer.
    Open CustomerExport {
        /// The merchant.
        must "merchant": NameText,
        /// When the document was made.
        must "exported_at": TimeText,
        /// The customer.
        must "customer": RecordedCustomer,
        /// What the customer said about storing a card.
        must "consent": WordOf<CustomerStatus>,
        /// The customers that were merged into this one.
        must "merged_customers": Vec<RecordedCustomer>,
        /// The usage of each direction and currency.
        must "usage": Vec<CurrencyUsage>,
        /// The totals.
        must "totals": Vec<LevelTotals>,
        /// All transactions.
        must "transactions": Vec<TransactionDocument<'static>>,
        /// Transactions whose records cannot be read.
        must "unreadable_transactions": Vec<UnreadableTransaction<'static>>,
        /// The history, the oldest step first.
        must "history": Vec<HistoryStep>,
    }

    /// The outcome of an import.
    Open ImportAnswer {
        /// The job; absent from an import that is none.
        may "job": JobDocument,
        .. ImportOutcome,
    }

    /// The outcome of a bulk change.
    Open BulkAnswer {
        /// The job; absent from a trial.
        may "job": JobDocument,
        .. BulkCounts,
    }

    /// The uploads and bulk changes of a merchant.
    Open JobList {
        /// The jobs, the newest first.
        must "jobs": Vec<JobDocument>,
    }

    /// An upload or a bulk change.
    Open Job {
        /// The answer of the call, without `job`. `null`: the job has not ended.
        must "answer": Option<JobAnswerDocument>,
        .. JobDocument,
    }

    /// An entry of the audit.
    Open AuditedStep {
        /// Its record.
        must "lsn": u64,
        /// When.
        must "at": TimeText,
        /// What was changed.
        must "kind": WordOf<AuditKind>,
        /// Where it came from.
        must "source": WordOf<ChangeSource>,
        /// The name of the token. `null`: there was none, or it is not shown.
        must "by": Option<TokenNameText>,
        /// Of a customer's step: the customer.
        must "customer_id": Option<CustomerIdText>,
        /// Of a customer's step: the payment that brought the change.
        must "transaction_id": Option<TransactionIdText>,
        /// The changes.
        must "changes": Vec<FieldChange>,
        /// Of a step of an upload or a bulk change: the id of the job.
        may "job": JobIdText,
        /// Of a signal that changed the blocks of an instrument: the token.
        may "payment_instrument": InstrumentTokenText,
        /// Of an operation: its kind.
        may "operation": WordOf<OperationKind>,
        /// Of an operation: the rules after it. `null`: not known.
        may "config_version": Option<VersionText>,
        /// Only `true`: the old values are not known completely.
        may "old_is_partial": bool,
    }

    /// Records of the audit that cannot be read.
    Open UnreadableAudit {
        /// The first record.
        must "lsn": u64,
        /// The last record.
        must "last_lsn": u64,
        /// Always `unreadable`.
        must "kind": UnreadableWord,
        /// Why they cannot be read.
        must "reason": SentenceText,
    }

    /// A page of the audit, the newest entry first.
    Open Audit {
        /// The entries.
        must "audit": Vec<AuditItem>,
        /// The position of the next page. `null`: this was the last one.
        must "next_cursor": Option<CursorText>,
        /// The oldest record that is kept.
        must "begins_at": u64,
    }

    /// The newest events, the newest first.
    Open LatestEvents {
        /// The events.
        must "events": Vec<EventItem>,
        /// Send it as `before` for older events. `null`: these are the oldest.
        must "next_before": Option<u64>,
    }

    /// A page of the feed.
    Open EventPage {
        /// The events, the oldest first.
        must "events": Vec<EventItem>,
        /// The position of the next page: send it as `after`.
        must "next": u64,
        /// The oldest record that is kept.
        must "begins_at": u64,
    }
}

described! {
    /// The kind of records that cannot be read.
    UnreadableWord { "type": "string", "enum": ["unreadable"], "examples": ["unreadable"] }

    /// The value of a changed field, as the document of the customer, of the level or of the job shows it.
    ChangedValue {
        "anyOf": [
            { "type": ["null", "string", "boolean", "number"], "maxLength": 16_777_216 },
            {
                "type": "array",
                "items": {
                    "anyOf": [
                        { "type": ["null", "string", "boolean", "number"], "maxLength": 16_777_216 },
                        {
                            "type": "object", "additionalProperties": true,
                            "description": "A part of the document that shows the item, with its members."
                        }
                    ]
                }
            },
            {
                "type": "object", "additionalProperties": true,
                "description": "The document that shows the item, with its members."
            }
        ],
        "examples": ["gold"]
    }
}

/// One of several documents.
macro_rules! alternatives {
    ($($(#[doc = $doc:literal])+ $name:ident { $($type:ty),+ $(,)? })+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug)]
            pub(crate) enum $name {}

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).trim_end_matches("Document").into()
                }

                fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                    let items = vec![$(generator.subschema_for::<$type>()),+];
                    json_schema!({ "description": concat!($($doc),+).trim(), "anyOf": items })
                }
            }
        )+
    };
}

alternatives! {
    /// The outcome of a job: of an import, or of a bulk change.
    JobAnswerDocument { BulkCounts, ImportOutcome }

    /// An entry of the audit, or records that cannot be read.
    AuditItem { AuditedStep, UnreadableAudit }

    /// An event, or records that cannot be read.
    EventItem { EventDocument<'static>, UnreadableDocument<'static> }

    /// The answer to a line of a batch: a decision, a transition, or a problem.
    BatchAnswer { DecisionDocument<'static>, TransitionDocument<'static>, ProblemDocument }

    /// A level after it was set or reset, or what the change would do.
    LevelPutDocument { LevelChange<'static>, TrialDocument<'static> }

    /// The deleted levels, or what the deletion would do.
    LevelDeletionDocument { DeletedLevels<'static>, TrialDocument<'static> }

    /// The outcome of a rename, or what it would do.
    LevelRenameDocument { RenamedLevel<'static>, TrialDocument<'static> }
}
