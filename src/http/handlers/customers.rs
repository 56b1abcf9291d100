//! Customers: lists, documents, merges, settings, usage, histories.

use crate::{
    http::{
        download::download,
        extract::{
            admin_request::AdminRequest,
            path::{CustomerPath, SettingsPath},
            query::QueryPairs,
        },
        handlers::payments::page_with_block_origins,
    },
    service::{
        customers::{history::HistoryPage, settings::SettingsKey},
        documents::{
            customers::search::{customer_search, names_one_customer},
            query::{cursor, page_limit},
        },
        error::ServiceError,
        payments::transactions::transaction_filter,
        reply::Answered,
    },
};
use axum::{
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use std::sync::Arc;

/// `GET /v1/merchants/{merchant}/customers`
pub(crate) async fn list(request: AdminRequest) -> Response {
    request.run_blocking(find).await
}

fn find(request: &AdminRequest) -> Answered {
    let search = customer_search(request.query.pairs(), &request.merchant)?;
    // All pages of a list are the table of all customers, which a gateway does not need.
    if request.is_gateway() && search.as_ref().is_some_and(|find| !names_one_customer(find)) {
        let detail = "the role gateway looks customers up and does not list them: name one by customer_id, \
                      merchant_customer_identifier, external_id, phone, or a whole email; several values, a list and a \
                      search by the beginning of a name or an address take the role viewer or operator";
        return Err(ServiceError::forbidden(detail));
    }
    request.customers().find(search.as_ref())
}

/// `POST /v1/merchants/{merchant}/customers`
pub(crate) async fn register(request: AdminRequest) -> Response {
    let answered = request.customers().register(&request.body);
    request.answer(answered).await
}

/// `GET /v1/merchants/{merchant}/customers/{customer}`
pub(crate) async fn show(request: AdminRequest<CustomerPath>) -> Response {
    let answered = request.customers().customer(&request.path.customer_id);
    request.answer(answered).await
}

/// `PATCH /v1/merchants/{merchant}/customers/{customer}`
pub(crate) async fn update(request: AdminRequest<CustomerPath>) -> Response {
    let answered = request.customers().update(&request.path.customer_id, &request.body);
    request.answer(answered).await
}

/// `DELETE /v1/merchants/{merchant}/customers/{customer}`: requests the deletion.
pub(crate) async fn delete(request: AdminRequest<CustomerPath>) -> Response {
    let answered = request.customers().delete(&request.path.customer_id);
    request.answer(answered).await
}

/// `POST /v1/merchants/{merchant}/customers/{customer}/merge`
pub(crate) async fn merge(request: AdminRequest<CustomerPath>) -> Response {
    let answered = request.customers().merge(&request.path.customer_id, &request.body);
    request.answer(answered).await
}

/// `GET /v1/merchants/{merchant}/customers/{customer}/usage`
pub(crate) async fn usage(request: AdminRequest<CustomerPath>) -> Response {
    let answered = request.customers().usage(&request.path.customer_id);
    request.answer(answered).await
}

/// `GET /v1/merchants/{merchant}/customers/{customer}/transactions`
pub(crate) async fn transactions(request: AdminRequest<CustomerPath>) -> Response {
    request
        .run_blocking(|request| {
            let filter = transaction_filter(request.query.pairs(), Some(&request.merchant.calendar))?;
            let page = request.customers().transactions(&request.path.customer_id, filter);
            let token = request.admission.as_ref().map(|admission| &*admission.token);
            page_with_block_origins(&request.state, token, request.merchant.id.as_str(), page)
        })
        .await
}

/// `GET /v1/merchants/{merchant}/customers/{customer}/history`
pub(crate) async fn history(request: AdminRequest<CustomerPath>) -> Response {
    request
        .run_blocking(|request| {
            let page = history_page(&request.query)?;
            let names_author = |name, is_signal| request.names_author(name, is_signal);
            request.customers().history(&request.path.customer_id, page, &names_author)
        })
        .await
}

/// The page of a history that a query names.
pub(crate) fn history_page(query: &QueryPairs) -> Result<HistoryPage, ServiceError> {
    let mut page = HistoryPage { limit: 100, end: 0 };
    for (key, value) in query.pairs() {
        match &*key {
            "limit" => page.limit = page_limit(&value)?,
            _ => page.end = cursor(&value, |text| text.parse().ok())?,
        }
    }
    Ok(page)
}

/// `GET /v1/merchants/{merchant}/customers/{customer}/export`: a stream, with some transactions in memory at a time.
pub(crate) async fn export(request: AdminRequest<CustomerPath>) -> Response {
    // A request that cannot be answered is refused before the first byte.
    if let Err(error) = request.customers().customer(&request.path.customer_id) {
        return error.into_response();
    }
    let (state, admission) = (Arc::clone(&request.state), request.admission.clone());
    let disposition = format!("attachment; filename=\"customer-{}.json\"", request.path.customer_id);
    let body = download(&state, admission.as_ref(), move |output| {
        let names_author = |name, is_signal| request.names_author(name, is_signal);
        request.customers().export(&request.path.customer_id, &names_author, output)
    });
    let mut response = match body {
        Ok(body) => Response::new(body),
        Err(problem) => return problem.into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    // The id of a customer is a number.
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

impl SettingsPath {
    fn key(&self) -> SettingsKey<'_> {
        let Self { direction, currency, level, .. } = self;
        SettingsKey { direction: *direction, currency: *currency, level: level.name, level_text: &level.text }
    }
}

/// `GET .../customers/{customer}/settings/{direction}/{currency}/{level}`
pub(crate) async fn show_settings(request: AdminRequest<SettingsPath>) -> Response {
    let answered = request.customers().settings(&request.path.customer_id, request.path.key());
    request.answer(answered).await
}

/// `PUT .../customers/{customer}/settings/{direction}/{currency}/{level}`
pub(crate) async fn put_settings(request: AdminRequest<SettingsPath>) -> Response {
    let answered = request.customers().put_settings(&request.path.customer_id, request.path.key(), &request.body);
    request.answer(answered).await
}

/// `DELETE .../customers/{customer}/settings/{direction}/{currency}/{level}`
pub(crate) async fn delete_settings(request: AdminRequest<SettingsPath>) -> Response {
    let answered = request.customers().delete_settings(&request.path.customer_id, request.path.key());
    request.answer(answered).await
}
