//! The customer: who pays, with all transactions in brief and the usage that they add up to.
//!
//! [`Customer::apply`] is the only way in which a customer changes, and it cannot fail. A customer is the unit of
//! consistency: everything that a decision reads and writes lies in one, under one lock.

mod rename;

pub use super::event::{Event, Make, Recorded};
use super::{
    brief::{Brief, Briefs, Left, Upshot},
    holds::Holds,
    identity::Attributes,
    money::Currency,
    name::Name,
    own::{OwnLimits, OwnRate},
    profile::{Author, Change, Chronicle, IndividualSettings, Instrument, Profile},
    rules::{Direction, Merchant},
    standing::{CustomerStatus, Standing},
    time::Millis,
    transaction::{Opening, Place},
    usage::{Book, BookKey},
};

use smallvec::SmallVec;
use std::hint::black_box;

/// A customer.
///
/// Invariant: the books hold what the briefs contribute as of `settled_at`, and what has left memory.
///
/// The fields stand in memory as they stand here: what every payment reads comes first and lies together, because a
/// payment of one customer among millions spends its time waiting for that memory.
#[derive(Debug, Clone)]
#[repr(C)]
pub struct Customer {
    /// The internal number; `customer_id` is its decimal text.
    pub number: u64,
    /// Whose.
    pub merchant: Name,
    /// The stored level name by direction; `None`: empty.
    pub levels: [Option<Name>; 2],
    /// The latest time at which anybody looked. Whoever comes with an earlier one, having waited for the lock, is
    /// answered as of this one: otherwise it would not see what was counted meanwhile.
    settled_at: Millis,
    /// The number of the last record that was applied.
    pub applied: u64,
    /// Where the customer stands.
    pub standing: Standing,
    /// What is known besides payments, where anything is.
    profile: Option<Box<Profile>>,
    /// Usage, one book for each (direction, currency, level).
    pub books: SmallVec<[Book; 1]>,
    /// Ends of open holds.
    holds: Holds,
    /// Transactions in brief, by slot.
    pub briefs: Briefs,
    /// Unique in the merchant where set.
    pub identifier: Option<Box<str>>,
    /// Common attributes.
    pub attributes: Attributes,
    /// When the customer was made.
    pub created: Millis,
    /// When the customer last changed, transactions apart.
    pub modified: Millis,
    /// Where the last step lies by which the customer changed, transactions apart.
    pub history: Option<Place>,
}

impl Customer {
    /// A customer without a past.
    #[must_use]
    pub fn new(number: u64, merchant: Name, identifier: Option<Box<str>>, at: Millis) -> Self {
        Self {
            number,
            merchant,
            levels: [None; 2],
            standing: Standing::default(),
            applied: 0,
            briefs: Briefs::default(),
            books: SmallVec::new(),
            identifier,
            attributes: Attributes::default(),
            profile: None,
            history: None,
            created: at,
            modified: at,
            settled_at: at,
            holds: Holds::default(),
        }
    }

    /// Where the customer stands, as one word.
    #[must_use]
    pub fn status(&self) -> CustomerStatus {
        let dead = self.profile.as_ref().is_some_and(|profile| profile.has_only_dead_instruments());
        self.standing.status_with(dead)
    }

