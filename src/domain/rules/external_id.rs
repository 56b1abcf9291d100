//! External ids: numbers of a fixed length that a merchant gives to its customers, one after the other.

use crate::domain::{
    rules::{configuration::words, registration::Source},
    vocabulary::card_numbers::no_card_id,
};

words! {
    /// How the last digits of an id come about.
    Checksum {
        /// One check digit by Luhn's formula (ISO/IEC 7812-1, annex B).
        Luhn = "luhn",
        /// One check digit: the remainder by 7.
        Mod7 = "mod7",
        /// No check digit: the number counts on, and a suffix may follow it.
        AutoInc = "auto_inc",
    }
}
words! {
    /// What the check digit is reckoned over.
    ChecksumIncludes {
        /// Prefix and number.
        Prefix = "prefix",
        /// The number alone, with its leading zeros.
        None = "none",
    }
}

/// The most digits of an id.
pub const LENGTH_MAX: u64 = 50;

/// How ids are to be made, not yet looked at as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Digits of the whole id: prefix, number, suffix and check digit.
    pub length: u64,
    /// Digits before the number.
    pub prefix: String,
    /// Digits behind the number.
    pub suffix: String,
    /// The first number.
    pub offset: u64,
    /// How the last digits come about.
    pub checksum: Checksum,
    /// What the check digit is reckoned over; `None`: nothing is said, which is prefix and number.
    pub checksum_includes: Option<ChecksumIncludes>,
    /// Whose registrations get an id; `None`: all.
    pub sources: Option<Vec<Source>>,
}

/// Two things of a [`Shape`] that do not go together, or one that cannot be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// No id is so long.
    #[error("`length` must be from 1 to {LENGTH_MAX}")]
    Length,
    /// An id is a number.
    #[error("`prefix` holds something that is no digit")]
    Prefix,
    /// An id is a number.
    #[error("`suffix` holds something that is no digit")]
    Suffix,
    /// The check digit is the last one.
    #[error("`suffix` goes only with `checksum = \"auto_inc\"`: a check digit stands where the suffix would")]
    SuffixBesideCheckDigit,
    /// There is no check digit.
    #[error("`checksum_includes` has no meaning with `checksum = \"auto_inc\"`, which has no check digit")]
    NothingToInclude,
    /// Prefix, suffix and check digit fill the id.
    #[error("prefix, suffix and check digit leave no digit of `length` for the number")]
    NoRoom,
    /// The very first number is too long.
    #[error("`offset` has more digits than `length` leaves for the number")]
    Offset,
    /// The ids would be refused wherever somebody sends them.
    #[error("ids of this prefix and length look like full card numbers, which are refused everywhere")]
    LikeCards,
    /// Nobody would get one.
    #[error("`sources` is empty: no customer would ever get an id")]
    NoSource,
}

impl Contradiction {
    /// The key at fault.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Length | Self::NoRoom => "length",
            Self::Prefix | Self::LikeCards => "prefix",
            Self::Suffix | Self::SuffixBesideCheckDigit => "suffix",
            Self::NothingToInclude => "checksum_includes",
            Self::Offset => "offset",
            Self::NoSource => "sources",
        }
    }

    /// What to write instead.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::Length => "write a whole number from 1 to 50: the digits of the whole id",
            Self::Prefix | Self::Suffix => "write digits only, in quotes, as \"1234\"",
            Self::SuffixBesideCheckDigit => "leave `suffix` out, or write checksum = \"auto_inc\"",
            Self::NothingToInclude => "leave it out, or write checksum = \"luhn\" or \"mod7\"",
            Self::NoRoom => "write a larger `length`, or a shorter prefix or suffix",
            Self::Offset => "write a smaller `offset` or a larger `length`",
            Self::LikeCards => "write another prefix, as one that begins with 1 or 9, or a length below 13 or above 19",
            Self::NoSource => "name at least one, or leave `sources` out: then every new customer gets an id",
        }
    }
}

