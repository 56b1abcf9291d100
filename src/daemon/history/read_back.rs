//! Reads the past payments of a data folder back from its files, and compares them with what an import has read from its
//! file: the sums of the journal's records, and the usage in memory.

use crate::{
    domain::{
        events::customer_event::CustomerEvent,
        rules::{configuration::Rules, merchant::RefundPolicy},
        transaction::{
            outcome::TransactionOutcome,
            past_payment::{PastAmounts, PastOutcome},
            state::Transaction,
        },
        usage::contribution::Sums,
        vocabulary::{direction::Direction, money::Currency, names::Name, time::Millis},
    },
    ledger::{Ledger, PastCustomer},
    service::transaction_history::{
        row::HistoryRow,
        sums::{HistorySums, SumKey},
    },
    storage::{encoding, journal::Record},
};
use std::collections::BTreeMap;

/// What an import reads from its file.
#[derive(Debug, Default)]
pub(crate) struct ExpectedHistory {
    /// Counts and amounts.
    pub(crate) sums: HistorySums,
    /// What the payments contribute to usage.
    usage: BTreeMap<(Name, Direction, Currency), Sums>,
}

impl ExpectedHistory {
    /// Adds a row.
    pub(crate) fn add(&mut self, row: &HistoryRow<'_>, now: Millis) {
        let HistoryRow { payment, past, customer } = row;
        let (merchant, direction, currency) = (payment.merchant, payment.direction, payment.currency);
        let outcome = past.outcome(now);
        self.sums.add(SumKey { merchant: merchant.id, direction, currency, outcome }, past.amounts);
        if *customer == PastCustomer::Nobody {
            return;
        }
        let PastAmounts { reserved, released, approved, cancelled, refunded, .. } = past.amounts;
        let holds = past.hold_until.is_none_or(|until| until > now)
            && (outcome == PastOutcome::Reserved || past.awaits_captures);
        let held_amount = if holds { reserved.saturating_sub(released).saturating_sub(approved) } else { 0 };
        let given_back = if merchant.refunds == RefundPolicy::Original { refunded } else { 0 };
        let (gross, net) = (approved + held_amount, approved - cancelled + held_amount);
        if gross == 0 {
            return;
        }
        let usage = self.usage.entry((merchant.id, direction, currency)).or_default();
        usage.join(&Sums {
            gross: u128::from(gross.saturating_sub(given_back)),
            net: u128::from(net.saturating_sub(given_back)),
            gross_count: 1,
            net_count: u64::from(net > 0),
        });
    }

    /// Compares the sums with the records of the journal, and the usage with that in memory. `progress` is called after each
    /// record. Holds are read as of `now`.
    ///
    /// # Errors
    /// The files cannot be read, or something differs.
    pub(crate) fn compare(
        &self,
        ledger: &Ledger,
        rules: &Rules,
        now: Millis,
        progress: &mut dyn FnMut(),
    ) -> anyhow::Result<()> {
        let mut found = HistorySums::default();
        ledger.journal().rotate()?;
        for segment in ledger.journal().segments().iter().filter(|segment| segment.sealed) {
            ledger.journal().scan(segment, &mut |record| {
                progress();
                read_record(record, now, &mut found)
            })?;
        }
        let mut differences = self.sums.differences(&found);
        let totals = ledger.lifetime_totals(now);
        let keys = self.usage.keys().chain(totals.keys()).collect::<std::collections::BTreeSet<_>>();
        for key @ (merchant, direction, currency) in keys {
            let of = |sums: &BTreeMap<_, Sums>| sums.get(key).copied().unwrap_or_default();
            let (expected, counted) = (of(&self.usage), of(&totals));
            if expected != counted {
                let units = rules.currencies.units(*currency);
                differences.push(format!(
                    "usage of {} {} {currency} ({units} digits): {expected:?} and {counted:?}",
                    merchant.as_str(),
                    direction.word()
                ));
            }
        }
        anyhow::ensure!(
            differences.is_empty(),
            "the folder differs from the file; do not use the folder, and report this:\n{}",
            differences.join("\n")
        );
        Ok(())
    }
}

