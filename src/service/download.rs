//! Downloads: bodies that a thread writes while they are sent.

use crate::scheduling::background;
use crate::service::{
    commit::AnswerKind,
    error::ServiceError,
    payments::PaymentService,
    streamed_answer::{Piece, parts},
};
use axum::body::{Body, Bytes};
use std::{
    io::{self, BufWriter, Write},
    sync::Arc,
};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::StreamExt;

/// Bytes of a download that are sent together, and how many such pieces can wait for a slow reader.
const PIECE_BYTES: usize = 64 * 1024;
const PIECES_MAX: usize = 8;

/// Sends each written piece to the reader; fails when the reader has gone.
struct PieceWriter(mpsc::Sender<Piece<Bytes>>);

impl Write for PieceWriter {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(Piece::Part(Bytes::copy_from_slice(piece))).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The body of a download: the bytes that `write` writes on its own thread. Each piece is sent once the journal contains every
/// record so far, and while `is_admitted` returns no error: a token that is revoked during the download gets no more of it.
/// If `write` fails or panics, the body ends with an error, so that the reader does not take a part for the whole.
pub(crate) fn download(
    payments: &Arc<PaymentService>,
    permit: OwnedSemaphorePermit,
    is_admitted: impl Fn() -> Result<(), ServiceError> + Send + 'static,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send + 'static,
) -> Body {
    let (out, pieces) = mpsc::channel(PIECES_MAX);
    background::run(move || {
        // The permit is for the thread, which waits for a slow reader.
        let _permit = permit;
        let mut output = BufWriter::with_capacity(PIECE_BYTES, PieceWriter(out.clone()));
        let end = match write(&mut output).and_then(|()| output.flush()) {
            Ok(()) => Piece::End,
            Err(error) => {
                // A reader that has gone is no fault.
                if !out.is_closed() {
                    tracing::error!(%error, "a download ended early; the caller has a part of it and knows");
                }
                Piece::Lost
            }
        };
        // Bytes that a failed write has left in the buffer are not sent after the end.
        let _ = out.blocking_send(end);
    });
    let payments = Arc::clone(payments);
    let committed = parts(pieces).then(move |piece| {
        let admitted = is_admitted();
        let payments = Arc::clone(&payments);
        async move {
            admitted.map_err(io::Error::other)?;
            payments.leave(None, AnswerKind::Read).await.map_err(io::Error::other)?;
            piece
        }
    });
    Body::from_stream(committed)
}