/// Why there is no such id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoExternalId {
    /// All numbers are given away: the next has more digits than the id has room for.
    #[error("external ids are used up: the number {number} does not fit into {digits} digits; write a larger `length`")]
    UsedUp {
        /// The number; [`u64::MAX`] where it is larger still.
        number: u64,
        /// The digits that there are for it.
        digits: usize,
    },
    /// This one would be refused wherever somebody sends it; the next number has an id again.
    #[error("the external id of number {0} looks like a full card number; take the next")]
    LikeCard(u64),
}

/// How external ids are made. Distinct numbers have distinct ids, all of the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIds(Shape);

impl ExternalIds {
    /// Takes a shape that can be.
    ///
    /// # Errors
    /// Everything that contradicts itself in it.
    pub fn new(shape: Shape) -> Result<Self, Vec<Contradiction>> {
        let mut wrong = Vec::new();
        let mut refuse = |when: bool, why: Contradiction| {
            if when {
                wrong.push(why);
            }
        };
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let has_check_digit = shape.checksum != Checksum::AutoInc;
        refuse(!(1..=LENGTH_MAX).contains(&shape.length), Contradiction::Length);
        refuse(!digits(&shape.prefix), Contradiction::Prefix);
        refuse(!digits(&shape.suffix), Contradiction::Suffix);
        refuse(has_check_digit && !shape.suffix.is_empty(), Contradiction::SuffixBesideCheckDigit);
        refuse(!has_check_digit && shape.checksum_includes.is_some(), Contradiction::NothingToInclude);
        refuse(shape.sources.as_ref().is_some_and(Vec::is_empty), Contradiction::NoSource);
        let ids = Self(shape);
        refuse(ids.0.length > 0 && ids.number_digits() == 0, Contradiction::NoRoom);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        // Of a hundred numbers in a row some pass Luhn's check, whatever the digits around them are.
        let first: Vec<_> = (0..100).map(|number| ids.nth(number)).collect();
        match first.first() {
            Some(Err(NoExternalId::UsedUp { .. })) => Err(vec![Contradiction::Offset]),
            _ if first.iter().any(|id| matches!(id, Err(NoExternalId::LikeCard(_)))) => {
                Err(vec![Contradiction::LikeCards])
            }
            _ => Ok(ids),
        }
    }

    /// How they are made.
    #[must_use]
    pub fn shape(&self) -> &Shape {
        &self.0
    }

    /// Whether customers who come this way get an id.
    #[must_use]
    pub fn made_for(&self, source: Source) -> bool {
        self.0.sources.as_ref().is_none_or(|sources| sources.contains(&source))
    }

    /// The id of the `number`-th customer after the offset; 0 is the first one.
    ///
    /// # Errors
    /// [`NoExternalId`]: nothing is ever wrapped or cut.
    pub fn nth(&self, number: u64) -> Result<String, NoExternalId> {
        let Shape { prefix, suffix, offset, checksum, .. } = &self.0;
        let width = self.number_digits();
        let sum = offset.checked_add(number);
        let used_up = NoExternalId::UsedUp { number: sum.unwrap_or(u64::MAX), digits: width };
        let digits = format!("{:0>width$}", sum.ok_or(used_up)?);
        if digits.len() > width {
            return Err(used_up);
        }
        let prefix_counts = self.0.checksum_includes != Some(ChecksumIncludes::None);
        let covered = || prefix.bytes().filter(|_| prefix_counts).chain(digits.bytes()).map(|byte| byte - b'0');
        let check = match checksum {
            Checksum::Luhn => luhn(covered()).to_string(),
            Checksum::Mod7 => covered().fold(0, |rest, digit| (rest * 10 + digit) % 7).to_string(),
            Checksum::AutoInc => String::new(),
        };
        let id = format!("{prefix}{digits}{suffix}{check}");
        no_card_id("external_id", &id).map_err(|_| NoExternalId::LikeCard(number))?;
        Ok(id)
    }

