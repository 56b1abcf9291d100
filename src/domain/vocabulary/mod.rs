//! Terms that every other module uses: words, names, money, time, attributes, phone and card numbers, denial codes.

pub mod attributes;
pub mod calendar;
pub(crate) mod card_numbers;
pub mod contact;
pub mod denial_codes;
pub mod direction;
pub mod money;
pub mod names;
pub mod text;
pub mod time;
pub mod words;
