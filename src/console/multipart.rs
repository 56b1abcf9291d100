//! Forms with files (`multipart/form-data`, RFC 7578), read piece by piece: a table of any length needs the memory of one
//! piece, and the headers of a part are bounded. `multer` bounds neither: it buffers what the sender has ready.

use crate::service::error::ServiceError;
use memchr::memmem::{Finder, find};

/// The most bytes of the headers of a part.
const HEADER_BYTES_MAX: usize = 4 * 1024;
/// The most parts of a form.
const PARTS_MAX: usize = 32;
/// The most bytes of a boundary (RFC 2046, section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// Takes the name of a part and some bytes of its content. A part is taken in several pieces.
pub(super) type TakePart<'a> = dyn FnMut(&str, &[u8]) -> Result<(), ServiceError> + 'a;

enum State {
    /// Before the first boundary.
    Preamble,
    /// After a boundary: two more bytes say whether another part follows.
    Boundary,
    Headers,
    Content {
        name: String,
    },
    /// After the last boundary.
    End,
}

/// Reads one form.
pub(super) struct MultipartReader {
    /// The line end and the boundary, which end a part.
    delimiter: Finder<'static>,
    /// The bytes that are not taken yet.
    waiting: Vec<u8>,
    state: State,
    parts: usize,
}

/// The boundary that a `Content-Type` names; `None`: it is no form with files.
pub(super) fn boundary_of(content_type: &str) -> Option<&str> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    (1..=BOUNDARY_BYTES_MAX).contains(&boundary.len()).then_some(boundary)
}

/// A parameter of a header, with or without quotes. Browsers write a quote in a quoted text as `%22`.
fn parameter<'h>(mut parameters: &'h str, wanted: &str) -> Option<&'h str> {
    loop {
        let (name, rest) = parameters.split_once('=')?;
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => rest.split_at(rest.find(';').unwrap_or(rest.len())),
        };
        let name = name.trim_matches(|c: char| c.is_ascii_whitespace() || c == ';');
        if name.eq_ignore_ascii_case(wanted) {
            return Some(value.trim());
        }
        parameters = rest;
    }
}

fn malformed(what: &str) -> ServiceError {
    ServiceError::malformed("body_broken", format!("the form cannot be read: {what}"))
}

/// The name of a part by its headers.
fn part_name(headers: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(headers).ok()?;
    let (_, value) = text
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("content-disposition"))?;
    let (_, parameters) = value.split_once(';')?;
    parameter(parameters, "name").map(str::to_owned)
}

impl MultipartReader {
    /// A reader of a form with a boundary.
    pub(super) fn new(boundary: &str) -> Self {
        let delimiter = Finder::new(format!("\r\n--{boundary}").as_bytes()).into_owned();
        // The first boundary needs no line end before it.
        Self { delimiter, waiting: b"\r\n".to_vec(), state: State::Preamble, parts: 0 }
    }

    /// Reads the next piece of the body.
    ///
    /// # Errors
    /// The body is no such form, or `take` fails.
    pub(super) fn push(&mut self, piece: &[u8], take: &mut TakePart<'_>) -> Result<(), ServiceError> {
        self.waiting.extend_from_slice(piece);
        let mut from = 0;
        loop {
            let rest = &self.waiting[from..];
            let delimiter_bytes = self.delimiter.needle().len();
            match &self.state {
                State::Preamble | State::Content { .. } => {
                    let end = self.delimiter.find(rest);
                    // The last bytes can be the beginning of a delimiter.
                    let content = end.unwrap_or_else(|| rest.len().saturating_sub(delimiter_bytes - 1));
                    if let State::Content { name } = &self.state
                        && content > 0
                    {
                        take(name, &rest[..content])?;
                    }
                    from += content;
                    if end.is_none() {
                        break;
                    }
                    from += delimiter_bytes;
                    self.state = State::Boundary;
                }
                State::Boundary => {
                    let Some(after) = rest.get(..2) else { break };
                    self.state = match after {
                        b"--" => State::End,
                        b"\r\n" => State::Headers,
                        _ => return Err(malformed("a boundary is followed by other bytes")),
                    };
                    from += 2;
                }
                State::Headers => {
                    let Some(end) = find(rest, b"\r\n\r\n") else {
                        if rest.len() > HEADER_BYTES_MAX {
                            return Err(malformed("the headers of a part are too long"));
                        }
                        break;
                    };
                    let name = rest.get(..end).filter(|headers| headers.len() <= HEADER_BYTES_MAX).and_then(part_name);
                    let name = name.ok_or_else(|| malformed("a part has no name"))?;
                    self.parts += 1;
                    if self.parts > PARTS_MAX {
                        return Err(malformed("it has too many parts"));
                    }
                    from += end + 4;
                    self.state = State::Content { name };
                }
                State::End => {
                    from = self.waiting.len();
                    break;
                }
            }
        }
        self.waiting.drain(..from);
        Ok(())
    }

