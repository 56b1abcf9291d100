//! What a snapshot's pieces say, as plain numbers and texts, and its way from and to the domain.
//!
//! The order of fields is the format; see [`super`]. Nothing is taken on trust on the way back: a checksum says that
//! bytes are as they were written, not that they make sense to this program.

use super::{
    super::event::{
        self, Events, Open, Seal,
        numbers::{Numbered, flag_bits, flags_of},
    },
    SnapshotError,
    profile::{profile_of, resume_profile, standing, word, wrong},
};
use crate::domain::{
    brief::{Brief, Upshot},
    common::Common,
    customer::{Customer, LAST_NUMBER},
    money::Currency,
    name::Name,
    rules::Direction,
    time::Millis,
    transaction::Place,
    usage::{Book, BookKey, Contribution, Sums},
};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The bytes of events in one world behind which another begins.
const OVERLAY_BYTES: usize = 1 << 20;

/// A name; it is written without a copy.
type Text = Cow<'static, str>;

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
    pub books: Vec<BookDto>,
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
    /// Sealed with the customer's key. Not written by this version, and refused.
    Sealed {
        /// The keyed digest by which it is found.
        digest: u128,
        /// Empty where the key is erased.
        sealed: Vec<u8>,
    },
}

/// A book, and what counts in it of transactions that have left memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BookDto {
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
pub struct BriefDto {
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
    pub book: Option<u16>,
    /// Number of the word.
    pub status: u8,
    /// Bits: 0 counts in the quantity where cancels are not subtracted, 1 where they are, 2 approved money is left.
    pub counts: u8,
    /// Bits by the numbers of the words.
    pub flags: u16,
}

/// What belongs to no customer. Of several, lists add up, the highest `next_customer` and the last `configured` count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorldDto {
    /// The number that the next customer gets.
    pub next_customer: u64,
    /// Currencies in which anything is held.
    pub currencies: Vec<[u8; 3]>,
    /// Levels that requests made.
    pub levels: Vec<LevelDto>,
    /// Instruments with which no payment passes anywhere. Written no more: `overlay` says where each is blocked.
    pub blocked: Vec<Box<str>>,
    /// Where the last record lies about transactions that have left memory and of which the archive does not know it.
    pub late: Vec<LateDto>,
    /// The version of the configuration that last came into force.
    pub configured: Option<Box<str>>,
    /// External ids made, by merchant.
    pub counted: Vec<CountedDto>,
    /// Levels and rates set through the API, and blocked instruments: events, as in the journal.
    pub overlay: Vec<u8>,
    /// Names of levels that have changed.
    pub renames: Vec<RenameDto>,
    /// Segments of the archive, by which their loss is noticed. Not written by this version, and refused.
    pub archive: Vec<SegmentDto>,
    /// Times that operators accepted. Not written by this version, and refused.
    pub clocks: Vec<ClockDto>,
}

/// A segment of the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SegmentDto {
    /// The number of its first record.
    pub first_lsn: u64,
    /// The number of its last record.
    pub last_lsn: u64,
    /// Of the file.
    pub bytes: u64,
    /// CRC-32C of the file.
    pub crc: u32,
}

/// A time that an operator accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockDto {
    /// The time before.
    pub before: i64,
    /// The time from then on.
    pub after: i64,
    /// Whether entries from the future were moved to it.
    pub moves_entries: bool,
    /// Where the record is.
    pub place: u64,
}

/// A level's name that has changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RenameDto {
    /// Whose.
    pub merchant: Text,
    /// Number of the word.
    pub direction: u8,
    /// The old name.
    pub from: Text,
    /// The new one.
    pub to: Text,
    /// Where the record lies.
    pub place: u64,
}

/// How many external ids were made for a merchant's customers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedDto {
    /// Whose.
    pub merchant: Text,
    /// How many.
    pub made: u64,
}

/// A level that a request made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LevelDto {
    /// Whose.
    pub merchant: Text,
    /// As sent.
    pub name: Text,
    /// Number of the word.
    pub direction: u8,
    /// Three letters.
    pub currency: [u8; 3],
    /// When.
    pub created: i64,
}

/// A fact that came late to a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LateDto {
    /// The digest of the transaction's id.
    pub key: u64,
    /// Whose.
    pub customer: u64,
    /// The transaction's slot.
    pub slot: u32,
    /// Where the last record about it lies.
    pub place: u64,
}

