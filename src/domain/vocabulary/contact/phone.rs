//! Phone numbers, as Google's libphonenumber reads them; `rlibphonenumber` is a port of it.
//!
//! One rule is stricter here: a number contains no letters except the mark of an extension (`x12`, `ext. 12`). So
//! `1-800-FLOWERS` is not a phone number. Extensions are dropped.
//!
//! The library takes tens of microseconds for a number. It is not asked about a text that is in its normal form already,
//! as nearly all stored numbers are, and once about a text that one request needs several times, or one row of a table in
//! both passes of an upload.

pub mod national_prefixes;
pub mod read_forms;

use crate::domain::vocabulary::contact::phone::read_forms::ReadForms;
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumber, PhoneNumberFormat, PhoneNumberType, Region};
use std::{
    borrow::Cow,
    cell::RefCell,
    hash::{DefaultHasher, Hash, Hasher},
};

/// How many numbers of a country [`example`] tries.
const EXAMPLES: u64 = 1_000;

/// The longest text that is read as a number, in characters.
const TEXT_CHARS_MAX: usize = 250;

/// A country with a known numbering plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Country(Region);

impl Country {
    /// The country of two capital letters (ISO 3166-1).
    #[must_use]
    pub fn parse(code: &str) -> Option<Self> {
        let is_code = code.len() == 2 && code.bytes().all(|byte| byte.is_ascii_uppercase());
        let region = is_code.then(|| Region::from_code(code).ok())??;
        PHONE_NUMBER_UTIL.get_country_code_for_region(region).is_some().then_some(Self(region))
    }
}

impl std::fmt::Display for Country {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Reads a text as a number. A text that does not state a country code is read as dialled in `country`.
/// `None`: it is not a number. The number may belong to no range in use; see [`valid`].
#[must_use]
pub fn number(country: Option<Country>, text: &str) -> Option<PhoneNumber> {
    let text = text.trim();
    if text.len() > TEXT_CHARS_MAX && text.chars().count() > TEXT_CHARS_MAX {
        return None;
    }
    let region = country.map(|country| country.0);
    if !text.chars().any(char::is_alphabetic) {
        return PHONE_NUMBER_UTIL.parse(text, region).ok();
    }
    let lettered = Lettered::parse(text)?;
    let number = PHONE_NUMBER_UTIL.parse(lettered.number.as_ref(), region).ok()?;
    // A number has one extension.
    (!lettered.has_extension || number.extension.is_none()).then_some(number)
}

/// [`number`], if it belongs to a range in use.
#[must_use]
pub fn valid(country: Option<Country>, text: &str) -> Option<PhoneNumber> {
    number(country, text).filter(|number| PHONE_NUMBER_UTIL.is_valid_number(number))
}

/// A number with a plus sign, its country code and its national number (ITU-T E.164).
#[must_use]
pub fn e164(number: &PhoneNumber) -> String {
    PHONE_NUMBER_UTIL.format(number, PhoneNumberFormat::E164).into_owned()
}

/// The form in which phone numbers are compared: E.164 of a valid number, and of a number with a plus sign and country
/// code even if its range is unknown. `None`: the text is not a phone number.
#[must_use]
pub fn compared(country: Option<Country>, text: &str) -> Option<Cow<'_, str>> {
    let text = text.trim();
    if is_compared_form(text) {
        return Some(Cow::Borrowed(text));
    }
    LAST_READ.with_borrow_mut(|last| {
        if !last.as_ref().is_some_and(|last| last.is_of(country, text)) {
            let form = read_forms::expected(hash_of(country, text));
            let form = form.unwrap_or_else(|| compared_by_library(country, text));
            *last = Some(LastRead { country, text: text.into(), form });
        }
        last.as_ref()?.form.clone().map(Cow::Owned)
    })
}

/// Adds the form of the phone number of a row that was read just now. A text that the library did not read last is left out.
pub fn keep_form(forms: &mut ReadForms, row: u64, country: Option<Country>, text: &str) {
    let text = text.trim();
    LAST_READ.with_borrow(|last| {
        if let Some(last) = last.as_ref().filter(|last| last.is_of(country, text)) {
            forms.add(row, hash_of(country, text), last.form.as_deref());
        }
    });
}

