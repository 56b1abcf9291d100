//! The export of all transactions as a file, sorted by time, merchant and id: the inverse of an import.

use crate::{
    domain::{
        decision::level_choice::LevelQuery,
        rules::{configuration::Rules, merchant::OperationMode},
        transaction::{
            opening::{CustomerResolution, Opening, PaymentContent, SentLevel},
            past_payment::{HoldEnd, PastAmounts, PastOutcome, hold_end},
        },
        vocabulary::{
            calendar::LocalTime,
            money::Minor,
            names::Name,
            time::Millis,
            words::{Word, words},
        },
    },
    ledger::{Ledger, PAGE_MAX, TransactionQuery, TransactionView},
    service::{
        csv::cell::escaped_text,
        transaction_history::{
            column::{HistoryColumn, TextRow},
            stored_row::{decode_row, encode_row},
        },
    },
    storage::external_sort::ExternalSort,
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use std::{
    io::{self, Write},
    path::Path,
};

words! {
    /// The format of the file.
    HistoryFormat {
        /// Comma-separated values with a header.
        Csv = "csv",
        /// One JSON object a line.
        Ndjson = "ndjson",
    }
}

/// How transactions are exported.
pub struct ExportOptions<'a> {
    /// The rules in force.
    pub rules: &'a Rules,
    /// Only the transactions of this merchant.
    pub merchant: Option<&'a str>,
    /// The format.
    pub format: HistoryFormat,
    /// The present time.
    pub now: Millis,
    /// The folder of temporary files.
    pub temporary: &'a Path,
    /// About how much memory the sorting takes.
    pub memory_bytes: usize,
}

