//! Which project and endpoint a payment enters by.

use crate::domain::{
    request::refusal::Refusal,
    rules::{
        merchant::Merchant,
        project::{Endpoint, Project},
    },
    vocabulary::money::Currency,
};
use std::collections::BTreeSet;

/// The project and the endpoint of a payment. Each may be left out where only one fits.
pub(super) fn choose_endpoint<'a>(
    merchant: &'a Merchant,
    project: Option<&str>,
    endpoint: Option<&str>,
    currency: Currency,
) -> Result<(&'a Project, &'a Endpoint), Refusal> {
    let (project, endpoint) = (project.filter(|id| !id.is_empty()), endpoint.filter(|id| !id.is_empty()));
    let unknown = |field, value: &str, candidates: Vec<&str>| Refusal::UnknownPlace {
        field,
        value: value.chars().take(40).collect(),
        candidates: candidates.join(", "),
    };
    if let Some(id) = project
        && merchant.project(id).is_none()
    {
        return Err(unknown("project", id, merchant.projects.iter().map(|p| p.id.as_str()).collect()));
    }
    let here = |p: &Project| project.is_none_or(|id| p.id.as_str() == id);
    let all = || {
        let projects = merchant.projects.iter().filter(|p| here(p));
        projects.flat_map(|p| p.endpoints.iter().map(move |e| (p, e)))
    };
    let named = || all().filter(|(_, e)| endpoint.is_none_or(|id| e.id.as_str() == id));
    if let Some(id) = endpoint {
        match named().next() {
            None => return Err(unknown("endpoint", id, all().map(|(_, e)| e.id.as_str()).collect())),
            Some((_, e)) if named().all(|(_, e)| e.currency != currency) => {
                return Err(Refusal::EndpointCurrency {
                    endpoint: id.to_owned(),
                    takes: e.currency.to_string(),
                    sent: currency.to_string(),
                });
            }
            Some(_) => {}
        }
    }
    let mut fitting = named().filter(|(_, e)| e.currency == currency);
    let Some((first, found)) = fitting.next() else {
        let taken: BTreeSet<String> = named().map(|(_, e)| e.currency.to_string()).collect();
        let taken = taken.into_iter().collect::<Vec<_>>().join(", ");
        return Err(Refusal::NoEndpoint(format!("{currency}; the endpoints here take {taken}")));
    };
    let rest: Vec<_> = fitting.collect();
    if rest.is_empty() {
        return Ok((first, found));
    }
    if rest.iter().any(|(p, _)| p.id != first.id) {
        let mut candidates: Vec<&str> =
            std::iter::once(first).chain(rest.iter().map(|r| r.0)).map(|p| p.id.as_str()).collect();
        candidates.dedup();
        return Err(Refusal::Ambiguous { field: "project", candidates: candidates.join(", ") });
    }
    let candidates = named().filter(|(_, e)| e.currency == currency).map(|(_, e)| e.id.as_str());
    Err(Refusal::Ambiguous { field: "endpoint", candidates: candidates.collect::<Vec<_>>().join(", ") })
}
