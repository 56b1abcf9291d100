//! One connection: its permit and its time limits. A client that owes bytes of a head or a body, or does not read its
//! answer, is disconnected when the time for that is over.

use crate::http::{dto::problem::Problem, server::in_flight::InFlight};
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

/// The longest time that a client may neither send nor read a byte while it owes a request or does not read its answer.
pub const IDLE_MAX: Duration = Duration::from_secs(75);
/// The most bytes that are read and discarded before a refusal: closing with unread bytes could destroy the refusal.
const DISCARDED_BYTES_MAX: usize = 64 * 1024;
/// How long a client may send nothing of a body that is discarded after its answer.
const LINGER_IDLE_MAX: Duration = Duration::from_secs(2);
/// How long the rest of such a body is discarded.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// The limits of a request on its way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// The most bytes of a head, that is the request line and the headers. At most twice as many are in memory.
    pub header_bytes_max: usize,
    /// The most time from the first byte of a head to its last.
    pub header_timeout: Duration,
    /// The most time from the end of the head to the end of the body, where the body is not streamed.
    pub body_timeout: Duration,
}

/// The head that is being received.
struct Head {
    /// The number of requests before it.
    begun: u32,
    since: Instant,
    bytes: usize,
}

/// The limit that is exceeded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overdue {
    Idle,
    Head,
    Body,
}

/// A connection with a permit. It is closed when its client is idle for too long: the client neither sends nor reads a byte
/// while the daemon works on no request, or does not read what is written. It is also closed when the client does not
/// finish a head or a body in time, however many bytes arrive.
pub(crate) struct Connection<I> {
    io: I,
    limits: RequestLimits,
    /// When a byte was last sent or received, or the daemon was last seen to work on a request.
    active_at: Instant,
    timer: Pin<Box<Sleep>>,
    in_flight: InFlight,
    head: Option<Head>,
    /// The request whose body is being received, and since when.
    body: Option<(u32, Instant)>,
    /// Whether the fast path has read a head and waits for the body.
    awaits_body: bool,
    /// Received bytes that the next read returns.
    unread: Vec<u8>,
    /// Whether several requests share the connection. Then bytes between requests are no activity, and the limits of heads
    /// and bodies are not the connection's.
    is_multiplexed: bool,
    /// The requests that had begun when the connection was last active.
    active_begun: u32,
    /// Since when the rest of a body is discarded after its answer; `None`: it is not.
    lingers_since: Option<Instant>,
    _permit: OwnedSemaphorePermit,
}

impl<I> Connection<I> {
    pub(crate) fn new(io: I, limits: RequestLimits, permit: OwnedSemaphorePermit) -> Self {
        Self {
            io,
            limits,
            active_at: Instant::now(),
            timer: Box::pin(sleep(IDLE_MAX)),
            in_flight: InFlight::default(),
            head: None,
            body: None,
            awaits_body: false,
            unread: Vec::new(),
            is_multiplexed: false,
            active_begun: 0,
            lingers_since: None,
            _permit: permit,
        }
    }