impl HeadDto {
    /// Of a customer, as it is now.
    #[must_use]
    pub fn of(customer: &Customer, seal: &mut Seal<'_>) -> Self {
        let standing = customer.standing;
        Self {
            number: customer.number(),
            merchant: text(customer.merchant),
            identifier: customer.identifier.clone().map(IdentifierDto::Text),
            attributes: event::seal_attributes(&customer.attributes, seal),
            levels: customer.levels.map(|level| level.map(text)),
            consent: standing.consent().number(),
            suspicion: standing.suspicion().map(|suspicion| suspicion.status().number()),
            profile: profile_of(customer, seal),
            history: customer.history().map(|place| place.0),
            created: customer.created.0,
            modified: customer.modified.0,
            settled_at: customer.settled_at().0,
            applied: customer.applied,
            books: customer.books().iter().map(BookDto::of).collect(),
            first_slot: customer.briefs().first_slot(),
            next_slot: customer.briefs().next_slot(),
        }
    }

    /// The customer, without transactions: [`BriefDto::resume_in`] brings them back.
    ///
    /// # Errors
    /// Words, names and currencies that are none; attributes that do not open; profiles that do not read; slots out of order.
    pub fn customer(self, open: &mut Open<'_>) -> Result<Customer, SnapshotError> {
        if self.number > LAST_NUMBER {
            return Err(wrong(format_args!("the number of customer {} is larger than {LAST_NUMBER}", self.number)));
        }
        let identifier = match self.identifier {
            Some(IdentifierDto::Sealed { .. }) => return Err(newer("a sealed identifier")),
            Some(IdentifierDto::Text(text)) => Some(text),
            None => None,
        };
        let mut customer = Customer::new(self.number, name(&self.merchant)?, identifier, Millis(self.created));
        customer.attributes = event::open_attributes(&self.attributes, 0, open).map_err(SnapshotError::Attributes)?;
        for (level, kept) in customer.levels.iter_mut().zip(&self.levels) {
            *level = kept.as_deref().map(name).transpose()?;
        }
        customer.standing = standing(self.consent, self.suspicion)?;
        resume_profile(&mut customer, &self.profile, open)?;
        customer.set_history(self.history.map(Place));
        customer.modified = Millis(self.modified);
        customer.applied = self.applied;
        let books: Vec<Book> = self.books.iter().map(BookDto::book).collect::<Result<_, _>>()?;
        if self.first_slot > self.next_slot || books.len() > usize::from(u16::MAX) {
            return Err(wrong(format_args!("the slots or books of customer {} are out of bounds", self.number)));
        }
        customer.resume_books(books, self.first_slot);
        // No hold is open yet, so this only sets the time.
        customer.settle(Millis(self.settled_at));
        Ok(customer)
    }
}

impl BookDto {
    fn of(book: &Book) -> Self {
        let (BookKey { direction, currency, level }, left) = (book.key, book.left());
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

    fn book(&self) -> Result<Book, SnapshotError> {
        let Self { gross, net, gross_count, net_count, .. } = *self;
        let (direction, currency) = (word(self.direction)?, currency_of(self.currency)?);
        let key = BookKey { direction, currency, level: self.level.as_deref().map(name).transpose()? };
        Ok(Book::resumed(key, Sums { gross, net, gross_count, net_count }))
    }
}

impl BriefDto {
    /// Of a brief, as it is now.
    #[must_use]
    pub fn of(brief: &Brief) -> Self {
        let upshot = brief.upshot();
        Self {
            at: brief.at.0,
            hold_until: upshot.hold_until.map(|until| until.0),
            gross: upshot.counts.gross,
            net: upshot.counts.net,
            held: upshot.held,
            place: brief.place.0,
            key: brief.key,
            book: brief.book(),
            status: upshot.status.number(),
            counts: Self::counts_of(&upshot),
            flags: u16::from(flag_bits(upshot.flags)),
        }
    }

    /// The bits of [`BriefDto::counts`].
    pub(super) fn counts_of(upshot: &Upshot) -> u8 {
        let Contribution { gross_counts, net_counts, .. } = upshot.counts;
        u8::from(gross_counts) | u8::from(net_counts) << 1 | u8::from(upshot.counts_after_hold) << 2
    }

    /// Gives it back to its customer.
    ///
    /// # Errors
    /// Words that are none, a book that the head does not name, a slot that is not the next or was there already.
    pub fn resume_in(self, customer: &mut Customer, slot: u32) -> Result<(), SnapshotError> {
        let number = customer.number();
        let (first, next) = (customer.briefs().first_slot(), customer.briefs().next_slot());
        if slot != next && (slot >= first || customer.briefs().get(slot).is_some()) {
            return Err(wrong(format_args!("slot {slot} of customer {number} stands where {next} should")));
        }
        if self.book.is_some_and(|book| usize::from(book) >= customer.books().len()) {
            return Err(wrong(format_args!("slot {slot} of customer {number} counts in a book that is not there")));
        }
        let counts_in = |bit: u8| self.counts >> bit & 1 == 1;
        let flags = u8::try_from(self.flags).ok().and_then(flags_of).filter(|_| self.counts < 8);
        let (gross, net) = (self.gross, self.net);
        let upshot = Upshot {
            status: word(self.status)?,
            counts: Contribution { gross, net, gross_counts: counts_in(0), net_counts: counts_in(1) },
            held: self.held,
            counts_after_hold: counts_in(2),
            hold_until: self.hold_until.map(Millis),
            flags: flags.ok_or_else(|| {
                wrong(format_args!("{} and {} are no sets of flags and of counts", self.flags, self.counts))
            })?,
        };
        customer.resume(slot, Brief::new(Millis(self.at), self.book, self.key, Place(self.place), &upshot));
        Ok(())
    }
}

impl WorldDto {
    /// Whether this version understands all of it.
    ///
    /// # Errors
    /// It holds what only a newer version writes.
    pub fn is_understood(&self) -> Result<(), SnapshotError> {
        match (self.archive.is_empty(), self.clocks.is_empty()) {
            (true, true) => Ok(()),
            (false, _) => Err(newer("a list of the archive's segments")),
            (true, false) => Err(newer("a time that was accepted")),
        }
    }

