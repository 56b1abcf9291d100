//! The HTTP server: listeners, connections, limits, authentication.

pub(crate) mod access;
pub(crate) mod capacity;
pub(crate) mod connection;
pub(crate) mod failed_logins;
pub(crate) mod grants;
pub(crate) mod in_flight;
pub(crate) mod listen;
pub(crate) mod origin;
pub mod pulse;
