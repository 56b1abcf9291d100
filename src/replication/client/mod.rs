//! Connections to Redis.
