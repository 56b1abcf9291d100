//! Checks every row of a file, and sorts the rows by time.

use crate::{
    domain::{
        decision::level_choice::LevelQuery,
        transaction::opening::{LevelSource, SentLevel},
        vocabulary::{direction::Direction, money::Currency, names::Name},
    },
    ledger::Ledger,
    service::{
        import_export::outcome::BadRow,
        transaction_history::{
            bad_rows::{BadRows, RowError},
            column::TextRow,
            customer_numbers::CustomerNumbers,
            files::HistoryRows,
            row::{HistoryRow, RowContext, read_row, refused},
            stored_row::{decode_row, encode_row},
        },
    },
    storage::external_sort::{ExternalSort, SortedRecords},
};
use roaring::RoaringTreemap;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// The most levels that are listed as not configured.
const LEVELS_LISTED_MAX: usize = 1_000;
/// The bytes of a digest.
const DIGEST_BYTES: usize = 16;

/// How a file is checked.
pub struct CheckOptions<'a> {
    /// The circumstances of the rows.
    pub context: RowContext<'a>,
    /// The folder of temporary files.
    pub temporary: &'a Path,
    /// About how much memory the sorting takes.
    pub memory_bytes: usize,
    /// The ledger that the rows are for, if it is open.
    pub ledger: Option<&'a Ledger>,
}

/// A level that rows name and that decides nothing, because it is not configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnconfiguredLevel {
    /// The merchant.
    pub merchant: Name,
    /// Which way the money goes.
    pub direction: Direction,
    /// Of the payments.
    pub currency: Currency,
    /// As the rows name it.
    pub name: Name,
}

/// A file that was checked.
pub struct CheckedHistory {
    /// The number of rows, repeated ones included.
    pub rows: u64,
    /// The number of rows that repeat another row.
    pub repeated: u64,
    /// The bad rows. The file can be imported if there is none.
    pub bad: BadRows,
    /// The customers that rows name by number.
    pub numbers: CustomerNumbers,
    /// Levels that are not configured, with the number of their rows.
    pub unconfigured: BTreeMap<UnconfiguredLevel, u64>,
    sorted: SortedRecords,
    /// The lines of rows that repeat another row.
    skipped: RoaringTreemap,
}