    /// The digits that are left for the number.
    fn number_digits(&self) -> usize {
        let taken = self.0.prefix.len() + self.0.suffix.len() + usize::from(self.0.checksum != Checksum::AutoInc);
        usize::try_from(self.0.length).unwrap_or(usize::MAX).saturating_sub(taken)
    }
}

/// The digit that makes the sum of Luhn's formula a multiple of ten, when it is written behind these.
fn luhn(digits: impl DoubleEndedIterator<Item = u8>) -> u8 {
    let doubled = |digit: u8| digit * 2 / 10 + digit * 2 % 10;
    let from_the_right = digits.rev().enumerate();
    let sum =
        from_the_right.fold(0, |sum, (place, digit)| (sum + if place % 2 == 0 { doubled(digit) } else { digit }) % 10);
    (10 - sum) % 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use num_bigint::BigUint;
    use proptest::prelude::*;

    fn shape(length: u64, prefix: &str, suffix: &str, offset: u64, checksum: Checksum) -> Shape {
        let (prefix, suffix) = (prefix.to_owned(), suffix.to_owned());
        Shape { length, prefix, suffix, offset, checksum, checksum_includes: None, sources: None }
    }

    #[test]
    fn the_examples_of_the_contract() {
        let counted = ExternalIds::new(shape(12, "1234", "3401", 3_000, Checksum::AutoInc)).unwrap();
        assert_eq!(counted.nth(0).unwrap(), "123430003401");
        let alone =
            Shape { checksum_includes: Some(ChecksumIncludes::None), ..shape(15, "1112", "", 3_000, Checksum::Mod7) };
        let alone = ExternalIds::new(alone).unwrap();
        assert_eq!(
            (alone.nth(0).unwrap(), alone.nth(1).unwrap()),
            ("111200000030004".into(), "111200000030015".into())
        );
    }

    #[test]
    fn luhn_is_the_formula_of_the_standard() {
        // The worked example that everybody cites: 7992739871 has the check digit 3.
        let ids = ExternalIds::new(shape(11, "799273", "", 9_871, Checksum::Luhn)).unwrap();
        assert_eq!(ids.nth(0).unwrap(), "79927398713");
    }

    #[test]
    fn what_contradicts_itself_is_refused_with_its_key() {
        use Checksum::{AutoInc, Luhn, Mod7};
        use Contradiction::*;
        let includes = |shape| Shape { checksum_includes: Some(ChecksumIncludes::Prefix), ..shape };
        let nobody = |shape| Shape { sources: Some(Vec::new()), ..shape };
        for (shape, want) in [
            (shape(0, "", "", 0, AutoInc), vec![Length]),
            (shape(51, "", "", 0, AutoInc), vec![Length]),
            (shape(12, "12-4", "x", 0, Mod7), vec![Prefix, Suffix, SuffixBesideCheckDigit]),
            (shape(12, "1234", "1", 0, Luhn), vec![SuffixBesideCheckDigit]),
            (includes(shape(12, "1234", "1", 0, AutoInc)), vec![NothingToInclude]),
            (nobody(shape(12, "1234", "1", 0, AutoInc)), vec![NoSource]),
            (shape(8, "1234", "5678", 0, AutoInc), vec![NoRoom]),
            (shape(5, "1234", "", 0, Luhn), vec![NoRoom]),
            (shape(7, "1234", "", 1_000, AutoInc), vec![Offset]),
            (shape(16, "4000", "", 0, AutoInc), vec![LikeCards]),
            (shape(16, "4", "", 7, Mod7), vec![LikeCards]),
            (shape(15, "34", "17", 0, AutoInc), vec![LikeCards]),
        ] {
            let keys: Vec<_> = want.iter().map(|why| (why.key(), why.remedy().is_empty())).collect();
            assert!(keys.iter().all(|(key, silent)| !key.is_empty() && !silent));
            assert_eq!(ExternalIds::new(shape.clone()), Err(want), "{shape:?}");
        }
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused_and_never_wrapped() {
        let ids = ExternalIds::new(shape(5, "12", "", 990, Checksum::AutoInc)).unwrap();
        assert_eq!(ids.nth(9).unwrap(), "12999");
        assert_eq!(ids.nth(10), Err(NoExternalId::UsedUp { number: 1_000, digits: 3 }));
        let wide = ExternalIds::new(shape(50, "", "", 1, Checksum::AutoInc)).unwrap();
        assert_eq!(wide.nth(u64::MAX), Err(NoExternalId::UsedUp { number: u64::MAX, digits: 50 }));
        assert_eq!(wide.nth(u64::MAX - 1).unwrap(), format!("{:0>50}", u64::MAX));
    }

    #[test]
    fn an_id_that_looks_like_a_card_is_passed_over() {
        // The first hundred begin with 1999, later ones with 4000, as cards of sixteen digits do.
        let ids = ExternalIds::new(shape(16, "", "", 1_999_999_999_999_000, Checksum::AutoInc)).unwrap();
        assert_eq!(ids.nth(2_000_000_000_001_002), Err(NoExternalId::LikeCard(2_000_000_000_001_002)));
        assert_eq!(ids.nth(2_000_000_000_001_003).unwrap(), "4000000000000003");
    }

    /// Whether the last digit is the right one: by the whole number, not digit by digit as it was made.
    fn verifies(ids: &ExternalIds, id: &str) -> bool {
        let from =
            if ids.shape().checksum_includes == Some(ChecksumIncludes::None) { ids.shape().prefix.len() } else { 0 };
        let (covered, check) = id[from..].split_at(id.len() - from - 1);
        let check: u32 = check.parse().unwrap();
        match ids.shape().checksum {
            Checksum::AutoInc => true,
            Checksum::Mod7 => covered.parse::<BigUint>().unwrap() % 7_u32 == BigUint::from(check),
            Checksum::Luhn => {
                let weighed = |(place, digit): (usize, char)| {
                    let digit = digit.to_digit(10).unwrap() * if place % 2 == 0 { 2 } else { 1 };
                    if digit > 9 { digit - 9 } else { digit }
                };
                (covered.chars().rev().enumerate().map(weighed).sum::<u32>() + check).is_multiple_of(10)
            }
        }
    }

    proptest! {
        #[test]
        fn distinct_numbers_have_distinct_ids_and_every_checksum_verifies(
            length in 1_u64..=50, prefix in "[0-9]{0,8}", suffix in "[0-9]{0,8}", offset in 0_u64..100_000,
            checksum in prop_oneof![Just(Checksum::Luhn), Just(Checksum::Mod7), Just(Checksum::AutoInc)],
            alone in any::<bool>(), numbers in proptest::collection::btree_set(0_u64..1_000_000, 2..40),
        ) {
            let counted = checksum == Checksum::AutoInc;
            let checksum_includes = (alone && !counted).then_some(ChecksumIncludes::None);
            let suffix = if counted { suffix } else { String::new() };
            let Ok(ids) = ExternalIds::new(Shape {
                length, prefix, suffix, offset, checksum, checksum_includes, sources: None,
            }) else { return Ok(()) };
            let mut seen = std::collections::BTreeSet::new();
            for number in numbers {
                match ids.nth(number) {
                    Ok(id) => {
                        prop_assert_eq!(id.len() as u64, length);
                        prop_assert!(id.starts_with(&ids.shape().prefix) && id.ends_with(&ids.shape().suffix));
                        prop_assert!(verifies(&ids, &id), "{}", id);
                        prop_assert!(seen.insert(id));
                    }
                    Err(NoExternalId::LikeCard(refused)) => prop_assert_eq!(refused, number),
                    Err(NoExternalId::UsedUp { number: refused, digits }) => {
                        prop_assert_eq!(refused, offset + number);
                        prop_assert!(refused.to_string().len() > digits);
                    }
                }
            }
        }
    }
}
