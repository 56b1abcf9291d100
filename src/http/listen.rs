//! Connections, bounded: so many at a time, none for ever. Whoever comes when there are too many is told so.

use super::{problem::Problem, silence::Working};
use axum::{response::IntoResponse, serve::Listener};
use http_body_util::BodyExt;
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep, timeout},
};

/// For how long a caller who owes something, a request or the reading of an answer, may neither send nor take a byte.
pub const SILENCE_MAX: Duration = Duration::from_secs(75);
/// How many may be told at a time that there are too many; further ones are hung up on.
const REFUSALS_MAX: usize = 256;
/// How long one may take to be told.
const REFUSAL_MAX: Duration = Duration::from_secs(1);

/// A listener of so many connections at a time. Several may share the room.
pub struct Bounded<L> {
    inner: L,
    room: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
}

impl<L> Bounded<L> {
    /// Takes as many connections as there is room for.
    pub fn new(inner: L, room: Arc<Semaphore>) -> Self {
        Self { inner, room, refusals: Arc::new(Semaphore::new(REFUSALS_MAX)) }
    }
}

impl<L: Listener> Listener for Bounded<L> {
    type Io = Connection<L::Io>;
    type Addr = L::Addr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (io, address) = self.inner.accept().await;
            if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
                return (Connection::new(io, place), address);
            }
            metrics::counter!("levelgate_connections_refused_total").increment(1);
            if let Ok(place) = Arc::clone(&self.refusals).try_acquire_owned() {
                tokio::spawn(async move {
                    // Whoever does not listen has hung up already.
                    let _ = timeout(REFUSAL_MAX, refuse(io)).await;
                    drop(place);
                });
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.inner.local_addr()
    }
}

/// Reads what comes first, so that the answer is not lost with the connection, and says that there are too many.
async fn refuse(mut io: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
    let mut request = [0; 4_096];
    let _read = io.read(&mut request).await?;
    let response = Problem::too_many_connections().into_response();
    let (head, body) = response.into_parts();
    let body = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let mut text = format!("HTTP/1.1 {}\r\nconnection: close\r\ncontent-length: {}\r\n", head.status, body.len());
    for (name, value) in &head.headers {
        text.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap_or_default()));
    }
    text.push_str("\r\n");
    let mut whole = text.into_bytes();
    whole.extend_from_slice(&body);
    io.write_all(&whole).await?;
    io.shutdown().await
}

/// A connection that has a place, and is hung up on when its caller is silent for too long: neither sends nor takes a
/// byte while no request is being worked on, or does not take what is to be written.
pub struct Connection<I> {
    io: I,
    /// When a byte went either way, or the silence was last seen to be the daemon's.
    moved_at: Instant,
    silence: Pin<Box<Sleep>>,
    /// Whether bytes wait for the caller to take others.
    is_stuck: bool,
    working: Working,
    _place: OwnedSemaphorePermit,
}

impl<I> Connection<I> {
    fn new(io: I, place: OwnedSemaphorePermit) -> Self {
        let silence = Box::pin(sleep(SILENCE_MAX));
        Self { io, moved_at: Instant::now(), silence, is_stuck: false, working: Working::default(), _place: place }
    }

    /// Where it hears of the requests that are being worked on.
    pub(super) fn working(&self) -> &Working {
        &self.working
    }

    /// Waits until the caller has been silent for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<io::Error> {
        // The alarm is not set anew at each byte, which would cost every request; it is when it rings too early.
        loop {
            ready!(self.silence.as_mut().poll(context));
            let now = Instant::now();
            if self.working.is_any() && !self.is_stuck {
                self.moved_at = now;
            }
            let ends = self.moved_at + SILENCE_MAX;
            if ends <= now {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            self.silence.as_mut().reset(ends);
        }
    }

    /// What has become of a write; one that waits does so for no longer than the caller may be silent.
    fn wrote<T>(&mut self, wrote: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.is_stuck = wrote.is_pending();
        if self.is_stuck {
            return self.poll_silence(context).map(Err);
        }
        self.moved_at = Instant::now();
        wrote
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Connection<I> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(context, into) {
            this.moved_at = Instant::now();
            return Poll::Ready(read);
        }
        this.poll_silence(context).map(Err)
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Connection<I> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.io).poll_write(context, bytes);
        this.wrote(wrote, context)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let wrote = Pin::new(&mut this.io).poll_write_vectored(context, pieces);
        this.wrote(wrote, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_that_speaks_in_time_is_kept_and_one_that_falls_silent_is_hung_up_on() {
        let room = Arc::new(Semaphore::new(1));
        let (mut caller, io) = tokio::io::duplex(16);
        let mut connection = Connection::new(io, Arc::clone(&room).try_acquire_owned().unwrap());
        let mut heard = [0; 16];
        for _ in 0..4 {
            let speaks = async {
                sleep(SILENCE_MAX - Duration::from_millis(10)).await;
                caller.write_all(b"still").await.unwrap();
            };
            let (read, ()) = tokio::join!(connection.read(&mut heard), speaks);
            assert_eq!(read.unwrap(), 5);
        }
        let fell_silent = Instant::now();
        let cut_off = connection.read(&mut heard).await.unwrap_err();
        assert_eq!(cut_off.kind(), io::ErrorKind::TimedOut);
        let after = fell_silent.elapsed();
        assert!(after >= SILENCE_MAX && after < SILENCE_MAX + Duration::from_millis(10), "{after:?}");
        assert_eq!(room.available_permits(), 0, "it has its place until it is gone");
        drop(connection);
        assert_eq!(room.available_permits(), 1);
    }
}