fn hash_of(country: Option<Country>, text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (country.map(|country| country.to_string()), text).hash(&mut hasher);
    hasher.finish()
}

/// A text that the library has read, and its result.
struct LastRead {
    country: Option<Country>,
    text: Box<str>,
    form: Option<String>,
}

impl LastRead {
    fn is_of(&self, country: Option<Country>, text: &str) -> bool {
        self.country == country && *self.text == *text
    }
}

thread_local! {
    /// What the library read last on this thread.
    static LAST_READ: RefCell<Option<LastRead>> = const { RefCell::new(None) };
}

/// Whether [`compared`] returns this text for this text, in every country. The library reads it as its digits: they begin
/// with a country code, the number of the others is possible, and they begin with no national prefix that it would remove.
/// A text for which this is not known is none.
fn is_compared_form(text: &str) -> bool {
    /// The digits that the library takes after a country code.
    const NATIONAL_DIGITS: std::ops::RangeInclusive<usize> = 2..=17;
    let digits = text.strip_prefix('+').filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()));
    digits.and_then(national_prefixes::split_country_code).is_some_and(|(prefixes, national)| {
        NATIONAL_DIGITS.contains(&national.len()) && !prefixes.iter().any(|prefix| national.starts_with(prefix))
    })
}

fn compared_by_library(country: Option<Country>, text: &str) -> Option<String> {
    #[cfg(test)]
    ASKED.set(ASKED.get() + 1);
    let read = number(country, text)?;
    let mut form = e164(&read);
    if PHONE_NUMBER_UTIL.is_valid_number(&read) {
        return Some(form);
    }
    if !has_plus(text) {
        return None;
    }
    // The form must be stable: digits that parse as a trunk prefix are removed until none remain.
    while let Some(shorter) = number(None, &form).map(|read| e164(&read)).filter(|read| read.len() < form.len()) {
        form = shorter;
    }
    Some(form)
}

/// A valid number of a country, in E.164, for examples. The first `EXAMPLES` places give different numbers.
#[must_use]
pub fn example(country: Country, place: u64) -> Option<String> {
    let types = [PhoneNumberType::Mobile, PhoneNumberType::FixedLine];
    let known = |kind| PHONE_NUMBER_UTIL.get_example_number_for_type_and_region(country.0, kind).ok();
    let mut number = types.into_iter().find_map(known)?;
    let last = number.national_number % EXAMPLES;
    number.national_number = number.national_number - last + (last + place) % EXAMPLES;
    PHONE_NUMBER_UTIL.is_valid_number(&number).then(|| e164(&number))
}

/// Whether a number states its country code after a plus sign.
#[must_use]
pub fn has_plus(text: &str) -> bool {
    const CONTEXT_PLUS: &str = ";phone-context=+";
    let is_plus = |c: char| matches!(c, '+' | '\u{ff0b}');
    text.contains(CONTEXT_PLUS) || text.chars().find(|c| is_plus(*c) || c.is_numeric()).is_some_and(is_plus)
}

/// A text without the letters that a phone number may contain: the scheme of RFC 3966, its parameters, and an extension.
struct Lettered<'t> {
    number: Cow<'t, str>,
    /// Whether an extension was cut off.
    has_extension: bool,
}

impl<'t> Lettered<'t> {
    /// `None`: other letters are left.
    fn parse(text: &'t str) -> Option<Self> {
        const SCHEME: &str = "tel:";
        const CONTEXT: &str = ";phone-context=";
        const SUBADDRESS: &str = ";isub=";
        let has_scheme = text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME));
        let text = if has_scheme { text.get(SCHEME.len()..)? } else { text };
        let (written, context) = text.split_at(text.find(CONTEXT).unwrap_or(text.len()));
        let written = written.split_once(SUBADDRESS).map_or(written, |(number, _)| number);
        let written = before_second_number(written);
        let number = without_extension(written);
        // The library would look for the scheme in the parameters.
        if number.chars().any(char::is_alphabetic) || context.contains(SCHEME) {
            return None;
        }
        let has_extension = number.len() < written.len();
        let number = if context.is_empty() { number.into() } else { format!("{number}{context}").into() };
        Some(Self { number, has_extension })
    }
}

