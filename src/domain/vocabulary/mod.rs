//! Terms that every other module uses: words, names, money, time, attributes, phone and card numbers, denial codes.

pub mod attributes;
pub mod calendar;
pub(crate) mod card_numbers;
pub mod country;
pub mod date;
pub mod denial_codes;
pub mod direction;
pub mod email;
pub mod money;
pub mod month;
pub mod names;
pub mod phone;
pub(crate) mod suggest;
pub mod text_prefix;
pub mod time;
pub mod words;
