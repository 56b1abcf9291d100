//! The decision on a payment: request, level, usage, denial, explanation.

pub mod clock_skew;
pub mod decide;
pub mod endpoint_choice;
pub mod explanation;
pub mod gauge;
pub mod held_usage;
pub mod level_choice;
pub mod method_settings;
pub mod opening;
pub mod payment;
pub mod recorded_payment;
pub mod sandbox;
pub mod usage_meter;
