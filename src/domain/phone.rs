//! Phone numbers, as a maintained library reads them.

use phonenumber::{Mode, PhoneNumber, country::Id, metadata::DATABASE, parse};
use std::sync::LazyLock;

/// The most patterns that the library keeps compiled: more than it has. By itself it keeps a hundred, those of a few
/// countries; with customers from sixty it compiled some again for every number, which took half a millisecond each. All
/// of them take some 30 MB, and only those are there that were needed.
const PATTERNS_MAX: usize = 10_000;

static ROOM: LazyLock<()> = LazyLock::new(|| {
    let patterns = DATABASE.cache();
    patterns.lock().unwrap_or_else(std::sync::PoisonError::into_inner).set_capacity(PATTERNS_MAX);
});

/// Reads a number, that of a country where it names none; `None`: it is no number.
#[must_use]
pub fn number(country: Option<Id>, text: &str) -> Option<PhoneNumber> {
    LazyLock::force(&ROOM);
    parse(country, text).ok()
}

/// [`number`], where one of the country may have it.
#[must_use]
pub fn valid(country: Option<Id>, text: &str) -> Option<PhoneNumber> {
    number(country, text).filter(PhoneNumber::is_valid)
}

/// With its country's code and nothing but digits behind that.
#[must_use]
pub fn e164(number: &PhoneNumber) -> String {
    number.format().mode(Mode::E164).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of all countries, one after another, need nearly all patterns; the library says how many it kept.
    #[test]
    fn no_pattern_is_compiled_twice() {
        let mut read = 0;
        for region in DATABASE.iter() {
            let example = region.descriptors().mobile().and_then(|kind| kind.example());
            read += example
                .map(|digits| format!("+{}{digits}", region.country_code()))
                .filter(|text| number(None, text).is_some_and(|number| e164(&number) == *text))
                .map_or(0, |_| 1);
        }
        let patterns = DATABASE.cache();
        let kept = patterns.lock().unwrap().len();
        assert!(read > 200 && kept > 200 && kept < PATTERNS_MAX / 2, "{read} numbers, {kept} patterns");
    }
}
