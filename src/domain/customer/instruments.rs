//! Stored payment instruments of a customer.
//!
//! The expiry of a card is a function of its last month and of the time of the reader: nothing is recorded when a month
//! ends, so every reader and every recovery sees the same.

use crate::domain::vocabulary::{
    calendar::{LocalTime, month::Month},
    card_numbers,
    time::Millis,
    words::words,
};

/// The maximum number of stored instruments of one customer; the least recently used one is removed.
pub const INSTRUMENTS_MAX: usize = 100;

words! {
    /// Whether a stored payment instrument is usable. Blocks are not part of it, because they are not per customer.
    InstrumentState {
        /// It can be used.
        Active = "active",
        /// It has expired.
        Expired = "expired",
        /// The processor reports that it no longer exists.
        Invalid = "invalid",
    }
}

words! {
    /// The type of a stored payment instrument.
    InstrumentType {
        /// A card: of its number, the first six and the last four digits are known.
        Card = "card",
        /// A bank account: of its number, the last four digits are known.
        BankAccount = "bank_account",
        /// Another type, or unknown.
        Other = "other",
    }
}

words! {
    /// The payments for which the customer agreed to storing the instrument.
    CardOnFileType {
        /// Payments without a schedule that the merchant initiates.
        Unscheduled = "unscheduled",
        /// Payments of a subscription.
        Recurring = "recurring",
        /// Parts of one purchase.
        Installment = "installment",
    }
}

/// Whether the customer agreed to storing an instrument, and for which payments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardOnFile {
    /// The customer has not agreed.
    No,
    /// The customer agreed; the type is unknown.
    OfUnknownType,
    /// The customer agreed to payments of this type.
    OfType(CardOnFileType),
}

impl CardOnFile {
    /// Whether the customer agreed.
    #[must_use]
    pub fn is_agreed(self) -> bool {
        self != Self::No
    }

    /// The agreement of a customer who gave two: with a type, where one of them has a type.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, other) | (Self::OfUnknownType, other @ Self::OfType(_)) => other,
            (Self::OfUnknownType | Self::OfType(_), _) => self,
        }
    }

    /// The type, where it is known.
    #[must_use]
    pub fn known_type(self) -> Option<CardOnFileType> {
        match self {
            Self::OfType(known) => Some(known),
            Self::No | Self::OfUnknownType => None,
        }
    }
}

/// Until when at least one instrument of a customer is usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstrumentsUsable {
    /// There are no stored instruments, or one of them is active and has no last month.
    Always,
    /// The latest last month of the active instruments.
    UntilEndOf(Month),
    /// All stored instruments are expired or invalid, at any time.
    Never,
}

/// A payment instrument of a customer. A payment that names one records it, so that signals about it reach the customer. It
/// is stored, and so shown and offered, only after an approval or by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// The gateway's token.
    pub id: Box<str>,
    /// Its type.
    pub kind: InstrumentType,
    /// The digits that may be stored, such as `411111******1111`.
    pub masked: Option<Box<str>>,
    /// Its last valid month.
    pub expires: Option<Month>,
    /// Whether it is stored: by an approved payment, or by hand. Otherwise payments named it, and none was approved.
    pub is_stored: bool,
    /// When it was stored; when a payment first named it, while it is not stored.
    pub saved_at: Millis,
    /// When a payment by it last succeeded.
    pub last_success_at: Option<Millis>,
    /// The number of successful payments by it.
    pub successes: u64,
    /// The state as recorded; see [`Instrument::state`].
    pub recorded_state: InstrumentState,
    /// Whether it is offered first.
    pub is_default: bool,
    /// Whether the customer agreed to storing it.
    pub on_file: CardOnFile,
    /// The brand as sent; see [`Instrument::brand`].
    pub sent_brand: Option<Box<str>>,
}

impl Instrument {
    /// An instrument of which only the id is known, and which is not stored.
    #[must_use]
    pub fn bare(id: &str, saved_at: Millis) -> Self {
        Self {
            id: id.into(),
            kind: InstrumentType::Other,
            masked: None,
            expires: None,
            is_stored: false,
            saved_at,
            last_success_at: None,
            successes: 0,
            recorded_state: InstrumentState::Active,
            is_default: false,
            on_file: CardOnFile::No,
            sent_brand: None,
        }
    }

