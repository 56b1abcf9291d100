//! Sends spans to a collector, by OTLP over HTTP with Protobuf.
//!
//! A thread sends them in batches. Spans that find no room in its queue are dropped, so that a collector that is slow or
//! away delays no work.

use anyhow::Context as _;
use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider},
};
use parking_lot::Mutex;
use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// What is added to the address of the collector.
const TRACES_PATH: &str = "/v1/traces";
/// The longest time of one request to the collector.
const REQUEST_MAX: Duration = Duration::from_secs(10);
/// How long the last batch may take at a stop.
const STOP_MAX: Duration = Duration::from_secs(2);
/// The most bytes of an answer of the collector that are read.
const ANSWER_BYTES_MAX: u64 = 64 << 10;
/// The shortest time between two log lines about the collector.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// What makes spans, and what sends them.
struct Tracing {
    tracer: SdkTracer,
    provider: SdkTracerProvider,
}

/// Set once a configuration names a collector.
static TRACING: OnceLock<Tracing> = OnceLock::new();

/// What makes spans; `None`: no collector is configured.
pub(super) fn tracer() -> Option<&'static SdkTracer> {
    TRACING.get().map(|tracing| &tracing.tracer)
}

/// Begins to send spans to the collector at this address.
///
/// # Errors
/// The address cannot be used, or this machine trusts no authority.
pub(crate) fn start(endpoint: &str) -> anyhow::Result<()> {
    let url = format!("{}{TRACES_PATH}", endpoint.trim_end_matches('/'));
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(url)
        .with_timeout(REQUEST_MAX)
        .with_http_client(Collector::new(endpoint)?)
        .build()
        .context("[telemetry] otlp_endpoint cannot be used")?;
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_service_name("levelgate").with_attribute(version).build();
    let provider = SdkTracerProvider::builder().with_resource(resource).with_batch_exporter(exporter).build();
    let tracer = provider.tracer("levelgate");
    // A second start in one process keeps the first collector.
    let _kept = TRACING.set(Tracing { tracer, provider });
    tracing::info!("traces: spans are sent to {endpoint}");
    Ok(())
}

/// Sends the spans that wait. Later ones are dropped.
pub(crate) fn stop() {
    if let Some(tracing) = TRACING.get() {
        // A collector that is away was logged.
        let _sent = tracing.provider.shutdown_with_timeout(STOP_MAX);
    }
}

/// The collector, called by the thread that sends.
#[derive(Debug)]
struct Collector {
    endpoint: String,
    agent: ureq::Agent,
    logged: Mutex<Option<Instant>>,
}

impl Collector {
    fn new(endpoint: &str) -> anyhow::Result<Self> {
        let mut builder = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(REQUEST_MAX))
            .max_redirects(0);
        if endpoint.starts_with("https:") {
            let trusted = rustls_native_certs::load_native_certs().certs;
            anyhow::ensure!(!trusted.is_empty(), "[telemetry] otlp_endpoint: this machine trusts no authority");
            let roots = trusted.iter().map(|one| Certificate::from_der(one).to_owned()).collect();
            builder = builder.tls_config(TlsConfig::builder().root_certs(RootCerts::Specific(Arc::new(roots))).build());
        }
        Ok(Self { endpoint: endpoint.to_owned(), agent: builder.build().into(), logged: Mutex::default() })
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(parts, &body[..]))?;
        let (parts, mut body) = answer.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(parts, Bytes::from(body)))
    }

    fn note_failure(&self, reason: &str) {
        metrics::counter!("levelgate_trace_exports_failed_total").increment(1);
        let mut logged = self.logged.lock();
        if logged.is_none_or(|at| at.elapsed() >= LOG_EVERY) {
            *logged = Some(Instant::now());
            tracing::warn!(
                "traces: the collector at {} takes no spans: {reason}; they are lost until it does",
                self.endpoint
            );
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    /// Blocks: its caller is the thread that sends, which does nothing else.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answered = self.send(request);
        match &answered {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => self.note_failure(&format!("status {}", answer.status().as_u16())),
            Err(error) => self.note_failure(&error.to_string()),
        }
        answered
    }
}
