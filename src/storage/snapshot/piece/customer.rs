//! The shapes of a customer and its transactions in a snapshot, and their conversion from and to the domain.
//!
//! The order of fields is the format. Decoded values are validated: a checksum proves that bytes are as they were written,
//! not that this program understands them.

use crate::{
    domain::{
        customer::aggregate::{Customer, core::CUSTOMER_NUMBER_MAX},
        transaction::{log_offset::LogOffset, outcome::TransactionOutcome, summary::TransactionSummary},
        usage::{
            contribution::{Contribution, Sums},
            series::{UsageSeries, UsageSeriesKey},
        },
        vocabulary::time::Millis,
    },
    storage::{
        encoding::{
            self, Open, Seal,
            numbers::{Numbered, flag_bits, flags_of},
        },
        snapshot::{
            error::{SnapshotError, invalid},
            piece::{
                identifier::IdentifierDto,
                profile::{profile_of, resume_profile, standing},
                values::{Text, currency_of, name, text, word},
            },
        },
    },
};
use serde::{Deserialize, Serialize};

/// A customer without its transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerDto {
    /// The customer number.
    pub number: u64,
    /// The merchant.
    pub merchant: Text,
    /// Unique within the merchant.
    pub identifier: Option<IdentifierDto>,
    /// Sealed attributes, as in events; empty if there are none.
    pub attributes: Vec<u8>,
    /// The stored level of deposits and of withdrawals.
    pub levels: [Option<Text>; 2],
    /// Number of the status.
    pub consent: u8,
    /// Number of the status.
    pub suspicion: Option<u8>,
    /// The profile as events, as in the journal; empty if there is none.
    pub profile: Vec<u8>,
    /// The offset of the last record of the customer's history.
    pub history: Option<u64>,
    /// When it was created.
    pub created: i64,
    /// When it was last modified.
    pub modified: i64,
    /// The time up to which usage was last settled.
    pub settled_at: i64,
    /// The number of the last record that is contained.
    pub applied: u64,
    /// Usage series, in the order that summaries refer to.
    pub series: Vec<UsageSeriesDto>,
    /// The first slot that has not left memory, except for pinned ones.
    pub first_slot: u32,
    /// The next free slot at that time. Summaries from it on are not in the snapshot.
    pub next_slot: u32,
}

/// A usage series, and the sums of transactions that have left memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSeriesDto {
    /// Number of the word.
    pub direction: u8,
    /// Three letters.
    pub currency: [u8; 3],
    /// The name of the level; `None`: no level.
    pub level: Option<Text>,
    /// Minor units without subtracting cancels.
    pub gross: u128,
    /// Minor units after subtracting cancels.
    pub net: u128,
    /// Transactions without subtracting cancels.
    pub gross_count: u64,
    /// Transactions after subtracting cancels.
    pub net_count: u64,
}

/// The summary of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionSummaryDto {
    /// The time of the transaction.
    pub at: i64,
    /// When the hold ends.
    pub hold_until: Option<i64>,
    /// Its amount without subtracting cancels.
    pub gross: u64,
    /// Its amount after subtracting cancels.
    pub net: u64,
    /// The part of both amounts that is removed when the hold ends.
    pub held_amount: u64,
    /// The offset of the last record about it.
    pub offset: u64,
    /// The digest of its id.
    pub key: u64,
    /// The index of its usage series in the customer.
    pub series: Option<u16>,
    /// Number of the word.
    pub status: u8,
    /// Bits: 0 counts in the quantity without subtracting cancels, 1 after subtracting them, 2 approved money is left.
    pub counts: u8,
    /// Bits by the numbers of the words.
    pub flags: u16,
}

impl CustomerDto {
    /// The shape of a customer as it is now.
    #[must_use]
    pub fn of(customer: &Customer, seal: &mut Seal<'_>) -> Self {
        let standing = customer.status_factors;
        Self {
            number: customer.number(),
            merchant: text(customer.merchant),
            identifier: customer.identifier.as_ref().map(|identifier| IdentifierDto::of(identifier, seal)),
            attributes: encoding::seal_attributes(&customer.attributes, seal),
            levels: customer.levels.map(|level| level.map(text)),
            consent: standing.consent().number(),
            suspicion: standing.suspicion().map(|suspicion| suspicion.status().number()),
            profile: profile_of(customer, seal),
            history: customer.last_audit_offset().map(|offset| offset.0),
            created: customer.created.0,
            modified: customer.modified.0,
            settled_at: customer.settled_at().0,
            applied: customer.applied,
            series: customer.usage_series().iter().map(UsageSeriesDto::of).collect(),
            first_slot: customer.summaries().first_slot(),
            next_slot: customer.summaries().next_slot(),
        }
    }

