//! One cell: what a spreadsheet would evaluate or has damaged, and how a cell is marked as literal text.

use crate::domain::{
    rules::registration::policy::RegistrationPolicy,
    vocabulary::{card_numbers::has_card_number, contact::phone},
};
use crate::service::csv::{error::Reason, row::Column};
use std::borrow::Cow;

/// The forms of cells that a merchant's policy implies, by which more damage is found.
#[derive(Debug, Clone, Copy, Default)]
pub struct Expected {
    /// The country of phone numbers that do not name one.
    pub default_country: Option<phone::Country>,
    /// The digits of an external id, where all have the same number of them and some begin with zero.
    pub external_id_digits: Option<usize>,
}

impl Expected {
    /// By the merchant's policy.
    #[must_use]
    pub fn of(policy: &RegistrationPolicy) -> Self {
        let shape = policy.external_ids.as_ref().filter(|ids| ids.are_numbers()).map(|ids| ids.format());
        let with_zeros = shape.filter(|shape| shape.prefix.is_empty() || shape.prefix.starts_with('0'));
        Self {
            default_country: policy.default_country,
            external_id_digits: with_zeros.and_then(|shape| usize::try_from(shape.length).ok()),
        }
    }
}

/// The characters that make a formula of a cell which begins with one, in one spreadsheet or another.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

/// The cell as it is written.
pub(super) fn escaped<'t>(column: Column, text: &'t str, expected: &Expected) -> Cow<'t, str> {
    let marked = match text.strip_prefix('\'') {
        Some(_) => is_marked(text),
        None => text.starts_with(FORMULA) || has_outer_space(text) || find_damage(column, text, expected).is_some(),
    };
    if marked { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// What a cell means.
pub(super) struct Meant<'t> {
    /// Its text: without the spaces around it, unless it is marked as literal.
    pub(super) text: Cow<'t, str>,
    /// Whether it is marked as literal.
    pub(super) is_literal: bool,
}

/// Reads a cell.
pub(super) fn understood<'t>(column: Column, cell: &'t str, expected: &Expected) -> Result<Meant<'t>, Reason> {
    let cell = cell.trim_start();
    let marked = cell.strip_prefix('\'').filter(|_| is_marked(cell)).map(Cow::Borrowed);
    let marked = marked.or_else(|| quoted_formula(cell.trim_end()));
    let text = marked.as_deref().unwrap_or(cell.trim_end());
    // Before anything else, because other refusals repeat the cell.
    let is_phone = |text: &str| phone::valid(expected.default_country, text).is_some();
    if has_card_number(column.word(), text, is_phone) {
        return Err(Reason::CardNumber);
    }
    match marked {
        Some(text) => Ok(Meant { text, is_literal: true }),
        None => {
            let text = cell.trim_end();
            let meant = Meant { text: Cow::Borrowed(text), is_literal: false };
            find_damage(column, text, expected).map_or(Ok(meant), Err)
        }
    }
}

/// A text as the cell of a file whose columns this folder does not know.
pub(in crate::service) fn escaped_text(text: &str) -> Cow<'_, str> {
    let marked = match text.strip_prefix('\'') {
        Some(_) => is_marked(text),
        None => text.starts_with(FORMULA) || has_outer_space(text) || find_damage_of_text(text).is_some(),
    };
    if marked { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// The text that a cell means, in a file whose columns this folder does not know.
pub(in crate::service) fn understood_text(cell: &str) -> Result<Cow<'_, str>, Reason> {
    let cell = cell.trim_start();
    let marked = cell.strip_prefix('\'').filter(|_| is_marked(cell)).map(Cow::Borrowed);
    let text = cell.trim_end();
    match marked.or_else(|| quoted_formula(text)) {
        Some(meant) => Ok(meant),
        None => find_damage_of_text(text).map_or(Ok(Cow::Borrowed(text)), Err),
    }
}

/// The damage that a spreadsheet has done to a cell that is neither a date nor a rounded number.
fn find_damage_of_text(text: &str) -> Option<Reason> {
    let shown = || text.chars().take(40).collect();
    if is_error(text) {
        return Some(Reason::SpreadsheetError(shown()));
    }
    if is_exponent(text) {
        return Some(Reason::Exponent(shown()));
    }
    is_date(text).then(|| Reason::Date(shown()))
}

