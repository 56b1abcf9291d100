//! A client that writes its bytes by hand: broken requests, half requests, and bodies sent in pieces while the answer
//! is being read. It never gives up on a daemon that closes while it is still being written to: the answer is what
//! counts.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::thread;

use crate::answer::Answer;
use crate::process::PATIENCE;

/// Opens a connection with bounded waits.
pub fn connect(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("the daemon accepts a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a bounded read");
    stream.set_write_timeout(Some(PATIENCE)).expect("a bounded write");
    stream.set_nodelay(true).expect("small writes leave at once");
    stream
}

/// The head of a request with a body of a known length.
pub fn head(method: &str, path: &str, body_bytes: usize) -> String {
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {body_bytes}\r\nconnection: close\r\n\r\n"
    )
}

/// Sends one request with a body of any bytes, and reads the answer.
pub fn send(port: u16, method: &str, path: &str, body: &[u8]) -> Answer {
    let mut stream = connect(port);
    // A refusal may come, and the connection go, before everything is written.
    let _ = stream.write_all(head(method, path, body.len()).as_bytes()).and_then(|()| stream.write_all(body));
    AnswerReader::new(stream).answer()
}

/// Posts a body of any size in chunks from a separate thread, so that a streamed answer is read at the same time.
pub fn post_streamed(port: u16, path: &str, body: Vec<u8>) -> Answer {
    let (mut upload, reading) = stream(port, path);
    let writer = thread::spawn(move || {
        for piece in body.chunks(32 * 1024) {
            upload.send(piece);
        }
        upload.end();
    });
    let answer = reading.answer();
    writer.join().expect("the body is sent");
    answer
}

/// Opens a `POST` whose body is sent in chunks, as it comes.
pub fn stream(port: u16, path: &str) -> (Upload, AnswerReader) {
    let mut stream = connect(port);
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("a head is sent");
    let reading = AnswerReader::new(stream.try_clone().expect("a second handle"));
    (Upload { stream }, reading)
}

/// The half of a connection that sends a chunked body.
#[derive(Debug)]
pub struct Upload {
    stream: TcpStream,
}

impl Upload {
    /// Sends one chunk.
    pub fn send(&mut self, piece: &[u8]) {
        let mut framed = format!("{:x}\r\n", piece.len()).into_bytes();
        framed.extend_from_slice(piece);
        framed.extend_from_slice(b"\r\n");
        let _ = self.stream.write_all(&framed);
    }

    /// Ends the body.
    pub fn end(mut self) {
        let _ = self.stream.write_all(b"0\r\n\r\n");
    }

    /// Goes away in the middle of the body.
    pub fn abandon(self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// The half of a connection that reads the answer.
#[derive(Debug)]
pub struct AnswerReader {
    stream: BufReader<TcpStream>,
}

impl AnswerReader {
    /// Reads from a connection on which a request was, or is being, sent.
    pub fn new(stream: TcpStream) -> AnswerReader {
        AnswerReader { stream: BufReader::new(stream) }
    }

    /// Reads one line of the head without its end.
    pub fn head_line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).expect("a line of the answer's head");
        line.trim_end().to_owned()
    }

    /// Reads the status and the headers, passing over interim answers.
    pub fn head(&mut self) -> (u16, Vec<(String, String)>) {
        loop {
            let line = self.head_line();
            let status = line.split(' ').nth(1).and_then(|s| s.parse().ok());
            let status: u16 = status.unwrap_or_else(|| panic!("no status line came, but {line:?}"));
            let mut headers = Vec::new();
            loop {
                let line = self.head_line();
                match line.split_once(':') {
                    Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                    None => break,
                }
            }
            if status >= 200 {
                return (status, headers);
            }
        }
    }

    /// Reads so many bytes of a body, and leaves the connection as it is.
    pub fn bytes(&mut self, count: usize) -> String {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("the body");
        String::from_utf8(bytes).expect("a body in UTF-8")
    }

    /// The body after a head, decoded as it arrives.
    pub fn body(self, headers: &[(String, String)]) -> BufReader<Box<dyn Read>> {
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let reader: Box<dyn Read> = if value("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            Box::new(Chunked { inner: self.stream, left: 0, ended: false, started: false })
        } else if let Some(length) = value("content-length") {
            Box::new(self.stream.take(length.parse().expect("a length")))
        } else {
            Box::new(self.stream)
        };
        BufReader::new(reader)
    }

    /// Reads the whole answer.
    pub fn answer(mut self) -> Answer {
        let (status, headers) = self.head();
        let mut body = String::new();
        self.body(&headers).read_to_string(&mut body).expect("the whole body in UTF-8");
        Answer { status, headers, body }
    }
}

/// The decoder of `transfer-encoding: chunked`.
struct Chunked {
    inner: BufReader<TcpStream>,
    left: u64,
    started: bool,
    ended: bool,
}

impl Read for Chunked {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 && !self.ended {
            let mut line = String::new();
            if self.started {
                self.inner.read_line(&mut line)?;
                line.clear();
            }
            self.inner.read_line(&mut line)?;
            self.started = true;
            self.left = u64::from_str_radix(line.trim(), 16)
                .map_err(|e| std::io::Error::other(format!("the answer was cut ({e}) at {line:?}")))?;
            self.ended = self.left == 0;
        }
        if self.ended {
            return Ok(0);
        }
        let read = (&mut self.inner).take(self.left).read(buffer)?;
        if read == 0 {
            return Err(std::io::Error::other("the answer was cut inside a chunk"));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
