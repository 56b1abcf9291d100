//! The export of customers as a table: all columns of all customers, or the chosen ones.
//!
//! The table of the columns and customers that an upload or a bulk change is about to change contains the values before it.
//! Its upload afterwards sets them again.

use crate::{
    domain::{
        customer::aggregate::Customer,
        rules::merchant::Merchant,
        vocabulary::{calendar::LocalTime, text::suggest::did_you_mean, time::Millis, words::Word},
    },
    ledger::{CustomerQuery, Ledger, PAGE_MAX},
    scheduling::give_way,
    service::{
        csv::{cell::Expected, row::Column, write::Writer},
        customers::CustomerService,
        documents::{
            customers::search::{SEARCH_KEYS, customer_search},
            query::TakenKeys,
        },
        error::ServiceError,
        import_export::row::row_of,
    },
};
use std::{
    borrow::Cow,
    io::{self, Write},
};

/// The keys of a download: `columns`, and the filters of a customer list.
pub(crate) const TABLE_KEYS: TakenKeys = TakenKeys {
    keys: &[
        "columns",
        "customer_id",
        "merchant_customer_identifier",
        "external_id",
        "payment_instrument",
        "email",
        "phone",
        "name",
        "deposit_level",
        "withdrawal_level",
        "status",
        "label",
        "created_from",
        "created_to",
    ],
    repeatable: SEARCH_KEYS.repeatable,
};

/// What a table contains.
pub struct TableSelection {
    columns: Vec<Column>,
    /// `None`: no customer can match.
    customers: Option<CustomerQuery>,
}

impl Default for TableSelection {
    /// Every column of all customers.
    fn default() -> Self {
        Self { columns: Column::WORDS.iter().map(|(_, column)| *column).collect(), customers: Some(every_customer()) }
    }
}

fn every_customer() -> CustomerQuery {
    CustomerQuery { limit: PAGE_MAX, ..CustomerQuery::default() }
}

impl TableSelection {
    /// The selection that a query, or the options of a command, describe.
    ///
    /// # Errors
    /// A key or a value is not taken.
    pub(crate) fn read<'p>(
        pairs: impl IntoIterator<Item = (Cow<'p, str>, Cow<'p, str>)>,
        merchant: &Merchant,
    ) -> Result<Self, ServiceError> {
        let pairs = TABLE_KEYS.read(pairs)?.into_iter().map(|(key, value)| (Cow::Borrowed(key), Cow::Owned(value)));
        let (columns, filters): (Vec<_>, Vec<_>) = pairs.partition(|(key, _)| key == "columns");
        let customers = customer_search(filters, merchant)?.map(|find| CustomerQuery { limit: PAGE_MAX, ..find });
        let columns = columns.first().map(|(_, names)| read_columns(names)).transpose()?;
        Ok(Self { columns: columns.unwrap_or_else(|| Self::default().columns), customers })
    }
}

/// The columns of a list of names. The first one is the id: without it, an upload of the table could create customers.
fn read_columns(names: &str) -> Result<Vec<Column>, ServiceError> {
    let mut columns = vec![Column::CustomerId];
    for name in names.split(',').map(str::trim) {
        let column = Column::parse(name).ok_or_else(|| {
            let known: Vec<&str> = Column::WORDS.iter().map(|(word, _)| *word).collect();
            let expected = format!("is a list of columns, with commas between them: {}", known.join(", "));
            ServiceError::unknown_value("columns", &format!("{expected}{}", did_you_mean(name, known)))
        })?;
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    Ok(columns)
}

impl CustomerService<'_> {
    /// Writes the table of the selected customers.
    ///
    /// # Errors
    /// Those of the output.
    pub(crate) fn write_table(&self, selection: TableSelection, output: impl Write) -> io::Result<()> {
        let now = self.service.time().map_err(io::Error::other)?;
        export(&self.service.ledger, self.merchant, selection, now, output).map(drop)
    }
}

/// Writes the table of the selected customers of a merchant and returns their number. It reads a page at a time, each
/// customer under its own lock, so the rows are not of one instant.
///
/// # Errors
/// Those of the output.
pub fn export(
    ledger: &Ledger,
    merchant: &Merchant,
    selection: TableSelection,
    now: Millis,
    output: impl Write,
) -> io::Result<u64> {
    let TableSelection { columns, customers } = selection;
    let mut writer = Writer::new(output, columns, Expected::of(&merchant.registration))?;
    let mut rows = 0;
    let Some(mut find) = customers else {
        writer.finish()?.flush()?;
        return Ok(rows);
    };
    loop {
        let local = |now| LocalTime { calendar: &merchant.calendar, now };
        let row = |customer: &Customer, now| row_of(customer, local(now));
        let found = ledger.find_customers(merchant.id, &find, local(now), row);
        let found = found.map_err(io::Error::other)?;
        for row in &found.customers {
            writer.write(row)?;
            rows += 1;
            give_way();
        }
        match found.next {
            Some(next) => find.after = Some(next),
            None => break,
        }
    }
    writer.finish()?.flush()?;
    Ok(rows)
}