/// The text of `="00123"`, which spreadsheets read and some programs write as a cell that keeps its digits. A quotation mark
/// within it is doubled.
fn quoted_formula(cell: &str) -> Option<Cow<'_, str>> {
    let text = cell.strip_prefix("=\"")?.strip_suffix('"')?;
    let single = text.replace("\"\"", "");
    (!single.contains('"')).then(|| match text.contains('"') {
        true => Cow::Owned(text.replace("\"\"", "\"")),
        false => Cow::Borrowed(text),
    })
}

/// Whether a text begins or ends with white space.
fn has_outer_space(text: &str) -> bool {
    text.trim().len() < text.len()
}

/// Whether an apostrophe before a text marks it as literal. This must hold for everything that [`find_damage`] finds in any
/// column: only then is a text that is written with an apostrophe read without it.
fn is_marked(cell: &str) -> bool {
    let text = cell.trim_start_matches('\'');
    let all_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_damaged = || all_digits || is_error(text) || is_exponent(text) || is_date(text) || is_day_number(text);
    text.starts_with(FORMULA) || has_outer_space(text) || is_damaged()
}

/// The damage that a spreadsheet has done to a cell.
fn find_damage(column: Column, text: &str, expected: &Expected) -> Option<Reason> {
    use Column::{
        CreatedAt, CustomerId, DateOfBirth, DepositLevel, ExternalId, Labels, MerchantCustomerIdentifier, Phone,
        PostalCode, WithdrawalLevel,
    };
    let shown = || text.chars().take(40).collect();
    if is_error(text) {
        return Some(Reason::SpreadsheetError(shown()));
    }
    if is_exponent(text) {
        return Some(Reason::Exponent(shown()));
    }
    if matches!(column, CreatedAt | DateOfBirth) {
        return find_date_damage(column, text);
    }
    let no_date = matches!(
        column,
        CustomerId
            | MerchantCustomerIdentifier
            | ExternalId
            | Phone
            | PostalCode
            | DepositLevel
            | WithdrawalLevel
            | Labels
    );
    if no_date && is_date(text) {
        return Some(Reason::Date(shown()));
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    match column {
        ExternalId => {
            let digits = expected.external_id_digits.filter(|&digits| text.len() < digits)?;
            Some(Reason::LostZeros { text: shown(), digits })
        }
        Phone if !text.starts_with('0') => find_lost_start(text, expected),
        _ => None,
    }
}

/// The damage to a date: another form than that of the column, in which day and month can be mistaken, or a number.
fn find_date_damage(column: Column, text: &str) -> Option<Reason> {
    if is_day_number(text) {
        return Some(Reason::DateNumber(column));
    }
    let is_dashed = |place| text.as_bytes().get(place) == Some(&b'-');
    let is_expected = column == Column::DateOfBirth && text.len() == 10 && is_dashed(4) && is_dashed(7);
    (is_date(text) && !is_expected).then_some(Reason::DateForm(column))
}

/// A number of days, with the time of day as its fraction: `45321`, `45321.5`.
fn is_day_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (days, fraction) = text.split_once(['.', ',']).unwrap_or((text, "0"));
    days.len() <= 5 && digits(days) && digits(fraction)
}

/// What the digits of a phone number have lost at their start: the plus of a whole international number, or the zero of a
/// number of the country. Nothing is lost of a number that is valid as it is.
fn find_lost_start(digits: &str, expected: &Expected) -> Option<Reason> {
    let country = expected.default_country;
    let is_valid = |country, text: &str| phone::compared(country, text).is_some();
    if country.is_some() && is_valid(country, digits) {
        return None;
    }
    if (8..=15).contains(&digits.len()) && phone::valid(None, &format!("+{digits}")).is_some() {
        return Some(Reason::LostPlus(digits.to_owned()));
    }
    let lost_zero = country.is_some() && is_valid(country, &format!("0{digits}"));
    lost_zero.then(|| Reason::LostZero(digits.chars().take(40).collect()))
}

/// `#REF!`, and `####` where a column was too narrow.
fn is_error(text: &str) -> bool {
    const ERRORS: [&str; 12] = [
        "#REF!",
        "#NAME?",
        "#VALUE!",
        "#DIV/0!",
        "#N/A",
        "#NUM!",
        "#NULL!",
        "#SPILL!",
        "#CALC!",
        "#FIELD!",
        "#BLOCKED!",
        "#GETTING_DATA",
    ];
    ERRORS.contains(&text) || (text.len() >= 3 && text.bytes().all(|byte| byte == b'#'))
}

