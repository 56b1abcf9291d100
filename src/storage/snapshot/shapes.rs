//! What a snapshot's pieces say, as plain numbers and texts, and its way from and to the domain.
//!
//! The order of fields is the format; see [`super`]. Nothing is taken on trust on the way back: a checksum says that
//! bytes are as they were written, not that they make sense to this program.

use crate::domain::{
    customer::aggregate::{Customer, LAST_NUMBER},
    transaction::{
        record::LogOffset,
        summary::{TransactionOutcome, TransactionSummary},
    },
    usage::series::{Contribution, Sums, UsageSeries, UsageSeriesKey},
    vocabulary::{money::Currency, names::Name, time::Millis},
};
use crate::storage::{
    encoding::{
        self, Open, Seal,
        numbers::{Numbered, flag_bits, flags_of},
    },
    snapshot::{
        SnapshotError,
        profile::{profile_of, resume_profile, standing, word, wrong},
    },
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// A name; it is written without a copy.
pub(super) type Text = Cow<'static, str>;

/// A customer but for its transactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeadDto {
    /// The internal number.
    pub number: u64,
    /// Whose.
    pub merchant: Text,
    /// Unique in the merchant where set.
    pub identifier: Option<IdentifierDto>,
    /// Attributes as in events, sealed by whoever wrote it; empty where there are none.
    pub attributes: Vec<u8>,
    /// The stored level of deposits and of withdrawals.
    pub levels: [Option<Text>; 2],
    /// Number of the status.
    pub consent: u8,
    /// Number of the status.
    pub suspicion: Option<u8>,
    /// What is known besides payments: events that say it, as in the journal; empty where there is nothing.
    pub profile: Vec<u8>,
    /// Where the last step of the customer's history lies.
    pub history: Option<u64>,
    /// When.
    pub created: i64,
    /// When.
    pub modified: i64,
    /// As of which time usage was last looked at.
    pub settled_at: i64,
    /// The number of the last record that is in it.
    pub applied: u64,
    /// In the order that briefs refer to.
    pub books: Vec<UsageSeriesDto>,
    /// The first slot that has not left memory, pinned ones apart.
    pub first_slot: u32,
    /// The slot that the next transaction got at the time: briefs from it on are not in the snapshot.
    pub next_slot: u32,
}

/// A customer's identifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentifierDto {
    /// Readable.
    Text(Box<str>),
    /// Sealed with the customer's key, as in events.
    Sealed {
        /// The keyed digest by which it is found.
        digest: u128,
        /// Empty where the text is forgotten.
        sealed: Vec<u8>,
    },
}

/// A book, and what counts in it of transactions that have left memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageSeriesDto {
    /// Number of the word.
    pub direction: u8,
    /// Three letters.
    pub currency: [u8; 3],
    /// By name; `None`: under no level.
    pub level: Option<Text>,
    /// Minor units where cancels are not subtracted.
    pub gross: u128,
    /// Minor units where they are.
    pub net: u128,
    /// Transactions where cancels are not subtracted.
    pub gross_count: u64,
    /// Transactions where they are.
    pub net_count: u64,
}

/// A transaction in brief.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactionSummaryDto {
    /// Its own time.
    pub at: i64,
    /// When the hold ends.
    pub hold_until: Option<i64>,
    /// What it contributes where cancels are not subtracted.
    pub gross: u64,
    /// And where they are.
    pub net: u64,
    /// The part of both that goes when the hold ends.
    pub held: u64,
    /// Where the last record about it lies.
    pub place: u64,
    /// The digest of its id.
    pub key: u64,
    /// Which of the head's books.
    pub series: Option<u16>,
    /// Number of the word.
    pub status: u8,
    /// Bits: 0 counts in the quantity where cancels are not subtracted, 1 where they are, 2 approved money is left.
    pub counts: u8,
    /// Bits by the numbers of the words.
    pub flags: u16,
}

impl HeadDto {
    /// Of a customer, as it is now.
    #[must_use]
    pub fn of(customer: &Customer, seal: &mut Seal<'_>) -> Self {
        let standing = customer.standing;
        Self {
            number: customer.number(),
            merchant: text(customer.merchant),
            identifier: customer.identifier.as_ref().map(|identifier| IdentifierDto::of(identifier, seal)),
            attributes: encoding::seal_attributes(&customer.attributes, seal),
            levels: customer.levels.map(|level| level.map(text)),
            consent: standing.consent().number(),
            suspicion: standing.suspicion().map(|suspicion| suspicion.status().number()),
            profile: profile_of(customer, seal),
            history: customer.history().map(|place| place.0),
            created: customer.created.0,
            modified: customer.modified.0,
            settled_at: customer.settled_at().0,
            applied: customer.applied,
            books: customer.books().iter().map(UsageSeriesDto::of).collect(),
            first_slot: customer.summaries().first_slot(),
            next_slot: customer.summaries().next_slot(),
        }
    }

