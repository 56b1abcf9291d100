//! What is recorded: events of one customer and global events; operations for the audit; the overrides that global events
//! amount to.

pub mod audited_operation;
pub mod customer_event;
pub mod global_event;
pub mod overrides;
