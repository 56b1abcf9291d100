//! A hand-written client. It distinguishes an answer from none: an answer without its last byte is none.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use support::{answer::Answer, process::PATIENCE};

/// A connection that is kept, and made anew after it broke.
#[derive(Debug)]
pub(crate) struct Client {
    port: u16,
    stream: Option<BufReader<TcpStream>>,
}

impl Client {
    /// A connection to a port, made when it is first used.
    pub(crate) fn new(port: u16) -> Client {
        Client { port, stream: None }
    }

    /// `GET`; `None`: no answer.
    pub(crate) fn get(&mut self, path: &str) -> Option<Answer> {
        self.call("GET", path, "")
    }

    /// `POST`; `None`: no answer.
    pub(crate) fn post(&mut self, path: &str, body: &Value) -> Option<Answer> {
        self.call("POST", path, &body.to_string())
    }

    /// Any call; `None`: no answer.
    pub(crate) fn call(&mut self, method: &str, path: &str, body: &str) -> Option<Answer> {
        self.keep(|client| {
            client.send(method, path, body)?;
            let (status, headers) = client.head()?;
            let mut bytes = Vec::new();
            client.body(&headers, |piece| bytes.extend_from_slice(piece))?;
            Some(Answer { status, headers, body: String::from_utf8(bytes).ok()? })
        })
    }

    /// `POST /v1/batch`: the answers to as many lines as were answered, each whole.
    pub(crate) fn batch(&mut self, lines: &[String]) -> Vec<Value> {
        let mut text = String::new();
        for line in lines {
            text.push_str(line);
            text.push('\n');
        }
        let mut bytes = Vec::new();
        self.keep(|client| {
            client.send("POST", "/v1/batch", &text)?;
            let (status, headers) = client.head()?;
            assert_eq!(status, 200, "a batch is answered line by line");
            client.body(&headers, |piece| bytes.extend_from_slice(piece))
        });
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let lines = bytes[..whole].split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a line of JSON")).collect()
    }

    /// Runs one exchange on the connection; a broken one is dropped.
    fn keep<T>(&mut self, exchange: impl FnOnce(&mut Client) -> Option<T>) -> Option<T> {
        let done = exchange(self);
        if done.is_none() {
            self.stream = None;
        }
        done
    }

    fn send(&mut self, method: &str, path: &str, body: &str) -> Option<()> {
        if self.stream.is_none() {
            let stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
            stream.set_read_timeout(Some(PATIENCE)).ok()?;
            stream.set_nodelay(true).ok()?;
            self.stream = Some(BufReader::new(stream));
        }
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.as_mut()?.get_mut().write_all(request.as_bytes()).ok()
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stream.as_mut()?.read_line(&mut line).ok()?;
        (read > 0 && line.ends_with('\n')).then(|| line.trim_end().to_owned())
    }

    fn head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let status = self.line()?.split(' ').nth(1)?.parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let line = self.line()?;
            match line.split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => return Some((status, headers)),
            }
        }
    }

    /// Hands over the body piece by piece; `None` where it breaks off.
    fn body(&mut self, headers: &[(String, String)], mut piece: impl FnMut(&[u8])) -> Option<()> {
        let value = |name: &str| headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
        let mut buffer = vec![0; 16 * 1024];
        let mut pass = |client: &mut Client, mut left: usize| {
            while left > 0 {
                let want = left.min(buffer.len());
                let read = client.stream.as_mut()?.read(&mut buffer[..want]).ok().filter(|read| *read > 0)?;
                piece(&buffer[..read]);
                left -= read;
            }
            Some(())
        };
        if value("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).ok()?;
                pass(self, size)?;
                self.line()?;
                if size == 0 {
                    break;
                }
            }
        } else {
            pass(self, value("content-length")?.parse().ok()?)?;
        }
        if value("connection").is_some_and(|says| says.eq_ignore_ascii_case("close")) {
            self.stream = None;
        }
        Some(())
    }
}
