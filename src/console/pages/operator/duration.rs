//! Times that have passed, in words.

/// A time in its two largest units: `3 days 4 hours`; less than a minute in these words.
pub(super) fn in_words(ms: i64) -> String {
    let minutes = ms / 60_000;
    let units = [(minutes / 1_440, "day"), (minutes / 60 % 24, "hour"), (minutes % 60, "minute")];
    let parts = units.into_iter().skip_while(|(count, _)| *count == 0).take(2).filter(|(count, _)| *count > 0);
    let parts: Vec<String> =
        parts.map(|(count, unit)| format!("{count} {unit}{}", if count == 1 { "" } else { "s" })).collect();
    if parts.is_empty() { "less than a minute".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_its_two_largest_units() {
        let minute = 60_000;
        for (ms, want) in [
            (59_999, "less than a minute"),
            (minute, "1 minute"),
            (61 * minute, "1 hour 1 minute"),
            (1_440 * minute + minute, "1 day"),
            (3 * 1_440 * minute + 4 * 60 * minute, "3 days 4 hours"),
        ] {
            assert_eq!(in_words(ms), want);
        }
    }
}
