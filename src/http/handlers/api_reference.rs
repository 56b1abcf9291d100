//! The description of the API: as an OpenAPI document, and as a page.

use crate::http::{
    dto::problem::Problem,
    handlers::docs::{html_page, page},
    openapi::published::published,
    response::json,
};
use axum::response::Response;
use std::sync::LazyLock;

/// `GET /openapi.json`
pub(crate) async fn openapi() -> Result<Response, Problem> {
    Ok(json(published().ok_or_else(Problem::no_such_path)?.json.clone()))
}

/// `GET /docs/api`
pub(crate) async fn page_of_api() -> Result<Response, Problem> {
    static PAGE: LazyLock<Option<String>> = LazyLock::new(|| Some(page("API", &published()?.html)));
    Ok(html_page(PAGE.as_deref().ok_or_else(Problem::no_such_path)?))
}