/// Of two extensions, as in `583-6985 x302/x2303`, the text before the second.
fn before_second_number(text: &str) -> &str {
    let is_start = |(place, _): &(usize, &str)| text[place + 1..].trim_start_matches(' ').starts_with('x');
    text.match_indices(['/', '\\']).find(is_start).map_or(text, |(place, _)| &text[..place])
}

/// The text before an extension that is marked by letters; the whole text where there is none.
fn without_extension(text: &str) -> &str {
    const EXPLICIT: [&str; 15] = [
        "ext",
        "extn",
        "extensio",
        "extension",
        "extensió",
        "extensión",
        "xt",
        "xtn",
        "xtensio",
        "xtension",
        "xtensió",
        "xtensión",
        "ｅｘｔ",
        "доб",
        "anexo",
    ];
    const EXPLICIT_WIDE: [&str; 3] = ["ｅｘｔｎ", "ｘｔ", "ｘｔｎ"];
    const AMBIGUOUS: [&str; 4] = ["x", "ｘ", "int", "ｉｎｔ"];
    const DIGITS_MAX_EXPLICIT: usize = 20;
    const DIGITS_MAX_AMBIGUOUS: usize = 9;
    const ACCENT: char = '\u{301}';
    let trimmed = text.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '#');
    let (digits_end, has_hash) = trimmed.strip_suffix('#').map_or((trimmed, false), |before| (before, true));
    let before = digits_end.trim_end_matches(char::is_numeric);
    let digits = digits_end[before.len()..].chars().count();
    let parameter = before.strip_suffix('=');
    let label_end = parameter.unwrap_or_else(|| {
        let end = before.trim_end_matches([' ', '\u{a0}', '\t', ',', '-']);
        end.strip_suffix([':', '.', '\u{ff0e}']).unwrap_or(end)
    });
    let head = label_end.trim_end_matches(|c: char| c.is_alphabetic() || c == ACCENT);
    let label = label_end[head.len()..].to_lowercase().replace("o\u{301}", "ó");
    let label = label.as_str();
    if parameter.is_some() {
        let number = head.strip_suffix(';').filter(|_| label == "ext" && !has_hash);
        return number.filter(|_| (1..=DIGITS_MAX_EXPLICIT).contains(&digits)).unwrap_or(text);
    }
    let digits_max = match label {
        label if EXPLICIT.contains(&label) || EXPLICIT_WIDE.contains(&label) => DIGITS_MAX_EXPLICIT,
        label if AMBIGUOUS.contains(&label) => DIGITS_MAX_AMBIGUOUS,
        _ => return text,
    };
    if !(1..=digits_max).contains(&digits) {
        return text;
    }
    head.trim_end_matches([' ', '\u{a0}', '\t', ','])
}

#[cfg(test)]
thread_local! {
    /// The number of forms that this thread has requested from the library.
    static ASKED: std::cell::Cell<u64> = const { std::cell::Cell::new(0) };
}

