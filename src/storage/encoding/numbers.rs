//! The numbers of words in records and snapshots. They never change.
//!
//! They are fixed here, independent of the order in which the domain lists its words, so that the domain may sort and
//! rename words. A number is never reused; a new word gets the next number.

use crate::domain::{
    customer::{
        audit::ChangeSource,
        instruments::{CardOnFileType, InstrumentState, InstrumentType},
        status::{CustomerStatus, Signal},
    },
    events::audited_operation::OperationKind,
    rules::{
        filter::{FilterMode, FilterScope, WindowClass},
        labels::Restriction,
    },
    transaction::{
        opening::{CustomerResolution, LevelSource, OpeningKind},
        status::{Flag, Flags, Status},
        violation::LimitOwner,
    },
    vocabulary::{
        attributes::{Attribute, AttributeSet},
        denial_codes::{DENIAL_CODES, DenialCode},
        direction::Direction,
    },
};

/// A word with a number.
pub(crate) trait Numbered: Copy {
    /// The kind of word, for messages.
    const WHAT: &'static str;

    /// The number of the word.
    fn number(self) -> u8;

    /// The word of a number.
    fn of_number(number: u8) -> Option<Self>;
}

macro_rules! numbers {
    ($word:ident, $what:literal: $($variant:ident $number:literal),+) => {
        impl Numbered for $word {
            const WHAT: &'static str = $what;

            fn number(self) -> u8 {
                match self { $(Self::$variant => $number),+ }
            }

            fn of_number(number: u8) -> Option<Self> {
                match number { $($number => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

numbers!(Direction, "direction": Deposit 1, Withdrawal 2);
numbers!(Signal, "signal": ConsentGiven 1, ConsentRefused 2, FraudSuspected 3, FraudConfirmed 4, CardStolen 5, Cleared 6,
    CardExpired 7, CardInvalid 8);
numbers!(ChangeSource, "source": Payment 1, Api 2, Upload 3, System 4);
numbers!(OperationKind, "kind of an operation": Reload 1, Level 2, Rates 3, Upload 4, Bulk 5, Import 6);
numbers!(InstrumentState, "state of an instrument": Active 1, Expired 2, Invalid 3);
numbers!(CardOnFileType, "type of a card on file": Unscheduled 1, Recurring 2, Installment 3);
numbers!(InstrumentType, "type of an instrument": Card 1, BankAccount 2, Other 3);
numbers!(WindowClass, "class of a filter": Daily 1, Weekly 2, Monthly 3, Other 4);
numbers!(FilterScope, "scope of a filter": Level 1, Merchant 2, Customer 3);
numbers!(LimitOwner, "owner of a limit": Level 1, Customer 2, Operator 3, Endpoint 4);
numbers!(Restriction, "restriction": BlockTransactions 1, BlockDeposits 2, BlockWithdrawals 3, MarkOutlier 4,
    BlockIdentifierChange 5, BlockMerge 6, BlockLevelChange 7);
numbers!(FilterMode, "mode of a filter": Enforce 1, Shadow 2, Off 3);
numbers!(CustomerStatus, "customer status": New 1, Member 2, NotActive 3, Deny 4, Suspicious 5, Fraud 6);
numbers!(Status, "status": Reserved 1, Approved 2, Declined 3, Cancelled 4, Expired 5, Denied 6);
numbers!(CustomerResolution, "resolution": Found 1, Created 2, ClientDefinition 3, Bypassed 4);
numbers!(LevelSource, "level source": Request 1, Stored 2, Default 3, Project 4);
numbers!(OpeningKind, "opening": Reserved 1, Denied 2, Unreserved 3);
numbers!(Flag, "flag": OverLimit 0, Late 1, Conflict 2, Unreserved 3, Suspicious 4, Outlier 5,
    UnknownGate 6);
numbers!(Attribute, "attribute": Email 0, Phone 1, ExternalId 2, PaymentInstrument 3, Name 4, FirstName 5, LastName 6,
    Country 7, City 8, Address 9, PostalCode 10, DateOfBirth 11, Language 12, Comment 13, Rating 14,
    RegistrationIp 15, PhoneVerified 16, ReferredBy 17);

/// All flags; the number of a flag is its bit.
const FLAGS: [Flag; 7] =
    [Flag::OverLimit, Flag::Late, Flag::Conflict, Flag::Unreserved, Flag::Suspicious, Flag::Outlier, Flag::UnknownGate];
/// All attributes; the number of an attribute is its bit.
const ATTRIBUTES: [Attribute; 18] = [
    Attribute::Email,
    Attribute::Phone,
    Attribute::ExternalId,
    Attribute::PaymentInstrument,
    Attribute::Name,
    Attribute::FirstName,
    Attribute::LastName,
    Attribute::Country,
    Attribute::City,
    Attribute::Address,
    Attribute::PostalCode,
    Attribute::DateOfBirth,
    Attribute::Language,
    Attribute::Comment,
    Attribute::Rating,
    Attribute::RegistrationIp,
    Attribute::PhoneVerified,
    Attribute::ReferredBy,
];

/// A set of flags as bits by number.
pub(crate) fn flag_bits(flags: Flags) -> u8 {
    // Few transactions have a flag.
    if flags == Flags::NONE {
        return 0;
    }
    FLAGS.iter().filter(|flag| flags.contains(**flag)).fold(0, |bits, flag| bits | 1 << flag.number())
}

/// The set of flags of these bits; `None` if a bit is no flag.
pub(crate) fn flags_of(bits: u8) -> Option<Flags> {
    let known = FLAGS.map(|flag| (bits >> flag.number() & 1 == 1).then_some(flag));
    let flags = Flags(known.into_iter().flatten().fold(0, |all, flag| all | Flags::of(&[flag]).0));
    (flag_bits(flags) == bits).then_some(flags)
}

/// A set of attributes as bits by number.
pub(crate) fn attribute_bits(set: AttributeSet) -> u32 {
    // Most payments name their customer by identifier, so the set is empty.
    if set == AttributeSet::default() {
        return 0;
    }
    ATTRIBUTES.iter().filter(|a| set.contains(**a)).fold(0, |bits, attribute| bits | 1 << attribute.number())
}

/// The set of attributes of these bits; `None` if a bit is no attribute.
pub(crate) fn attributes_of(bits: u32) -> Option<AttributeSet> {
    let known = ATTRIBUTES.into_iter().filter(|attribute| bits >> attribute.number() & 1 == 1);
    let set = AttributeSet(known.fold(0, |all, attribute| all | AttributeSet::of(&[attribute]).0));
    (attribute_bits(set) == bits).then_some(set)
}

/// The code of a number on the wire.
pub(crate) fn code_of(number: u64) -> Option<DenialCode> {
    DENIAL_CODES.iter().find(|(_, known, _)| u64::from(*known) == number).map(|(code, ..)| *code)
}