    /// Ends the form.
    ///
    /// # Errors
    /// The last boundary is missing.
    pub(super) fn finish(self) -> Result<(), ServiceError> {
        match self.state {
            State::End => Ok(()),
            State::Preamble | State::Boundary | State::Headers | State::Content { .. } => {
                Err(malformed("it breaks off before its end"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const FORM: &[u8] = b"--xyz\r\nContent-Disposition: form-data; name=\"mode\"\r\n\r\ntrial\r\n--xyz\r\n\
        content-disposition: form-data; filename=\"a; name=evil.csv\"; name=\"file\"\r\nContent-Type: text/csv\r\n\r\n\
        a,b\r\n--xy\r\n\r\n1,2\r\n\r\n--xyz\r\nContent-Disposition: form-data; name=\"text\"\r\n\r\n\r\n--xyz--\r\n";

    fn read(body: &[u8], piece_bytes: usize) -> Result<BTreeMap<String, Vec<u8>>, ServiceError> {
        let mut parts: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        let mut reader = MultipartReader::new("xyz");
        for piece in body.chunks(piece_bytes) {
            reader.push(piece, &mut |name, bytes| {
                parts.entry(name.to_owned()).or_default().extend_from_slice(bytes);
                Ok(())
            })?;
        }
        reader.finish()?;
        Ok(parts)
    }

    #[test]
    fn parts_are_the_same_however_the_body_is_cut() {
        for piece_bytes in 1..=FORM.len() {
            let parts = read(FORM, piece_bytes).unwrap();
            assert_eq!(parts["mode"], b"trial", "{piece_bytes}");
            assert_eq!(parts["file"], b"a,b\r\n--xy\r\n\r\n1,2\r\n", "{piece_bytes}");
            assert!(!parts.contains_key("text") && !parts.contains_key("evil.csv"), "{piece_bytes}");
        }
    }

    #[test]
    fn broken_forms_are_refused() {
        for cut in 0..FORM.len() - 4 {
            assert!(read(&FORM[..cut], 7).is_err(), "{cut}");
        }
        let long = [b"--xyz\r\n".as_slice(), &[b'a'; HEADER_BYTES_MAX + 1]].concat();
        assert!(read(&long, 1_000).is_err());
        let nameless = b"--xyz\r\nContent-Disposition: form-data\r\n\r\na\r\n--xyz--\r\n";
        assert!(read(nameless, 99).is_err());
        let parts = b"--xyz\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\na\r\n".repeat(PARTS_MAX + 1);
        assert!(read(&[parts, b"--xyz--".to_vec()].concat(), 999).is_err());
    }

    #[test]
    fn the_boundary_of_a_content_type() {
        for (content_type, want) in [
            ("multipart/form-data; boundary=abc", Some("abc")),
            ("Multipart/Form-Data; charset=utf-8; Boundary=\"a;b\"", Some("a;b")),
            ("multipart/form-data", None),
            ("multipart/form-data; boundary=", None),
            ("application/x-www-form-urlencoded; boundary=abc", None),
        ] {
            assert_eq!(boundary_of(content_type), want, "{content_type}");
        }
    }
}