/// A number as spreadsheets write long ones: `1.23457E+15`, `5E-07`, with a comma in some countries.
fn is_exponent(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((mantissa, exponent)) = text.split_once(['E', 'e']) else { return false };
    let (whole, fraction) = mantissa.split_once(['.', ',']).unwrap_or((mantissa, "0"));
    let signed = exponent
        .strip_prefix(['+', '-'])
        .is_some_and(|digits_of| (2..=3).contains(&digits_of.len()) && digits(digits_of));
    whole.len() == 1 && digits(whole) && digits(fraction) && signed
}

/// A date as spreadsheets write what they take for one: `3-Jan`, `Jan-24`, `03-Jan-2024`, `2024/01/05`, `1/5/24`,
/// `5.1.2024`, `2024-01-05`.
fn is_date(text: &str) -> bool {
    // `05.01.2024 00:00`: a date that is shown with its time.
    let text = text.rsplit_once(' ').filter(|(_, time)| is_time(time)).map_or(text, |(date, _)| date);
    let Some(separator) = text.chars().find(|c| matches!(c, '-' | '/' | '.')) else { return false };
    let mut parts = text.split(separator);
    let (Some(first), Some(second)) = (parts.next(), parts.next()) else { return false };
    let third = parts.next();
    if parts.next().is_some() || text.len() > 16 {
        return false;
    }
    let number = |part: &str| match part.bytes().all(|byte| byte.is_ascii_digit()) && (1..=4).contains(&part.len()) {
        true => part.parse::<u16>().ok(),
        false => None,
    };
    let day = |part: &str| part.len() <= 2 && number(part).is_some_and(|n| (1..=31).contains(&n));
    let full_year = |part: &str| part.len() == 4 && number(part).is_some_and(|n| (1900..=2199).contains(&n));
    let year = |part: &str| full_year(part) || (part.len() == 2 && number(part).is_some());
    match third {
        None => (is_month(second) && day(first)) || (is_month(first) && (day(second) || year(second))),
        Some(third) if is_month(second) => day(first) && year(third),
        // Three times two digits can be a phone number; with slashes they are a date.
        Some(third) if separator == '/' => {
            (day(first) && day(second) && year(third)) || (full_year(first) && day(second) && day(third))
        }
        Some(third) => day(second) && ((day(first) && full_year(third)) || (full_year(first) && day(third))),
    }
}

/// A time of day: `0:00`, `00:00:00`.
fn is_time(text: &str) -> bool {
    let digits = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=3).contains(&text.split(':').count()) && text.split(':').all(digits)
}

/// A month as spreadsheets shorten it, in English, German, French, Spanish, Italian or Dutch.
fn is_month(text: &str) -> bool {
    const MONTHS: [&str; 38] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "mrz", "mär",
        "mai", "okt", "dez", "janv", "févr", "mars", "avr", "juin", "juil", "août", "déc", "ene", "abr", "ago", "dic",
        "gen", "mag", "giu", "lug", "set", "ott", "mrt", "mei",
    ];
    let text = text.trim_matches([' ', '.']).to_lowercase();
    MONTHS.contains(&text.as_str())
}

/// The labels of one customer as one cell: `vip|on hold`; a `|` or `\` within a name has a `\` before it.
#[must_use]
pub fn join_labels<'n>(names: impl IntoIterator<Item = &'n str>) -> String {
    let mut cell = String::new();
    for (place, name) in names.into_iter().enumerate() {
        if place > 0 {
            cell.push('|');
        }
        for character in name.chars() {
            if matches!(character, '|' | '\\') {
                cell.push('\\');
            }
            cell.push(character);
        }
    }
    cell
}

/// The names that [`join_labels`] joined; none in an empty cell.
#[must_use]
pub fn split_labels(cell: &str) -> Vec<String> {
    let mut names = Vec::new();
    if cell.is_empty() {
        return names;
    }
    let mut name = String::new();
    let mut characters = cell.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => name.push(characters.next().unwrap_or('\\')),
            '|' => names.push(std::mem::take(&mut name)),
            other => name.push(other),
        }
    }
    names.push(name);
    names
}
