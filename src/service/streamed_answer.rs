//! Answers that tasks or threads send in pieces. An answer that is not whole ends with an error, so that the reader does not
//! take a part for the whole: a connection with chunks or frames then breaks off visibly.

use std::io;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt, wrappers::ReceiverStream};

/// A piece of an answer.
#[derive(Debug)]
pub(crate) enum Piece<T> {
    /// The next part.
    Part(T),
    /// The answer is whole.
    End,
    /// The answer cannot be continued.
    Lost,
}

/// The parts of an answer in their order. After [`Piece::Lost`] comes an error, and also if all senders are gone before one
/// of them has sent [`Piece::End`], as they are when a task has panicked.
pub(crate) fn parts<T: Send + 'static>(pieces: mpsc::Receiver<Piece<T>>) -> impl Stream<Item = io::Result<T>> + Send {
    ReceiverStream::new(pieces).chain(tokio_stream::once(Piece::Lost)).map_while(|piece| match piece {
        Piece::Part(part) => Some(Ok(part)),
        Piece::End => None,
        Piece::Lost => Some(Err(io::Error::other("the answer broke off"))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parts that a reader gets when a task sends some pieces and then ends, by itself or by a panic, and whether the
    /// answer is whole.
    async fn read(sent: Vec<Piece<u8>>, panics: bool) -> (Vec<u8>, bool) {
        let (sender, pieces) = mpsc::channel(8);
        let task = tokio::spawn(async move {
            for piece in sent {
                sender.send(piece).await.unwrap();
            }
            assert!(!panics, "as planted");
        });
        let mut parts = Box::pin(parts(pieces));
        let mut read = Vec::new();
        loop {
            match parts.next().await {
                Some(Ok(part)) => read.push(part),
                Some(Err(_)) => return (read, false),
                None => break,
            }
        }
        assert_eq!(task.await.is_err(), panics);
        (read, true)
    }

    #[tokio::test]
    async fn an_answer_is_whole_only_with_its_end() {
        use Piece::{End, Lost, Part};
        assert_eq!(read(vec![Part(1), Part(2), End], false).await, (vec![1, 2], true));
        assert_eq!(read(vec![End], false).await, (vec![], true));
        assert_eq!(read(vec![Part(1), Part(2)], false).await, (vec![1, 2], false));
        assert_eq!(read(vec![Part(1), Part(2)], true).await, (vec![1, 2], false));
        assert_eq!(read(vec![], true).await, (vec![], false));
        assert_eq!(read(vec![Part(1), Lost, Part(2), End], false).await, (vec![1], false));
        assert_eq!(read(vec![Part(1), End], true).await, (vec![1], true));
    }
}
