//! The columns of the file, and one row of it as text.

use crate::domain::vocabulary::words::{Word, words};

words! {
    /// The columns, in the order in which they are written.
    HistoryColumn {
        /// The merchant; optional where one is given for the whole file.
        Merchant = "merchant",
        /// The id of the transaction, unique in the merchant.
        Id = "id",
        /// The customer as the merchant names customers: its own identifier in `crm` mode, otherwise the `customer_id`.
        Customer = "customer",
        /// The `customer_id`, to keep it; needed where a customer has no identifier of the merchant.
        CustomerId = "customer_id",
        /// Which way the money went.
        Direction = "direction",
        /// ISO 4217.
        Currency = "currency",
        /// The requested amount.
        Amount = "amount",
        /// The level name, as a request sends it.
        Level = "level",
        /// When it happened, RFC 3339.
        Time = "time",
        /// The result.
        Outcome = "outcome",
        /// The captured amount.
        ApprovedAmount = "approved_amount",
        /// The part of the reservation that was cancelled.
        ReleasedAmount = "released_amount",
        /// The part of the captured amount that was cancelled.
        CancelledAmount = "cancelled_amount",
        /// The refunded amount.
        RefundedAmount = "refunded_amount",
        /// The amount that was charged back.
        ChargedBackAmount = "charged_back_amount",
        /// The end of an open hold, or `never`.
        ExpiresAt = "expires_at",
        /// The number of a denial.
        Code = "code",
        /// The project; optional where one fits.
        Project = "project",
        /// The endpoint; optional where one fits.
        Endpoint = "endpoint",
        /// The payment method.
        PaymentMethod = "payment_method",
        /// The gateway's token.
        PaymentInstrument = "payment_instrument",
        /// `true`: the payment belongs to no customer of levelgate and counts nowhere.
        Bypassed = "bypassed",
    }
}

/// How many columns there are.
pub const COLUMNS: usize = HistoryColumn::WORDS.len();

/// The columns that every file has.
pub const REQUIRED: [HistoryColumn; 6] = [
    HistoryColumn::Id,
    HistoryColumn::Direction,
    HistoryColumn::Currency,
    HistoryColumn::Amount,
    HistoryColumn::Time,
    HistoryColumn::Outcome,
];

/// One row as text.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TextRow {
    /// The line where the row begins, counted from 1.
    pub line: u64,
    pub(super) cells: [Option<Box<str>>; COLUMNS],
}

impl TextRow {
    /// An empty row of a line.
    #[must_use]
    pub fn at(line: u64) -> Self {
        Self { line, ..Self::default() }
    }

    /// The text of a column: `None` where the file has no such column, an empty text where the cell is empty.
    #[must_use]
    pub fn cell(&self, column: HistoryColumn) -> Option<&str> {
        self.cells[column as usize].as_deref()
    }

    /// The text of a column, where it is not empty.
    #[must_use]
    pub fn text(&self, column: HistoryColumn) -> Option<&str> {
        self.cell(column).filter(|text| !text.is_empty())
    }

    /// Sets a cell.
    pub fn set(&mut self, column: HistoryColumn, text: impl Into<Box<str>>) {
        self.cells[column as usize] = Some(text.into());
    }
}
