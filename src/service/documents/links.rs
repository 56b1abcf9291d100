//! Relative paths to other documents, which answers contain.

use form_urlencoded::byte_serialize;

/// The most bytes of a path with filters: requests with a longer head may be refused.
const PATH_BYTES_MAX: usize = 4_096;

/// The path of the steps of a job in the audit of a merchant.
pub(crate) fn audit_of_job(merchant: &str, job_id: &str) -> String {
    // An id has no character that needs an escape.
    format!("/v1/merchants/{}/audit?job={job_id}", segment(merchant))
}

/// The path of a table with columns of the customers that match filters. With too many filters it is the table of all
/// customers.
pub(crate) fn customer_table<'a>(
    merchant: &str,
    columns: &[&str],
    filters: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> String {
    let all = format!("/v1/merchants/{}/customers.csv?columns={}", segment(merchant), columns.join(","));
    let mut path = all.clone();
    for (key, value) in filters {
        path.extend(["&", key, "="].into_iter().chain(byte_serialize(value.as_bytes())));
        if path.len() > PATH_BYTES_MAX {
            return all;
        }
    }
    path
}

/// A segment of a path with its reserved characters escaped.
fn segment(text: &str) -> String {
    let escaped = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(escaped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_values_are_escaped() {
        assert_eq!(audit_of_job("a b/ü", "job-1"), "/v1/merchants/a%20b%2F%C3%BC/audit?job=job-1");
        let filters = [("label", "on hold"), ("email", "a+b@c.example")];
        assert_eq!(
            customer_table("acme", &["status", "labels"], filters),
            "/v1/merchants/acme/customers.csv?columns=status,labels&label=on+hold&email=a%2Bb%40c.example"
        );
    }

    #[test]
    fn a_path_with_too_many_filters_names_all_customers() {
        let filters = |count| std::iter::repeat_n(("customer_id", "1000001"), count);
        assert!(customer_table("acme", &["status"], filters(100)).ends_with("&customer_id=1000001"));
        assert_eq!(
            customer_table("acme", &["status"], filters(1_000)),
            "/v1/merchants/acme/customers.csv?columns=status"
        );
    }
}