    /// What is known besides payments; `None`: nothing.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.profile.as_deref()
    }

    /// The operator's labels.
    #[must_use]
    pub fn labels(&self) -> &[Name] {
        self.profile().map_or(&[], |profile| &profile.labels)
    }

    /// A customer who is only being made, with the label that new ones bear.
    #[must_use]
    pub fn newcomer(number: u64, merchant: &Merchant, at: Millis) -> Self {
        let mut customer = Self::new(number, merchant.id, None, at);
        let label = merchant.default_label().map(|label| Change::Labels(vec![label.name]));
        label.iter().for_each(|change| customer.change(change));
        customer
    }

    /// Projects in which the customer may not pay.
    #[must_use]
    pub fn switched_off(&self) -> &[Name] {
        self.profile().map_or(&[], |profile| &profile.switched_off)
    }

    /// Whether the personal attributes were erased.
    #[must_use]
    pub fn is_erased(&self) -> bool {
        self.profile().is_some_and(|profile| profile.erased)
    }

    /// Whether the customer may not pay in a project.
    #[must_use]
    pub fn is_switched_off(&self, project: Name) -> bool {
        self.switched_off().contains(&project)
    }

    /// The customer whose part this one is, where it was merged.
    #[must_use]
    pub fn merged_into(&self) -> Option<u64> {
        self.profile().and_then(|profile| profile.merged_into)
    }

    /// Who is part of this customer: ascending numbers.
    #[must_use]
    pub fn merged(&self) -> &[u64] {
        self.profile().map_or(&[], |profile| &profile.merged)
    }

    /// The identifiers that lead here besides the customer's own.
    #[must_use]
    pub fn identifiers(&self) -> &[Box<str>] {
        self.profile().map_or(&[], |profile| &profile.identifiers)
    }

    /// The identifier that is shown: the customer's own, or the first that came to lead here.
    #[must_use]
    pub fn shown_identifier(&self) -> Option<&str> {
        self.identifier.as_deref().or_else(|| self.identifiers().first().map(Box::as_ref))
    }

    /// Whether an identifier leads here.
    #[must_use]
    pub fn goes_by(&self, identifier: &str) -> bool {
        let mut all = self.identifier.iter().chain(self.identifiers());
        all.any(|known| known.as_ref() == identifier)
    }

    /// Stored payment instruments, sorted by id.
    #[must_use]
    pub fn instruments(&self) -> &[Instrument] {
        self.profile().map_or(&[], |profile| &profile.instruments)
    }

    /// The customer's own exchange rates.
    #[must_use]
    pub fn rates(&self) -> &[OwnRate] {
        self.profile().map_or(&[], |profile| &profile.rates)
    }

    /// What stands last in a step that says something of the customer.
    #[must_use]
    pub fn chronicle(&self, author: Author, at: Millis) -> Event {
        let Author { source, by } = author;
        Event::Chronicled(Chronicle { at, source, by, previous: self.history })
    }

    /// The customer's own limits in this (direction, currency).
    #[must_use]
    pub fn limits_for(&self, direction: Direction, currency: Currency) -> Option<&OwnLimits> {
        self.profile().and_then(|profile| profile.limits_for(direction, currency))
    }

    /// The individual settings for this (direction, currency, level).
    #[must_use]
    pub fn settings_for(&self, direction: Direction, currency: Currency, level: Name) -> Option<&IndividualSettings> {
        self.profile().and_then(|profile| profile.settings_for(direction, currency, level))
    }

    /// Whether a payment by this instrument has passed.
    #[must_use]
    pub fn holds_instrument(&self, id: &str) -> bool {
        self.profile().is_some_and(|profile| profile.instrument(id).is_some())
    }

    /// The latest time at which anybody looked.
    #[must_use]
    pub fn settled_at(&self) -> Millis {
        self.settled_at
    }

    /// Reads a little of everything that a payment is about to read. What is not in the processor's cache then comes side
    /// by side and not one after another, each when it is needed: of a payment of one customer among millions this takes
    /// away a third of its time.
    pub fn touch(&self) {
        let book = self.books.first();
        let near = [
            self.applied,
            u64::from(self.profile.is_some()),
            book.map_or(0, Book::touch_near),
            self.holds.touch_near(),
            self.briefs.touch_near(),
        ];
        black_box(near);
        black_box([book.map_or(0, Book::touch_far), self.holds.touch_far(), self.briefs.touch_far()]);
    }

    /// Lets the holds run out whose end has come, and returns the time from which this customer is to be seen: `now`,
    /// or the latest time at which anybody looked. Usage is exact only behind this. It costs nothing where no hold
    /// ends, and one step a hold where some do; none is searched for. The second number counts those steps.
    pub fn settle(&mut self, now: Millis) -> (Millis, u64) {
        let mut visited = 0;
        let now = self.settled_at.max(now);
        self.settled_at = now;
        while let Some(slot) = self.holds.pop(now) {
            visited += 1;
            self.count(slot, now);
        }
        (now, visited)
    }

    /// Changes the customer by an event that has happened; cannot fail.
    ///
    /// Whoever reads a journal again may apply a transaction's events twice or find later ones applied already: they
    /// set what they say, so that the last one in order decides.
    pub fn apply(&mut self, recorded: Recorded, event: &Event) {
        self.applied = self.applied.max(recorded.number);
        match event {
            Event::Created { merchant, identifier, at } => {
                self.merchant = *merchant;
                self.identifier.clone_from(identifier);
                (self.created, self.modified) = (*at, *at);
            }
            Event::AttributesFilled { attributes, at } => {
                attributes.iter().for_each(|(attribute, value)| self.attributes.set(attribute, value));
                self.modified = *at;
            }
            Event::LevelSet { direction, level, drops_settings, at } => {
                self.levels[*direction as usize] = *level;
                if let Some(profile) = self.profile.as_mut().filter(|_| *drops_settings) {
                    profile.settings.retain(|settings| settings.direction != *direction);
                }
                self.modified = *at;
            }
            Event::Signalled { signal, at } => {
                self.standing = self.standing.after(*signal);
                self.modified = *at;
            }
            Event::InstrumentHeld { id, at } => {
                if !self.holds_instrument(id) {
                    self.profile.get_or_insert_default().keep(&Instrument::bare(id, *at));
                }
            }
            Event::InstrumentUsed { id, at, successes } => {
                if let Some(used) = self.profile.as_mut().and_then(|profile| profile.instrument_mut(id)) {
                    (used.last_success_at, used.successes) = (Some(*at), *successes);
                }
            }
            Event::Chronicled(chronicle) => {
                self.history = Some(recorded.place);
                self.modified = chronicle.at;
            }
            Event::Changed(change) => self.change(change),
            Event::Opened { slot, opening } => self.apply_opened(recorded, *slot, opening),
            Event::Linked { slot, opening, upshot, at, .. } => self.take(recorded, *slot, opening, upshot, *at),
            // As nobody's it counted nowhere. Where it lies now tells whoever reads it that it is somebody's.
            Event::Unlinked { slot, .. } => {
                self.briefs.get_mut(*slot).into_iter().for_each(|brief| brief.become_of(recorded.place, &Upshot::NONE));
            }
            // It counts for what it counted for.
            Event::Carried { slot, upshot, .. } => {
                self.briefs.get_mut(*slot).into_iter().for_each(|brief| brief.become_of(recorded.place, upshot));
            }
            Event::Happened { slot, noted, upshot, left, .. } => {
                let extends = matches!(noted.fact, super::transaction::Fact::Extended { .. });
                match (self.briefs.get_mut(*slot), left) {
                    (Some(brief), _) => brief.become_of(recorded.place, upshot),
                    (None, Some(Left { book: Some(book), was, .. })) => {
                        let book = self.book(*book);
                        self.books[usize::from(book)].adjust_left(*was, upshot.contribution(noted.at));
                    }
                    (None, _) => {}
                }
                if extends {
                    self.hold(*slot, noted.at);
                }
                self.count(*slot, noted.at);
            }
        }
    }

    fn change(&mut self, change: &Change) {
        match change {
            Change::Attributes { set, removed } => {
                set.iter().for_each(|(attribute, value)| self.attributes.set(attribute, value));
                removed.iter().for_each(|attribute| self.attributes.set(attribute, ""));
                return;
            }
            Change::Status(status) => {
                self.standing = self.standing.set(*status);
                return;
            }
            Change::Erased => self.attributes = Attributes::default(),
            _ => {}
        }
        self.profile.get_or_insert_default().take(change);
    }

    /// [`Customer::apply`] of [`Event::Opened`], for whoever has only what the event would hold.
    pub fn apply_opened<Text>(&mut self, recorded: Recorded, slot: u32, opening: &Opening<Text>) {
        self.applied = self.applied.max(recorded.number);
        self.take(recorded, slot, opening, &opening.upshot(), opening.recorded_at);
    }

    fn take<Text>(&mut self, recorded: Recorded, slot: u32, opening: &Opening<Text>, upshot: &Upshot, now: Millis) {
        let (direction, currency) = (opening.content.direction, opening.content.currency);
        let book = opening.level.map(|level| self.book(BookKey { direction, currency, level }));
        let brief = Brief::new(opening.at, book, recorded.key, recorded.place, upshot);
        match self.briefs.get_mut(slot) {
            Some(known) => *known = brief,
            None => drop(self.briefs.push(brief)),
        }
        self.hold_brief(slot, &brief, now);
        self.count_brief(slot, &brief, now);
    }

    /// So many briefs are about to be taken back: what grew piece by piece comes back without the room in which it grew.
    pub fn expect(&mut self, briefs: usize) {
        self.briefs.expect(briefs);
        if let [book] = self.books.as_mut_slice() {
            book.expect(briefs);
        }
    }

    /// Takes a brief back, as a snapshot kept it, at the time as of which the customer is seen.
    pub fn resume(&mut self, slot: u32, brief: Brief) {
        if slot < self.briefs.first_slot() {
            self.briefs.pin(slot, brief);
        } else {
            self.briefs.push(brief);
        }
        self.hold(slot, self.settled_at);
        self.count(slot, self.settled_at);
    }

    /// The place of a book, which is made where there is none.
    pub fn book(&mut self, key: BookKey) -> u16 {
        let place = self.books.iter().position(|book| book.key == key).unwrap_or_else(|| {
            self.books.push(Book::new(key));
            self.books.len() - 1
        });
        u16::try_from(place).unwrap_or(u16::MAX)
    }

    fn hold(&mut self, slot: u32, now: Millis) {
        if let Some(brief) = self.briefs.get(slot).copied() {
            self.hold_brief(slot, &brief, now);
        }
    }

    fn hold_brief(&mut self, slot: u32, brief: &Brief, now: Millis) {
        if let Some(until) = brief.held_until(now) {
            self.holds.push(until, slot);
        }
    }

    /// Writes into the books what a transaction contributes now.
    fn count(&mut self, slot: u32, now: Millis) {
        if let Some(brief) = self.briefs.get(slot).copied() {
            self.count_brief(slot, &brief, now);
        }
    }

    fn count_brief(&mut self, slot: u32, brief: &Brief, now: Millis) {
        if let Some(book) = brief.book.and_then(|book| self.books.get_mut(usize::from(book))) {
            book.set(brief.at, slot, brief.contribution(now));
        }
    }

    /// Lets transactions leave memory that are older than `before`, for as long as `may` agrees; those that still wait
    /// stay. Behind [`Customer::settle`]. Returns those that left, at most `at_most`.
    pub fn retire(&mut self, before: Millis, at_most: usize, may: impl Fn(&Brief) -> bool) -> Vec<(u32, Brief)> {
        let now = self.settled_at;
        let waits = |brief: &Brief| brief.status(now) == super::transaction::Status::Reserved;
        let mut gone = Vec::new();
        while gone.len() < at_most {
            // One that waits is kept aside, so that those behind it may go.
            match self.briefs.leave(|brief| (brief.at < before && may(brief)).then(|| !waits(brief))) {
                Some(Some(left)) => gone.push(left),
                Some(None) => {}
                None => match self.briefs.unpin(|brief| !waits(brief) && may(brief)) {
                    Some(left) => gone.push(left),
                    None => break,
                },
            }
        }
        for (slot, brief) in &gone {
            if let Some(book) = brief.book.and_then(|book| self.books.get_mut(usize::from(book))) {
                book.leave(brief.at, *slot, brief.contribution(now));
            }
        }
        gone
    }

    /// The books as they would stand at another instant, by what is known now. Reads every brief.
    #[must_use]
    pub fn books_at(&self, instant: Millis) -> Vec<Book> {
        let mut books: Vec<Book> = self.books.iter().map(|book| Book::resumed(book.key, book.left())).collect();
        for (slot, brief) in self.briefs.starting_at(0) {
            if let Some(book) = brief.book.and_then(|book| books.get_mut(usize::from(book))) {
                book.set(brief.at, slot, brief.contribution(instant));
            }
        }
        books
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Millions are kept, most of whom have paid seldom or never.
    #[test]
    fn a_customer_takes_no_more_memory_than_is_reckoned_with() {
        assert!(size_of::<Customer>() <= 368, "{} bytes", size_of::<Customer>());
        assert_eq!(size_of::<Option<Customer>>(), size_of::<Customer>(), "a place for a customer");
    }
}