    /// The currencies.
    ///
    /// # Errors
    /// Letters that name none.
    pub fn currencies(&self) -> Result<Vec<Currency>, SnapshotError> {
        self.currencies.iter().copied().map(currency_of).collect()
    }

    /// Worlds that hold only what stands beside the files: as many as keep each far below the largest piece.
    #[must_use]
    pub fn beside(events: &[Common]) -> Vec<Self> {
        let mut worlds: Vec<Self> = Vec::new();
        for event in events {
            if worlds.last().is_none_or(|world| world.overlay.len() >= OVERLAY_BYTES) {
                worlds.push(Self::default());
            }
            worlds.last_mut().into_iter().for_each(|world| event::encode_common(event, &mut world.overlay));
        }
        worlds
    }

    /// The events that say what stands beside the files.
    ///
    /// # Errors
    /// Bytes that say none.
    pub fn said(&self) -> Result<Vec<Common>, SnapshotError> {
        let (mut events, mut said) = (Events::of(&self.overlay), Vec::new());
        while let Some(event) = events.next(&mut |_| Ok(None)).map_err(|error| wrong(format_args!("{error}")))? {
            match event {
                event::Recorded::Common(event) => said.push(event),
                event::Recorded::Customer(_) => {
                    return Err(wrong(format_args!("an event of a customer stands in a world")));
                }
            }
        }
        Ok(said)
    }
}

impl CountedDto {
    /// Of a merchant.
    #[must_use]
    pub fn of(merchant: Name, made: u64) -> Self {
        Self { merchant: text(merchant), made }
    }

    /// The event that says it.
    ///
    /// # Errors
    /// A name that is none.
    pub fn counted(&self) -> Result<Common, SnapshotError> {
        Ok(Common::Counted { merchant: name(&self.merchant)?, made: self.made })
    }
}

impl RenameDto {
    /// Of a level's names, and where the record lies that says so.
    #[must_use]
    pub fn of(merchant: Name, direction: Direction, (from, to): (Name, Name), place: Place) -> Self {
        let direction = direction.number();
        Self { merchant: text(merchant), direction, from: text(from), to: text(to), place: place.0 }
    }

    /// Whose, in which direction, and the names.
    ///
    /// # Errors
    /// Words and names that are none.
    pub fn names(&self) -> Result<(Name, Direction, Name, Name), SnapshotError> {
        Ok((name(&self.merchant)?, word(self.direction)?, name(&self.from)?, name(&self.to)?))
    }
}

impl LevelDto {
    /// Of a level that a request made.
    #[must_use]
    pub fn of(merchant: Name, level: Name, direction: Direction, currency: Currency, created: Millis) -> Self {
        Self {
            merchant: text(merchant),
            name: text(level),
            direction: direction.number(),
            currency: currency.code(),
            created: created.0,
        }
    }

    /// The event that made it.
    ///
    /// # Errors
    /// Words, names and currencies that are none.
    pub fn made(&self) -> Result<Common, SnapshotError> {
        Ok(Common::LevelMade {
            merchant: name(&self.merchant)?,
            name: name(&self.name)?,
            direction: word(self.direction)?,
            currency: currency_of(self.currency)?,
            at: Millis(self.created),
        })
    }
}

fn text(name: Name) -> Text {
    Cow::Borrowed(name.as_str())
}

fn name(text: &str) -> Result<Name, SnapshotError> {
    Name::parse(text).map_err(|error| wrong(format_args!("{text:?} is no name: {error}")))
}

fn currency_of(letters: [u8; 3]) -> Result<Currency, SnapshotError> {
    let code = std::str::from_utf8(&letters).ok().and_then(Currency::parse);
    code.ok_or_else(|| wrong(format_args!("{letters:?} is no currency")))
}

fn newer(what: &str) -> SnapshotError {
    wrong(format_args!("{what}, which this version does not write; run the newer levelgate that wrote it"))
}