/// The number of forms that this thread has requested from the library.
#[cfg(test)]
pub(crate) fn asked() -> u64 {
    ASKED.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn country(code: &str) -> Option<Country> {
        (!code.is_empty()).then(|| Country::parse(code).unwrap())
    }

    /// default country | text | E.164 of a valid number
    const READ: &str = "
        IN | +919123456789              | +919123456789
        IN | 9123456789                 | +919123456789
        IN | 91234 56789                | +919123456789
        IN | 09123456789                | +919123456789
        IN | 919123456789               | +919123456789
        IN | 00919123456789             | +919123456789
        IN | ९१२३४५६७८९                 | +919123456789
        DE | 030 1234502                | +49301234502
        DE | 030/1234502                | +49301234502
        DE | (030) 123-45-02            | +49301234502
        DE | +49 (0)30 1234502          | +49301234502
        DE | 0049 30 1234502            | +49301234502
        DE | ＋４９３０１２３４５０２     | +49301234502
        DE | ٠٣٠١٢٣٤٥٠٢                 | +49301234502
        DE | +44 20 7946 0018           | +442079460018
        DE | tel:+49-30-1234502         | +49301234502
        DE | TEL:+49-30-1234502         | +49301234502
        DE | tel:030-1234502;phone-context=+49 | +49301234502
        DE | tel:030-1234502;phone-context=example.com | +49301234502
        DE | tel:+49-30-1234502;isub=12 | +49301234502
        DE | 030 1234502;ext=12         | +49301234502
        DE | 030 1234502;ext=12#        |
        DE | 030 1234502 x12            | +49301234502
        DE | 030 1234502 X12            | +49301234502
        DE | 030 1234502x12             | +49301234502
        DE | 030 1234502 ext. 12        | +49301234502
        DE | 030 1234502 Extensión: 12  | +49301234502
        DE | 030 1234502 extensio\u{301}n 12 | +49301234502
        DE | 030 1234502 доб. 12)       | +49301234502
        DE | 030 1234502 int 12#        | +49301234502
        DE | 030 1234502 ｅｘｔｎ 12     | +49301234502
        DE | 030 1234502 #12            | +49301234502
        DE | 030 1234502,,12            | +49301234502
        DE | 030 1234502 x302/x2303     | +49301234502
        DE | 030 1234502 x1234567890    |
        DE | 030 1234502 ext. x12       |
        DE | 030 1234502 ext;12         |
        DE | 030 1234502 #4 x12         |
        DE | 030 1234502 home           |
        DE | Tel. 030 1234502           |
        DE | 03x0 1234502               |
        DE | 03x0 1234502 #12           |
        DE | 1                          |
        DE | x2                         |
        DE | x                          |
        DE |                            |
        US | 1-800-FLOWERS              |
        US | 1-800-356-9377             | +18003569377
        US | (650) 253-0000             | +16502530000
        US | 011 49 30 1234502          | +49301234502
        RU | 8 912 345-67-89            | +79123456789
        RU | 9123456789                 | +79123456789
        RU | 8~10 49 30 1234502         | +49301234502
        BY | 8 029 491 19 11            | +375294911911
        BY | 80294911911                | +375294911911
        IT | 3912345678                 | +393912345678
        IT | 06 6982                    | +39066982
        BR | 55 99123-4567              | +5555991234567
        KZ | 7123456789                 | +77123456789
           | 030 1234502                |
           | +49 30 1234502             | +49301234502
           | 0049 30 1234502            |
           | +800 1234 5678             | +80012345678
           | ;phone-context=+1;tel:     |
           | tel:;phone-context=+1;tel: |
    ";

    #[test]
    fn numbers_are_read_in_all_their_notations() {
        for row in READ.lines().map(str::trim_start).filter(|line| !line.is_empty()) {
            let mut cells = row.split('|').map(str::trim);
            let (code, text, want) = (cells.next().unwrap(), cells.next().unwrap(), cells.next().unwrap());
            let text = text.replace("\\u{301}", "\u{301}");
            let read = valid(country(code), &text).map(|number| e164(&number)).unwrap_or_default();
            assert_eq!(read, want, "{code} {text}");
        }
    }

    #[test]
    fn a_number_of_an_unknown_range_is_compared_where_it_states_its_country() {
        for (code, text, want) in [
            ("DE", "+49 30 1", Some("+49301")),
            ("", "+49 (30) 1 x5", Some("+49301")),
            ("", "tel:30-1;phone-context=+49", Some("+49301")),
            ("", "+49 00 00 30 1", Some("+490301")),
            ("DE", "030 1", None),
            ("DE", "0049 30 1", None),
            ("DE", "030 1234502", Some("+49301234502")),
            ("DE", "+49 FLOWERS", None),
        ] {
            assert_eq!(compared(country(code), text).as_deref(), want, "{code} {text}");
        }
    }

    #[test]
    fn the_library_is_not_asked_about_a_text_in_normal_form_and_once_about_another() {
        let before = asked();
        for _ in 0..3 {
            assert_eq!(compared(country("DE"), "+49301234502").as_deref(), Some("+49301234502"));
        }
        assert_eq!(asked(), before);
        for _ in 0..3 {
            assert_eq!(compared(country("DE"), " 030 1234502").as_deref(), Some("+49301234502"));
            assert_eq!(compared(country("DE"), "+49301234502").as_deref(), Some("+49301234502"));
        }
        assert_eq!(asked(), before + 1);
        assert_eq!(compared(country("AT"), "030 1234502"), None, "another country");
        assert_eq!(asked(), before + 2);
    }

    #[test]
    fn a_text_that_counts_as_a_normal_form_is_one_for_the_library() {
        let countries = [None, country("DE"), country("US"), country("RU"), country("AR")];
        let (mut forms, mut others) = (0_u32, 0_u32);
        // Each country code with each first three digits, in several lengths.
        for code in PHONE_NUMBER_UTIL.get_supported_calling_codes() {
            for start in 0..1_000_u64 {
                let tail = start * 7_919 + u64::from(code.unsigned_abs());
                let len = [6, 7, 8, 9, 10, 11][usize::try_from(tail % 6).unwrap()];
                let text = format!("+{code}{start:03}{:08}", tail % 100_000_000);
                let text = &text[..text.len().min(1 + code.to_string().len() + len)];
                if !is_compared_form(text) {
                    others += 1;
                    continue;
                }
                forms += 1;
                let place = usize::try_from(tail).unwrap() % countries.len();
                assert_eq!(compared_by_library(countries[place], text).as_deref(), Some(text));
            }
        }
        assert!(forms > 150_000 && others > 5_000, "{forms} {others}");
        for text in ["+49", "+491", "+0301234502", "+999123", "49301234502", "+49 301234502", "+490301234502", "+", ""]
        {
            assert!(!is_compared_form(text), "{text}");
        }
        let long = format!("+49{}", "3".repeat(18));
        assert!(!is_compared_form(&long) && is_compared_form(&long[..20]));
        assert_eq!(compared_by_library(None, &long[..20]).as_deref(), Some(&long[..20]));
        assert!(is_compared_form("+4930") && compared_by_library(None, "+4930").as_deref() == Some("+4930"));
    }

    #[test]
    fn every_country_has_examples() {
        for region in PHONE_NUMBER_UTIL.get_supported_regions() {
            let numbers: std::collections::BTreeSet<String> =
                (0..100).filter_map(|place| example(Country(region), place)).collect();
            assert!(numbers.len() > 1, "{region} {numbers:?}");
            assert!(numbers.iter().all(|number| valid(None, number).is_some()), "{region} {numbers:?}");
        }
    }

    #[test]
    fn a_country_has_a_known_numbering_plan() {
        for (code, known) in [("DE", true), ("XK", true), ("de", false), ("ZZ", false), ("001", false), ("DEU", false)]
        {
            assert_eq!(Country::parse(code).is_some(), known, "{code}");
        }
    }

    #[test]
    fn a_text_that_is_too_long_is_refused() {
        let long = format!("+49 30 1234502{}", " ".repeat(300));
        assert!(valid(None, &long).is_some(), "white space at the ends does not count");
        assert!(valid(None, &format!("+49{}30 1234502", " ".repeat(250))).is_none());
    }

    #[test]
    fn no_number_is_logged() {
        assert!(log::STATIC_MAX_LEVEL <= log::LevelFilter::Info, "trace records of the library hold the text");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn any_text_can_be_read(
            pieces in proptest::collection::vec(
                prop_oneof![
                    "[0-9]{1,6}", "\\PC{0,3}", "[+x;=/\\\\#,~*() .-]{1,3}", "[٠-٩０-９०-९]{1,6}",
                    Just("tel:".to_owned()), Just(";phone-context=".to_owned()), Just(";isub=".to_owned()),
                    Just(";ext=".to_owned()), Just(" ext. ".to_owned()), Just("+49".to_owned()), Just("8~10".to_owned()),
                ],
                0..8,
            ),
            code in prop_oneof![Just(""), Just("DE"), Just("US"), Just("RU"), Just("BR"), Just("AR"), Just("IT")],
        ) {
            let text = pieces.concat();
            if let Some(form) = compared(country(code), &text) {
                let digits = form.strip_prefix('+').unwrap();
                prop_assert!(digits.bytes().all(|byte| byte.is_ascii_digit()), "{}", form);
                prop_assert_eq!(compared_by_library(country(code), text.trim()), Some(form.clone().into_owned()));
                prop_assert_eq!(compared_by_library(None, &form), Some(form.clone().into_owned()));
                prop_assert_eq!(compared_by_library(country("DE"), &form), Some(form.into_owned()));
            } else {
                prop_assert_eq!(compared_by_library(country(code), text.trim()), None);
            }
        }
    }
}
