//! Redis servers that a test starts, and what may happen to them and to their connections.
//!
//! A test that needs `redis-server` and does not find it fails: `tests/run` installs it.

pub mod cluster;
pub mod daemons;
pub mod proxy;
pub mod resp;
pub mod sentinels;
pub mod server;