/// Why a file cannot be checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The file cannot be read.
    #[error("the file cannot be read on: {0}")]
    Input(io::Error),
    /// A temporary file cannot be written or read.
    #[error("a temporary file in {} cannot be written or read: {source}; name a folder with more space with --temp", folder.display())]
    Temporary {
        /// Its folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Reads all rows and checks each. `progress` is called after each row.
///
/// # Errors
/// The file or a temporary file cannot be read or written. Bad rows are no error.
pub fn check_history(
    input: impl Read,
    options: &CheckOptions<'_>,
    progress: &mut dyn FnMut(),
) -> Result<CheckedHistory, CheckError> {
    let folder = || options.temporary.to_owned();
    let temporary = |source| CheckError::Temporary { folder: folder(), source };
    let mut check = HistoryCheck {
        options,
        rows: 0,
        bad: BadRows::default(),
        numbers: CustomerNumbers::default(),
        unconfigured: BTreeMap::new(),
        by_time: ExternalSort::new(folder(), options.memory_bytes / 4 * 3),
        by_id: ExternalSort::new(folder(), options.memory_bytes / 4),
        record: Vec::new(),
    };
    let rows = match HistoryRows::new(input) {
        Ok(rows) => Some(rows),
        Err(errors) => {
            errors.into_iter().try_for_each(|error| check.refuse(error))?;
            None
        }
    };
    for row in rows.into_iter().flatten() {
        check.rows += 1;
        match row {
            Ok(row) => match check.check_row(&row) {
                Ok(added) => added.map_err(temporary)?,
                Err(bad) => check.bad.add(bad),
            },
            Err(error) => check.refuse(error)?,
        }
        progress();
    }
    let HistoryCheck { rows, mut bad, numbers, unconfigured, by_time, by_id, .. } = check;
    let skipped = compare_ids(by_id.finish().map_err(temporary)?, &mut bad).map_err(temporary)?;
    bad.listed.sort_by_key(|bad| bad.line);
    let sorted = by_time.finish().map_err(temporary)?;
    Ok(CheckedHistory { rows, repeated: skipped.len(), bad, numbers, unconfigured, sorted, skipped })
}

struct HistoryCheck<'o, 'a> {
    options: &'o CheckOptions<'a>,
    rows: u64,
    bad: BadRows,
    numbers: CustomerNumbers,
    unconfigured: BTreeMap<UnconfiguredLevel, u64>,
    by_time: ExternalSort,
    by_id: ExternalSort,
    record: Vec<u8>,
}

impl HistoryCheck<'_, '_> {
    fn refuse(&mut self, error: RowError) -> Result<(), CheckError> {
        match error {
            RowError::Bad(bad) => self.bad.add(bad),
            RowError::Io(error) => return Err(CheckError::Input(error)),
        }
        Ok(())
    }

    /// Checks a row and adds it to those that are sorted.
    fn check_row(&mut self, text: &TextRow) -> Result<io::Result<()>, BadRow> {
        let row = read_row(text, &self.options.context)?;
        self.numbers.add(&row).map_err(|reason| BadRow {
            line: text.line,
            column: Some("customer_id".to_owned()),
            reason,
        })?;
        if let Some(ledger) = self.options.ledger {
            ledger.check_past_customer(&row.transaction()).map_err(|refusal| refused(text, &refusal))?;
        }
        self.note_level(&row);
        self.record.clear();
        encode_row(text, row.past.at, &mut self.record);
        let added = self.by_time.push(&self.record).and_then(|()| self.by_id.push(&id_record(&row, text.line)));
        Ok(added)
    }

    fn note_level(&mut self, row: &HistoryRow<'_>) {
        let payment = &row.payment;
        let SentLevel::Named(name) = payment.level() else { return };
        let (merchant, direction, currency) = (payment.merchant, payment.direction, payment.currency);
        let query = LevelQuery { merchant, direction, currency, project: payment.project.id };
        if query.choose(None, payment.level()).in_force.source == LevelSource::Request {
            return;
        }
        let level = UnconfiguredLevel { merchant: merchant.id, direction, currency, name };
        if self.unconfigured.len() < LEVELS_LISTED_MAX || self.unconfigured.contains_key(&level) {
            *self.unconfigured.entry(level).or_default() += 1;
        }
    }
}

/// The digests of a row's id and of its content, and its line.
fn id_record(row: &HistoryRow<'_>, line: u64) -> [u8; 2 * DIGEST_BYTES + 8] {
    let HistoryRow { payment, past, customer } = row;
    let digest = |parts: &[&str]| {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update(part.len().to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize()
    };
    let id = digest(&[payment.merchant.id.as_str(), &payment.transaction_id]);
    let (direction, currency) = (payment.direction.word(), payment.currency.to_string());
    let described = format!(
        "{past:?} {customer:?} {:?} {:?} {:?} {:?} {:?} {:?}",
        payment.identity,
        payment.level(),
        payment.method(),
        payment.project.id,
        payment.endpoint.id,
        payment.instrument
    );
    let content = digest(&[direction, &currency, &described]);
    let mut record = [0; 2 * DIGEST_BYTES + 8];
    let parts = id.iter().take(DIGEST_BYTES).chain(content.iter().take(DIGEST_BYTES)).copied();
    // Lines ascend within one id and content.
    record.iter_mut().zip(parts.chain(line.to_be_bytes())).for_each(|(to, from)| *to = from);
    record
}

/// Finds rows of one id: a row with the same content is skipped, and one with other content is bad.
fn compare_ids(sorted: SortedRecords, bad: &mut BadRows) -> io::Result<RoaringTreemap> {
    let mut skipped = RoaringTreemap::new();
    let mut first: Option<Vec<u8>> = None;
    let line_of = |record: &[u8]| {
        let line = record.get(2 * DIGEST_BYTES..).and_then(|line| line.try_into().ok());
        u64::from_be_bytes(line.unwrap_or_default())
    };
    for record in sorted {
        let record = record?;
        match &first {
            Some(known) if known.get(..DIGEST_BYTES) == record.get(..DIGEST_BYTES) => {
                let (one, other) = (line_of(known), line_of(&record));
                if known.get(..2 * DIGEST_BYTES) == record.get(..2 * DIGEST_BYTES) {
                    skipped.insert(other);
                } else {
                    let reason =
                        format!("line {} has the same id with other content; keep one of the two rows", one.min(other));
                    bad.add(BadRow { line: one.max(other), column: Some("id".to_owned()), reason });
                }
            }
            _ => first = Some(record),
        }
    }
    Ok(skipped)
}

impl CheckedHistory {
    /// The rows in the order of their times, without repeated ones.
    ///
    /// # Errors
    /// A temporary file cannot be read.
    pub fn next_row(&mut self) -> io::Result<Option<TextRow>> {
        loop {
            let Some(record) = self.sorted.next().transpose()? else { return Ok(None) };
            let row = decode_row(&record).ok_or(io::ErrorKind::InvalidData)?;
            if !self.skipped.contains(row.line) {
                return Ok(Some(row));
            }
        }
    }
}
