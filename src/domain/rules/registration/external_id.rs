//! Generated external ids: consecutive numbers of a fixed length for the customers of a merchant.

use crate::domain::{
    rules::registration::identifier::RegistrationSource,
    vocabulary::{card_numbers::id_has_card_number, words::words},
};
words! {
    /// How the last digits of an id are computed.
    Checksum {
        /// One check digit by Luhn's formula (ISO/IEC 7812-1, annex B).
        Luhn = "luhn",
        /// One check digit: the remainder by 7.
        Mod7 = "mod7",
        /// No check digit; a suffix may follow the number.
        AutoInc = "auto_inc",
    }
}

words! {
    /// The digits that the check digit covers.
    ChecksumIncludes {
        /// Prefix and number.
        Prefix = "prefix",
        /// The number alone, with its leading zeros.
        None = "none",
    }
}

/// The most characters of an id.
pub const EXTERNAL_ID_DIGITS_MAX: u64 = 50;

/// The format of external ids, not yet checked for contradictions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIdFormat {
    /// Characters of the whole id: prefix, number, suffix and check digit.
    pub length: u64,
    /// Digits before the number; letters too, where there is no check digit.
    pub prefix: String,
    /// Digits and letters after the number.
    pub suffix: String,
    /// The first number.
    pub offset: u64,
    /// How the last digits are computed.
    pub checksum: Checksum,
    /// The digits that the check digit covers; `None`: not configured, which means prefix and number.
    pub checksum_includes: Option<ChecksumIncludes>,
    /// Whether a generated id replaces one that a registration offers.
    pub replace: bool,
    /// The registrations that get an id; `None`: all.
    pub sources: Option<Vec<RegistrationSource>>,
}

/// An invalid value or two contradicting values of an [`ExternalIdFormat`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The length is out of range.
    #[error("`length` must be from 1 to {EXTERNAL_ID_DIGITS_MAX}")]
    Length,
    /// The prefix contains a character that is neither a digit nor a letter.
    #[error("`prefix` contains a character that is neither a digit nor a letter from A to Z")]
    Prefix,
    /// The suffix contains a character that is neither a digit nor a letter.
    #[error("`suffix` contains a character that is neither a digit nor a letter from A to Z")]
    Suffix,
    /// A check digit is computed from digits.
    #[error("`prefix` contains a letter, and a check digit is computed from digits")]
    LettersBesideCheckDigit,
    /// The check digit is the last one.
    #[error("`suffix` is only allowed with `checksum = \"auto_inc\"`: a check digit takes its place")]
    SuffixBesideCheckDigit,
    /// There is no check digit.
    #[error("`checksum_includes` has no meaning with `checksum = \"auto_inc\"`, which has no check digit")]
    NothingToInclude,
    /// Prefix, suffix and check digit fill the id.
    #[error("prefix, suffix and check digit leave no digit of `length` for the number")]
    NoRoom,
    /// The first number is too long.
    #[error("`offset` has more digits than `length` leaves for the number")]
    Offset,
    /// The ids would be refused in every request.
    #[error("ids of this prefix and length look like full card numbers, which are refused everywhere")]
    LikeCards,
    /// No customer would get an id.
    #[error("`sources` is empty: no customer would ever get an id")]
    NoSource,
}

impl FormatError {
    /// The key at fault.
    #[must_use]
    pub fn key(self) -> &'static str {
        match self {
            Self::Length | Self::NoRoom => "length",
            Self::Prefix | Self::LettersBesideCheckDigit | Self::LikeCards => "prefix",
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
            Self::Length => "write a whole number from 1 to 50: the characters of the whole id",
            Self::Prefix | Self::Suffix => {
                "write digits, in quotes, as \"1234\"; with checksum = \"auto_inc\" letters too, as \"BRAND\""
            }
            Self::LettersBesideCheckDigit => "write digits only, or checksum = \"auto_inc\"",
            Self::SuffixBesideCheckDigit => "leave `suffix` out, or write checksum = \"auto_inc\"",
            Self::NothingToInclude => "leave it out, or write checksum = \"luhn\" or \"mod7\"",
            Self::NoRoom => "write a larger `length`, or a shorter prefix or suffix",
            Self::Offset => "write a smaller `offset` or a larger `length`",
            Self::LikeCards => "write another prefix, as one that begins with 1 or 9, or a length below 13 or above 19",
            Self::NoSource => "name at least one, or leave `sources` out: then every new customer gets an id",
        }
    }
}

/// Why a number has no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ExternalIdError {
    /// All ids are used: the next number has too many digits.
    #[error("external ids are used up: the number {number} does not fit into {digits} digits; write a larger `length`")]
    UsedUp {
        /// The number; [`u64::MAX`] where it is larger.
        number: u64,
        /// The digits available for it.
        digits: usize,
    },
    /// The id would be refused in every request; the next number is usable.
    #[error("the external id of number {0} looks like a full card number; take the next")]
    LikeCard(u64),
}

