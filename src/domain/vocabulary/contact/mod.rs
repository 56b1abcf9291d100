//! How a person is reached: countries, e-mail addresses, phone numbers.

pub mod country;
pub mod email;
pub mod phone;
