//! The decision on a payment: request, level, denial codes, refusals.

pub mod decide;
pub mod denial_codes;
pub mod level_choice;
pub mod payment;
pub mod refusal;
