//! One connection: its place, and the times that its caller has. A caller who owes bytes, of a head, of a body, of the
//! reading of an answer, is cut off when the time for them is over.

use crate::http::{dto::problem::Problem, server::in_flight::Working};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep, sleep},
};

/// For how long a caller who owes something, a request or the reading of an answer, may neither send nor take a byte.
pub const SILENCE_MAX: Duration = Duration::from_secs(75);
/// Bytes that are read and dropped before a refusal: a close with unread bytes could destroy the refusal.
const DROPPED_BYTES_MAX: usize = 64 * 1024;

/// What a caller may take for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// The most bytes of a head: the request line and the headers. At most twice as many are in memory.
    pub header_bytes_max: usize,
    /// From the first byte of a head to its last.
    pub header_timeout: Duration,
    /// From the end of the head to the end of the body, where the body is not streamed.
    pub body_timeout: Duration,
}

/// The head that is being read.
struct Head {
    /// How many requests had come before it.
    begun: u32,
    since: Instant,
    bytes: usize,
}

/// Which time is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overdue {
    Silence,
    Head,
    Body,
}

/// A connection that has a place, and is hung up on when its caller is silent for too long: neither sends nor takes a
/// byte while no request is being worked on, or does not take what is to be written. So is one whose caller does not
/// finish a head or a body in time, however many bytes come meanwhile.
pub(crate) struct Connection<I> {
    io: I,
    limits: RequestLimits,
    /// When a byte went either way, or the silence was last seen to be the daemon's.
    moved_at: Instant,
    alarm: Pin<Box<Sleep>>,
    /// Whether bytes wait for the caller to take others.
    is_stuck: bool,
    working: Working,
    head: Option<Head>,
    /// The request whose body is being read, and since when.
    body: Option<(u32, Instant)>,
    _place: OwnedSemaphorePermit,
}

impl<I> Connection<I> {
    pub(crate) fn new(io: I, limits: RequestLimits, place: OwnedSemaphorePermit) -> Self {
        Self {
            io,
            limits,
            moved_at: Instant::now(),
            alarm: Box::pin(sleep(SILENCE_MAX)),
            is_stuck: false,
            working: Working::default(),
            head: None,
            body: None,
            _place: place,
        }
    }

    /// Where it hears of the requests that are being worked on.
    pub(crate) fn working(&self) -> &Working {
        &self.working
    }

    /// The head that is not complete, if any.
    fn open_head(&self) -> Option<&Head> {
        self.head.as_ref().filter(|head| self.working.is_idle() && head.begun == self.working.begun())
    }

    /// When the caller is overdue, and with what.
    fn due(&mut self) -> (Instant, Overdue) {
        let mut due = (self.moved_at + SILENCE_MAX, Overdue::Silence);
        if let Some(head) = self.open_head() {
            due = due.min_by_time((head.since + self.limits.header_timeout, Overdue::Head));
        }
        if let Some(number) = self.working.timed_body() {
            let since = match self.body {
                Some((of, since)) if of == number => since,
                _ => self.body.insert((number, Instant::now())).1,
            };
            due = due.min_by_time((since + self.limits.body_timeout, Overdue::Body));
        }
        due
    }

    /// Waits until the caller is overdue.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        // The alarm is not set anew at each byte, which would cost every request; it is when it rings too early, or
        // would ring too late.
        let (due, _) = self.due();
        if due < self.alarm.deadline() {
            self.alarm.as_mut().reset(due);
        }
        loop {
            ready!(self.alarm.as_mut().poll(context));
            let now = Instant::now();
            if self.working.is_any() && !self.is_stuck {
                self.moved_at = now;
            }
            let (due, overdue) = self.due();
            if due <= now {
                return Poll::Ready(overdue);
            }
            self.alarm.as_mut().reset(due);
        }
    }

    /// What has become of a write; one that waits does so for no longer than the caller may be silent.
    fn wrote<T>(&mut self, wrote: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.is_stuck = wrote.is_pending();
        if self.is_stuck {
            return self.poll_overdue(context).map(|_| Err(io::ErrorKind::TimedOut.into()));
        }
        self.moved_at = Instant::now();
        wrote
    }
}

/// The earlier of two times.
trait MinByTime {
    fn min_by_time(self, other: Self) -> Self;
}

