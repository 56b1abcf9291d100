//! Runs of whole lines, cut from a stream of bytes.

use crate::service::payments::lines::LineSplitter;

/// Whole lines of a stream.
#[derive(Debug, Default)]
pub struct LineRun {
    bytes: Vec<u8>,
    /// Where each line ends in `bytes`, or the limit that it exceeds.
    lines: Vec<Result<usize, usize>>,
}

impl LineRun {
    /// Adds a line, or the limit that it exceeds.
    pub fn push(&mut self, line: Result<&[u8], usize>) {
        let line = line.map(|text| {
            self.bytes.extend_from_slice(text);
            self.bytes.len()
        });
        self.lines.push(line);
    }

    /// The lines in their order.
    pub fn lines(&self) -> impl Iterator<Item = Result<&[u8], usize>> {
        let mut start = 0;
        self.lines.iter().map(move |line| {
            line.map(|end| {
                let text = self.bytes.get(start..end).unwrap_or_default();
                start = end;
                text
            })
        })
    }

    /// The number of lines.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether it has no line.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The bytes of its lines.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}

/// Cuts a stream of bytes into runs.
pub struct RunSplitter {
    lines: LineSplitter,
    run: LineRun,
}

impl RunSplitter {
    /// Cuts into lines of at most `line_bytes_max` bytes.
    #[must_use]
    pub fn new(line_bytes_max: usize) -> Self {
        Self { lines: LineSplitter::new(line_bytes_max), run: LineRun::default() }
    }

    /// Takes the next bytes. Returns whether they completed a line.
    pub fn feed(&mut self, data: &[u8]) -> bool {
        let before = self.run.len();
        self.lines.feed(data, |line| self.run.push(line));
        self.run.len() > before
    }

    /// Takes the last line where it has no line end.
    pub fn end(&mut self) {
        self.lines.end(|line| self.run.push(line));
    }

    /// Whether no line is incomplete.
    #[must_use]
    pub fn is_between_lines(&self) -> bool {
        self.lines.is_between_lines()
    }

    /// The bytes of the lines that are complete and not taken yet.
    #[must_use]
    pub fn bytes_len(&self) -> usize {
        self.run.bytes_len()
    }

    /// The complete lines so far; `None`: there is none.
    pub fn take(&mut self) -> Option<LineRun> {
        (!self.run.is_empty()).then(|| std::mem::take(&mut self.run))
    }
}
