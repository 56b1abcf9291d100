//! Batches: lines in, lines out, in the same order, of any length.

use super::{desk::Desk, grants::Grant, handlers::Daemon, problem::Problem};
use crate::journal::Lsn;
use axum::{
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderValue, header},
    response::Response,
};
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, wrappers::ReceiverStream};

/// Where batches are sent.
pub(super) const PATH: &str = "/v1/batch";
/// How many pieces of the answer may wait for a slow reader; then its lines wait.
const PIECES_MAX: usize = 16;
/// Bytes of lines that one piece of the answer answers at most, so that what waits for a slow reader is bounded: the
/// network may hand over hundreds of kibibytes at once, and an answer may be many times as long as its line.
const LINES_BYTES_MAX: usize = 4 * 1024;

/// Answers `POST /v1/batch` while it is still being sent.
pub(crate) async fn batch(State(daemon): State<Arc<Daemon>>, request: Request) -> Response {
    let grant = request.extensions().get::<Grant>().cloned();
    let (answers, pieces) = mpsc::channel::<(Bytes, Lsn)>(PIECES_MAX);
    let journal = Arc::clone(daemon.desk.ledger.journal());
    tokio::spawn(answer_lines(daemon, grant, request.into_body(), answers));
    // Lines go on being decided while the answers to earlier ones wait until the journal holds what they rest on.
    let kept = ReceiverStream::new(pieces).then(move |(piece, rests_on)| {
        let journal = Arc::clone(&journal);
        async move { journal.committed(rests_on).await.map(|()| piece).map_err(std::io::Error::other) }
    });
    let mut response = Response::new(Body::from_stream(kept));
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}

async fn answer_lines(daemon: Arc<Daemon>, grant: Option<Grant>, mut body: Body, answers: mpsc::Sender<(Bytes, Lsn)>) {
    let desk = &daemon.desk;
    // A batch may be sent for hours: each line goes by what its token may do when the line comes.
    let may_enter = |merchant: &str| daemon.admits_line(grant.as_ref(), merchant);
    let mut lines = Lines::new(desk.body_bytes_max);
    loop {
        let frame = match body.frame().await {
            None => break,
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                // The caller went away or broke the framing; what was answered stands.
                tracing::debug!(%error, "a batch ended early");
                return;
            }
        };
        let Ok(data) = frame.into_data() else { continue };
        for data in data.chunks(LINES_BYTES_MAX) {
            let mut out = Vec::new();
            lines.feed(data, |line| answer_line(desk, line, &mut out, may_enter));
            if !out.is_empty() && answers.send((out.into(), desk.ledger.journal().last())).await.is_err() {
                return;
            }
        }
        tokio::task::yield_now().await;
    }
    let mut out = Vec::new();
    lines.end(|line| answer_line(desk, line, &mut out, may_enter));
    if !out.is_empty() {
        // The reader may be gone; then nobody waits for the answer.
        let _ = answers.send((out.into(), desk.ledger.journal().last())).await;
    }
}

/// Answers one line with one line: an answer, or a problem document.
pub fn answer_line(
    desk: &Desk,
    line: Result<&[u8], usize>,
    out: &mut Vec<u8>,
    may_enter: impl Fn(&str) -> Result<(), Problem>,
) -> Option<Problem> {
    let answered = match line {
        Ok(line) => desk.line(line, may_enter),
        Err(bytes_max) => Err(Problem::too_large(bytes_max)),
    };
    let problem = match answered {
        Ok(reply) => {
            out.extend_from_slice(&reply.body);
            None
        }
        Err(problem) => {
            out.extend_from_slice(&super::desk::render(&problem));
            Some(problem)
        }
    };
    out.push(b'\n');
    problem
}

/// Cuts a stream of bytes into lines. Blank lines are no lines; an over-long one is told of once and skipped.
pub struct Lines {
    bytes_max: usize,
    rest: Vec<u8>,
    skipping: bool,
}

impl Lines {
    /// Lines of at most so many bytes.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { bytes_max, rest: Vec::new(), skipping: false }
    }

    /// Takes the next bytes and hands on the lines that they complete, or the limit that one was over.
    pub fn feed<T>(&mut self, mut data: &[u8], mut line: impl FnMut(Result<&[u8], usize>) -> T) {
        while let Some(end) = data.iter().position(|&byte| byte == b'\n') {
            let (piece, rest) = data.split_at(end);
            data = rest.get(1..).unwrap_or_default();
            if std::mem::take(&mut self.skipping) {
                continue;
            }
            if self.rest.is_empty() {
                self.hand_on(piece, &mut line);
            } else {
                let mut whole = std::mem::take(&mut self.rest);
                whole.extend_from_slice(piece);
                self.hand_on(&whole, &mut line);
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

    /// Hands on the last line, where it has no end.
    pub fn end<T>(&mut self, mut line: impl FnMut(Result<&[u8], usize>) -> T) {
        let rest = std::mem::take(&mut self.rest);
        if !self.skipping {
            self.hand_on(&rest, &mut line);
        }
    }

    fn hand_on<T>(&self, text: &[u8], line: &mut impl FnMut(Result<&[u8], usize>) -> T) {
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
    fn lines_are_the_same_however_the_bytes_come() {
        let text = b"one\r\n\n  two  \nthis line is too long\nthree\n\nlast";
        for size in 1..=text.len() {
            let (mut lines, mut got) = (Lines::new(10), Vec::new());
            let mut keep = |line: Result<&[u8], usize>| got.push(line.map(<[u8]>::to_vec).map_err(|_| ()));
            text.chunks(size).for_each(|piece| lines.feed(piece, &mut keep));
            lines.end(&mut keep);
            let want = [Ok("one"), Ok("two"), Err(()), Ok("three"), Ok("last")];
            assert_eq!(got, want.map(|line| line.map(|text| text.as_bytes().to_vec())), "pieces of {size}");
        }
    }
}
