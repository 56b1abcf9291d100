//! One connection to the daemon, over TCP, with TLS or over a Unix socket, with one request at a time.

use anyhow::Context;
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};
use std::{
    io::{self, Read, Write},
    net::TcpStream as BlockingTcp,
    os::unix::net::UnixStream as BlockingUnix,
    path::PathBuf,
    sync::Arc,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpStream, UnixStream},
};

/// The most header lines of an answer.
const HEADERS_MAX: usize = 32;
/// The bytes for which a read has room.
const READ_BYTES: usize = 4_096;

/// The address of a server.
#[derive(Debug, Clone)]
pub(super) struct ServerAddress {
    /// `HOST:PORT`.
    pub(super) host_port: String,
    /// The Unix socket to connect to; `None`: `host_port` over TCP.
    pub(super) unix_socket: Option<PathBuf>,
    /// How connections begin; `None`: without TLS.
    pub(super) tls: Option<TlsClient>,
}

impl ServerAddress {
    /// An address without TLS.
    pub(super) const fn plain(host_port: String) -> Self {
        Self { host_port, unix_socket: None, tls: None }
    }
}

/// The client of TLS connections.
#[derive(Debug, Clone)]
pub(super) struct TlsClient {
    pub(super) config: Arc<ClientConfig>,
    /// The name that the certificate of the server must have.
    pub(super) name: ServerName<'static>,
}

/// A socket that no runtime uses.
#[derive(Debug)]
enum BlockingSocket {
    Tcp(BlockingTcp),
    Unix(BlockingUnix),
}

/// An open connection that no runtime uses. A TLS session is boxed: most benches have none.
#[derive(Debug)]
pub(super) struct OpenStream {
    socket: BlockingSocket,
    tls: Option<Box<ClientConnection>>,
}

impl OpenStream {
    /// Opens a connection, and does the handshake of TLS.
    ///
    /// # Errors
    /// The address cannot be reached, or the handshake fails.
    pub(super) fn connect(address: &ServerAddress) -> anyhow::Result<Self> {
        let ServerAddress { host_port, unix_socket, tls } = address;
        if let Some(path) = unix_socket {
            let unix = BlockingUnix::connect(path).with_context(|| format!("cannot connect to {}", path.display()))?;
            unix.set_nonblocking(true)?;
            return Ok(Self { socket: BlockingSocket::Unix(unix), tls: None });
        }
        let mut tcp = BlockingTcp::connect(host_port).with_context(|| format!("cannot connect to {host_port}"))?;
        tcp.set_nodelay(true)?;
        let tls = match tls {
            None => None,
            Some(TlsClient { config, name }) => {
                let mut session = ClientConnection::new(Arc::clone(config), name.clone())?;
                while session.is_handshaking() {
                    let handshake = session.complete_io(&mut tcp);
                    handshake.with_context(|| format!("the TLS handshake with {host_port} failed"))?;
                }
                Some(Box::new(session))
            }
        };
        tcp.set_nonblocking(true)?;
        Ok(Self { socket: BlockingSocket::Tcp(tcp), tls })
    }
}

/// A socket of a runtime.
#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Tcp(tcp) => tcp.write_all(bytes).await,
            Self::Unix(unix) => unix.write_all(bytes).await,
        }
    }

    /// Appends received bytes; 0: the daemon has closed the connection.
    async fn read_into(&mut self, received: &mut Vec<u8>) -> io::Result<usize> {
        match self {
            Self::Tcp(tcp) => tcp.read_buf(received).await,
            Self::Unix(unix) => unix.read_buf(received).await,
        }
    }
}

/// A connection that stays open.
#[derive(Debug)]
pub(super) struct Connection {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
    received: Vec<u8>,
    /// Encrypted bytes on their way.
    encrypted: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
}

impl Connection {
    /// Takes over an open connection. Call it on the runtime that will use it.
    ///
    /// # Errors
    /// The runtime refuses the connection.
    pub(super) fn new(OpenStream { socket, tls }: OpenStream) -> anyhow::Result<Self> {
        let socket = match socket {
            BlockingSocket::Tcp(tcp) => Socket::Tcp(TcpStream::from_std(tcp)?),
            BlockingSocket::Unix(unix) => Socket::Unix(UnixStream::from_std(unix)?),
        };
        Ok(Self { socket, tls, received: Vec::with_capacity(READ_BYTES), encrypted: Vec::new() })
    }

    /// Gives the connection back, so that another runtime can use it.
    ///
    /// # Errors
    /// The runtime does not release the connection.
    pub(super) fn into_stream(self) -> anyhow::Result<OpenStream> {
        let socket = match self.socket {
            Socket::Tcp(tcp) => BlockingSocket::Tcp(tcp.into_std()?),
            Socket::Unix(unix) => BlockingSocket::Unix(unix.into_std()?),
        };
        Ok(OpenStream { socket, tls: self.tls })
    }

    /// Sends a request and waits for its whole answer.
    ///
    /// # Errors
    /// The connection broke, or the answer is not one of HTTP/1.1 with a length.
    pub(super) async fn call(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.send(request).await.context("the daemon closed a connection")?;
        self.received.clear();
        let (status, body_start, end) = loop {
            let read = self.receive().await.context("a connection broke")?;
            anyhow::ensure!(read > 0, "the daemon closed a connection");
            if let Some(head) = read_head(&self.received)? {
                break head;
            }
        };
        while self.received.len() < end {
            let read = self.receive().await.context("a connection broke")?;
            anyhow::ensure!(read > 0, "the daemon closed a connection during an answer");
        }
        Ok(Answer { status, body: self.received.get(body_start..end).unwrap_or_default() })
    }

    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(session) = &mut self.tls else { return self.socket.write_all(bytes).await };
        session.writer().write_all(bytes)?;
        self.encrypted.clear();
        while session.wants_write() {
            session.write_tls(&mut self.encrypted)?;
        }
        self.socket.write_all(&self.encrypted).await
    }

    /// Appends bytes to what was received; 0: the daemon has closed the connection.
    async fn receive(&mut self) -> io::Result<usize> {
        let Some(session) = &mut self.tls else { return self.socket.read_into(&mut self.received).await };
        let before = self.received.len();
        loop {
            self.encrypted.clear();
            self.encrypted.reserve(READ_BYTES);
            if self.socket.read_into(&mut self.encrypted).await? == 0 {
                return Ok(0);
            }
            let mut rest = self.encrypted.as_slice();
            while !rest.is_empty() {
                session.read_tls(&mut rest)?;
                session.process_new_packets().map_err(io::Error::other)?;
                // Until there is no more, which is an error of this kind.
                match session.reader().read_to_end(&mut self.received) {
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
                    _ => {}
                }
            }
            if self.received.len() > before {
                return Ok(self.received.len() - before);
            }
        }
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
