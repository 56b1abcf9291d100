//! All operations.

use crate::http::operations::{
    configuration::CONFIGURATION_OPERATIONS, customer_tables::CUSTOMER_TABLES, customers::CUSTOMERS, daemon::DAEMON,
    documentation::DOCUMENTATION, monitoring::MONITORING, operation::Operation, payments::PAYMENTS,
};

/// The tables of the resources.
static TABLES: [&[Operation]; 7] =
    [&PAYMENTS, &CUSTOMERS, &CUSTOMER_TABLES, &CONFIGURATION_OPERATIONS, &MONITORING, &DAEMON, &DOCUMENTATION];

/// All operations.
pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> {
    TABLES.into_iter().flatten()
}
