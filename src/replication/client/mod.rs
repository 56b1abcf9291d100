//! Connections to Redis: finding the master, time limits, and reconnection.

pub(in crate::replication) mod back_off;
pub(in crate::replication) mod cause;
pub(in crate::replication) mod connection;
mod endpoint;
mod master;
mod node;
pub mod tls_provider;
