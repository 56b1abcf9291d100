//! The fast path: a payment, from the bytes of its request to the bytes of its answer, without the router.
//!
//! It takes the requests that payment gateways send: a payment operation in its plain form, by a caller who may do it. Every
//! other request, and every other form of one, goes to the routes, with the bytes that were received ([`Ended::Other`]).
//! Nothing is decided before that, so that each request is answered once. Read this file from top to bottom:
//!
//! 1. [`FastPath::serve`] reads from the connection until a request is complete.
//! 2. [`FastPath::receive`] parses it, finds its row in the operation table, and checks that the caller may do it.
//! 3. [`FastPath::answer`] does the operation, waits for the commit, and writes the answer.
//!
//! # Shortcuts
//!
//! | The routes | Here |
//! |---|---|
//! | hyper makes a map of headers, a URI and a body of frames | the headers that matter are read in place; the body is a slice of what was received |
//! | The router finds the row by its path | [`payment_of_path`], for the rows of [`ROWS`] |
//! | [`authorize`](super::authorization) checks token, role, merchant, origin, card numbers of the path, `may_decide` | the same functions, when the body is complete; a request that one of them refuses goes to the routes, which refuse it |
//! | The token is checked again when the body has arrived | it is checked then only |
//! | A body or an answer of more than 16 KiB is counted among the bytes in memory | such a body goes to the routes; such an answer is counted here too |
//! | Requests in flight are counted to pause the idle timer | the connection is not polled while a request is worked on, so no timer runs |
//! | The answer to a check tells staff since when a customer is blocked | a check of staff goes to the routes |
//! | Headers of the answer are a map | they are written in the order in which hyper writes them |
//!
//! A test sends every operation and every kind of error both ways, and compares the bytes of the answers.

use crate::{
    clock::Clock,
    domain::vocabulary::time::Millis,
    http::{
        dto::{
            card_guard::no_card_in_path,
            problem::{status_of, with_nearest_merchant},
        },
        handlers::payments::{PaymentCall, decide},
        operations::{
            operation::{Operation, OperationMethod, RequiredRole},
            table::operations,
        },
        server::{
            admission::permit,
            authorization::report_unlisted,
            capacity::UNCOUNTED_BYTES_MAX,
            connection::Connection,
            request_id::{REQUEST_ID, RequestId},
            request_latency::{RequestLatency, latency_of},
            stop_signal::StopSignal,
        },
        state::AppState,
    },
    service::{
        access::{
            access_tokens::AccessToken,
            bearer::bearer_text,
            origin::is_loopback,
            peer::{Client, Peer},
        },
        commit::AnswerKind,
        payments::PaymentOperation,
    },
};
use axum::response::IntoResponse;
use std::{cell::RefCell, future::poll_fn, io, mem::MaybeUninit, pin::pin, sync::Arc, task::Poll, time::Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The operations that the fast path takes, by the paths of their rows.
const ROWS: [(&str, PaymentOperation); 9] = [
    ("/v1/merchants/{merchant}/transactions", PaymentOperation::Reserve),
    ("/v1/merchants/{merchant}/decisions", PaymentOperation::Check),
    ("/v1/merchants/{merchant}/transactions/{transaction}/approve", PaymentOperation::Approve),
    ("/v1/merchants/{merchant}/transactions/{transaction}/decline", PaymentOperation::Decline),
    ("/v1/merchants/{merchant}/transactions/{transaction}/cancel", PaymentOperation::Cancel),
    ("/v1/merchants/{merchant}/transactions/{transaction}/refund", PaymentOperation::Refund),
    ("/v1/merchants/{merchant}/transactions/{transaction}/chargeback", PaymentOperation::Chargeback),
    ("/v1/merchants/{merchant}/transactions/{transaction}/extend", PaymentOperation::Extend),
    ("/v1/merchants/{merchant}/transactions/{transaction}/attempts", PaymentOperation::Attempt),
];
/// The start of every request that the fast path takes.
const REQUEST_START: &[u8] = b"POST /v1/merchants/";
/// The most headers of a request here.
const HEADERS_MAX: usize = 32;
/// The bytes for which a read has room, and the bytes of most answers with their head.
const BUFFER_BYTES: usize = 2 * 1024;

/// Why the fast path ends on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The connection is closed.
    Closed,
    /// The routes answer the next request. What was received of it is put back.
    Other,
}

