//! Customers as a table: rows out of the state and rows into it, for the daemon and for commands alike.
//!
//! A row with a `customer_id`, or with an identifier that somebody has, changes that customer; any other makes one. A
//! cell that is empty takes away what stood there, so that a table that is written and read again unchanged changes
//! nothing; of a customer who is only being made it says nothing.

use crate::http::dto::customer::attribute_value;
use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            profile::{Author, Source},
            status::CustomerStatus,
            update::CustomerUpdate,
        },
        decision::{
            payment::{time, word},
            refusal::Refusal,
        },
        rules::{
            configuration::{Attribute, Direction, Merchant, Word},
            registration::Identifier,
        },
        vocabulary::{card_numbers::masked, identifier_text, names::Name, time::Millis},
    },
    ledger::{Admitted, Applying, Find, Ledger, PAGE_MAX},
    service::csv::{
        Column, Row,
        cell::{Expected, join_labels, split_labels},
        read::{Reader, Reason, RowError},
        write::Writer,
    },
};
use roaring::RoaringTreemap;
use serde::{Deserialize, Serialize};
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
    /// Customers from this number on were made since the table was tried, by it or by payments: as of anybody who is only
    /// being made, an empty cell says nothing of them. So a row that is taken twice does nothing the second time.
    pub new_from: u64,
}

/// What an upload does where rows are bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Nothing.
    #[serde(rename = "all")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
        let reason = masked(&error.reason.to_string()).into_owned();
        Self { line: error.line, column: error.column.map(|column| masked(&column).into_owned()), reason }
    }
}

/// What has become of a table.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
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
    /// The counts alone: reasons may repeat what stands in a cell.
    #[must_use]
    pub fn counts(&self) -> Self {
        let Self { applied, rows, created, changed, unchanged, bad, .. } = *self;
        Self { applied, rows, created, changed, unchanged, bad, bad_rows: Vec::new() }
    }

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
    row.set(Column::CustomerId, customer.number().to_string());
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

/// A table whose rows were tried.
pub struct Tried {
    /// What would become of it.
    pub imported: Imported,
    /// Where rows begin that cannot be taken, those apart that cannot even be read.
    pub bad_lines: RoaringTreemap,
}

