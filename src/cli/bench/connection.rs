//! One connection to the daemon, with one request at a time.

use anyhow::Context;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// The most header lines of an answer.
const HEADERS_MAX: usize = 32;

/// A connection that stays open.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

impl Connection {
    /// Opens a connection to `HOST:PORT`.
    ///
    /// # Errors
    /// The address cannot be reached.
    pub(super) fn open(address: &str) -> anyhow::Result<std::net::TcpStream> {
        let stream = std::net::TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(stream)
    }

    /// Takes over an open connection. Call it on the runtime that will use it.
    ///
    /// # Errors
    /// The runtime refuses the connection.
    pub(super) fn new(stream: std::net::TcpStream) -> anyhow::Result<Self> {
        Ok(Self { stream: TcpStream::from_std(stream)?, received: Vec::with_capacity(4_096) })
    }

    /// Gives the connection back, so that another runtime can use it.
    ///
    /// # Errors
    /// The runtime does not release the connection.
    pub(super) fn into_stream(self) -> anyhow::Result<std::net::TcpStream> {
        Ok(self.stream.into_std()?)
    }

    /// Sends a request and waits for its whole answer.
    ///
    /// # Errors
    /// The connection broke, or the answer is not one of HTTP/1.1 with a length.
    pub(super) async fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await.context("the daemon closed a connection")?;
        self.received.clear();
        let (status, body_start, end) = loop {
            let read = self.stream.read_buf(&mut self.received).await.context("a connection broke")?;
            anyhow::ensure!(read > 0, "the daemon closed a connection");
            if let Some(head) = read_head(&self.received)? {
                break head;
            }
        };
        while self.received.len() < end {
            let read = self.stream.read_buf(&mut self.received).await.context("a connection broke")?;
            anyhow::ensure!(read > 0, "the daemon closed a connection during an answer");
        }
        Ok(Answer { status, body: self.received.get(body_start..end).unwrap_or_default() })
    }
}

/// The status, and where the body begins and ends; `None`: the head is not complete.
fn read_head(received: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(body_start) = head.parse(received).context("an answer is not HTTP/1.1")? else {
        return Ok(None);
    };
    let length = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|header| std::str::from_utf8(header.value).ok()?.parse::<usize>().ok());
    let length = length.context("an answer has no Content-Length")?;
    Ok(Some((head.code.unwrap_or_default(), body_start, body_start + length)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_complete() {
        let answer = b"HTTP/1.1 409 Conflict\r\ncontent-type: a/b\r\nContent-Length: 3\r\n\r\n{}\n";
        let body_start = answer.len() - 3;
        for end in 0..answer.len() {
            let expected = (end >= body_start).then_some((409, body_start, answer.len()));
            assert_eq!(read_head(&answer[..end]).unwrap(), expected, "{end}");
        }
        for wrong in [&b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..], b"SSH-2.0-OpenSSH\r\n"] {
            assert!(read_head(wrong).is_err());
        }
    }
}