/// Generates external ids. Distinct numbers have distinct ids, all of the same length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIds(ExternalIdFormat);

impl ExternalIds {
    /// Checks a format.
    ///
    /// # Errors
    /// All contradictions of the format.
    pub fn new(shape: ExternalIdFormat) -> Result<Self, Vec<FormatError>> {
        let mut wrong = Vec::new();
        let mut refuse = |when: bool, why: FormatError| {
            if when {
                wrong.push(why);
            }
        };
        let is_text = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let has_check_digit = shape.checksum != Checksum::AutoInc;
        refuse(!(1..=EXTERNAL_ID_DIGITS_MAX).contains(&shape.length), FormatError::Length);
        refuse(!is_text(&shape.prefix), FormatError::Prefix);
        refuse(!is_text(&shape.suffix), FormatError::Suffix);
        let has_letters = shape.prefix.bytes().any(|byte| byte.is_ascii_alphabetic());
        refuse(has_check_digit && has_letters && is_text(&shape.prefix), FormatError::LettersBesideCheckDigit);
        refuse(has_check_digit && !shape.suffix.is_empty(), FormatError::SuffixBesideCheckDigit);
        refuse(!has_check_digit && shape.checksum_includes.is_some(), FormatError::NothingToInclude);
        refuse(shape.sources.as_ref().is_some_and(Vec::is_empty), FormatError::NoSource);
        let ids = Self(shape);
        refuse(ids.0.length > 0 && ids.number_digits() == 0, FormatError::NoRoom);
        if !wrong.is_empty() {
            return Err(wrong);
        }
        // Of a hundred consecutive numbers some pass Luhn's check, with any surrounding digits.
        let first: Vec<_> = (0..100).map(|number| ids.nth(number)).collect();
        match first.first() {
            Some(Err(ExternalIdError::UsedUp { .. })) => Err(vec![FormatError::Offset]),
            _ if first.iter().any(|id| matches!(id, Err(ExternalIdError::LikeCard(_)))) => {
                Err(vec![FormatError::LikeCards])
            }
            _ => Ok(ids),
        }
    }

    /// The format.
    #[must_use]
    pub fn format(&self) -> &ExternalIdFormat {
        &self.0
    }

    /// Whether the ids contain only digits.
    #[must_use]
    pub fn are_numbers(&self) -> bool {
        self.0.prefix.bytes().chain(self.0.suffix.bytes()).all(|byte| byte.is_ascii_digit())
    }

    /// Whether registrations of this source get an id.
    #[must_use]
    pub fn covers_source(&self, source: RegistrationSource) -> bool {
        self.0.sources.as_ref().is_none_or(|sources| sources.contains(&source))
    }

    /// The id of the `number`-th customer after the offset; 0 is the first one.
    ///
    /// # Errors
    /// [`ExternalIdError`]: nothing is ever wrapped or cut.
    pub fn nth(&self, number: u64) -> Result<String, ExternalIdError> {
        let ExternalIdFormat { prefix, suffix, offset, checksum, .. } = &self.0;
        let width = self.number_digits();
        let sum = offset.checked_add(number);
        let used_up = ExternalIdError::UsedUp { number: sum.unwrap_or(u64::MAX), digits: width };
        let digits = format!("{:0>width$}", sum.ok_or(used_up)?);
        if digits.len() > width {
            return Err(used_up);
        }
        let prefix_counts = self.0.checksum_includes != Some(ChecksumIncludes::None);
        // Only an id without a check digit contains letters.
        let covered =
            || prefix.bytes().filter(|_| prefix_counts).chain(digits.bytes()).map(|byte| byte.wrapping_sub(b'0'));
        let check = match checksum {
            Checksum::Luhn => luhn(covered()).to_string(),
            Checksum::Mod7 => covered().fold(0, |rest, digit| (rest * 10 + digit) % 7).to_string(),
            Checksum::AutoInc => String::new(),
        };
        let id = format!("{prefix}{digits}{suffix}{check}");
        if id_has_card_number(&id) { Err(ExternalIdError::LikeCard(number)) } else { Ok(id) }
    }

    /// The digits available for the number.
    fn number_digits(&self) -> usize {
        let taken = self.0.prefix.len() + self.0.suffix.len() + usize::from(self.0.checksum != Checksum::AutoInc);
        usize::try_from(self.0.length).unwrap_or(usize::MAX).saturating_sub(taken)
    }
}