/// Tries every row and takes none; `progress` hears of each.
///
/// # Errors
/// The table cannot be read; `progress` says that it is enough.
pub fn try_rows(
    into: &Into<'_>,
    input: impl Read,
    progress: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<Tried> {
    let mut tried = Tried { imported: Imported::default(), bad_lines: RoaringTreemap::new() };
    let mut seen = Seen::default();
    let Tried { imported, bad_lines } = &mut tried;
    each_row(into, input, imported, &mut |row, imported| {
        if let Some(row) = row {
            match seen.first_time(into, row).and_then(|()| take(into, row, true)) {
                Ok(became) => count(imported, &became),
                Err(bad) => {
                    bad_lines.insert(row.line);
                    imported.refuse(bad);
                }
            }
        }
        progress(imported.rows)
    })?;
    Ok(tried)
}

/// Takes the rows of a table that was tried, but for those that were bad, from where `imported` ends; `progress` hears
/// of each row behind it.
///
/// # Errors
/// The table cannot be read; `progress` says that it is enough.
pub fn take_rows(
    into: &Into<'_>,
    input: impl Read,
    bad_lines: &RoaringTreemap,
    imported: &mut Imported,
    progress: &mut dyn FnMut(&Imported) -> io::Result<()>,
) -> io::Result<()> {
    let taken = imported.rows;
    // Rows that were taken before are read over, and what was said of them stands.
    let mut read_over = Imported::default();
    let mut behind = std::mem::take(imported);
    behind.applied = true;
    let done = each_row(into, input, &mut read_over, &mut |row, read| {
        if read.rows <= taken {
            return Ok(());
        }
        behind.rows = read.rows;
        match row {
            // It was told of when it was tried.
            Some(row) if bad_lines.contains(row.line) => behind.bad += 1,
            Some(row) => match take(into, row, false) {
                Ok(became) => count(&mut behind, &became),
                Err(bad) => behind.refuse(bad),
            },
            None => behind.bad += 1,
        }
        progress(&behind)
    });
    behind.bad_rows.sort_by_key(|bad| bad.line);
    *imported = behind;
    done
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

/// Reads row by row; `None` stands for one that cannot be read, and has been told of in `imported`.
fn each_row(
    into: &Into<'_>,
    input: impl Read,
    imported: &mut Imported,
    each: &mut dyn FnMut(Option<&Row>, &mut Imported) -> io::Result<()>,
) -> io::Result<()> {
    let broken = |error: &RowError| match error.reason {
        Reason::Io(kind) => Err(io::Error::from(kind)),
        _ => Ok(()),
    };
    let reader = match Reader::new(input, Expected::of(&into.merchant.registration)) {
        Ok(reader) => reader,
        Err(errors) => {
            errors.iter().try_for_each(broken)?;
            errors.into_iter().for_each(|error| imported.refuse(error.into()));
            return Ok(());
        }
    };
    for row in reader {
        imported.rows += 1;
        match row {
            Ok(row) => each(Some(&row), imported)?,
            Err(error) => {
                broken(&error)?;
                imported.refuse(error.into());
                each(None, imported)?;
            }
        }
    }
    Ok(())
}

/// What one row says, tried or taken.
fn take(into: &Into<'_>, row: &Row, is_trial: bool) -> Result<Became, BadRow> {
    let Into { ledger, merchant, by, now, new_from } = *into;
    let author = Author { source: Source::Upload, by };
    let bad = |refusal: Refusal| {
        let column = refusal.field().filter(|field| Column::parse(field).is_some()).map(str::to_owned);
        BadRow { line: row.line, column, reason: masked(&refusal.to_string()).into_owned() }
    };
    let cell = |column: Column| row.cell(column).filter(|text| !text.is_empty());
    let id_of = |column: Column| {
        let text = row.cell(column).unwrap_or_default();
        identifier_text::parse(column.word(), text).map_err(bad)
    };
    let identifier = id_of(Column::MerchantCustomerIdentifier)?;
    let created = time("created_at", cell(Column::CreatedAt)).map_err(bad)?;
    let amend = |id: &str, is_new: bool| {
        let fixed = |customer: &Customer, _| {
            let same_time = is_new || created.is_none_or(|created| created == customer.created);
            let same_id = identifier.is_none_or(|id| ledger.goes_by(customer, id));
            (same_id, same_time)
        };
        let (same_id, same_time) = ledger.look(merchant.id.as_str(), id, now, fixed)?;
        let fixed = [(same_id, "merchant_customer_identifier"), (same_time, "created_at")];
        if let Some((_, field)) = fixed.into_iter().find(|(same, _)| !same) {
            let reason = format!("of customer {id} is another one, and is never changed");
            return Err(Refusal::NotAllowed { field, reason });
        }
        let (changed, _) = ledger.amend(merchant, id, &said_of(row, is_new)?, (author, now), is_trial)?;
        Ok(if changed { Became::Changed } else { Became::Unchanged })
    };
    if let Some(id) = id_of(Column::CustomerId)? {
        return amend(id, false).map_err(bad);
    }
    let said = said_of(row, true).map_err(bad)?;
    let applying = Applying { merchant, identifier, said: &said, created, author, is_trial };
    match ledger.register(&applying, now).map_err(bad)? {
        (Admitted::Made(_), _) => Ok(Became::Created),
        (Admitted::Merged(_), _) => Ok(Became::Changed),
        (Admitted::Known(number, _), _) => amend(&number.to_string(), number >= new_from).map_err(bad),
    }
}

/// What the cells of a row say.
fn said_of(row: &Row, is_new: bool) -> Result<CustomerUpdate, Refusal> {
    let says = |column: Column| row.cell(column).filter(|text| !(is_new && text.is_empty()));
    let mut said = CustomerUpdate::default();
    for (column, attribute) in attributes() {
        if let Some(text) = says(column) {
            said.attributes.push((attribute, attribute_value(attribute, text.to_owned())?));
        }
    }
    let levels = [
        (Direction::Deposit, Column::DepositLevel, "deposit_level"),
        (Direction::Withdrawal, Column::WithdrawalLevel, "withdrawal_level"),
    ];
    for (direction, column, field) in levels {
        if let Some(text) = says(column) {
            let named = if text.is_empty() { None } else { Some(said.name(field, text)?) };
            said.levels[direction as usize] = Some(named);
        }
    }
    let status = row.cell(Column::Status).filter(|text| !text.is_empty());
    said.status = status.map(|text| word::<CustomerStatus>("status", text)).transpose()?;
    said.repeats_status = true;
    if let Some(text) = says(Column::Labels) {
        let labels = split_labels(text);
        said.labels = Some(labels.iter().map(|text| said.name("labels", text)).collect::<Result<_, _>>()?);
    }
    Ok(said)
}

/// The lines in which somebody was met: two rows about one customer contradict each other. Who it was is known by
/// digests, so that a table of any rows takes the memory of their number alone.
#[derive(Default)]
struct Seen(HashMap<u128, u64>);

impl Seen {
    fn first_time(&mut self, into: &Into<'_>, row: &Row) -> Result<(), BadRow> {
        let policy = &into.merchant.registration;
        let unique = |column, identifier| policy.rule(identifier).unique.then_some(column);
        let columns = [
            Some(Column::CustomerId),
            Some(Column::MerchantCustomerIdentifier),
            unique(Column::Email, Identifier::Email),
            unique(Column::Phone, Identifier::Phone),
            unique(Column::ExternalId, Identifier::ExternalId),
        ];
        for column in columns.into_iter().flatten() {
            let text = row.cell(column).unwrap_or_default();
            let compared = match Attribute::parse(column.word()) {
                Some(attribute) => policy.normalised(attribute, text),
                None => text.trim().into(),
            };
            if compared.is_empty() {
                continue;
            }
            let mut digester = into.ledger.digester();
            [column.word(), ":", compared.as_ref()].iter().for_each(|part| digester.take(part.as_bytes()));
            if let Some(line) = self.0.insert(digester.digest(), row.line) {
                let reason = format!("the same stands in line {line}; keep one of the two rows");
                return Err(BadRow { line: row.line, column: Some(column.word().to_owned()), reason });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config,
        domain::decision::decide::Skew,
        ledger::{Bounds, Ground},
    };
    use std::fs;

    const MERCHANT: &str = "id = \"m\"\nname = \"M\"\noperation_mode = \"crm\"\n[[labels]]\nname = \"plain\"\n[[labels]]\n\
                            name = \"vip\"\n[registration]\nemail = { unique = true }\nmerge_on_duplicate = true\n\
                            [registration.external_id]\nlength = 6\n[[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n\
                            [[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";

    fn taken(into: &Into<'_>, table: &str, from: Imported) -> Imported {
        let mut imported = from;
        take_rows(into, table.as_bytes(), &RoaringTreemap::new(), &mut imported, &mut |_| Ok(())).unwrap();
        imported
    }

    #[test]
    fn a_row_that_is_taken_twice_does_nothing_the_second_time_wherever_the_first_ended() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("merchants")).unwrap();
        fs::write(folder.path().join("merchants/m.toml"), MERCHANT).unwrap();
        let loaded = config::load(folder.path()).map_err(|problems| problems.list.len()).unwrap();
        let merchant = loaded.rules.merchant("m").unwrap();
        let bounds = Bounds { transactions_max: 1, skew: Skew { past_ms: 0, future_ms: 5_000 } };
        let ledger = Ledger::new(bounds, Ground::memory((1, 2)));
        let now = Millis(1_800_000_000_000);
        let before = Into { ledger: &ledger, merchant, by: None, now, new_from: u64::MAX };
        let head = "merchant_customer_identifier,email,labels,first_name,external_id,created_at\n";
        let known = "old,old@example.com,vip,Old,,\n";
        assert_eq!(taken(&before, &format!("{head}{known}"), Imported::default()).created, 1);
        let rows = [
            "ann,ann@example.com,,,,\n",
            "ben,,vip,Ben,,2027-01-15T08:00:03Z\n",
            "cat,old@example.com,,Cat,,\n",
            "old,old@example.com,,,,\n",
        ];
        let table = format!("{head}{}", rows.concat());
        let into = Into { new_from: ledger.next_customer(), ..before };
        let documents = || {
            let find = Find { limit: PAGE_MAX, ..Find::default() };
            let found = ledger.find_customers(merchant.id, &find, now, |customer, _| format!("{:?}", row_of(customer)));
            found.customers
        };
        let first = taken(&into, &table, Imported::default());
        assert_eq!((first.created, first.changed, first.bad), (2, 2, 0), "{first:?}");
        let once = documents();
        assert!(once.iter().any(|row| row.contains("plain")), "the label of whoever is new: {once:?}");
        for done in 0..=rows.len() as u64 {
            let again = taken(&into, &table, Imported { rows: done, ..Imported::default() });
            assert_eq!((again.created, again.bad, again.rows), (0, 0, 4), "{again:?}");
            assert_eq!(documents(), once, "behind {done} rows");
        }
    }
}
