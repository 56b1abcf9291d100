//! The floor: a bare axum handler that reads the same bodies, writes answers of the same shape, and decides nothing.
//!
//! It runs in a child process of the bench, so that its processor time is measured as the daemon's is.

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::{Deserialize, Serialize};
use std::process::ExitCode;

/// The body of a reserve or of a check; that of a step is empty.
#[derive(Deserialize)]
struct PaymentBody<'a> {
    transaction_id: Option<&'a str>,
    project: Option<&'a str>,
    direction: Option<&'a str>,
    amount: Option<&'a str>,
    currency: Option<&'a str>,
    payment_method: Option<&'a str>,
    merchant_customer_identifier: Option<&'a str>,
    customer_level: Option<&'a str>,
}

#[derive(Serialize)]
struct DecisionAnswer<'a> {
    decision: &'a str,
    transaction_id: Option<&'a str>,
    status: &'a str,
    code: Option<u32>,
    reason: Option<&'a str>,
    codes: [u32; 0],
    customer: CustomerAnswer<'a>,
    level: LevelAnswer<'a>,
    gates: [&'a str; 2],
    remaining: RemainingAnswer<'a>,
    expires_at: &'a str,
    config_version: &'a str,
    server_time: &'a str,
}

#[derive(Serialize)]
struct CustomerAnswer<'a> {
    customer_id: &'a str,
    merchant_customer_identifier: Option<&'a str>,
    resolution: &'a str,
    status: &'a str,
}

#[derive(Serialize)]
struct LevelAnswer<'a> {
    name: Option<&'a str>,
    source: &'a str,
}

#[derive(Serialize)]
struct RemainingAnswer<'a> {
    amount: &'a str,
    quantity: u32,
    currency: &'a str,
}

#[derive(Serialize)]
struct StepAnswer<'a> {
    transaction_id: &'a str,
    status: &'a str,
    amount: &'a str,
    held: &'a str,
    cancelled: &'a str,
    released: &'a str,
    refunded: &'a str,
    charged_back: &'a str,
    flags: [&'a str; 0],
    remaining: RemainingAnswer<'a>,
}

const REMAINING: RemainingAnswer<'static> =
    RemainingAnswer { amount: "89999999987.50", quantity: 899_999_999, currency: "EUR" };
const TIME: &str = "2026-11-20T10:00:00.000Z";

async fn decide(body: Bytes) -> Response {
    let Ok(payment) = serde_json::from_slice::<PaymentBody<'_>>(&body) else { return Response::default() };
    std::hint::black_box((payment.project, payment.direction, payment.payment_method, payment.amount));
    let answer = DecisionAnswer {
        decision: "allow",
        transaction_id: payment.transaction_id,
        status: "reserved",
        code: None,
        reason: None,
        codes: [],
        customer: CustomerAnswer {
            customer_id: "1000001",
            merchant_customer_identifier: payment.merchant_customer_identifier,
            resolution: "found",
            status: "new",
        },
        level: LevelAnswer { name: payment.customer_level, source: "request" },
        gates: ["gate-a", "gate-b"],
        remaining: RemainingAnswer { currency: payment.currency.unwrap_or("EUR"), ..REMAINING },
        expires_at: TIME,
        config_version: "3f2a8c61d0b95e47",
        server_time: TIME,
    };
    respond(&answer)
}

async fn step(body: Bytes) -> Response {
    let Ok(fields) = serde_json::from_slice::<PaymentBody<'_>>(&body) else { return Response::default() };
    std::hint::black_box(fields.amount);
    let answer = StepAnswer {
        transaction_id: "t1-10-1000",
        status: "approved",
        amount: "12.50",
        held: "0.00",
        cancelled: "0.00",
        released: "0.00",
        refunded: "0.00",
        charged_back: "0.00",
        flags: [],
        remaining: REMAINING,
    };
    respond(&answer)
}

fn respond(answer: &impl Serialize) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], serde_json::to_vec(answer).unwrap_or_default()).into_response()
}

/// Serves until the process is killed.
///
/// # Errors
/// The listener or the runtime cannot be started.
pub(super) fn run() -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.context("no port can be opened")?;
        eprintln!("listening on http://{}", listener.local_addr()?);
        let routes = Router::new()
            .route("/v1/merchants/{merchant}/transactions", post(decide))
            .route("/v1/merchants/{merchant}/decisions", post(decide))
            .route("/v1/merchants/{merchant}/transactions/{transaction}/{operation}", post(step));
        serve(listener, routes).await
    })
}

/// Accepts connections, as the daemon does, without its limits.
async fn serve(listener: tokio::net::TcpListener, routes: Router) -> anyhow::Result<ExitCode> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = hyper_util::service::TowerToHyperService::new(routes.clone());
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            // A connection that the client closes is no error.
            let _ = connection.serve_connection(hyper_util::rt::TokioIo::new(stream), service).await;
        });
    }
}
