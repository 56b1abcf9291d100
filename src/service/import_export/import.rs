//! The import of customers from a table.
//!
//! A row with a `customer_id`, or with an identifier that a customer has, changes that customer; any other row creates one.
//! An empty cell removes the value, so that a table that is exported and imported unchanged changes nothing. For a new
//! customer an empty cell means no value.

use crate::{
    domain::{
        customer::updated_fields::UpdatedFields,
        rules::registration::identifier::{Identifier, RegistrationSource},
        vocabulary::{
            attributes::{Attribute, AttributeSet},
            contact::phone::{self, read_forms::ReadForms},
            words::Word,
        },
    },
    scheduling::give_way,
    service::{
        csv::{
            Column, Row,
            cell::Expected,
            error::{Reason, RowError},
            read::Reader,
        },
        documents::links::customer_table,
        import_export::{
            outcome::{BadRow, ImportOutcome},
            row::{ImportTarget, RowEffect, import_row},
        },
    },
};
use roaring::RoaringTreemap;
use std::{
    collections::{BTreeSet, HashMap},
    io::{self, Read},
};

/// A table whose rows were tried.
pub struct TriedTable {
    /// The outcome that an import would have.
    pub outcome: ImportOutcome,
    /// What the import uses of the trial.
    pub findings: TrialFindings,
}

/// What an import uses of the trial of its table.
#[derive(Default)]
pub struct TrialFindings {
    /// The lines of rows that can be read and cannot be imported.
    pub bad_lines: RoaringTreemap,
    /// The phone numbers that the library read. They are not known where another process continues the import.
    pub phones: ReadForms,
}

/// Tries every row and imports none. `progress` gets the number of rows after each.
///
/// # Errors
/// The table cannot be read, or `progress` fails.
pub fn try_rows(
    target: &ImportTarget<'_>,
    input: impl Read,
    progress: &mut dyn FnMut(u64) -> io::Result<()>,
) -> io::Result<TriedTable> {
    let mut tried = TriedTable { outcome: ImportOutcome::default(), findings: TrialFindings::default() };
    let (mut keys, mut changes) = (RowKeys::default(), ChangedCustomers::default());
    let TriedTable { outcome, findings: TrialFindings { bad_lines, phones } } = &mut tried;
    let country = target.merchant.registration.default_country;
    each_row(target, input, outcome, &mut |_| (), &mut |row, outcome| {
        if let Some(row) = row {
            match try_row(&mut keys, target, row) {
                Ok(effect) => {
                    changes.note(row, &effect);
                    count(outcome, effect);
                }
                Err(faults) => {
                    bad_lines.insert(row.line);
                    outcome.refuse(faults);
                }
            }
            phone::keep_form(phones, outcome.rows, country, row.cell(Column::Phone).unwrap_or_default());
        }
        progress(outcome.rows)
    })?;
    tried.outcome.undo = changes.table_path(target);
    Ok(tried)
}

/// The most customers that the path of their table names one by one.
const NAMED_CUSTOMERS_MAX: usize = 100;

/// What a table would change of customers.
#[derive(Default)]
struct ChangedCustomers {
    /// The columns of the table that would change a customer, in the order of a download.
    columns: BTreeSet<usize>,
    /// The customers, at most one more than [`NAMED_CUSTOMERS_MAX`].
    numbers: Vec<String>,
}

impl ChangedCustomers {
    fn note(&mut self, row: &Row, effect: &RowEffect) {
        let RowEffect::Changed { number, fields, .. } = effect else { return };
        let changes = |(word, column): &(&str, Column)| match fields {
            Some(fields) => fields.contains(word),
            None => row.cell(*column).is_some() && changes_customers(*column),
        };
        self.columns
            .extend(Column::WORDS.iter().enumerate().filter(|(_, named)| changes(named)).map(|(place, _)| place));
        if self.numbers.len() <= NAMED_CUSTOMERS_MAX {
            self.numbers.push(number.to_string());
        }
    }

    /// The path of the table that contains what would change, as it is now.
    fn table_path(&self, target: &ImportTarget<'_>) -> Option<String> {
        let named = if self.numbers.len() > NAMED_CUSTOMERS_MAX { &[][..] } else { &self.numbers };
        let filters = named.iter().map(|number| ("customer_id", number.as_str()));
        let columns: Vec<&str> = self.columns.iter().filter_map(|place| Some(Column::WORDS.get(*place)?.0)).collect();
        let path = || customer_table(target.merchant.id.as_str(), &columns, filters);
        (!columns.is_empty()).then(path)
    }
}