/// The token of an admitted caller; `None`: none is needed.
type Caller = Option<Arc<AccessToken>>;

/// A complete request of an admitted caller.
struct Request<'b> {
    row: Row,
    call: PaymentCall<'b>,
    caller: Caller,
    id: RequestId,
    began: Instant,
    /// The bytes of its head and its body.
    bytes: usize,
}

/// What was received so far.
enum Received<'b> {
    /// A part of a request.
    Part {
        is_head_complete: bool,
    },
    Payment(Request<'b>),
    /// A request that the routes answer.
    Other,
}

/// A row of the operation table, and the times of its requests.
#[derive(Clone, Copy)]
struct Row {
    payment: PaymentOperation,
    operation: &'static Operation,
    latency: &'static RequestLatency,
}

/// Answers payments on a connection.
pub(crate) struct FastPath {
    state: Arc<AppState>,
    rows: Vec<Row>,
}

impl FastPath {
    pub(crate) fn new(state: Arc<AppState>) -> Self {
        let row = |(path, payment)| {
            let operation = operations().find(|row| row.method == OperationMethod::Post && row.path == path)?;
            Some(Row { payment, operation, latency: latency_of(operation.name()) })
        };
        Self { state, rows: ROWS.into_iter().filter_map(row).collect() }
    }

    /// Whether a path is that of a payment operation.
    pub(crate) fn is_payment(path: &str) -> bool {
        payment_of_path(path).is_some()
    }

