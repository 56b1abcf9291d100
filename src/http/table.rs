//! Customers as a table: rows out of the state and rows into it, for the daemon and for commands alike.
//!
//! A row with a `customer_id`, or with an identifier that somebody has, changes that customer; any other makes one. A
//! cell that is empty takes away what stood there, so that a table that is written and read again unchanged changes
//! nothing; of a customer who is only being made it says nothing.

use super::customer::attribute_value;
use crate::{
    csv::{Column, Expected, Reader, Row, RowError, Writer, join_labels, split_labels},
    domain::{
        customer::Customer,
        identity::ATTRIBUTE_BYTES_MAX,
        name::Name,
        payment::{name, no_card_id, short, time, word},
        profile::{Author, Source},
        refusal::Refusal,
        registration::Identifier,
        rules::{Attribute, Direction, Merchant, Word},
        said::Said,
        standing::CustomerStatus,
        time::Millis,
    },
    ledger::{Admitted, Applying, Find, Ledger, PAGE_MAX},
};
use serde::Serialize;
use std::{
    collections::HashMap,
    io::{self, Read, Write},
};

/// The most bad rows that are told one by one.
const BAD_MAX: usize = 1_000;

/// What a table is read into.
#[derive(Clone, Copy)]
pub struct Into<'a> {
    /// All state.
    pub ledger: &'a Ledger,
    /// Whose customers.
    pub merchant: &'a Merchant,
    /// The token's name of whoever brings it.
    pub by: Option<Name>,
    /// The time.
    pub now: Millis,
}

/// What an upload does where rows are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    AllOrNothing,
    /// The good ones are taken.
    Partial,
    /// Nothing, whether any is bad or not.
    Trial,
}

impl Mode {
    /// The word on the wire.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::AllOrNothing => "all",
            Self::Partial => "partial",
            Self::Trial => "trial",
        }
    }
}

/// A row that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BadRow {
    /// Counted from 1.
    pub line: u64,
    /// As the header names it.
    pub column: Option<String>,
    /// What is wrong, and what to do.
    pub reason: String,
}

impl From<RowError> for BadRow {
    fn from(error: RowError) -> Self {
        Self { line: error.line, column: error.column.map(String::from), reason: error.reason.to_string() }
    }
}

/// What has become of a table.
#[derive(Debug, Default, Serialize)]
pub struct Imported {
    /// Whether anything was to be taken at all.
    pub applied: bool,
    /// Without the header.
    pub rows: u64,
    /// Customers who were made.
    pub created: u64,
    /// Customers who were changed.
    pub changed: u64,
    /// Rows that say what is so already.
    pub unchanged: u64,
    /// Rows that are not taken.
    pub bad: u64,
    /// The first of them.
    pub bad_rows: Vec<BadRow>,
}

impl Imported {
    fn refuse(&mut self, row: BadRow) {
        self.bad += 1;
        if self.bad_rows.len() < BAD_MAX {
            self.bad_rows.push(row);
        }
    }
}

/// What became of one row.
enum Became {
    Created,
    Changed,
    Unchanged,
}

/// The row of a customer.
fn row_of(customer: &Customer) -> Row {
    let mut row = Row::default();
    row.set(Column::CustomerId, customer.number.to_string());
    row.set(Column::MerchantCustomerIdentifier, customer.shown_identifier().unwrap_or_default());
    let level = |direction: Direction| customer.levels[direction as usize].map_or("", Name::as_str);
    row.set(Column::DepositLevel, level(Direction::Deposit));
    row.set(Column::WithdrawalLevel, level(Direction::Withdrawal));
    row.set(Column::Status, customer.status().word());
    row.set(Column::Labels, join_labels(customer.labels().iter().map(|label| label.as_str())));
    for (column, attribute) in attributes() {
        row.set(column, customer.attributes.value(attribute).unwrap_or_default());
    }
    row.set(Column::CreatedAt, customer.created.to_string());
    row.set(Column::ModifiedAt, customer.modified.to_string());
    row
}

/// The columns that are attributes.
fn attributes() -> impl Iterator<Item = (Column, Attribute)> {
    Column::WORDS.iter().filter_map(|(word, column)| Some((*column, Attribute::parse(word)?)))
}

