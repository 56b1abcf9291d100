//! Routing of a payment to gates.

pub mod gates;
pub mod strategies;