    /// The state at a time: an active instrument is expired as soon as its last month is over.
    #[must_use]
    pub fn state(&self, local: LocalTime<'_>) -> InstrumentState {
        match (self.recorded_state, self.expires) {
            (InstrumentState::Active, Some(last)) if last < local.month() => InstrumentState::Expired,
            (recorded, _) => recorded,
        }
    }

    /// Whether it is stored by a record that does not state it: it had a success, or anything but its id is known. Earlier
    /// versions recorded an instrument in the same way whether a payment named it or staff stored it.
    #[must_use]
    pub fn is_stored_unless_stated(&self) -> bool {
        *self != Self { is_stored: self.is_stored, ..Self::bare(&self.id, self.saved_at) }
    }

    /// The instrument after it is stored at a time. One that is stored already stays as it is.
    #[must_use]
    pub fn stored_at(self, at: Millis) -> Self {
        if self.is_stored { self } else { Self { is_stored: true, saved_at: at, ..self } }
    }

    /// The brand: as sent, or the network that the masked number of a card belongs to.
    #[must_use]
    pub fn brand(&self) -> Option<&str> {
        self.sent_brand.as_deref().or_else(|| brand_of_number(self.kind, self.masked.as_deref()))
    }

    /// When it was last used: the last success, or when it was stored.
    #[must_use]
    pub fn last_used_at(&self) -> Millis {
        self.last_success_at.unwrap_or(self.saved_at)
    }
}

/// The network of a masked card number.
#[must_use]
pub fn brand_of_number(kind: InstrumentType, masked: Option<&str>) -> Option<&'static str> {
    masked.filter(|_| kind == InstrumentType::Card).and_then(card_numbers::network_of_masked)
}

/// Stored instruments in the order of their last use, the latest first. Of two with the same time, the smaller id is first.
#[must_use]
pub fn by_last_use(instruments: &[Instrument]) -> Vec<&Instrument> {
    let mut ordered: Vec<&Instrument> = instruments.iter().filter(|instrument| instrument.is_stored).collect();
    ordered.sort_by_key(|instrument| std::cmp::Reverse(instrument.last_used_at()));
    ordered
}

/// The place of an instrument in the order of the last use, among the other stored instruments of the customer: 1 for the
/// latest. It has the place that [`by_last_use`] gives it.
#[must_use]
pub fn order_of(instruments: &[Instrument], instrument: &Instrument) -> usize {
    fn key(one: &Instrument) -> (std::cmp::Reverse<Millis>, &str) {
        (std::cmp::Reverse(one.last_used_at()), &one.id)
    }
    let is_before = |other: &&Instrument| other.is_stored && other.id != instrument.id && key(other) < key(instrument);
    1 + instruments.iter().filter(is_before).count()
}