/// Whether a cell of a column can change a known customer. Other columns name the customer, or never change.
fn changes_customers(column: Column) -> bool {
    !matches!(column, Column::CustomerId | Column::MerchantCustomerIdentifier | Column::CreatedAt | Column::ModifiedAt)
}

/// Imports the rows of a tried table after those that `outcome` counts, without the bad ones. `progress` gets the outcome
/// after each row.
///
/// # Errors
/// The table cannot be read, or `progress` fails.
pub fn import_rows(
    target: &ImportTarget<'_>,
    input: impl Read,
    findings: TrialFindings,
    outcome: &mut ImportOutcome,
    progress: &mut dyn FnMut(&ImportOutcome) -> io::Result<()>,
) -> io::Result<()> {
    let (taken, mut target) = (outcome.rows, *target);
    let TrialFindings { bad_lines, mut phones } = findings;
    // Rows that were imported before are skipped, and their outcome stays.
    let mut skipped = ImportOutcome::default();
    let mut total = std::mem::take(outcome);
    total.applied = true;
    let first = target;
    let done = each_row(&first, input, &mut skipped, &mut |next| phones.expect(next), &mut |row, read| {
        if read.rows <= taken {
            return Ok(());
        }
        total.rows = read.rows;
        match row {
            // The trial reported it.
            Some(row) if bad_lines.contains(row.line) => total.bad += 1,
            Some(row) => match import_row(&target, row, false) {
                Ok(effect) => count(&mut total, effect),
                Err(faults) => total.refuse(faults),
            },
            None => total.bad += 1,
        }
        // Only the first row can be imported already.
        target.resumed_after = None;
        progress(&total)
    });
    total.bad_rows.sort_by_key(|bad| bad.line);
    *outcome = total;
    done
}

/// Imports rows that do not come from a table.
pub fn import_generated(target: &ImportTarget<'_>, rows: impl Iterator<Item = Row>) -> ImportOutcome {
    let mut outcome = ImportOutcome { applied: true, ..ImportOutcome::default() };
    for (line, mut row) in (1..).zip(rows) {
        give_way();
        row.line = line;
        outcome.rows += 1;
        match import_row(target, &row, false) {
            Ok(effect) => count(&mut outcome, effect),
            Err(faults) => outcome.refuse(faults),
        }
    }
    outcome
}

/// Tries a row after the rows before it.
fn try_row(keys: &mut RowKeys, target: &ImportTarget<'_>, row: &Row) -> Result<RowEffect, Vec<BadRow>> {
    let one = |fault: BadRow| vec![fault];
    keys.check_customer(target, row).map_err(one)?;
    let effect = import_row(target, row, true)?;
    match &effect {
        RowEffect::Created(_) => {
            // A sent external id that is replaced is not stored.
            let replaces = target.merchant.registration.replaces_external_id(RegistrationSource::Import);
            let replaced = replaces.then_some(Attribute::ExternalId).into_iter().collect();
            keys.check_attributes(target, row, replaced).map_err(one)?;
        }
        RowEffect::Changed { kept, .. } => keys.check_attributes(target, row, *kept).map_err(one)?,
        RowEffect::Unchanged => {}
    }
    Ok(effect)
}

fn count(outcome: &mut ImportOutcome, effect: RowEffect) {
    match effect {
        RowEffect::Created(number) => {
            outcome.created += 1;
            outcome.newest = outcome.newest.max(number);
        }
        RowEffect::Changed { removed, fields, .. } => {
            outcome.changed += 1;
            outcome.settings_changed += u64::from(fields.is_some_and(UpdatedFields::changes_settings));
            outcome.note_removed(removed);
        }
        RowEffect::Unchanged => outcome.unchanged += 1,
    }
}

