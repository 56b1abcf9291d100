//! The HTTP room: the operation table, the server, what handlers take from a request, the handlers.
//!
//! A payment is answered by `server::fast_path`. Every other request goes through `server::listen` and `router` to the
//! `authorization` of its row in `operations`, then through an extractor of `extract` to its handler in `handlers`, which
//! calls the service.

mod download;
pub mod dto;
mod extract;
pub mod handlers;
pub mod openapi;
mod operations;
mod response;
mod router;
mod safe_headers;
pub mod server;
mod state;

pub use crate::http::router::{admin_routes, overflow_routes, routes};
pub use crate::http::server::capacity::Capacity;
pub use crate::http::server::connection::{IDLE_MAX, RequestLimits};
pub use crate::http::server::listen::{Routes, Server, Socket};
pub use crate::http::server::request_id::with_request_id;
pub use crate::http::server::tls::TlsAcceptor;
pub use crate::http::state::AppState;
pub use crate::service::access::{
    access_tokens::{AccessToken, AccessTokens, Role},
    failed_logins::FailedLogins,
    peer::Peer,
};