/// Until when at least one of the stored instruments among these is usable.
#[must_use]
pub fn usable(instruments: &[Instrument]) -> InstrumentsUsable {
    let stored = || instruments.iter().filter(|instrument| instrument.is_stored);
    let mut latest = None;
    for instrument in stored().filter(|instrument| instrument.recorded_state == InstrumentState::Active) {
        match instrument.expires {
            None => return InstrumentsUsable::Always,
            last => latest = latest.max(last),
        }
    }
    match latest {
        Some(last) => InstrumentsUsable::UntilEndOf(last),
        None if stored().next().is_none() => InstrumentsUsable::Always,
        None => InstrumentsUsable::Never,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::vocabulary::calendar::Calendar;

    fn stored(id: &str, saved_at: i64) -> Instrument {
        Instrument::bare(id, Millis(saved_at)).stored_at(Millis(saved_at))
    }

    fn month(text: &str) -> Month {
        Month::parse(text).unwrap()
    }

    #[test]
    fn a_card_expires_with_its_last_month_in_the_zone_of_the_merchant() {
        use InstrumentState::{Active, Expired, Invalid};
        let card = |state| Instrument {
            expires: Some(month("2026-11")),
            recorded_state: state,
            ..Instrument::bare("t", Millis(0))
        };
        for (zone, now, want) in [
            ("UTC", "2026-11-30T23:59:59.999Z", Active),
            ("UTC", "2026-12-01T00:00:00Z", Expired),
            ("Asia/Tokyo", "2026-11-30T14:59:59.999Z", Active),
            ("Asia/Tokyo", "2026-11-30T15:00:00Z", Expired),
            ("America/New_York", "2026-12-01T04:59:59.999Z", Active),
            ("America/New_York", "2026-12-01T05:00:00Z", Expired),
        ] {
            let calendar = Calendar::of(zone).unwrap();
            let local = LocalTime { calendar: &calendar, now: Millis::parse(now).unwrap() };
            assert_eq!(card(Active).state(local), want, "{zone} {now}");
            // What was recorded stays.
            assert_eq!(card(Expired).state(local), Expired);
            assert_eq!(card(Invalid).state(local), Invalid);
            assert_eq!(Instrument { expires: None, ..card(Active) }.state(local), Active);
        }
    }

    #[test]
    fn instruments_are_usable_until_the_latest_last_month_of_the_active_ones() {
        use InstrumentState::{Active, Expired, Invalid};
        let usable_of = |cards: &[(InstrumentState, Option<&str>)]| {
            let card = |(state, expires): &(InstrumentState, Option<&str>)| Instrument {
                recorded_state: *state,
                expires: expires.map(month),
                ..stored("t", 0)
            };
            let tried = Instrument { recorded_state: Invalid, ..Instrument::bare("tried", Millis(0)) };
            assert_eq!(usable(&[tried]), InstrumentsUsable::Always, "one that is not stored does not count");
            usable(&cards.iter().map(card).collect::<Vec<_>>())
        };
        for (cards, want) in [
            (&[][..], InstrumentsUsable::Always),
            (&[(Active, None), (Active, Some("2026-11"))], InstrumentsUsable::Always),
            (&[(Active, Some("2026-11")), (Active, Some("2026-12"))], InstrumentsUsable::UntilEndOf(month("2026-12"))),
            (&[(Active, Some("2026-11")), (Invalid, None)], InstrumentsUsable::UntilEndOf(month("2026-11"))),
            (&[(Expired, Some("2031-11")), (Invalid, None)], InstrumentsUsable::Never),
        ] {
            assert_eq!(usable_of(cards), want, "{cards:?}");
        }
    }

    #[test]
    fn the_brand_is_as_sent_or_read_from_the_number_of_a_card() {
        let of = |kind, masked: Option<&str>, sent: Option<&str>| {
            let instrument = Instrument {
                kind,
                masked: masked.map(Into::into),
                sent_brand: sent.map(Into::into),
                ..Instrument::bare("t", Millis(0))
            };
            instrument.brand().map(str::to_owned)
        };
        let visa = Some("411111******1111");
        assert_eq!(of(InstrumentType::Card, visa, None).as_deref(), Some("visa"));
        assert_eq!(of(InstrumentType::Card, visa, Some("own brand")).as_deref(), Some("own brand"));
        assert_eq!(of(InstrumentType::Card, Some("****1111"), None), None);
        assert_eq!(of(InstrumentType::Card, None, Some("mir")).as_deref(), Some("mir"));
        assert_eq!(of(InstrumentType::BankAccount, Some("****1111"), None), None);
        assert_eq!(of(InstrumentType::Other, visa, None), None);
    }

    #[test]
    fn the_instrument_that_was_used_last_is_first() {
        let used =
            |id, saved_at, used: Option<i64>| Instrument { last_success_at: used.map(Millis), ..stored(id, saved_at) };
        let tried = Instrument::bare("tried", Millis(100));
        let all = [tried, used("a", 1, Some(5)), used("b", 7, None), used("c", 2, Some(5)), used("d", 3, Some(9))];
        let order: Vec<&str> = by_last_use(&all).iter().map(|instrument| instrument.id.as_ref()).collect();
        assert_eq!(order, ["d", "b", "a", "c"]);
        for (place, instrument) in (1..).zip(by_last_use(&all)) {
            assert_eq!(order_of(&all, instrument), place, "{}", instrument.id);
        }
        assert_eq!(order_of(&all, &used("new", 8, None)), 2, "one that is not stored yet");
    }
}
