//! Spans by OpenTelemetry. Without a collector in the configuration they do nothing.

use crate::telemetry::traces::exporter::tracer;
use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{FutureExt as _, SpanBuilder, SpanKind, Status, TraceContextExt as _, Tracer as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::{future::Future, time::Instant};

/// A span that has begun; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Span(Option<Context>);

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

impl Span {
    /// No span.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    fn start(builder: impl FnOnce() -> (SpanBuilder, Context)) -> Self {
        Self(tracer().map(|tracer| {
            let (builder, parent) = builder();
            let span = tracer.build_with_context(builder, &parent);
            parent.with_span(span)
        }))
    }

    /// Begins a span. The span that this thread works in is its parent.
    pub(crate) fn begin(name: &'static str) -> Self {
        Self::start(|| (SpanBuilder::from_name(name), Context::current()))
    }

    /// The same for work that has begun before.
    pub(crate) fn begin_at(name: &'static str, began: Instant) -> Self {
        let builder = || SpanBuilder::from_name(name).with_start_time(opentelemetry::time::now() - began.elapsed());
        Self::start(|| (builder(), Context::current()))
    }

    /// Begins the span of a request, by its method and the path of its operation. `traceparent` is the header of the
    /// caller's span (W3C Trace Context).
    pub(crate) fn begin_request(method: &'static str, route: &'static str, traceparent: Option<&str>) -> Self {
        Self::start(|| {
            let attributes = [KeyValue::new("http.request.method", method), KeyValue::new("http.route", route)];
            let builder = SpanBuilder::from_name(format!("{method} {route}")).with_kind(SpanKind::Server);
            let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Traceparent(traceparent));
            (builder.with_attributes(attributes), parent)
        })
    }

    fn set(&self, attribute: impl FnOnce() -> KeyValue) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(attribute());
        }
    }

    /// Adds an attribute that is a word of the program.
    pub(crate) fn set_word(&self, key: &'static str, value: &'static str) {
        self.set(|| KeyValue::new(key, value));
    }

    /// Adds an attribute that is a number.
    pub(crate) fn set_number(&self, key: &'static str, value: u64) {
        self.set(|| KeyValue::new(key, i64::try_from(value).unwrap_or(i64::MAX)));
    }

    /// Marks the span as failed. The reason is in the log, and not here: it may name what a caller has sent.
    pub(crate) fn fail(&self) {
        if let Some(context) = &self.0 {
            context.span().set_status(Status::error(""));
        }
    }

    /// Marks the span as failed at an error.
    pub(crate) fn note<T, E>(&self, result: &Result<T, E>) {
        if result.is_err() {
            self.fail();
        }
    }

    /// Does work whose spans are children of this one.
    pub(crate) async fn scope<F: Future>(&self, work: F) -> F::Output {
        work.with_context(self.0.clone().unwrap_or_default()).await
    }
}

/// Work for another thread, whose spans there are children of the span that this thread works in.
pub(crate) fn carry<T>(work: impl FnOnce() -> T) -> impl FnOnce() -> T {
    let context = Context::current();
    move || {
        let _entered = context.attach();
        work()
    }
}

/// Does work in a new span, which is the parent of the spans within it.
pub(crate) fn in_span<T>(name: &'static str, work: impl FnOnce(&Span) -> T) -> T {
    let span = Span::begin(name);
    let _entered = span.0.clone().map(Context::attach);
    work(&span)
}

/// The header of the caller's span. `tracestate` is not read: it contains what callers like.
struct Traceparent<'h>(Option<&'h str>);

impl Extractor for Traceparent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.filter(|_| key == "traceparent")
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}
