//! All operations.

use crate::http::operations::{
    configuration::CONFIGURATION_OPERATIONS, customer_tables::CUSTOMER_TABLES, customers::CUSTOMERS, daemon::DAEMON,
    documentation::DOCUMENTATION, monitoring::MONITORING, operation::Operation, payments::PAYMENTS,
};

/// The tables of the resources, each with the name of its group in the API's documentation.
pub(crate) static TABLES: [(&str, &[Operation]); 7] = [
    ("Payments", &PAYMENTS),
    ("Customers", &CUSTOMERS),
    ("Many customers", &CUSTOMER_TABLES),
    ("Configuration", &CONFIGURATION_OPERATIONS),
    ("Monitoring", &MONITORING),
    ("Daemon", &DAEMON),
    ("Documentation", &DOCUMENTATION),
];

/// All operations.
pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> {
    TABLES.iter().flat_map(|(_, rows)| rows.iter())
}
