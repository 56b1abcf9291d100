//! One open connection to one server.

use crate::replication::{client::cause::cause_of, model::error::RedisError};
use redis::{AsyncConnectionConfig, Client, Cmd, Value, aio::MultiplexedConnection};
use std::{fmt, time::Duration};

/// An open connection. Dropping it closes it.
pub(super) struct Node {
    connection: MultiplexedConnection,
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Node")
    }
}

impl Node {
    /// Connects, logs in and selects the database.
    pub(super) async fn connect(client: &Client, options: &AsyncConnectionConfig, ms: u64) -> Result<Self, RedisError> {
        const WHAT: &str = "connecting";
        let connecting = client.get_multiplexed_async_connection_with_config(options);
        match tokio::time::timeout(Duration::from_millis(ms), Box::pin(connecting)).await {
            Ok(Ok(connection)) => Ok(Self { connection }),
            Ok(Err(error)) => Err(cause_of(&error, WHAT, ms)),
            Err(_) => Err(RedisError::TimedOut { what: WHAT, ms }),
        }
    }

    /// Sends a command once. The client's own error, or `None` after a time-out.
    pub(super) async fn send(&mut self, command: &Cmd, ms: u64) -> Result<Value, Option<redis::RedisError>> {
        let limit = Duration::from_millis(ms);
        // The client has the same limit; `WAIT` needs a longer one than other commands.
        self.connection.set_response_timeout(limit);
        let answer = command.query_async(&mut self.connection);
        match tokio::time::timeout(limit, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Some(error)),
            Err(_) => Err(None),
        }
    }

    /// Sends a command once.
    pub(super) async fn query(&mut self, command: &Cmd, what: &'static str, ms: u64) -> Result<Value, RedisError> {
        self.send(command, ms).await.map_err(|error| match error {
            Some(error) => cause_of(&error, what, ms),
            None => RedisError::TimedOut { what, ms },
        })
    }
}