/// Writes all transactions and returns their number. No other thread changes the ledger.
///
/// # Errors
/// A transaction cannot be read, or a temporary file or the output cannot be written.
pub fn export_history(
    ledger: &Ledger,
    options: &ExportOptions<'_>,
    output: &mut dyn Write,
    progress: &mut dyn FnMut(),
) -> io::Result<u64> {
    let mut sort = ExternalSort::new(options.temporary.to_owned(), options.memory_bytes);
    let mut query = TransactionQuery { limit: PAGE_MAX, ..TransactionQuery::default() };
    let (mut record, mut rows) = (Vec::new(), 0);
    loop {
        let page = match options.merchant {
            Some(merchant) => ledger.list_transactions(merchant, &query, LocalTime::utc(options.now)),
            None => ledger.list_all_transactions(&query, options.now),
        };
        let page = page.map_err(|refusal| io::Error::other(refusal.to_string()))?;
        if let Some(unreadable) = page.unreadable.first() {
            let customer = unreadable.position.customer;
            return Err(io::Error::other(format!("a transaction of customer {customer}: {}", unreadable.reason)));
        }
        for view in &page.transactions {
            let opening = &view.transaction.opening;
            record.clear();
            record.extend_from_slice(&(opening.at.0 ^ i64::MIN).to_be_bytes());
            for text in [opening.merchant.as_str(), &opening.id] {
                record.extend_from_slice(text.as_bytes());
                // Neither contains a control character.
                record.push(0);
            }
            encode_row(&row_of(view, options), opening.at, &mut record);
            sort.push(&record)?;
            rows += 1;
            progress();
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    let mut writer = RowWriter::new(output, options.format)?;
    for record in sort.finish()? {
        writer.write(&row_of_record(&record?).ok_or(io::ErrorKind::InvalidData)?)?;
    }
    writer.finish()?;
    Ok(rows)
}

/// The row after the key of the export's order.
fn row_of_record(record: &[u8]) -> Option<TextRow> {
    let mut texts = record.get(8..)?.splitn(3, |byte| *byte == 0);
    decode_row(texts.nth(2)?)
}

/// The row of a transaction.
fn row_of(view: &TransactionView, options: &ExportOptions<'_>) -> TextRow {
    let ExportOptions { rules, now, .. } = *options;
    let (transaction, outcome) = (&view.transaction, &view.outcome);
    let (opening, totals) = (&transaction.opening, &transaction.totals);
    let content = &opening.content;
    let mut row = TextRow::default();
    row.set(HistoryColumn::Merchant, opening.merchant.as_str());
    row.set(HistoryColumn::Id, &*opening.id);
    set_customer(&mut row, view, rules);
    row.set(HistoryColumn::Direction, content.direction.word());
    row.set(HistoryColumn::Currency, content.currency.to_string());
    let units = rules.currencies.units(content.currency);
    let amount = |value: u64| Minor { value: u128::from(value), units }.to_string();
    let amounts = PastAmounts::of(totals, transaction.requested_amount());
    let result = PastOutcome::of(outcome.status(now), amounts);
    row.set(HistoryColumn::Amount, amount(amounts.reserved));
    row.set(HistoryColumn::Level, level_of(opening, rules));
    row.set(HistoryColumn::Time, opening.at.to_string());
    row.set(HistoryColumn::Outcome, result.word());
    let is_stated = result.moves_money();
    let parts = [
        (HistoryColumn::ApprovedAmount, amounts.approved, is_stated),
        (HistoryColumn::ReleasedAmount, amounts.released, false),
        (HistoryColumn::CancelledAmount, amounts.cancelled, false),
        (HistoryColumn::RefundedAmount, amounts.refunded, false),
        (HistoryColumn::ChargedBackAmount, amounts.charged_back, false),
    ];
    for (column, value, is_stated) in parts {
        if value > 0 || is_stated {
            row.set(column, amount(value));
        }
    }
    match hold_end(outcome, now) {
        None => {}
        Some(HoldEnd::Never) => row.set(HistoryColumn::ExpiresAt, "never"),
        Some(HoldEnd::At(until)) => row.set(HistoryColumn::ExpiresAt, until.to_string()),
    }
    if result == PastOutcome::Denied {
        let code = opening.violations.first().map(|violation| violation.code.number().to_string());
        row.set(HistoryColumn::Code, code.unwrap_or_default());
    }
    row.set(HistoryColumn::Project, content.project.as_str());
    row.set(HistoryColumn::Endpoint, content.endpoint.as_str());
    row.set(HistoryColumn::PaymentMethod, content.method.map_or("", Name::as_str));
    row.set(HistoryColumn::PaymentInstrument, opening.instrument.as_deref().unwrap_or_default());
    row
}

/// The level name by which an import gives the transaction the same level. The payment may have named one that is not
/// configured: it counts under the default level, and the name became that of the customer.
fn level_of<Text>(opening: &Opening<Text>, rules: &Rules) -> &'static str {
    let counted = opening.level.map_or("", Name::as_str);
    let (SentLevel::Named(sent), Some(merchant)) = (opening.content.level, rules.merchant(opening.merchant.as_str()))
    else {
        return counted;
    };
    let PaymentContent { direction, currency, project, .. } = opening.content;
    let query = LevelQuery { merchant, direction, currency, project };
    let is_same = query.choose(None, SentLevel::Named(sent)).in_force.name == opening.level;
    if is_same { sent.as_str() } else { counted }
}

fn set_customer(row: &mut TextRow, view: &TransactionView, rules: &Rules) {
    let opening = &view.transaction.opening;
    if opening.resolution == CustomerResolution::Bypassed {
        row.set(HistoryColumn::Customer, opening.bypassed_id.as_deref().unwrap_or_default());
        row.set(HistoryColumn::Bypassed, "true");
        return;
    }
    let identifier = view.customer.identifier.as_deref();
    let number = view.customer.customer_id.as_ref().map(ToString::to_string).unwrap_or_default();
    match rules.merchant(opening.merchant.as_str()).map(|merchant| merchant.mode) {
        Some(OperationMode::PaymentGateway) => row.set(HistoryColumn::Customer, number),
        Some(OperationMode::Crm) | None => {
            row.set(HistoryColumn::Customer, identifier.unwrap_or_default());
            row.set(HistoryColumn::CustomerId, number);
        }
    }
}

/// Writes rows in a format.
enum RowWriter<'o> {
    Csv(Box<::csv::Writer<&'o mut dyn Write>>),
    Ndjson(&'o mut dyn Write),
}

impl<'o> RowWriter<'o> {
    fn new(output: &'o mut dyn Write, format: HistoryFormat) -> io::Result<Self> {
        match format {
            HistoryFormat::Ndjson => Ok(Self::Ndjson(output)),
            HistoryFormat::Csv => {
                let mut csv = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(output);
                csv.write_record(HistoryColumn::WORDS.iter().map(|(word, _)| *word))?;
                Ok(Self::Csv(Box::new(csv)))
            }
        }
    }

    fn write(&mut self, row: &TextRow) -> io::Result<()> {
        match self {
            Self::Csv(csv) => {
                for (_, column) in HistoryColumn::WORDS {
                    csv.write_field(escaped_text(row.cell(*column).unwrap_or_default()).as_bytes())?;
                }
                Ok(csv.write_record(None::<&[u8]>)?)
            }
            Self::Ndjson(output) => {
                serde_json::to_writer(&mut **output, &Line(row))?;
                output.write_all(b"\n")
            }
        }
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Self::Csv(mut csv) => csv.flush(),
            Self::Ndjson(output) => output.flush(),
        }
    }
}

/// A row as a JSON object: the cells that are not empty, and the level.
struct Line<'r>(&'r TextRow);

impl Serialize for Line<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (word, column) in HistoryColumn::WORDS {
            let text = self.0.cell(*column).filter(|text| !text.is_empty() || *column == HistoryColumn::Level);
            text.map_or(Ok(()), |text| map.serialize_entry(word, text))?;
        }
        map.end()
    }
}
