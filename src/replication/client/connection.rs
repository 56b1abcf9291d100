//! A connection that is opened anew after a failure.

use crate::{
    config::{Redis, RedisFiles, RedisTimeouts},
    replication::{
        client::{back_off::BackOff, cause::cause_of, master::MasterFinder, node::Node},
        model::error::RedisError,
        scripts::Script,
    },
};
use redis::{Cmd, ErrorKind, ServerErrorKind, Value};
use std::time::Duration;

/// One logical connection to the master.
#[derive(Debug)]
pub(in crate::replication) struct Connection {
    finder: MasterFinder,
    timeouts: RedisTimeouts,
    back_off: BackOff,
    node: Option<Node>,
    /// How many connections were opened. It identifies the present one.
    opened: u64,
}

impl Connection {
    /// A connection that is not open yet. `key` is a key of the copy.
    pub(in crate::replication) fn new(settings: &Redis, files: &RedisFiles, key: String) -> Self {
        let timeouts = settings.timeouts;
        let rest = timeouts.total_ms.saturating_sub(timeouts.connect_ms.saturating_add(timeouts.response_ms));
        Self {
            finder: MasterFinder::new(settings, files, key),
            timeouts,
            back_off: BackOff::new(rest),
            node: None,
            opened: 0,
        }
    }

    /// Another connection of the same kind.
    pub(in crate::replication) fn separate(&self) -> Self {
        Self {
            finder: self.finder.clone(),
            timeouts: self.timeouts,
            back_off: self.back_off.clone(),
            node: None,
            opened: 0,
        }
    }

    /// The number of the open connection; `None`: there is none.
    pub(in crate::replication) fn number(&self) -> Option<u64> {
        self.node.as_ref().map(|_| self.opened)
    }

    /// The time that an answer may take, in milliseconds.
    pub(in crate::replication) fn response_ms(&self) -> u64 {
        self.timeouts.response_ms
    }

    /// Takes the open connection, or opens one. It is put back only after a command that left it usable.
    async fn take(&mut self) -> Result<Node, RedisError> {
        if let Some(node) = self.node.take() {
            return Ok(node);
        }
        self.back_off.wait().await;
        let ms = self.timeouts.connect_ms;
        let connecting = tokio::time::timeout(Duration::from_millis(ms), Box::pin(self.finder.connect())).await;
        match connecting.unwrap_or(Err(RedisError::TimedOut { what: "connecting", ms })) {
            Ok(node) => {
                self.opened += 1;
                Ok(node)
            }
            Err(error) => {
                self.back_off.failed();
                Err(error)
            }
        }
    }

    /// Puts a connection back, or closes it after an error that another connection may not have.
    fn settle(&mut self, node: Node, outcome: Result<(), &RedisError>) {
        match outcome {
            Ok(()) => self.back_off.succeeded(),
            Err(
                RedisError::Refused(_) | RedisError::OutOfMemory | RedisError::WrongType | RedisError::NotPermitted(_),
            ) => {}
            Err(_) => {
                self.back_off.failed();
                return;
            }
        }
        self.node = Some(node);
    }

    /// Sends a command once. The answer may take `ms` milliseconds.
    pub(in crate::replication) async fn query(
        &mut self,
        command: &Cmd,
        what: &'static str,
        ms: u64,
    ) -> Result<Value, RedisError> {
        let mut node = self.take().await?;
        let answer = node.query(command, what, ms).await;
        self.settle(node, answer.as_ref().map(|_| ()));
        answer
    }

    /// Runs a script once: a server that does not know it has not run it, and gets its text.
    pub(in crate::replication) async fn run(
        &mut self,
        script: &Script,
        keys: &[String],
        arguments: &[&[u8]],
    ) -> Result<Value, RedisError> {
        let ms = self.timeouts.response_ms;
        let command = |name: &str, text: &str| {
            let mut command = redis::cmd(name);
            command.arg(text).arg(keys.len());
            keys.iter().for_each(|key| _ = command.arg(key));
            arguments.iter().for_each(|argument| _ = command.arg(*argument));
            command
        };
        let mut node = self.take().await?;
        let mut answer = node.send(&command("EVALSHA", script.digest()), ms).await;
        if let Err(Some(error)) = &answer
            && error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
        {
            answer = node.send(&command("EVAL", script.text()), ms).await;
        }
        let answer = answer.map_err(|error| match error {
            Some(error) => cause_of(&error, script.name(), ms),
            None => RedisError::TimedOut { what: script.name(), ms },
        });
        self.settle(node, answer.as_ref().map(|_| ()));
        answer
    }
}
