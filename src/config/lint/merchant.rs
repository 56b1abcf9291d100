//! Runs all lints of a merchant.

use crate::config::lint::{blocks, context::LintContext, customers, filters, gates, levels};

/// One lint. It reports its warnings to the report of the context.
pub(super) type Lint = fn(&LintContext<'_>);

const LINTS: [Lint; 21] = [
    levels::unreachable_levels,
    levels::levels_without_an_eligible_gate,
    levels::minimum_above_maximum,
    levels::settings_for_unoffered_methods,
    filters::filters_without_a_limit,
    filters::filters_without_a_rate,
    filters::limits_that_restart_with_the_level,
    gates::unused_gates_and_routes,
    gates::gates_with_an_empty_list,
    gates::weighted_routing_without_weights,
    gates::names_listed_twice,
    blocks::trusted_blocks_of_a_test_merchant,
    customers::unchecked_transaction_ids,
    customers::blocking_first_label,
    customers::misspelt_restrictions,
    customers::ineffective_merging,
    customers::short_delay_with_a_period_end,
    customers::confirmation_time_without_confirmation,
    customers::readable_personal_identifiers,
    customers::customers_without_an_identity,
    customers::replaced_identities,
];

/// Reports all warnings about a merchant.
pub(in crate::config) fn lint_merchant(context: &LintContext<'_>) {
    for lint in LINTS {
        lint(context);
    }
}