/// Reads row by row. `before` gets the number of each row before it is read, from 1 on. `each` gets `None` for a row that cannot be read, which `outcome` counts already.
fn each_row(
    target: &ImportTarget<'_>,
    input: impl Read,
    outcome: &mut ImportOutcome,
    before: &mut dyn FnMut(u64),
    each: &mut dyn FnMut(Option<&Row>, &mut ImportOutcome) -> io::Result<()>,
) -> io::Result<()> {
    let broken = |error: &RowError| match error.reason {
        Reason::Io(kind) => Err(io::Error::from(kind)),
        _ => Ok(()),
    };
    let mut reader = match Reader::new(input, Expected::of(&target.merchant.registration)) {
        Ok(reader) => reader,
        Err(errors) => {
            errors.iter().try_for_each(broken)?;
            errors.into_iter().for_each(|error| outcome.refuse([error.into()]));
            return Ok(());
        }
    };
    loop {
        give_way();
        before(outcome.rows + 1);
        let Some(row) = reader.next() else { return Ok(()) };
        outcome.rows += 1;
        match row {
            Ok(row) => each(Some(&row), outcome)?,
            Err(error) => {
                broken(&error)?;
                let faults = std::iter::once(error).chain(reader.take_further_faults());
                outcome.refuse(faults.map(BadRow::from));
                each(None, outcome)?;
            }
        }
    }
}

/// The line of each identifying cell, by its digest: two rows about one customer contradict each other. Digests bound the
/// memory by the number of rows.
#[derive(Default)]
struct RowKeys(HashMap<u128, u64>);

impl RowKeys {
    /// Refuses a row that names the customer of an earlier row.
    fn check_customer(&mut self, target: &ImportTarget<'_>, row: &Row) -> Result<(), BadRow> {
        for column in [Column::CustomerId, Column::MerchantCustomerIdentifier] {
            self.check_first(target, (row, column), row.cell(column).unwrap_or_default().trim())?;
        }
        Ok(())
    }

    /// Refuses a row that sets a unique attribute which an earlier row sets. A row sets none that it repeats as it is stored
    /// (`kept`): customers can share a value from before it was to be unique.
    fn check_attributes(&mut self, target: &ImportTarget<'_>, row: &Row, kept: AttributeSet) -> Result<(), BadRow> {
        const IDENTIFIERS: [(Column, Attribute, Identifier); 3] = [
            (Column::Email, Attribute::Email, Identifier::Email),
            (Column::Phone, Attribute::Phone, Identifier::Phone),
            (Column::ExternalId, Attribute::ExternalId, Identifier::ExternalId),
        ];
        let policy = &target.merchant.registration;
        for (column, attribute, identifier) in IDENTIFIERS {
            if policy.rule(identifier).unique && !kept.contains(attribute) {
                let text = row.cell(column).unwrap_or_default();
                self.check_first(target, (row, column), &policy.normalised(attribute, text))?;
            }
        }
        Ok(())
    }

