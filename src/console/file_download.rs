//! Downloads of the console, with the permits that the API's downloads share.

use crate::{
    console::{
        page_request::{Download, DownloadContent},
        respond::file_response,
        state::Console,
    },
    service::{
        access::access_tokens::AccessToken,
        download::download,
        error::{ErrorKind, ServiceError},
    },
};
use axum::{body::Body, response::Response};
use std::sync::Arc;

/// The response with a file, for the token of a session.
///
/// # Errors
/// As many downloads run as may.
pub(super) fn download_response(
    console: &Arc<Console>,
    token: Option<Arc<AccessToken>>,
    file: Download,
) -> Result<Response, ServiceError> {
    let Download { file_name, media_type, content } = file;
    let body = match content {
        DownloadContent::Bytes(bytes) => Body::from(bytes),
        DownloadContent::Written(write) => {
            let permit = Arc::clone(&console.parts.downloads).try_acquire_owned().map_err(|_| {
                metrics::counter!("levelgate_overloaded_total", "limit" => "downloads").increment(1);
                let detail = "as many tables are being downloaded as may be; try again when one of them has ended";
                ServiceError::new(ErrorKind::Unavailable, "overloaded", detail)
            })?;
            let of_token = Arc::clone(console);
            let is_admitted = move || {
                let parts = &of_token.parts;
                parts.access.current(token.as_deref(), parts.payments.clock.wall())?;
                Ok(())
            };
            download(&console.parts.payments, permit, is_admitted, write)
        }
    };
    Ok(file_response((&file_name, media_type), body))
}
