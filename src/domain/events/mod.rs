//! What is recorded: events of one customer and global events; the overrides that global events amount to.

pub mod customer_event;
pub mod global_event;
pub mod overrides;