    /// Refuses a row with an identifying cell of an earlier row, compared by its normal form.
    fn check_first(
        &mut self,
        target: &ImportTarget<'_>,
        (row, column): (&Row, Column),
        compared: &str,
    ) -> Result<(), BadRow> {
        if compared.is_empty() {
            return Ok(());
        }
        let mut digester = target.ledger.digester();
        [column.word(), ":", compared].iter().for_each(|part| digester.take(part.as_bytes()));
        match self.0.insert(digester.digest(), row.line) {
            None => Ok(()),
            Some(line) => {
                let reason = format!("line {line} has the same value; keep one of the two rows");
                Err(BadRow { line: row.line, column: Some(column.word().to_owned()), reason })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config,
        domain::{
            customer::aggregate::Customer,
            decision::clock_skew::ClockSkew,
            vocabulary::{calendar::LocalTime, time::Millis},
        },
        ledger::{CustomerQuery, Ledger, LedgerLimits, LedgerStorage, PAGE_MAX},
        service::import_export::row::row_of,
    };
    use std::fs;

    const MERCHANT: &str = "id = \"m\"\nname = \"M\"\noperation_mode = \"crm\"\n[[labels]]\nname = \"plain\"\n[[labels]]\n\
                            name = \"vip\"\n[registration]\nemail = { unique = true }\nmerge_on_duplicate = true\n\
                            [registration.external_id]\nlength = 6\n[[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n\
                            [[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";

    fn import(target: &ImportTarget<'_>, table: &str, from: ImportOutcome) -> ImportOutcome {
        let mut outcome = from;
        import_rows(target, table.as_bytes(), TrialFindings::default(), &mut outcome, &mut |_| Ok(())).unwrap();
        outcome
    }

    #[test]
    fn a_row_that_is_imported_twice_has_no_effect_the_second_time() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("merchants")).unwrap();
        fs::write(folder.path().join("merchants/m.toml"), MERCHANT).unwrap();
        let loaded = config::load(folder.path()).map_err(|problems| problems.list.len()).unwrap();
        let merchant = loaded.rules.merchant("m").unwrap();
        let bounds = LedgerLimits { transactions_max: 1, skew: ClockSkew { past_ms: 0, future_ms: 5_000 } };
        let ledger = Ledger::new(bounds, LedgerStorage::in_memory((1, 2)));
        let now = Millis(1_800_000_000_000);
        let before = ImportTarget {
            ledger: &ledger,
            merchant,
            by: None,
            job: None,
            now,
            new_from: u64::MAX,
            resumed_after: None,
        };
        let head = "merchant_customer_identifier,email,labels,first_name,external_id,created_at\n";
        let known = "old,old@example.com,vip,Old,,\n";
        assert_eq!(import(&before, &format!("{head}{known}"), ImportOutcome::default()).created, 1);
        let rows = [
            "ann,ann@example.com,,,,\n",
            "ben,,vip,Ben,,2027-01-15T08:00:03Z\n",
            "cat,old@example.com,,Cat,,\n",
            "old,old@example.com,,,,\n",
        ];
        let table = format!("{head}{}", rows.concat());
        let target = ImportTarget { new_from: ledger.next_customer(), ..before };
        let documents = || {
            let find = CustomerQuery { limit: PAGE_MAX, ..CustomerQuery::default() };
            let local = LocalTime { calendar: &merchant.calendar, now };
            let row = |customer: &Customer, _| format!("{:?}", row_of(customer, local));
            let found = ledger.find_customers(merchant.id, &find, local, row).unwrap();
            found.customers
        };
        let first = import(&target, &table, ImportOutcome::default());
        assert_eq!((first.created, first.changed, first.bad), (2, 2, 0), "{first:?}");
        let once = documents();
        assert!(once.iter().any(|row| row.contains("plain")), "a new customer gets the label: {once:?}");
        for done in 0..=rows.len() as u64 {
            let again = import(&target, &table, ImportOutcome { rows: done, ..ImportOutcome::default() });
            assert_eq!((again.created, again.bad, again.rows), (0, 0, 4), "{again:?}");
            assert_eq!(documents(), once, "after {done} rows");
        }
    }

    #[test]
    fn a_row_without_an_identifier_is_imported_once_where_an_import_continues() {
        let file = MERCHANT.replace("\"crm\"", "\"payment_gateway\"").replace("email = { unique = true }\n", "");
        let rows = [
            ",plain,,\n",
            "a@example.com,vip,Ann,cy\n",
            "a@example.com,vip,Ann,cy\n",
            ",plain,,\n",
            ",plain,,\n",
            ",,Zoe,\n",
        ];
        let head = "email,labels,first_name,country\n";
        // A crash between the record of a row and its mark: the import continues at a row that is imported.
        for done in 0..=rows.len() {
            let folder = tempfile::tempdir().unwrap();
            fs::create_dir_all(folder.path().join("merchants")).unwrap();
            fs::write(folder.path().join("merchants/m.toml"), &file).unwrap();
            let loaded = config::load(folder.path()).map_err(|problems| problems.list.len()).unwrap();
            let merchant = loaded.rules.merchant("m").unwrap();
            let bounds = LedgerLimits { transactions_max: 1, skew: ClockSkew { past_ms: 0, future_ms: 5_000 } };
            let ledger = Ledger::new(bounds, LedgerStorage::in_memory((1, 2)));
            let now = Millis(1_800_000_000_000);
            let new_from = ledger.next_customer();
            let target =
                ImportTarget { ledger: &ledger, merchant, by: None, job: None, now, new_from, resumed_after: None };
            let table = |rows: &[&str]| format!("{head}{}", rows.concat());
            let marked = import(&target, &table(&rows[..done]), ImportOutcome::default());
            assert_eq!(marked.created, done as u64, "{marked:?}");
            let recorded =
                rows.get(done).map_or(0, |row| import(&target, &table(&[row]), ImportOutcome::default()).created);
            let resumed = ImportTarget { resumed_after: Some(marked.newest.max(new_from - 1)), ..target };
            let ended = import(&resumed, &table(&rows), marked);
            assert_eq!((ended.rows, ended.bad), (rows.len() as u64, 0), "{ended:?}");
            assert_eq!(ended.created + recorded, rows.len() as u64, "after {done} rows: {ended:?}");
            assert_eq!(ledger.next_customer() - new_from, rows.len() as u64, "after {done} rows");
        }
    }
}