impl MinByTime for (Instant, Overdue) {
    fn min_by_time(self, other: Self) -> Self {
        if other.0 < self.0 { other } else { self }
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> Connection<I> {
    /// Says why the caller is hung up on, as far as that can be written at once. Nothing else is being written while a
    /// head is read.
    fn refuse(&mut self, context: &mut Context<'_>, problem: &Problem) {
        let mut dropped = [0; 4_096];
        for _ in 0..DROPPED_BYTES_MAX / dropped.len() {
            let mut into = ReadBuf::new(&mut dropped);
            let read = Pin::new(&mut self.io).poll_read(context, &mut into);
            if !matches!(read, Poll::Ready(Ok(()))) || into.filled().is_empty() {
                break;
            }
        }
        let io = Pin::new(&mut self.io);
        // A caller who does not take it is hung up on all the same.
        let _ = io.poll_write(context, &problem.to_wire());
        let _ = Pin::new(&mut self.io).poll_shutdown(context);
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<I> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.open_head().is_some_and(|head| head.bytes >= this.limits.header_bytes_max) {
            metrics::counter!("levelgate_headers_too_large_total").increment(1);
            this.refuse(context, &Problem::header_too_large(this.limits.header_bytes_max));
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = into.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(context, into) {
            this.moved_at = Instant::now();
            let bytes = into.filled().len().saturating_sub(before);
            let begun = this.working.begun();
            match &mut this.head {
                _ if bytes == 0 || !this.working.is_idle() => {}
                Some(head) if head.begun == begun => head.bytes += bytes,
                head => *head = Some(Head { begun, since: this.moved_at, bytes }),
            }
            return Poll::Ready(read);
        }
        let overdue = ready!(this.poll_overdue(context));
        match overdue {
            Overdue::Silence => {}
            Overdue::Head => {
                metrics::counter!("levelgate_requests_too_slow_total", "part" => "header").increment(1);
                this.refuse(context, &Problem::too_slow("header"));
            }
            // Its handler refuses it.
            Overdue::Body => metrics::counter!("levelgate_requests_too_slow_total", "part" => "body").increment(1),
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
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
    use std::sync::Arc;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        sync::Semaphore,
    };

    const LIMITS: RequestLimits = RequestLimits {
        header_bytes_max: 64,
        header_timeout: Duration::from_secs(100),
        body_timeout: Duration::from_secs(100),
    };

    fn connection(limits: RequestLimits) -> (DuplexStream, Connection<DuplexStream>, Arc<Semaphore>) {
        let room = Arc::new(Semaphore::new(1));
        let (caller, io) = tokio::io::duplex(1_024);
        let connection = Connection::new(io, limits, Arc::clone(&room).try_acquire_owned().unwrap());
        (caller, connection, room)
    }

    fn about(waited: Duration, bound: Duration) {
        assert!(waited >= bound && waited < bound + Duration::from_millis(10), "{waited:?} for {bound:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_speaks_in_time_is_kept_and_one_that_falls_silent_is_hung_up_on() {
        let limits = RequestLimits { header_timeout: Duration::from_secs(1_000), ..LIMITS };
        let (mut caller, mut connection, room) = connection(limits);
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
        about(fell_silent.elapsed(), SILENCE_MAX);
        assert_eq!(room.available_permits(), 0, "it has its place until it is gone");
        drop(connection);
        assert_eq!(room.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_dripped_is_cut_off_and_told_why() {
        let (mut caller, mut connection, _room) = connection(LIMITS);
        // Nothing of a head has come yet: only silence counts.
        sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        let reads = async {
            let mut heard = [0; 16];
            loop {
                if let Err(error) = connection.read(&mut heard).await {
                    return error.kind();
                }
            }
        };
        let drips = async {
            loop {
                if caller.write_all(b"x").await.is_err() {
                    std::future::pending::<()>().await;
                }
                sleep(Duration::from_secs(7)).await;
            }
        };
        tokio::select! {
            kind = reads => assert_eq!(kind, io::ErrorKind::TimedOut),
            () = drips => {}
        }
        about(begun.elapsed(), LIMITS.header_timeout);
        drop(connection);
        let mut told = String::new();
        caller.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 408") && told.contains("request_too_slow"), "{told}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_long_is_refused_before_more_is_read() {
        let (mut caller, mut connection, _room) = connection(LIMITS);
        caller.write_all(&[b'x'; 100]).await.unwrap();
        let (mut heard, mut read) = ([0; 32], 0);
        let refused = loop {
            match connection.read(&mut heard).await {
                Ok(bytes) => read += bytes,
                Err(error) => break error.kind(),
            }
        };
        assert_eq!((refused, read), (io::ErrorKind::InvalidData, 64));
        drop(connection);
        let mut told = String::new();
        caller.read_to_string(&mut told).await.unwrap();
        assert!(told.starts_with("HTTP/1.1 431") && told.contains("header_too_large"), "{told}");
    }
}
