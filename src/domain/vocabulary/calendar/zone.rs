//! A time zone as a function from instants to offsets, and its inverse.
//!
//! The inverse is computed here, from the offsets of instants and from the search for the next transition. Two parts of
//! the zone library are not used, because both apply the zone's POSIX rule to the time before the rule is in force:
//! - the lookup of a local time reports a fold or a gap that never happened, where the last recorded transition changes
//!   no offset (`America/Nuuk`, 28 October 2023);
//! - the search for the previous transition passes over the last recorded one, where that is no transition of the rule
//!   (`America/Ciudad_Juarez`, 30 November 2022).

use jiff::{
    Timestamp,
    civil::{Date, DateTime},
    tz::{Offset, TimeZone, TimeZoneDatabase},
};

/// Longer than any offset: the library accepts up to 25:59:59.
const OFFSET_MS_MAX: i64 = 26 * 3_600_000;

/// A time zone of the database that is compiled in.
#[derive(Debug, Clone)]
pub(in crate::domain) struct Zone(TimeZone);

/// A change of the offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain) struct Change {
    /// The first instant with the new offset.
    pub(in crate::domain) at: i64,
    /// The new offset less the old one, milliseconds.
    pub(in crate::domain) shift_ms: i64,
}

impl Zone {
    /// The zone of an IANA name and the name as the database spells it; `None` where the database has none.
    pub(in crate::domain) fn of(name: &str) -> Option<(Self, String)> {
        let zone = TimeZoneDatabase::bundled().get(name).ok()?;
        let name = zone.iana_name().unwrap_or(name).to_owned();
        Some((Self(zone), name))
    }

    /// The zone without an offset.
    pub(in crate::domain) fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    /// The local time of an instant.
    pub(in crate::domain) fn local(&self, t: i64) -> DateTime {
        self.0.to_datetime(timestamp(t))
    }

    /// The local date of an instant.
    pub(in crate::domain) fn local_date(&self, t: i64) -> Date {
        self.local(t).date()
    }

    /// Local time less UTC at an instant, milliseconds.
    pub(in crate::domain) fn offset_ms(&self, t: i64) -> i64 {
        i64::from(self.0.to_offset(timestamp(t)).seconds()) * 1_000
    }

    /// The changes of the offset after one instant and up to another, the earliest first. Transitions that change no
    /// offset are passed over.
    pub(in crate::domain) fn changes(&self, after: i64, until: i64) -> impl Iterator<Item = Change> {
        let transitions = self.0.following(timestamp(after)).map(|transition| transition.timestamp().as_millisecond());
        transitions.take_while(move |at| *at <= until).filter_map(|at| {
            let shift_ms = self.offset_ms(at) - self.offset_ms(at - 1);
            (shift_ms != 0).then_some(Change { at, shift_ms })
        })
    }

    /// The first instant at which the local time is `local` or later: of a local time that exists twice the earlier
    /// instant, of one that does not exist the first instant after the gap.
    pub(in crate::domain) fn instant_of(&self, local: DateTime) -> i64 {
        // The local time read as UTC.
        let Ok(read) = Offset::UTC.to_timestamp(local) else { return i64::MAX };
        let read = read.as_millisecond();
        let (earliest, latest) = (read - OFFSET_MS_MAX, read + OFFSET_MS_MAX);
        let mut from = earliest;
        for change in self.changes(earliest, latest) {
            // Up to the change, local time advances with the instant.
            let instant = (read - self.offset_ms(from)).max(from);
            if instant < change.at {
                return instant;
            }
            from = change.at;
        }
        (read - self.offset_ms(from)).max(from)
    }
}

/// The instant as the zone library counts it.
pub(in crate::domain) fn timestamp(t: i64) -> Timestamp {
    Timestamp::from_millisecond(t).unwrap_or(if t < 0 { Timestamp::MIN } else { Timestamp::MAX })
}