/// The check digit that, appended to these digits, makes the sum of Luhn's formula a multiple of ten.
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

    fn shape(length: u64, prefix: &str, suffix: &str, offset: u64, checksum: Checksum) -> ExternalIdFormat {
        let (prefix, suffix) = (prefix.to_owned(), suffix.to_owned());
        ExternalIdFormat {
            length,
            prefix,
            suffix,
            offset,
            checksum,
            checksum_includes: None,
            replace: false,
            sources: None,
        }
    }

    #[test]
    fn ids_match_the_examples_of_the_contract() {
        let counted = ExternalIds::new(shape(12, "1234", "3401", 3_000, Checksum::AutoInc)).unwrap();
        assert_eq!(counted.nth(0).unwrap(), "123430003401");
        let alone = ExternalIdFormat {
            checksum_includes: Some(ChecksumIncludes::None),
            ..shape(15, "1112", "", 3_000, Checksum::Mod7)
        };
        let alone = ExternalIds::new(alone).unwrap();
        assert_eq!(
            (alone.nth(0).unwrap(), alone.nth(1).unwrap()),
            ("111200000030004".into(), "111200000030015".into())
        );
        let lettered = ExternalIds::new(shape(13, "BRAND", "", 20_000_017, Checksum::AutoInc)).unwrap();
        assert_eq!(
            (lettered.nth(0).as_deref(), lettered.nth(1).as_deref()),
            (Ok("BRAND20000017"), Ok("BRAND20000018"))
        );
        let suffixed = ExternalIds::new(shape(12, "b2", "Zz", 7, Checksum::AutoInc)).unwrap();
        assert_eq!(suffixed.nth(0).as_deref(), Ok("b200000007Zz"));
        assert!(counted.are_numbers() && !lettered.are_numbers() && !suffixed.are_numbers());
    }

    #[test]
    fn luhn_is_the_formula_of_the_standard() {
        // The worked example that everybody cites: 7992739871 has the check digit 3.
        let ids = ExternalIds::new(shape(11, "799273", "", 9_871, Checksum::Luhn)).unwrap();
        assert_eq!(ids.nth(0).unwrap(), "79927398713");
    }

    #[test]
    fn contradictions_are_refused_with_their_key() {
        use Checksum::{AutoInc, Luhn, Mod7};
        use FormatError::*;
        let includes = |shape| ExternalIdFormat { checksum_includes: Some(ChecksumIncludes::Prefix), ..shape };
        let nobody = |shape| ExternalIdFormat { sources: Some(Vec::new()), ..shape };
        for (shape, want) in [
            (shape(0, "", "", 0, AutoInc), vec![Length]),
            (shape(51, "", "", 0, AutoInc), vec![Length]),
            (shape(12, "12-4", "ü", 0, Mod7), vec![Prefix, Suffix, SuffixBesideCheckDigit]),
            (shape(12, "BR", "", 0, Mod7), vec![LettersBesideCheckDigit]),
            (shape(12, "B-", "", 0, Luhn), vec![Prefix]),
            (shape(12, "BR", "x", 0, Luhn), vec![LettersBesideCheckDigit, SuffixBesideCheckDigit]),
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
        assert_eq!(ids.nth(10), Err(ExternalIdError::UsedUp { number: 1_000, digits: 3 }));
        let wide = ExternalIds::new(shape(50, "", "", 1, Checksum::AutoInc)).unwrap();
        assert_eq!(wide.nth(u64::MAX), Err(ExternalIdError::UsedUp { number: u64::MAX, digits: 50 }));
        assert_eq!(wide.nth(u64::MAX - 1).unwrap(), format!("{:0>50}", u64::MAX));
    }

    #[test]
    fn an_id_that_looks_like_a_card_number_is_skipped() {
        // The first hundred begin with 1999, later ones with 4000, as cards of sixteen digits do.
        let ids = ExternalIds::new(shape(16, "", "", 1_999_999_999_999_000, Checksum::AutoInc)).unwrap();
        assert_eq!(ids.nth(2_000_000_000_001_002), Err(ExternalIdError::LikeCard(2_000_000_000_001_002)));
        assert_eq!(ids.nth(2_000_000_000_001_003).unwrap(), "4000000000000003");
    }

    /// Whether the last digit is the right one: by the whole number, not digit by digit as it was made.
    fn verifies(ids: &ExternalIds, id: &str) -> bool {
        let from =
            if ids.format().checksum_includes == Some(ChecksumIncludes::None) { ids.format().prefix.len() } else { 0 };
        let (covered, check) = id[from..].split_at(id.len() - from - 1);
        let check: u32 = check.parse().unwrap();
        match ids.format().checksum {
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
            let Ok(ids) = ExternalIds::new(ExternalIdFormat {
                length, prefix, suffix, offset, checksum, checksum_includes, replace: false, sources: None,
            }) else { return Ok(()) };
            let mut known_ids = std::collections::BTreeSet::new();
            for number in numbers {
                match ids.nth(number) {
                    Ok(id) => {
                        prop_assert_eq!(id.len() as u64, length);
                        prop_assert!(id.starts_with(&ids.format().prefix) && id.ends_with(&ids.format().suffix));
                        prop_assert!(verifies(&ids, &id), "{}", id);
                        prop_assert!(known_ids.insert(id));
                    }
                    Err(ExternalIdError::LikeCard(refused)) => prop_assert_eq!(refused, number),
                    Err(ExternalIdError::UsedUp { number: refused, digits }) => {
                        prop_assert_eq!(refused, offset + number);
                        prop_assert!(refused.to_string().len() > digits);
                    }
                }
            }
        }
    }
}
