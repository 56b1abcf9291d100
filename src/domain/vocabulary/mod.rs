//! Words of the domain: money, time, calendars, names, phone numbers, e-mail addresses, card numbers.

pub mod calendar;
pub(crate) mod card_numbers;
pub mod email;
pub(crate) mod identifier_text;
pub mod money;
pub mod names;
pub mod phone;
pub(crate) mod suggest;
pub mod time;
pub(crate) mod zone;
