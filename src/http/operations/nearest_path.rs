//! The path that a caller probably meant.

use crate::{domain::vocabulary::text::suggest::nearest, http::operations::table::operations};

/// The path of an operation that is most similar to a path without operations: it has as many segments, and those that differ
/// are similar.
pub(crate) fn nearest_path(sent: &str) -> Option<&'static str> {
    let sent: Vec<&str> = sent.split('/').collect();
    let misspelt = operations().filter_map(|row| Some((misspelt_segments(row.path, &sent)?, row.path)));
    misspelt.filter(|(count, _)| *count > 0).min_by_key(|(count, _)| *count).map(|(_, path)| path)
}

/// How many segments differ; `None`: the paths are not similar.
fn misspelt_segments(path: &str, sent: &[&str]) -> Option<usize> {
    let parts: Vec<&str> = path.split('/').collect();
    if parts.len() != sent.len() {
        return None;
    }
    let misspelt = parts.iter().zip(sent).filter(|(part, segment)| !part.starts_with('{') && part != segment);
    misspelt.map(|(part, segment)| nearest(segment, [*part]).map(|_| 1)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_path_has_a_nearest_one_and_another_path_has_none() {
        for (sent, want) in [
            ("/v1/merchants/acme/customer", Some("/v1/merchants/{merchant}/customers")),
            (
                "/v1/merchant/acme/transactions/t1/aprove",
                Some("/v1/merchants/{merchant}/transactions/{transaction}/approve"),
            ),
            ("/v1/evnts", Some("/v1/events")),
            ("/metrcs", Some("/metrics")),
            ("/v1/merchants/acme/customers", None),
            ("/v1/something", None),
            ("/v1/merchants/acme/customers/1/2/3/4/5/6", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(nearest_path(sent), want, "{sent}");
        }
    }
}
