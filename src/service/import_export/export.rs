//! The export of customers as a table.

use crate::{
    domain::{
        customer::aggregate::Customer,
        rules::merchant::Merchant,
        vocabulary::{calendar::LocalTime, time::Millis},
    },
    ledger::{CustomerQuery, Ledger, PAGE_MAX},
    service::{
        csv::{cell::Expected, write::Writer},
        import_export::row::row_of,
    },
};
use std::io::{self, Write};

/// Writes the table of all customers of a merchant and returns their number. It reads a page at a time, each customer under
/// its own lock, so the rows are not of one instant.
///
/// # Errors
/// Those of the output.
pub fn export(ledger: &Ledger, merchant: &Merchant, now: Millis, output: impl Write) -> io::Result<u64> {
    let mut writer = Writer::with_all_columns(output, Expected::of(&merchant.registration))?;
    let mut find = CustomerQuery { limit: PAGE_MAX, ..CustomerQuery::default() };
    let mut rows = 0;
    loop {
        let local = |now| LocalTime { calendar: &merchant.calendar, now };
        let row = |customer: &Customer, now| row_of(customer, local(now));
        let found = ledger.find_customers(merchant.id, &find, local(now), row);
        let found = found.map_err(io::Error::other)?;
        for row in &found.customers {
            writer.write(row)?;
            rows += 1;
        }
        match found.next {
            Some(next) => find.after = Some(next),
            None => break,
        }
    }
    writer.finish()?.flush()?;
    Ok(rows)
}
