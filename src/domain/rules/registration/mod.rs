//! Registration of customers: identifiers, generated external ids, and the merchant's policy.

pub mod external_id;
pub mod identifier;
pub mod policy;
