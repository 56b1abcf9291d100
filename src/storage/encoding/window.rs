//! Windows of filters as bytes and back: a byte, then of a rolling span its milliseconds.

use crate::{
    domain::vocabulary::calendar::{WeekStart, Window},
    storage::encoding::bytes::{Bytes, DecodeError, Put},
};

const ROLLING: u8 = 1;
const ROLLING_MONTH: u8 = 2;
const LIFETIME: u8 = 3;
const DAY: u8 = 4;
const WEEK_FROM_MONDAY: u8 = 5;
const WEEK_FROM_SUNDAY: u8 = 6;
const MONTH: u8 = 7;

pub(super) fn put(window: Window, out: &mut Vec<u8>) {
    match window {
        Window::Rolling(span_ms) => {
            out.push(ROLLING);
            out.put_signed(span_ms);
        }
        Window::RollingMonth => out.push(ROLLING_MONTH),
        Window::Lifetime => out.push(LIFETIME),
        Window::Day => out.push(DAY),
        Window::Week(WeekStart::Monday) => out.push(WEEK_FROM_MONDAY),
        Window::Week(WeekStart::Sunday) => out.push(WEEK_FROM_SUNDAY),
        Window::Month => out.push(MONTH),
    }
}

pub(super) fn read(bytes: &mut Bytes<'_>) -> Result<Window, DecodeError> {
    Ok(match (bytes.at(), bytes.byte()?) {
        (_, ROLLING) => Window::Rolling(bytes.signed()?),
        (_, ROLLING_MONTH) => Window::RollingMonth,
        (_, LIFETIME) => Window::Lifetime,
        (_, DAY) => Window::Day,
        (_, WEEK_FROM_MONDAY) => Window::Week(WeekStart::Monday),
        (_, WEEK_FROM_SUNDAY) => Window::Week(WeekStart::Sunday),
        (_, MONTH) => Window::Month,
        (at, number) => return Err(DecodeError::Word { what: "window", number: u64::from(number), at }),
    })
}
