//! Lints about blocks of payment instruments.

use crate::config::lint::context::LintContext;

/// Blocks of a test merchant apply at that merchant alone, so `trust_blocks` has no effect.
pub(super) fn trusted_blocks_of_a_test_merchant(context: &LintContext<'_>) {
    let Some(at) = context.raw.trust_blocks.as_ref().filter(|at| at.value && context.merchant.sandbox) else { return };
    let message = "`trust_blocks` has no effect: blocks of a test merchant apply at that merchant only";
    context.report.warning(&at.span, message, "remove `trust_blocks`");
}