/// Writes the table of all customers of a merchant; returns how many they are. Each is read under its own lock, a page
/// at a time: the table is no picture of one instant.
///
/// # Errors
/// Those of the output.
pub fn export(ledger: &Ledger, merchant: &Merchant, now: Millis, output: impl Write) -> io::Result<u64> {
    let mut writer = Writer::with_all_columns(output, Expected::of(&merchant.registration))?;
    let mut find = Find { limit: PAGE_MAX, ..Find::default() };
    let mut rows = 0;
    loop {
        let found = ledger.find_customers(merchant.id, &find, now, |customer, _| row_of(customer));
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

/// Reads a table: every row is tried first, and unless the mode says otherwise nothing is taken unless all are good.
/// `open` opens the table anew for each of the two readings; `progress` hears of every row.
///
/// # Errors
/// The table cannot be opened.
pub fn import<R: Read>(
    into: &Into<'_>,
    mode: Mode,
    open: &dyn Fn() -> io::Result<R>,
    progress: &mut dyn FnMut(u64),
) -> io::Result<Imported> {
    let mut imported = Imported::default();
    let mut seen = Seen::default();
    let mut bad_lines: Vec<u64> = Vec::new();
    each_row(into, open()?, &mut imported, &mut |row, imported| {
        imported.rows += 1;
        progress(imported.rows);
        let tried = seen.first_time(into.merchant, row).and_then(|()| take(into, row, true));
        match tried {
            Ok(became) => count(imported, &became),
            Err(bad) => {
                bad_lines.push(row.line);
                imported.refuse(bad);
            }
        }
    });
    let is_refused = imported.bad > 0 && mode != Mode::Partial;
    if mode == Mode::Trial || is_refused {
        return Ok(imported);
    }
    let mut applied = Imported { applied: true, ..Imported::default() };
    each_row(into, open()?, &mut applied, &mut |row, applied| {
        applied.rows += 1;
        if bad_lines.binary_search(&row.line).is_ok() {
            return;
        }
        match take(into, row, false) {
            Ok(became) => count(applied, &became),
            Err(bad) => applied.refuse(bad),
        }
    });
    // What was bad at first was passed over, and what cannot be read is told of in both readings.
    let tried: Vec<BadRow> = imported.bad_rows.into_iter().filter(|bad| bad_lines.contains(&bad.line)).collect();
    applied.bad += bad_lines.len() as u64;
    applied.bad_rows.extend(tried);
    applied.bad_rows.sort_by_key(|bad| bad.line);
    applied.bad_rows.truncate(BAD_MAX);
    Ok(applied)
}

/// Takes rows that are made up; returns what has become of them.
pub fn make(into: &Into<'_>, rows: impl Iterator<Item = Row>) -> Imported {
    let mut imported = Imported { applied: true, ..Imported::default() };
    for (place, mut row) in (1..).zip(rows) {
        row.line = place;
        imported.rows += 1;
        match take(into, &row, false) {
            Ok(became) => count(&mut imported, &became),
            Err(bad) => imported.refuse(bad),
        }
    }
    imported
}

fn count(imported: &mut Imported, became: &Became) {
    match became {
        Became::Created => imported.created += 1,
        Became::Changed => imported.changed += 1,
        Became::Unchanged => imported.unchanged += 1,
    }
}

fn each_row(into: &Into<'_>, input: impl Read, imported: &mut Imported, each: &mut dyn FnMut(&Row, &mut Imported)) {
    let reader = match Reader::new(input, Expected::of(&into.merchant.registration)) {
        Ok(reader) => reader,
        Err(errors) => {
            errors.into_iter().for_each(|error| imported.refuse(error.into()));
            return;
        }
    };
    for row in reader {
        match row {
            Ok(row) => each(&row, imported),
            Err(error) => {
                imported.rows += 1;
                imported.refuse(error.into());
            }
        }
    }
}

/// What one row says, tried or taken.
fn take(into: &Into<'_>, row: &Row, is_trial: bool) -> Result<Became, BadRow> {
    let Into { ledger, merchant, by, now } = *into;
    let author = Author { source: Source::Upload, by };
    let bad = |refusal: Refusal| {
        let column = refusal.field().filter(|field| Column::parse(field).is_some()).map(str::to_owned);
        BadRow { line: row.line, column, reason: refusal.to_string() }
    };
    let cell = |column: Column| row.cell(column).filter(|text| !text.is_empty());
    let identifier = cell(Column::MerchantCustomerIdentifier);
    let created = time("created_at", cell(Column::CreatedAt)).map_err(bad)?;
    let amend = |id: &str| {
        let fixed = |customer: &Customer, _| {
            let same_time = created.is_none_or(|created| created == customer.created);
            let same_id = identifier.is_none_or(|id| customer.goes_by(id));
            (same_id, same_time)
        };
        let (same_id, same_time) = ledger.look(merchant.id.as_str(), id, now, fixed)?;
        let fixed = [(same_id, "merchant_customer_identifier"), (same_time, "created_at")];
        if let Some((_, field)) = fixed.into_iter().find(|(same, _)| !same) {
            let reason = format!("of customer {id} is another one, and is never changed");
            return Err(Refusal::NotAllowed { field, reason });
        }
        let (changed, _) = ledger.amend(merchant, id, &said_of(row, false)?, (author, now), is_trial)?;
        Ok(if changed { Became::Changed } else { Became::Unchanged })
    };
    if let Some(id) = cell(Column::CustomerId) {
        return amend(id).map_err(bad);
    }
    if let Some(id) = identifier {
        short("merchant_customer_identifier", id, ATTRIBUTE_BYTES_MAX).map_err(bad)?;
        no_card_id("merchant_customer_identifier", id).map_err(bad)?;
    }
    let said = said_of(row, true).map_err(bad)?;
    let applying = Applying { merchant, identifier, said: &said, created, author, is_trial };
    match ledger.register(&applying, now).map_err(bad)? {
        (Admitted::Made(_), _) => Ok(Became::Created),
        (Admitted::Merged(_), _) => Ok(Became::Changed),
        (Admitted::Known(number), _) => amend(&number.to_string()).map_err(bad),
    }
}

/// What the cells of a row say.
fn said_of(row: &Row, is_new: bool) -> Result<Said, Refusal> {
    let says = |column: Column| row.cell(column).filter(|text| !(is_new && text.is_empty()));
    let mut said = Said::default();
    for (column, attribute) in attributes() {
        if let Some(text) = says(column) {
            said.attributes.push((attribute, attribute_value(attribute, text.to_owned())?));
        }
    }
    let level = |column, field| says(column).map(|text| name(field, Some(text))).transpose();
    said.levels[Direction::Deposit as usize] = level(Column::DepositLevel, "deposit_level")?;
    said.levels[Direction::Withdrawal as usize] = level(Column::WithdrawalLevel, "withdrawal_level")?;
    let status = row.cell(Column::Status).filter(|text| !text.is_empty());
    said.status = status.map(|text| word::<CustomerStatus>("status", text)).transpose()?;
    if let Some(text) = says(Column::Labels) {
        let label = |text: String| Name::parse_sent(&text).map_err(|error| Refusal::Name { field: "labels", error });
        said.labels = Some(split_labels(text).into_iter().map(label).collect::<Result<_, _>>()?);
    }
    Ok(said)
}

/// The lines in which somebody was met: two rows about one customer contradict each other.
#[derive(Default)]
struct Seen(HashMap<(Column, Box<str>), u64>);

impl Seen {
    fn first_time(&mut self, merchant: &Merchant, row: &Row) -> Result<(), BadRow> {
        let policy = &merchant.registration;
        let unique = |column, identifier| policy.rule(identifier).unique.then_some(column);
        let columns = [
            Some(Column::CustomerId),
            Some(Column::MerchantCustomerIdentifier),
            unique(Column::Email, Identifier::Email),
            unique(Column::Phone, Identifier::Phone),
            unique(Column::ExternalId, Identifier::ExternalId),
        ];
        for column in columns.into_iter().flatten() {
            let Some(text) = row.cell(column).filter(|text| !text.is_empty()) else { continue };
            let compared = match Attribute::parse(column.word()) {
                Some(attribute) => policy.normalised(attribute, text),
                None => text.into(),
            };
            if let Some(line) = self.0.insert((column, compared.as_ref().into()), row.line) {
                let reason = format!("the same stands in line {line}; keep one of the two rows");
                return Err(BadRow { line: row.line, column: Some(column.word().to_owned()), reason });
            }
        }
        Ok(())
    }
}