    /// Answers payments until the connection closes, the daemon stops, or a request is none.
    pub(crate) async fn serve<I>(&self, io: &mut Connection<I>, client: &Client, stop: &mut StopSignal) -> Ended
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut received, mut answer) = (io.take_unread(), Vec::new());
        loop {
            let is_head_complete = match self.receive(&received, client) {
                Received::Payment(request) => {
                    io.begin_answer();
                    let bytes = request.bytes;
                    let is_sent = self.answer(request, io, stop, &mut answer).await;
                    received.drain(..bytes);
                    if !is_sent || stop.is_set() {
                        let _ = io.shutdown().await;
                        return Ended::Closed;
                    }
                    continue;
                }
                Received::Other => break,
                Received::Part { is_head_complete } => is_head_complete,
            };
            if is_head_complete {
                io.await_body();
            }
            received.reserve(BUFFER_BYTES);
            match read_or_stop(io, &mut received, stop).await {
                Some(Ok(1..)) => {}
                // At a stop, a request whose head is not complete has not begun.
                None if !is_head_complete => {
                    let _ = io.shutdown().await;
                    return Ended::Closed;
                }
                Some(Ok(0)) if received.is_empty() => {
                    let _ = io.shutdown().await;
                    return Ended::Closed;
                }
                // The routes answer a request that breaks off, or whose body is not complete in time.
                None | Some(Ok(0)) => break,
                Some(Err(error)) if error.kind() == io::ErrorKind::TimedOut && io.awaits_body() => break,
                Some(Err(error)) => {
                    tracing::debug!(%error, peer = ?client.peer, "a connection ended early");
                    return Ended::Closed;
                }
            }
        }
        io.put_back(received);
        Ended::Other
    }

    /// Reads a request from the bytes that were received.
    fn receive<'b>(&self, bytes: &'b [u8], client: &Client) -> Received<'b> {
        let begun = bytes.len().min(REQUEST_START.len());
        if bytes[..begun] != REQUEST_START[..begun] {
            return Received::Other;
        }
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut head = httparse::Request::new(&mut []);
        let head_bytes = match head.parse_with_uninit_headers(bytes, &mut headers) {
            Ok(httparse::Status::Complete(head_bytes)) => head_bytes,
            Ok(httparse::Status::Partial) => return Received::Part { is_head_complete: false },
            Err(_) => return Received::Other,
        };
        let Some((path, payment)) = head.path.and_then(|path| Some((path, payment_of_path(path)?))) else {
            return Received::Other;
        };
        let row = self.rows.iter().find(|row| row.payment == payment.operation);
        let (Some(&row), Some(1)) = (row, head.version) else { return Received::Other };
        let Some(headers) = Headers::of(head.headers) else { return Received::Other };
        let body_bytes = headers.content_length;
        if body_bytes > UNCOUNTED_BYTES_MAX.min(self.state.payments.body_bytes_max) {
            return Received::Other;
        }
        let Some(body) = bytes.get(head_bytes..head_bytes + body_bytes) else {
            return Received::Part { is_head_complete: true };
        };
        let Some(caller) = self.admitted(row.operation, path, &headers, client) else { return Received::Other };
        Received::Payment(Request {
            row,
            call: PaymentCall { body, ..payment },
            caller,
            id: RequestId::of_value(headers.request_id),
            began: Instant::now(),
            bytes: head_bytes + body_bytes,
        })
    }

    /// The caller, if the routes would admit the request.
    fn admitted(&self, row: &Operation, path: &str, headers: &Headers<'_>, client: &Client) -> Option<Caller> {
        let AppState { access, payments, .. } = &*self.state;
        // Staff get more about a denial, which is read from the journal.
        let is_check = row.answer_kind() == AnswerKind::Read;
        let is_decided_here = |role| !is_check || !RequiredRole::BackOffice.allows(role);
        let now = || payments.clock.wall();
        let mut caller = None;
        let is_permitted =
            |token: &AccessToken| is_decided_here(token.role) && permit(token, row.access_rule(), path).is_ok();
        let is_caller_known = match (headers.authorization, &client.certificate) {
            _ if access.is_open() => !is_check && (client.peer == Peer::Unix || headers.host.is_none_or(is_loopback)),
            (None, None) => false,
            (None, Some(certificate)) => {
                access.of_certificate(certificate, now()).is_ok_and(|entry| is_permitted(caller.insert(entry)))
            }
            (Some(value), _) => {
                let token = bearer_text(value).and_then(|text| access.of_text(text, now()));
                token.is_ok_and(|token| is_permitted(caller.insert(token)))
            }
        };
        let is_admitted = is_caller_known
            && no_card_in_path(path, &payments.rules.load()).is_ok()
            // The answers of a standby have a header with its lag.
            && payments.gate.standby().is_none()
            && payments.gate.may_decide(row.answer_kind()).is_ok()
            // Last, because the routes count what is not answered here.
            && caller.as_ref().is_none_or(|token: &Arc<_>| token.take_request(|| payments.clock.running_ns()).is_ok());
        is_admitted.then_some(caller)
    }

    /// Does the operation and writes its answer. `false`: the client is gone.
    async fn answer<I>(
        &self,
        request: Request<'_>,
        io: &mut Connection<I>,
        stop: &mut StopSignal,
        out: &mut Vec<u8>,
    ) -> bool
    where
        I: AsyncRead + AsyncWrite + Unpin,
    {
        let payments = &self.state.payments;
        let (answered, took) = decide(payments, request.call, request.began).await;
        out.clear();
        let body = match answered {
            Ok(reply) => {
                let status = status_of(reply.is_created);
                put_status(out, status);
                out.extend_from_slice(b"content-type: application/json\r\n");
                if reply.is_replay {
                    out.extend_from_slice(b"idempotent-replay: true\r\n");
                }
                put_header(out, REQUEST_ID.as_str(), request.id.as_bytes());
                request.row.latency.record(status, took);
                reply.body
            }
            Err(error) => {
                let response = error.into_response();
                let response = with_nearest_merchant(response, || payments.rules(), request.caller.as_deref());
                report_unlisted(request.row.operation, &response);
                request.row.latency.record(response.status(), took);
                let response = request.id.put_into(response, request.row.operation.path).await;
                put_status(out, response.status());
                for (name, value) in response.headers() {
                    put_header(out, name.as_str(), value.as_bytes());
                }
                match axum::body::to_bytes(response.into_body(), usize::MAX).await {
                    Ok(body) => body.into(),
                    Err(_) => return false,
                }
            }
        };
        if stop.is_set() {
            out.extend_from_slice(b"connection: close\r\n");
        }
        out.extend_from_slice(b"content-length: ");
        out.extend_from_slice(itoa::Buffer::new().format(body.len()).as_bytes());
        out.extend_from_slice(b"\r\ndate: ");
        put_date(out, &payments.clock);
        out.extend_from_slice(b"\r\n\r\n");
        out.extend_from_slice(&body);
        let counted = if body.len() > UNCOUNTED_BYTES_MAX { body.len() } else { 0 };
        let _reserved = (counted > 0).then(|| self.state.capacity.bytes().take(counted));
        // TLS may keep encrypted bytes until a flush; of a plain socket it does nothing.
        io.write_all(out).await.is_ok() && io.flush().await.is_ok()
    }
}

