//! The columns of the table of customers, and one row of it.

use crate::domain::vocabulary::words::{Word, words};

/// The most bytes of one row, quotes and delimiters included.
pub const ROW_BYTES_MAX: usize = 65_536;

words! {
    /// The columns of the table, in the order in which they are written.
    Column {
        /// The internal id.
        CustomerId = "customer_id",
        /// The merchant's own.
        MerchantCustomerIdentifier = "merchant_customer_identifier",
        /// The stored level name for deposits.
        DepositLevel = "deposit_level",
        /// The stored level name for withdrawals.
        WithdrawalLevel = "withdrawal_level",
        /// The status of the customer.
        Status = "status",
        /// Names of labels, as [`crate::service::csv::join_labels`] writes them.
        Labels = "labels",
        /// E-mail address.
        Email = "email",
        /// Phone number.
        Phone = "phone",
        /// First name.
        FirstName = "first_name",
        /// Last name.
        LastName = "last_name",
        /// Full name.
        Name = "name",
        /// Country.
        Country = "country",
        /// City.
        City = "city",
        /// Street and number.
        Address = "address",
        /// Postal code.
        PostalCode = "postal_code",
        /// Date of birth.
        DateOfBirth = "date_of_birth",
        /// Language.
        Language = "language",
        /// The id in some other system.
        ExternalId = "external_id",
        /// A remark of staff.
        Comment = "comment",
        /// The rating of staff, from 0 to 100.
        Rating = "rating",
        /// The IP address of the registration.
        RegistrationIp = "registration_ip",
        /// Whether the phone number is verified: true or false.
        PhoneVerified = "phone_verified",
        /// Who referred the customer.
        ReferredBy = "referred_by",
        /// When the customer was created, RFC 3339.
        CreatedAt = "created_at",
        /// When the customer last changed, RFC 3339.
        ModifiedAt = "modified_at",
    }
}

/// How many columns there are.
pub const COLUMNS: usize = Column::WORDS.len();

const _: () = assert!(COLUMNS <= 32, "a row has 32 bits for its columns");

/// One row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Row {
    /// The line of the file where the row begins, counted from 1; 0 for a row that comes from no file.
    pub line: u64,
    cells: [Option<Box<str>>; COLUMNS],
    /// The columns whose cells are marked as literal text, a bit each.
    literal: u32,
}

impl Row {
    /// An empty row that begins in a line.
    pub(super) fn at(line: u64) -> Self {
        Self { line, ..Self::default() }
    }

    /// The cell of a column: `None` where the table has no such column, an empty text where the cell is empty.
    #[must_use]
    pub fn cell(&self, column: Column) -> Option<&str> {
        self.cells[column as usize].as_deref()
    }

    /// Whether all cells are empty.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.cells.iter().flatten().all(|cell| cell.is_empty())
    }

    /// Whether a cell is marked as literal text: it is meant as it is.
    #[must_use]
    pub fn is_literal(&self, column: Column) -> bool {
        self.literal & (1 << column as u32) != 0
    }

    /// Notes that a cell is marked as literal text.
    pub(super) fn mark_literal(&mut self, column: Column) {
        self.literal |= 1 << column as u32;
    }

    /// Writes a cell.
    pub fn set(&mut self, column: Column, text: impl Into<Box<str>>) {
        self.cells[column as usize] = Some(text.into());
    }
}