/// Adds the transaction of a record, if it contains one.
fn read_record(record: &Record<'_>, now: Millis, found: &mut HistorySums) -> Result<(), String> {
    let mut transaction: Option<Transaction> = None;
    for event in encoding::decode(record.events, &mut |_| Ok(None)).map_err(|error| error.to_string())? {
        match event {
            encoding::RecordedEvent::Customer(CustomerEvent::TransactionOpened { opening, .. }) => {
                transaction = Some(Transaction::open(opening));
            }
            encoding::RecordedEvent::Customer(CustomerEvent::FactRecorded { recorded_fact, .. }) => {
                transaction.iter_mut().for_each(|transaction| transaction.add_fact(recorded_fact.clone()));
            }
            encoding::RecordedEvent::Customer(_) | encoding::RecordedEvent::Global(_) => {}
        }
    }
    let Some(transaction) = transaction else { return Ok(()) };
    let amounts = PastAmounts::of(&transaction.totals, transaction.requested_amount());
    let outcome = PastOutcome::of(TransactionOutcome::of(&transaction).status(now), amounts);
    let content = &transaction.opening.content;
    let (merchant, direction, currency) = (transaction.opening.merchant, content.direction, content.currency);
    found.add(SumKey { merchant, direction, currency, outcome }, amounts);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config,
        domain::decision::clock_skew::ClockSkew,
        ledger::{LedgerLimits, LedgerStorage},
        service::transaction_history::{
            column::{HistoryColumn, TextRow},
            row::{RowContext, read_row},
        },
    };
    use std::fs;

    const MERCHANT: &str = "id = \"m\"\noperation_mode = \"crm\"\n[[gates]]\nid = \"g\"\n[[projects]]\nid = \"p\"\n\
                            [[projects.endpoints]]\nid = \"e\"\ncurrency = \"EUR\"\ngates = [\"g\"]\n";

    /// A folder without the payments of the file is noticed by its records and by its usage.
    #[test]
    fn a_folder_without_the_payments_differs() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("merchants")).unwrap();
        fs::write(folder.path().join("merchants/m.toml"), MERCHANT).unwrap();
        let loaded = config::load(folder.path()).map_err(|problems| problems.list.len()).unwrap();
        let limits = LedgerLimits { transactions_max: 9, skew: ClockSkew { past_ms: 0, future_ms: 0 } };
        let ledger = Ledger::new(limits, LedgerStorage::in_memory((1, 2)));
        let now = Millis(1_800_000_000_000);
        let mut expected = ExpectedHistory::default();
        expected.compare(&ledger, &loaded.rules, now, &mut || {}).unwrap();
        let mut text = TextRow::at(1);
        let cells = [
            (HistoryColumn::Merchant, "m"),
            (HistoryColumn::Id, "t"),
            (HistoryColumn::Customer, "ann"),
            (HistoryColumn::Direction, "deposit"),
            (HistoryColumn::Currency, "EUR"),
            (HistoryColumn::Amount, "2.50"),
            (HistoryColumn::Time, "2020-01-01T00:00:00Z"),
            (HistoryColumn::Outcome, "approved"),
        ];
        cells.into_iter().for_each(|(column, cell)| text.set(column, cell));
        let context = RowContext { rules: &loaded.rules, merchant: None, project: None, now };
        let row = read_row(&text, &context).unwrap();
        expected.add(&row, now);
        let error = expected.compare(&ledger, &loaded.rules, now, &mut || {}).unwrap_err().to_string();
        assert!(error.contains("m deposit EUR approved") && error.contains("usage of m deposit EUR"), "{error}");
        // A ledger in memory has no files to read back: its usage agrees, and its records are missing.
        let _guard = ledger.block_renames();
        assert!(ledger.record_past(&row.transaction(), now).unwrap().is_some());
        assert!(ledger.has_past(&row.transaction()).unwrap());
        let error = expected.compare(&ledger, &loaded.rules, now, &mut || {}).unwrap_err().to_string();
        assert!(error.contains("m deposit EUR approved") && !error.contains("usage of"), "{error}");
    }
}