    /// The customer without transactions; [`TransactionSummaryDto::resume_in`] adds them.
    ///
    /// # Errors
    /// A word, name, currency, profile or slot is invalid, or sealed attributes do not open.
    pub fn customer(self, open: &mut Open<'_>) -> Result<Customer, SnapshotError> {
        if self.number > CUSTOMER_NUMBER_MAX {
            return Err(invalid(format_args!(
                "the number of customer {} is larger than {CUSTOMER_NUMBER_MAX}",
                self.number
            )));
        }
        let identifier = self.identifier.map(|identifier| identifier.identifier(open)).transpose()?;
        // Usage starts at the settled time, since a wrong clock may have set a creation time in the future.
        let mut customer = Customer::new(self.number, name(&self.merchant)?, identifier, Millis(self.settled_at));
        customer.created = Millis(self.created);
        customer.attributes =
            encoding::open_attributes(&self.attributes, 0, open).map_err(SnapshotError::Attributes)?;
        for (level, stored) in customer.levels.iter_mut().zip(&self.levels) {
            *level = stored.as_deref().map(name).transpose()?;
        }
        customer.status_factors = standing(self.consent, self.suspicion)?;
        resume_profile(&mut customer, &self.profile, open)?;
        customer.set_last_audit_offset(self.history.map(LogOffset));
        customer.modified = Millis(self.modified);
        customer.applied = self.applied;
        let series: Vec<UsageSeries> = self.series.iter().map(UsageSeriesDto::series).collect::<Result<_, _>>()?;
        if self.first_slot > self.next_slot || series.len() > usize::from(u16::MAX) {
            return Err(invalid(format_args!(
                "the slots or usage series of customer {} are out of bounds",
                self.number
            )));
        }
        customer.restore_usage_series(series, self.first_slot);
        Ok(customer)
    }
}

impl UsageSeriesDto {
    fn of(series: &UsageSeries) -> Self {
        let (UsageSeriesKey { direction, currency, level }, left) = (series.key, series.evicted());
        Self {
            direction: direction.number(),
            currency: currency.code(),
            level: level.map(text),
            gross: left.gross,
            net: left.net,
            gross_count: left.gross_count,
            net_count: left.net_count,
        }
    }

    fn series(&self) -> Result<UsageSeries, SnapshotError> {
        let Self { gross, net, gross_count, net_count, .. } = *self;
        let (direction, currency) = (word(self.direction)?, currency_of(self.currency)?);
        let key = UsageSeriesKey { direction, currency, level: self.level.as_deref().map(name).transpose()? };
        Ok(UsageSeries::with_evicted(key, Sums { gross, net, gross_count, net_count }))
    }
}

impl TransactionSummaryDto {
    /// The shape of a summary as it is now.
    #[must_use]
    pub fn of(summary: &TransactionSummary) -> Self {
        let outcome = summary.outcome();
        Self {
            at: summary.at.0,
            hold_until: outcome.hold_until.map(|until| until.0),
            gross: outcome.counts.gross,
            net: outcome.counts.net,
            held_amount: outcome.held_amount,
            offset: summary.offset.0,
            key: summary.key,
            series: summary.series(),
            status: outcome.status.number(),
            counts: Self::counts_of(&outcome),
            flags: u16::from(flag_bits(outcome.flags)),
        }
    }

    /// The bits of [`TransactionSummaryDto::counts`].
    pub(super) fn counts_of(outcome: &TransactionOutcome) -> u8 {
        let Contribution { gross_counts, net_counts, .. } = outcome.counts;
        u8::from(gross_counts) | u8::from(net_counts) << 1 | u8::from(outcome.counts_after_hold) << 2
    }

    /// Adds the summary to its customer.
    ///
    /// # Errors
    /// A word is invalid, the customer has no such usage series, or the slot is neither the next one nor a free pinned one.
    pub fn resume_in(self, customer: &mut Customer, slot: u32) -> Result<(), SnapshotError> {
        let number = customer.number();
        let (first, next) = (customer.summaries().first_slot(), customer.summaries().next_slot());
        if slot != next && (slot >= first || customer.summaries().contains(slot)) {
            return Err(invalid(format_args!("slot {slot} of customer {number} is not the next slot {next}")));
        }
        if self.series.is_some_and(|series| usize::from(series) >= customer.usage_series().len()) {
            return Err(invalid(format_args!("slot {slot} of customer {number} counts in a missing usage series")));
        }
        let counts_in = |bit: u8| self.counts >> bit & 1 == 1;
        let flags = u8::try_from(self.flags).ok().and_then(flags_of).filter(|_| self.counts < 8);
        let (gross, net) = (self.gross, self.net);
        let outcome = TransactionOutcome {
            status: word(self.status)?,
            counts: Contribution { gross, net, gross_counts: counts_in(0), net_counts: counts_in(1) },
            held_amount: self.held_amount,
            counts_after_hold: counts_in(2),
            hold_until: self.hold_until.map(Millis),
            flags: flags.ok_or_else(|| {
                invalid(format_args!("{} and {} are not sets of flags and of counts", self.flags, self.counts))
            })?,
        };
        customer.restore_summary(
            slot,
            TransactionSummary::new(Millis(self.at), self.series, self.key, LogOffset(self.offset), &outcome),
        );
        Ok(())
    }
}
