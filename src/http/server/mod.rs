//! The HTTP server: listeners, connections, limits, authentication.

pub(crate) mod admission;
pub(crate) mod authorization;
pub(crate) mod capacity;
pub(crate) mod connection;
pub(crate) mod fast_path;
pub(crate) mod http2;
pub(crate) mod in_flight;
pub(crate) mod listen;
pub mod pulse;
pub(crate) mod request_id;
pub(crate) mod request_latency;
pub(crate) mod stop_signal;
pub(crate) mod tls;
