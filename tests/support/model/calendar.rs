//! Windows of the naive model: instants are milliseconds since 1970, and every window is computed afresh from the
//! words of the rule. Nothing is remembered from one question to the next.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{Offset, TimeZone};

pub const SECOND: i64 = 1_000;
pub const DAY: i64 = 86_400 * SECOND;

/// What a filter's window looks like, as configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// The span that ends now, of a fixed length in milliseconds.
    Rolling(i64),
    /// The span that begins at the same local date and time a month earlier.
    SameDay,
    CalendarDay,
    CalendarWeek {
        sunday: bool,
    },
    CalendarMonth,
    Lifetime,
}

/// The instants of a window at one moment: `start <= at < end`, both in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub start: i64,
    pub end: i64,
}

impl Bounds {
    pub fn hold(self, at: i64) -> bool {
        self.start <= at && at < self.end
    }
}

pub fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).expect("an instant of this era")
}

/// Reads RFC 3339.
pub fn instant(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(|t| t.as_millisecond())
}

/// Writes RFC 3339 with milliseconds in UTC.
pub fn written(ms: i64) -> String {
    format!("{:.3}", timestamp(ms))
}

impl Window {
    /// Whether the window is aligned to the calendar.
    pub fn is_calendar(self) -> bool {
        matches!(self, Self::CalendarDay | Self::CalendarWeek { .. } | Self::CalendarMonth)
    }

    /// The window at `t` in a time zone. A rolling window leaves its start out and holds its end; in whole
    /// milliseconds that is one later at both ends.
    pub fn at(self, t: i64, zone: &TimeZone) -> Bounds {
        match self {
            Self::Lifetime => Bounds { start: i64::MIN, end: i64::MAX },
            Self::Rolling(span) => Bounds { start: t - span + 1, end: t + 1 },
            Self::SameDay => Bounds { start: same_day_start(t, zone) + 1, end: t + 1 },
            Self::CalendarDay => calendar(t, zone, move_days),
            Self::CalendarWeek { sunday } => calendar(t, zone, |date, n| {
                let past = if sunday {
                    date.weekday().to_sunday_zero_offset()
                } else {
                    date.weekday().to_monday_zero_offset()
                };
                move_days(date, i64::from(n) as i32 * 7 - i32::from(past))
            }),
            Self::CalendarMonth => calendar(t, zone, first_of_month),
        }
    }
}

fn move_days(date: Date, days: i32) -> Date {
    let mut date = date;
    for _ in 0..days.abs() {
        date = if days > 0 { date.tomorrow() } else { date.yesterday() }.expect("a date of this era");
    }
    date
}

fn first_of_month(date: Date, months: i32) -> Date {
    let count = i32::from(date.year()) * 12 + i32::from(date.month()) - 1 + months;
    let (year, month) = (count.div_euclid(12), count.rem_euclid(12) + 1);
    Date::new(i16::try_from(year).expect("a year"), i8::try_from(month).expect("a month"), 1)
        .expect("a first of a month")
}

/// The window with the latest start that is not after `t`, and the next start after that. `boundary(date, n)` is the
/// date of the boundary at or before `date`, moved by `n` units.
fn calendar(t: i64, zone: &TimeZone, boundary: impl Fn(Date, i32) -> Date) -> Bounds {
    let today = local(t, zone).date();
    let starts: Vec<i64> =
        (-3..=3).map(|n| first_instant(boundary(today, n).to_datetime(Time::midnight()), zone)).collect();
    let start = starts.iter().copied().filter(|s| *s <= t).max().expect("a start before now");
    let end = starts.iter().copied().filter(|s| *s > t).min().expect("a start after now");
    Bounds { start, end }
}

fn offset_ms(t: i64, zone: &TimeZone) -> i64 {
    i64::from(zone.to_offset(timestamp(t)).seconds()) * SECOND
}

fn local(t: i64, zone: &TimeZone) -> DateTime {
    zone.to_datetime(timestamp(t))
}

/// The instant of a local date and time: the first instant after a gap that swallows it, the earlier of two. It is
/// found from the offsets of instants alone, by trial of every offset that is in force within a day or so.
pub fn first_instant(when: DateTime, zone: &TimeZone) -> i64 {
    let as_utc = Offset::UTC.to_timestamp(when).expect("a time of this era").as_millisecond();
    let mut offsets: Vec<i64> = (-26 * 4..=26 * 4).map(|n| offset_ms(as_utc + n * 900 * SECOND, zone)).collect();
    offsets.sort_unstable();
    offsets.dedup();
    let exact = offsets.iter().map(|offset| as_utc - offset).filter(|t| t + offset_ms(*t, zone) == as_utc).min();
    exact.unwrap_or_else(|| {
        // The clocks leap over it somewhere between these two.
        let (mut earlier, mut later) = (as_utc - offsets[offsets.len() - 1], as_utc - offsets[0]);
        while later - earlier > 1 {
            let middle = earlier + (later - earlier) / 2;
            if middle + offset_ms(middle, zone) > as_utc { later = middle } else { earlier = middle }
        }
        later
    })
}

/// What the rule gives for one instant: the same local date and time a month earlier, or where the calendar lacks
/// that date the first instant of the current month.
fn same_day_raw(t: i64, zone: &TimeZone) -> i64 {
    let now = local(t, zone);
    let before = first_of_month(now.date(), -1);
    match Date::new(before.year(), before.month(), now.day()) {
        Ok(date) => first_instant(date.to_datetime(now.time()), zone),
        Err(_) => first_instant(first_of_month(now.date(), 0).to_datetime(Time::midnight()), zone),
    }
}

/// The latest start that the rule gives for any instant up to `t`. Within a stretch without a change of the clocks
/// the rule only moves forward, so the last millisecond of each stretch is all there is to look at; two months back
/// is further than any change of the clocks reaches.
fn same_day_start(t: i64, zone: &TimeZone) -> i64 {
    let stretches = zone
        .following(timestamp(t - 62 * DAY))
        .map(|change| change.timestamp().as_millisecond())
        .take_while(|change| *change <= t)
        .map(|change| same_day_raw(change - 1, zone));
    stretches.chain([same_day_raw(t, zone)]).max().expect("at least one start")
}
