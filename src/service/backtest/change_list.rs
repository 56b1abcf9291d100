//! The file of all decisions that differ, as comma-separated values.

use crate::{
    domain::{
        transaction::opening::{Opening, OpeningKind},
        vocabulary::{
            money::{Currencies, Minor},
            names::Name,
        },
    },
    ledger::{FIRST_CUSTOMER, ReplayedDecision},
    service::{backtest::tally::Change, csv::cell::escaped_text},
};
use std::io::{self, Write};

/// The columns.
pub const CHANGE_COLUMNS: [&str; 16] = [
    "time",
    "merchant",
    "customer_id",
    "transaction_id",
    "direction",
    "currency",
    "amount",
    "change",
    "decision_before",
    "decision_after",
    "codes_before",
    "codes_after",
    "level_before",
    "level_after",
    "gates_before",
    "gates_after",
];

/// Writes one row for each changed decision, in the order of the history.
pub struct ChangeList<'o> {
    csv: ::csv::Writer<&'o mut dyn Write>,
}

impl<'o> ChangeList<'o> {
    /// Writes the header.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn new(output: &'o mut dyn Write) -> io::Result<Self> {
        let mut csv = ::csv::WriterBuilder::new().terminator(::csv::Terminator::CRLF).from_writer(output);
        csv.write_record(CHANGE_COLUMNS)?;
        Ok(Self { csv })
    }

    /// Writes a row.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(
        &mut self,
        change: Change,
        decision: &ReplayedDecision<'_>,
        currencies: &Currencies,
    ) -> io::Result<()> {
        let ReplayedDecision { customer, recorded, replayed: Ok(replayed) } = *decision else { return Ok(()) };
        let content = &recorded.content;
        let units = currencies.units(content.currency);
        let answer = |opening: &Opening| if opening.opened == OpeningKind::Denied { "deny" } else { "allow" };
        let codes = |opening: &Opening| joined(opening.violations.iter().map(|found| found.code.number().to_string()));
        let level = |opening: &Opening| opening.level.map_or("", Name::as_str).to_owned();
        let gates = |opening: &Opening| joined(opening.gates.iter().map(ToString::to_string));
        let cells: [String; CHANGE_COLUMNS.len()] = [
            recorded.recorded_at.to_string(),
            recorded.merchant.to_string(),
            if customer >= FIRST_CUSTOMER { customer.to_string() } else { String::new() },
            recorded.id.to_string(),
            content.direction.word().to_owned(),
            content.currency.to_string(),
            Minor { value: u128::from(content.amount), units }.to_string(),
            change.word().to_owned(),
            answer(recorded).to_owned(),
            answer(replayed).to_owned(),
            codes(recorded),
            codes(replayed),
            level(recorded),
            level(replayed),
            gates(recorded),
            gates(replayed),
        ];
        for cell in &cells {
            self.csv.write_field(escaped_text(cell).as_bytes())?;
        }
        Ok(self.csv.write_record(None::<&[u8]>)?)
    }

    /// Writes what is buffered.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> io::Result<()> {
        self.csv.flush()
    }
}

fn joined(texts: impl Iterator<Item = String>) -> String {
    texts.collect::<Vec<_>>().join(" ")
}
