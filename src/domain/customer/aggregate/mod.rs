//! The customer aggregate: its data, its transactions, and all that changes them.

pub mod clock_step;
pub mod core;
pub mod customer;
mod level_rename;
mod paying;

pub use crate::domain::customer::aggregate::core::CustomerCore;
pub use crate::domain::customer::aggregate::customer::Customer;
pub use crate::domain::customer::aggregate::paying::CustomerMemory;