/// Reads more bytes; `None`: the daemon stops.
async fn read_or_stop<I>(io: &mut Connection<I>, into: &mut Vec<u8>, stop: &mut StopSignal) -> Option<io::Result<usize>>
where
    I: AsyncRead + AsyncWrite + Unpin,
{
    let mut read = pin!(io.read_buf(into));
    poll_fn(|context| match read.as_mut().poll(context) {
        Poll::Ready(read) => Poll::Ready(Some(read)),
        Poll::Pending => stop.poll(context).map(|()| None),
    })
    .await
}

/// The operation, the merchant and the transaction that a path names; `None`: the routes read the path.
fn payment_of_path(path: &str) -> Option<PaymentCall<'_>> {
    // Other characters are percent-encoded, or begin a query.
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,;=:@".contains(&byte);
    let rest = path.strip_prefix("/v1/merchants/").filter(|rest| rest.bytes().all(is_plain))?;
    let (merchant, rest) = rest.split_once('/').filter(|(merchant, _)| !merchant.is_empty())?;
    let (operation, transaction) = match rest {
        "transactions" => (PaymentOperation::Reserve, None),
        "decisions" => (PaymentOperation::Check, None),
        _ => {
            let (transaction, word) = rest.strip_prefix("transactions/")?.split_once('/')?;
            let operation = match word {
                "approve" => PaymentOperation::Approve,
                "decline" => PaymentOperation::Decline,
                "cancel" => PaymentOperation::Cancel,
                "refund" => PaymentOperation::Refund,
                "chargeback" => PaymentOperation::Chargeback,
                "extend" => PaymentOperation::Extend,
                "attempts" => PaymentOperation::Attempt,
                _ => return None,
            };
            (operation, Some(transaction).filter(|transaction| !transaction.is_empty())?.into())
        }
    };
    Some(PaymentCall { operation, merchant, transaction, body: &[] })
}

/// The headers that matter.
#[derive(Default)]
struct Headers<'b> {
    content_length: usize,
    authorization: Option<&'b [u8]>,
    host: Option<&'b str>,
    request_id: Option<&'b [u8]>,
}

impl<'b> Headers<'b> {
    /// `None`: one of them comes twice, is malformed, or changes how the request is read or answered.
    fn of(sent: &[httparse::Header<'b>]) -> Option<Self> {
        let mut headers = Self::default();
        let mut has_length = false;
        for &httparse::Header { name, value } in sent {
            let is = |known: &str| name.eq_ignore_ascii_case(known);
            match name.len() {
                4 if is("host") => {
                    let host = std::str::from_utf8(value).ok()?;
                    headers.host.replace(host).is_none().then_some(())?;
                }
                13 if is("authorization") => headers.authorization.replace(value).is_none().then_some(())?,
                14 if is("content-length") => {
                    let is_number = !value.is_empty() && value.len() <= 9 && value.iter().all(u8::is_ascii_digit);
                    (is_number && !has_length).then_some(())?;
                    has_length = true;
                    let digits = value.iter().map(|digit| usize::from(digit - b'0'));
                    headers.content_length = digits.fold(0, |number, digit| number * 10 + digit);
                }
                12 if is("x-request-id") => _ = headers.request_id.get_or_insert(value),
                10 if is("connection") => value.eq_ignore_ascii_case(b"keep-alive").then_some(())?,
                6 if is("expect") || is("origin") => return None,
                7 if is("upgrade") => return None,
                14 if is("sec-fetch-site") => return None,
                17 if is("transfer-encoding") => return None,
                _ => {}
            }
        }
        Some(headers)
    }
}

fn put_header(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn put_status(out: &mut Vec<u8>, status: axum::http::StatusCode) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// The present time as a header has it (RFC 9110, section 5.6.7), formatted once a second on each thread.
fn put_date(out: &mut Vec<u8>, clock: &Clock) {
    thread_local!(static TEXT: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) });
    let second = clock.wall().0.div_euclid(1_000);
    TEXT.with_borrow_mut(|(of, text)| {
        if *of != second {
            (*of, *text) = (second, Millis(second * 1_000).http_date());
        }
        out.extend_from_slice(text.as_bytes());
    });
}

#[cfg(test)]
mod tests;
