//! What is recorded: events of one customer and global events.

pub mod customer_event;
pub mod global_event;
