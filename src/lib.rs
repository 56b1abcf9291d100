//! levelgate answers one question inline on a payment gateway's hot path: may this customer's payment pass, and
//! through which gates?
//!

pub mod config;
pub mod domain;
pub mod ledger;