    /// The requests in flight on this connection.
    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.in_flight
    }

    /// From now on several requests share the connection.
    pub(crate) fn multiplex(&mut self) {
        self.is_multiplexed = true;
    }

    /// Notes that bytes were sent or received.
    fn note_activity(&mut self, now: Instant) {
        let begun = self.in_flight.begun();
        // Frames that belong to no request do not keep a connection open.
        if !self.is_multiplexed || !self.in_flight.is_idle() || begun != self.active_begun {
            (self.active_at, self.active_begun) = (now, begun);
        }
    }

    /// Notes that the head of the next request is complete and its body is not. From now on the time limit is that of a
    /// body, and it stays so if the request is read again by the routes.
    pub(crate) fn await_body(&mut self) {
        if !self.awaits_body {
            self.awaits_body = true;
            self.body = Some((self.in_flight.begun().wrapping_add(1), Instant::now()));
        }
    }

    /// Whether the time limit of a body runs for a request that the routes have not seen.
    pub(crate) fn awaits_body(&self) -> bool {
        self.awaits_body
    }

    /// Notes that a request is complete and will be answered without the routes.
    pub(crate) fn begin_answer(&mut self) {
        (self.head, self.body, self.awaits_body) = (None, None, false);
    }

    /// Lets bytes that were received be read again, before those that follow. They are not counted again.
    pub(crate) fn put_back(&mut self, received: Vec<u8>) {
        (self.unread, self.awaits_body) = (received, false);
    }

    /// The bytes that were put back and not read.
    pub(crate) fn take_unread(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }

    /// The head that is not complete.
    fn open_head(&self) -> Option<&Head> {
        let is_open = self.in_flight.is_idle() && !self.awaits_body;
        self.head.as_ref().filter(|head| is_open && head.begun == self.in_flight.begun())
    }

    /// When the next limit is exceeded, and which.
    fn due(&mut self) -> (Instant, Overdue) {
        let mut due = (self.active_at + IDLE_MAX, Overdue::Idle);
        if let Some(head) = self.open_head() {
            due = due.min_by_time((head.since + self.limits.header_timeout, Overdue::Head));
        }
        let awaited = self.awaits_body.then(|| self.in_flight.begun().wrapping_add(1));
        if let Some(number) = awaited.or_else(|| self.in_flight.timed_body()) {
            let since = match self.body {
                Some((of, since)) if of == number => since,
                _ => self.body.insert((number, Instant::now())).1,
            };
            due = due.min_by_time((since + self.limits.body_timeout, Overdue::Body));
        }
        due
    }

    /// Waits until a limit is exceeded.
    fn poll_overdue(&mut self, context: &mut Context<'_>) -> Poll<Overdue> {
        // The timer is not set at each byte, which would cost every request, but when it fires too early or would fire
        // too late.
        let (due, _) = self.due();
        if due < self.timer.deadline() {
            self.timer.as_mut().reset(due);
        }
        loop {
            ready!(self.timer.as_mut().poll(context));
            let now = Instant::now();
            if self.in_flight.is_working() && !self.in_flight.is_write_blocked() {
                self.active_at = now;
            }
            let (due, overdue) = self.due();
            if due <= now {
                return Poll::Ready(overdue);
            }
            self.timer.as_mut().reset(due);
        }
    }

    /// Counts bytes that were received, which may belong to a head.
    fn note_received(&mut self, bytes: usize) {
        let now = Instant::now();
        self.note_activity(now);
        let begun = self.in_flight.begun();
        match &mut self.head {
            _ if self.is_multiplexed => {}
            _ if bytes == 0 || self.awaits_body || !self.in_flight.is_idle() => {}
            Some(head) if head.begun == begun => head.bytes += bytes,
            head => *head = Some(Head { begun, since: now, bytes }),
        }
    }

    /// The result of a write; a write that waits is given up when a limit is exceeded.
    fn limit_write<T>(&mut self, written: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        let was_blocked = self.in_flight.set_write_blocked(written.is_pending());
        if written.is_pending() {
            // The client's time to read begins with the first write that waits, however long the daemon has worked.
            if !was_blocked {
                self.active_at = Instant::now();
            }
            return self.poll_overdue(context).map(|_| Err(io::ErrorKind::TimedOut.into()));
        }
        self.note_activity(Instant::now());
        written
    }

    /// The result of a flush, which waits only with TLS: for the bytes that a write has encrypted.
    fn limit_flush(&mut self, flushed: Poll<io::Result<()>>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A flush that has nothing to write is no activity of the client.
        if flushed.is_pending() || self.in_flight.is_write_blocked() {
            return self.limit_write(flushed, context);
        }
        flushed
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
    /// Reads and discards what a client still sends of a body that was answered before its end. If the connection were
    /// closed with unread bytes, the client would see a reset, and could lose the answer. It ends when the client closes its
    /// side, sends nothing for [`LINGER_IDLE_MAX`], or has sent for [`LINGER_MAX`].
    fn poll_linger(&mut self, since: Instant, context: &mut Context<'_>) -> Poll<()> {
        let end = since + LINGER_MAX;
        let mut discarded = [0; 8_192];
        loop {
            let mut into = ReadBuf::new(&mut discarded);
            match Pin::new(&mut self.io).poll_read(context, &mut into) {
                Poll::Ready(Ok(())) if !into.filled().is_empty() => {
                    let now = Instant::now();
                    if now >= end {
                        return Poll::Ready(());
                    }
                    self.timer.as_mut().reset(end.min(now + LINGER_IDLE_MAX));
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.timer.as_mut().poll(context),
            }
        }
    }

    /// Writes why the connection is closed, as far as that can be written at once. Nothing else is being written while a
    /// head is received.
    fn refuse(&mut self, context: &mut Context<'_>, problem: &Problem) {
        let mut discarded = [0; 4_096];
        for _ in 0..DISCARDED_BYTES_MAX / discarded.len() {
            let mut into = ReadBuf::new(&mut discarded);
            let read = Pin::new(&mut self.io).poll_read(context, &mut into);
            if !matches!(read, Poll::Ready(Ok(()))) || into.filled().is_empty() {
                break;
            }
        }
        let io = Pin::new(&mut self.io);
        // A client that does not read it is disconnected as well.
        let _ = io.poll_write(context, &problem.to_wire());
        let _ = Pin::new(&mut self.io).poll_shutdown(context);
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<I> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if !this.unread.is_empty() {
            let bytes = this.unread.len().min(into.remaining());
            into.put_slice(this.unread.get(..bytes).unwrap_or_default());
            this.unread.drain(..bytes);
            // The same read takes what the socket has, so that the reader's buffer grows as if nothing had been put back.
            let before = into.filled().len();
            if into.remaining() > 0 && Pin::new(&mut this.io).poll_read(context, into).is_ready() {
                this.note_received(into.filled().len().saturating_sub(before));
            }
            return Poll::Ready(Ok(()));
        }
        if this.open_head().is_some_and(|head| head.bytes >= this.limits.header_bytes_max) {
            metrics::counter!("levelgate_headers_too_large_total").increment(1);
            this.refuse(context, &Problem::header_too_large(this.limits.header_bytes_max));
            return Poll::Ready(Err(io::ErrorKind::InvalidData.into()));
        }
        let before = into.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(context, into) {
            this.note_received(into.filled().len().saturating_sub(before));
            return Poll::Ready(read);
        }
        let overdue = ready!(this.poll_overdue(context));
        match overdue {
            Overdue::Idle => {}
            Overdue::Head => {
                metrics::counter!("levelgate_requests_too_slow_total", "part" => "header").increment(1);
                this.refuse(context, &Problem::too_slow("header"));
            }
            // The routes read the request again, and find its body overdue.
            Overdue::Body if this.awaits_body => {}
            // The handler that reads the body answers with the refusal.
            Overdue::Body => metrics::counter!("levelgate_requests_too_slow_total", "part" => "body").increment(1),
        }
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<I: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<I> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write(context, bytes);
        this.limit_write(written, context)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.io).poll_flush(context);
        this.limit_flush(flushed, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let since = match this.lingers_since {
            Some(since) => since,
            None => {
                let shut_down = Pin::new(&mut this.io).poll_shutdown(context);
                ready!(this.limit_flush(shut_down, context))?;
                if this.is_multiplexed || this.in_flight.is_read_to_end() {
                    return Poll::Ready(Ok(()));
                }
                let now = Instant::now();
                this.timer.as_mut().reset(now + LINGER_IDLE_MAX);
                *this.lingers_since.insert(now)
            }
        };
        this.poll_linger(since, context).map(Ok)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.io).poll_write_vectored(context, pieces);
        this.limit_write(written, context)
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
        let permits = Arc::new(Semaphore::new(1));
        let (client, io) = tokio::io::duplex(1_024);
        let connection = Connection::new(io, limits, Arc::clone(&permits).try_acquire_owned().unwrap());
        (client, connection, permits)
    }

    fn about(waited: Duration, bound: Duration) {
        assert!(waited >= bound && waited < bound + Duration::from_millis(10), "{waited:?} for {bound:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_in_time_stays_connected_and_an_idle_one_is_disconnected() {
        let limits = RequestLimits { header_timeout: Duration::from_secs(1_000), ..LIMITS };
        let (mut client, mut connection, permits) = connection(limits);
        let mut received = [0; 16];
        for _ in 0..4 {
            let sends = async {
                sleep(IDLE_MAX - Duration::from_millis(10)).await;
                client.write_all(b"still").await.unwrap();
            };
            let (read, ()) = tokio::join!(connection.read(&mut received), sends);
            assert_eq!(read.unwrap(), 5);
        }
        let idle_since = Instant::now();
        let cut_off = connection.read(&mut received).await.unwrap_err();
        assert_eq!(cut_off.kind(), io::ErrorKind::TimedOut);
        about(idle_since.elapsed(), IDLE_MAX);
        assert_eq!(permits.available_permits(), 0, "a connection keeps its permit until it is dropped");
        drop(connection);
        assert_eq!(permits.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_arrives_too_slowly_is_refused() {
        let (mut client, mut connection, _permits) = connection(LIMITS);
        // No byte of a head has arrived yet: only the idle timer runs.
        sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        let reads = async {
            let mut received = [0; 16];
            loop {
                if let Err(error) = connection.read(&mut received).await {
                    return error.kind();
                }
            }
        };
        let drips = async {
            loop {
                if client.write_all(b"x").await.is_err() {
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
        let mut refusal = String::new();
        client.read_to_string(&mut refusal).await.unwrap();
        assert!(refusal.starts_with("HTTP/1.1 408") && refusal.contains("request_too_slow"), "{refusal}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_that_is_too_long_is_refused_before_more_is_read() {
        let (mut client, mut connection, _permits) = connection(LIMITS);
        client.write_all(&[b'x'; 100]).await.unwrap();
        let (mut received, mut read) = ([0; 32], 0);
        let refused = loop {
            match connection.read(&mut received).await {
                Ok(bytes) => read += bytes,
                Err(error) => break error.kind(),
            }
        };
        assert_eq!((refused, read), (io::ErrorKind::InvalidData, 64));
        drop(connection);
        let mut refusal = String::new();
        client.read_to_string(&mut refusal).await.unwrap();
        assert!(refusal.starts_with("HTTP/1.1 431") && refusal.contains("header_too_large"), "{refusal}");
    }
}
