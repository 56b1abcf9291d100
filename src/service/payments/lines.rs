//! Operations as lines of a stream, and their answers as lines.

use crate::service::{
    documents::problem::ProblemDocument, error::ServiceError, payments::payment_service::PaymentService, reply::render,
};

/// Answers one line with one line: a document, or a problem document, which is returned too. `line` is the limit where
/// the line exceeds it.
pub fn answer_line(
    service: &PaymentService,
    line: Result<&[u8], usize>,
    out: &mut Vec<u8>,
    may_enter: impl Fn(&str) -> Result<(), ServiceError>,
) -> Option<ProblemDocument> {
    let answered = match line {
        Ok(line) => service.line(line, &may_enter),
        Err(bytes_max) => Err(ServiceError::too_large(bytes_max)),
    };
    let problem = match answered {
        Ok(reply) => {
            out.extend_from_slice(&reply.body);
            None
        }
        Err(error) => {
            let mut problem = ProblemDocument::from(error);
            problem.name_nearest_merchant(&service.rules(), |id| may_enter(id).is_ok());
            out.extend_from_slice(&render(&problem));
            Some(problem)
        }
    };
    out.push(b'\n');
    problem
}

/// Splits a stream of bytes into lines. Blank lines are skipped; a line that is too long is reported once and skipped.
pub struct LineSplitter {
    bytes_max: usize,
    rest: Vec<u8>,
    skipping: bool,
}

impl LineSplitter {
    /// Splits into lines of at most `bytes_max` bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, rest: Vec::new(), skipping: false }
    }

    /// Whether no line is incomplete.
    #[must_use]
    pub fn is_between_lines(&self) -> bool {
        self.rest.is_empty() && !self.skipping
    }

    /// Takes the next bytes and passes each line that they complete to `line`, or the limit that a line exceeds.
    pub fn feed<T>(&mut self, mut data: &[u8], mut line: impl FnMut(Result<&[u8], usize>) -> T) {
        while let Some(end) = memchr::memchr(b'\n', data) {
            let (piece, rest) = data.split_at(end);
            data = rest.get(1..).unwrap_or_default();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.rest.is_empty() {
                self.pass(piece, &mut line);
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(piece);
                self.pass(&whole, &mut line);
                whole.clear();
                self.rest = whole;
            }
        }
        if !self.skipping {
            self.rest.extend_from_slice(data);
            if self.rest.len() > self.bytes_max {
                self.rest = Vec::new();
                self.skipping = true;
                line(Err(self.bytes_max));
            }
        }
    }

    /// Passes the last line to `line` where it has no line end.
    pub fn end<T>(&mut self, mut line: impl FnMut(Result<&[u8], usize>) -> T) {
        let rest = std::mem::take(&mut self.rest);
        if !self.skipping {
            self.pass(&rest, &mut line);
        }
    }

    fn pass<T>(&self, text: &[u8], line: &mut impl FnMut(Result<&[u8], usize>) -> T) {
        let text = text.trim_ascii();
        if text.len() > self.bytes_max {
            line(Err(self.bytes_max));
        } else if !text.is_empty() {
            line(Ok(text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_do_not_depend_on_how_the_bytes_are_split() {
        let text = b"one\r\n\n  two  \nthis line is too long\nthree\n\nlast";
        for size in 1..=text.len() {
            let (mut lines, mut got) = (LineSplitter::new(10), Vec::new());
            let mut keep = |line: Result<&[u8], usize>| got.push(line.map(<[u8]>::to_vec).map_err(|_| ()));
            text.chunks(size).for_each(|piece| lines.feed(piece, &mut keep));
            lines.end(&mut keep);
            let want = [Ok("one"), Ok("two"), Err(()), Ok("three"), Ok("last")];
            assert_eq!(got, want.map(|line| line.map(|text| text.as_bytes().to_vec())), "pieces of {size}");
        }
    }
}
