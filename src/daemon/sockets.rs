//! Answers requests on the sockets of the daemon until it stops.

use crate::{
    config::Settings,
    console::{self, Console, ConsoleParts},
    daemon::{
        listeners::{self, AdminThread, UnixSocket},
        open_files::OpenFiles,
        passed_sockets::PassedSockets,
        signals::wait_until_true,
    },
    http::{self, AppState, Capacity, RequestLimits, Routes, Server, TlsAcceptor},
    service::access::proxy_users::ProxyUsers,
};
use anyhow::Context;
use axum::{Router, middleware};
use std::{sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::watch};

/// How long running requests may take once the daemon stops.
const DRAIN_MAX: Duration = Duration::from_secs(30);
/// After the journal has failed, new requests get an error answer for this time before the daemon stops.
const FAILED_ANSWER_TIME: Duration = Duration::from_millis(500);
/// After that, running requests have this time to get their answer.
const FAILED_DRAIN_MAX: Duration = Duration::from_secs(5);

/// The sockets that the daemon listens on. The admin listener already answers.
pub(super) struct Sockets {
    server: Arc<Server>,
    tcp: TcpListener,
    /// TLS of the TCP listener.
    tls: Option<Arc<TlsAcceptor>>,
    unix: Option<UnixSocket>,
    admin: Option<AdminThread>,
}

impl Sockets {
    pub(super) fn open(
        settings: &Settings,
        open_files: OpenFiles,
        daemon: &Arc<AppState>,
        mut passed: PassedSockets,
        is_stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let passed = &mut passed;
        let http = &settings.http;
        let limits = RequestLimits {
            header_bytes_max: http.max_header_bytes,
            header_timeout: Duration::from_secs(http.header_timeout_s),
            body_timeout: Duration::from_secs(http.body_timeout_s),
        };
        let routes = Routes {
            main: with_console(settings, daemon, http::routes(Arc::clone(daemon))),
            overflow: http::overflow_routes(Arc::clone(daemon)),
            fast_path: Some(Arc::clone(daemon)),
        };
        let server = Server::new(routes, limits, Arc::clone(&daemon.capacity), is_stopping);
        let tcp = listeners::tcp(http.listen, http.listen_backlog, passed)?;
        let unix = listeners::unix(http, passed)?;
        let admin = match settings.admin.listen {
            None => None,
            Some(address) => {
                let routes = http::admin_routes(Arc::clone(daemon));
                let capacity = Arc::new(Capacity::new(http, to_usize(open_files.admin), 0));
                let routes = Routes { main: routes.clone(), overflow: routes, fast_path: None };
                let server = |stop| Server::new(routes, limits, capacity, stop);
                Some(AdminThread::start((address, http.listen_backlog), passed, server)?)
            }
        };
        passed.refuse_rest()?;
        Ok(Self { server, tcp, tls: daemon.tls.clone(), unix, admin })
    }

    /// Answers requests until the daemon stops.
    ///
    /// # Errors
    /// The journal has failed.
    pub(super) async fn answer(
        self,
        daemon: &AppState,
        stop: &watch::Sender<bool>,
        is_stopping: watch::Receiver<bool>,
        is_forced: watch::Receiver<bool>,
    ) -> anyhow::Result<Answered> {
        let Self { server, tcp, tls, unix, admin } = self;
        let address = tcp.local_addr().context("the listener has no address")?;
        match tls {
            Some(_) => tracing::info!("listening on https://{address}"),
            None => tracing::info!("listening on http://{address}"),
        }
        let journal = Arc::clone(daemon.payments.ledger.journal());
        let unix_server = Arc::clone(&server);
        let serve_unix = async move {
            if let Some(UnixSocket { listener, file }) = unix {
                unix_server.serve(listener, None).await;
                drop(file);
            }
        };
        // Dropping this future closes the open connections.
        let mut served = Box::pin(async { tokio::join!(server.serve(tcp, tls), serve_unix) });
        let drain_timeout = async {
            wait_until_true(is_stopping).await;
            tokio::time::sleep(DRAIN_MAX).await;
        };
        let shipping = daemon.payments.gate.shipping().cloned();
        let standby = daemon.payments.gate.standby().cloned();
        let standby_failed = async {
            match &standby {
                Some(standby) => standby.when_failed().await,
                None => std::future::pending().await,
            }
        };
        let fenced_out = async {
            match &shipping {
                Some(shipping) => shipping.when_fenced_out().await,
                None => std::future::pending().await,
            }
        };
        // Waiting clients get the answer that the outcome is unknown; the next start shows the outcome. The pauses give
        // clients of a slow machine their answer too.
        let answer_time = async {
            tokio::time::sleep(FAILED_ANSWER_TIME).await;
            stop.send_replace(true);
            tokio::time::sleep(FAILED_DRAIN_MAX).await;
        };
        let (mut failure, mut is_fenced_out) = (None, false);
        tokio::select! {
            _ = &mut served => tracing::info!("every request was answered"),
            () = drain_timeout => {
                tracing::warn!("some callers still send after {} s; their connections are closed", DRAIN_MAX.as_secs());
            }
            () = wait_until_true(is_forced.clone()) => {
                tracing::warn!("a second signal: the open connections are closed");
            }
            () = fenced_out => {
                tokio::select! {
                    _ = &mut served => {}
                    () = answer_time => {}
                    () = wait_until_true(is_forced) => {}
                }
                is_fenced_out = true;
            }
            failed = journal.when_failed() => {
                tokio::select! {
                    _ = &mut served => {}
                    () = answer_time => {}
                    () = wait_until_true(is_forced) => {}
                }
                failure = Some(failed.to_string());
            }
            cause = standby_failed => {
                tokio::select! {
                    _ = &mut served => {}
                    () = answer_time => {}
                    () = wait_until_true(is_forced) => {}
                }
                failure = Some(cause);
            }
        }
        drop(served);
        daemon.jobs.stop();
        match failure {
            Some(failed) => anyhow::bail!("{failed}"),
            None if is_fenced_out => Ok(Answered::FencedOut),
            None => Ok(Answered::Stopped(admin)),
        }
    }
}

/// Why requests are not answered any more.
pub(super) enum Answered {
    /// The daemon received a stop signal. The admin listener answers during the rest of the stop.
    Stopped(Option<AdminThread>),
    /// Another daemon has taken over.
    FencedOut,
}

/// The routes with the pages of the console, unless the settings switch it off.
fn with_console(settings: &Settings, daemon: &AppState, routes: Router) -> Router {
    if !settings.console.enabled {
        return routes;
    }
    let parts = ConsoleParts {
        payments: Arc::clone(&daemon.payments),
        access: Arc::clone(&daemon.access),
        failed_logins: Arc::clone(&daemon.failed_logins),
        jobs: Arc::clone(&daemon.jobs),
        upload_limits: daemon.capacity.upload_limits(),
        downloads: daemon.capacity.downloads(),
        stopping: daemon.stopping.clone(),
        status: Arc::clone(&daemon.status),
        secure_cookie: settings.console.secure_cookie || settings.http.tls.is_some(),
        proxy_users: settings.console.people.as_ref().and_then(ProxyUsers::of),
        four_eyes: settings.console.four_eyes.clone(),
    };
    let pages = console::routes(&Console::new(parts));
    routes.merge(pages.route_layer(middleware::from_fn(http::with_request_id)))
}

pub(super) fn to_usize(connections: u64) -> usize {
    usize::try_from(connections).unwrap_or(usize::MAX)
}