    /// The customer, without transactions: [`TransactionSummaryDto::resume_in`] brings them back.
    ///
    /// # Errors
    /// Words, names and currencies that are none; attributes that do not open; profiles that do not read; slots out of order.
    pub fn customer(self, open: &mut Open<'_>) -> Result<Customer, SnapshotError> {
        if self.number > LAST_NUMBER {
            return Err(wrong(format_args!("the number of customer {} is larger than {LAST_NUMBER}", self.number)));
        }
        let identifier = self.identifier.map(|identifier| identifier.identifier(open)).transpose()?;
        // Not from its creation on: that may be later than now, by a clock that was wrong.
        let mut customer = Customer::new(self.number, name(&self.merchant)?, identifier, Millis(self.settled_at));
        customer.created = Millis(self.created);
        customer.attributes =
            encoding::open_attributes(&self.attributes, 0, open).map_err(SnapshotError::Attributes)?;
        for (level, kept) in customer.levels.iter_mut().zip(&self.levels) {
            *level = kept.as_deref().map(name).transpose()?;
        }
        customer.standing = standing(self.consent, self.suspicion)?;
        resume_profile(&mut customer, &self.profile, open)?;
        customer.set_history(self.history.map(LogOffset));
        customer.modified = Millis(self.modified);
        customer.applied = self.applied;
        let books: Vec<UsageSeries> = self.books.iter().map(UsageSeriesDto::series).collect::<Result<_, _>>()?;
        if self.first_slot > self.next_slot || books.len() > usize::from(u16::MAX) {
            return Err(wrong(format_args!("the slots or books of customer {} are out of bounds", self.number)));
        }
        customer.resume_books(books, self.first_slot);
        Ok(customer)
    }
}

impl UsageSeriesDto {
    fn of(series: &UsageSeries) -> Self {
        let (UsageSeriesKey { direction, currency, level }, left) = (series.key, series.left());
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
        Ok(UsageSeries::resumed(key, Sums { gross, net, gross_count, net_count }))
    }
}

impl TransactionSummaryDto {
    /// Of a brief, as it is now.
    #[must_use]
    pub fn of(summary: &TransactionSummary) -> Self {
        let outcome = summary.outcome();
        Self {
            at: summary.at.0,
            hold_until: outcome.hold_until.map(|until| until.0),
            gross: outcome.counts.gross,
            net: outcome.counts.net,
            held: outcome.held,
            place: summary.place.0,
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

    /// Gives it back to its customer.
    ///
    /// # Errors
    /// Words that are none, a book that the head does not name, a slot that is not the next or was there already.
    pub fn resume_in(self, customer: &mut Customer, slot: u32) -> Result<(), SnapshotError> {
        let number = customer.number();
        let (first, next) = (customer.summaries().first_slot(), customer.summaries().next_slot());
        if slot != next && (slot >= first || customer.summaries().get(slot).is_some()) {
            return Err(wrong(format_args!("slot {slot} of customer {number} stands where {next} should")));
        }
        if self.series.is_some_and(|series| usize::from(series) >= customer.books().len()) {
            return Err(wrong(format_args!("slot {slot} of customer {number} counts in a book that is not there")));
        }
        let counts_in = |bit: u8| self.counts >> bit & 1 == 1;
        let flags = u8::try_from(self.flags).ok().and_then(flags_of).filter(|_| self.counts < 8);
        let (gross, net) = (self.gross, self.net);
        let outcome = TransactionOutcome {
            status: word(self.status)?,
            counts: Contribution { gross, net, gross_counts: counts_in(0), net_counts: counts_in(1) },
            held: self.held,
            counts_after_hold: counts_in(2),
            hold_until: self.hold_until.map(Millis),
            flags: flags.ok_or_else(|| {
                wrong(format_args!("{} and {} are no sets of flags and of counts", self.flags, self.counts))
            })?,
        };
        customer.resume(
            slot,
            TransactionSummary::new(Millis(self.at), self.series, self.key, LogOffset(self.place), &outcome),
        );
        Ok(())
    }
}

pub(super) fn text(name: Name) -> Text {
    Cow::Borrowed(name.as_str())
}

pub(super) fn name(text: &str) -> Result<Name, SnapshotError> {
    Name::parse(text).map_err(|error| wrong(format_args!("{text:?} is no name: {error}")))
}

pub(super) fn currency_of(letters: [u8; 3]) -> Result<Currency, SnapshotError> {
    let code = std::str::from_utf8(&letters).ok().and_then(Currency::parse);
    code.ok_or_else(|| wrong(format_args!("{letters:?} is no currency")))
}
