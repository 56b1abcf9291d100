//! A client with the few lines that a test needs.

use std::fmt;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// An answer of Redis.
#[derive(Clone, PartialEq, Eq)]
pub enum Answer {
    /// A text or bytes.
    Text(Vec<u8>),
    /// A number.
    Number(i64),
    /// Nothing.
    Nil,
    /// A list.
    List(Vec<Answer>),
    /// An error.
    Error(String),
}

impl Answer {
    /// The text.
    #[track_caller]
    pub fn text(&self) -> String {
        match self {
            Answer::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Answer::Number(number) => number.to_string(),
            other => panic!("no text: {other:?}"),
        }
    }

    /// The number.
    #[track_caller]
    pub fn number(&self) -> i64 {
        self.text().parse().expect("a number")
    }

    /// The parts of a list.
    #[track_caller]
    pub fn list(&self) -> &[Answer] {
        match self {
            Answer::List(parts) => parts,
            other => panic!("no list: {other:?}"),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Text(bytes) => write!(f, "{:?}", String::from_utf8_lossy(bytes)),
            Answer::Number(number) => write!(f, "{number}"),
            Answer::Nil => write!(f, "nil"),
            Answer::List(parts) => f.debug_list().entries(parts).finish(),
            Answer::Error(text) => write!(f, "error {text}"),
        }
    }
}

/// Sends one command to a server on this machine, over a new connection.
///
/// # Errors
/// The server cannot be reached, or gives no answer within five seconds.
pub fn command(port: u16, password: Option<&str>, words: &[&[u8]]) -> io::Result<Answer> {
    let stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut stream = BufReader::new(stream);
    if let Some(password) = password {
        send(stream.get_mut(), &[b"AUTH", password.as_bytes()])?;
        if let Answer::Error(text) = read(&mut stream)? {
            return Ok(Answer::Error(text));
        }
    }
    send(stream.get_mut(), words)?;
    read(&mut stream)
}

fn send(stream: &mut TcpStream, words: &[&[u8]]) -> io::Result<()> {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).into_bytes());
        bytes.extend_from_slice(word);
        bytes.extend_from_slice(b"\r\n");
    }
    stream.write_all(&bytes)
}

fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Answer> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = line.trim_end();
    let rest = line.get(1..).unwrap_or_default();
    let number = || rest.parse::<i64>().map_err(io::Error::other);
    Ok(match line.as_bytes().first() {
        Some(b'+') => Answer::Text(rest.as_bytes().to_vec()),
        Some(b'-') => Answer::Error(rest.to_owned()),
        Some(b':') => Answer::Number(number()?),
        Some(b'$') => match usize::try_from(number()?) {
            Err(_) => Answer::Nil,
            Ok(len) => {
                let mut bytes = vec![0; len + 2];
                stream.read_exact(&mut bytes)?;
                bytes.truncate(len);
                Answer::Text(bytes)
            }
        },
        Some(b'*') => match usize::try_from(number()?) {
            Err(_) => Answer::Nil,
            Ok(len) => Answer::List((0..len).map(|_| read(stream)).collect::<io::Result<_>>()?),
        },
        _ => return Err(io::Error::other(format!("no answer of Redis: {line}"))),
    })
}
