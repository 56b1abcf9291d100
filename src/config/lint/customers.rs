//! Lints about customers: labels, registration, raises, identifiers.

use crate::config::lint::context::LintContext;
use crate::domain::{
    rules::{
        labels::Restriction,
        merchant::OperationMode,
        project::Endpoint,
        registration::identifier::{Identifier, RegistrationSource},
    },
    vocabulary::{attributes::Attribute, text::suggest::nearest, time::DAY_MS, words::Word},
};

/// The shortest delay of a raise that Sweden's rule about the end of a period allows.
const PERIOD_END_DELAY_MS: i64 = 3 * DAY_MS;

/// Transaction ids are not checked for card numbers.
pub(super) fn unchecked_transaction_ids(context: &LintContext<'_>) {
    let Some(at) = context.raw.numeric_ids.as_ref().filter(|at| at.value) else { return };
    let message =
        "transaction ids are not checked for card numbers: a card number that is sent as an id is stored and shown";
    context.report.warning(&at.span, message, "remove `numeric_ids` unless transaction ids are long numbers");
}

/// Every new customer gets the first label, and is blocked by it.
pub(super) fn blocking_first_label(context: &LintContext<'_>) {
    let (Some(raw), Some(label)) = (context.raw.labels.first(), context.merchant.labels.first()) else { return };
    if label.forbids(Restriction::BlockTransactions)
        && let Some(name) = &raw.name
    {
        let message = format!("every new customer is blocked: label `{}` is the first one", label.name);
        let help = "new customers get the first label: write a label before it that blocks nothing";
        context.report.warning(&name.span, message, help);
    }
}

/// A restriction is not enforced, and its name is similar to an enforced one.
pub(super) fn misspelt_restrictions(context: &LintContext<'_>) {
    let words = || Restriction::WORDS.iter().map(|(word, _)| *word);
    let listed = context.raw.labels.iter().filter_map(|label| label.restrictions.as_ref()).flat_map(|list| &list.value);
    for name in listed.filter(|name| Restriction::parse(name.value.as_str()).is_none()) {
        if let Some(near) = nearest(name.value.as_str(), words()) {
            let message = format!("restriction `{}` is not enforced, only returned", name.value);
            context.report.warning(&name.span, message, format!("did you mean `{near}`?"));
        }
    }
}

/// Merging is on, and never happens.
pub(super) fn ineffective_merging(context: &LintContext<'_>) {
    let Some(at) = context.raw.registration.merge_on_duplicate.as_ref().filter(|at| at.value) else { return };
    let policy = &context.merchant.registration;
    let primary = policy.primary_identifier;
    let secondary_is_unique = !matches!(primary, Identifier::MerchantCustomerIdentifier | Identifier::CustomerId)
        || [policy.email, policy.phone, policy.external_id].iter().any(|rule| rule.unique);
    let why = if policy.strict_primary_check {
        "`strict_primary_check` refuses the registration first"
    } else if policy.skip_secondary_on_primary_mismatch {
        "`skip_secondary_on_primary_mismatch` ignores the mismatch first"
    } else if !secondary_is_unique {
        "no identifier is `unique`"
    } else {
        return;
    };
    let help = "remove `merge_on_duplicate`, or change the other key";
    context.report.warning(&at.span, format!("`merge_on_duplicate` never merges customers: {why}"), help);
}

/// A raise waits for the end of a period, but not for as long as the rule demands.
pub(super) fn short_delay_with_a_period_end(context: &LintContext<'_>) {
    let Some(at) = &context.raw.raise_not_before else { return };
    if context.merchant.raises.delay_ms < PERIOD_END_DELAY_MS {
        let delay = context.raw.raise_delay.as_ref().map_or("24h", |written| written.value.as_str());
        let message = format!("`raise_not_before` with a `raise_delay` of {delay}: the Swedish rule also demands 72h");
        context.report.warning(&at.span, message, "write raise_delay = \"72h\", or more");
    }
}

/// Raises have a time for confirmation, and are not confirmed.
pub(super) fn confirmation_time_without_confirmation(context: &LintContext<'_>) {
    let Some(at) = context.raw.confirm_within.as_ref().filter(|_| context.merchant.raises.confirm_within_ms.is_none())
    else {
        return;
    };
    let message = "`confirm_within` has no effect without `raise_confirm`: raises take effect by themselves";
    context.report.warning(&at.span, message, "write raise_confirm = true, or remove `confirm_within`");
}

/// Customers are identified by personal data, which is recorded in readable form.
pub(super) fn readable_personal_identifiers(context: &LintContext<'_>) {
    let Some(at) = &context.raw.registration.primary_identifier else { return };
    let is_personal = matches!(at.value, Identifier::Email | Identifier::Phone);
    if is_personal && !context.merchant.seal_identifiers {
        let word = at.value.word();
        let message = format!(
            "customers are identified by `{word}`: a value that is sent as `merchant_customer_identifier` is readable in the \
             journal, the snapshots and the archive; a value that is sent as `{word}` is sealed"
        );
        let help = "write seal_identifiers = true; older records stay readable for archive_days";
        context.report.warning(&at.span, message, help);
    }
}

/// In `crm` mode, customers may be registered with nothing by which a payment finds them.
pub(super) fn customers_without_an_identity(context: &LintContext<'_>) {
    let Some(at) = &context.raw.registration.primary_identifier else { return };
    if at.value == Identifier::CustomerId && context.merchant.mode == OperationMode::Crm {
        let message = "`customer_id` as `primary_identifier` in `crm` mode: a customer who is registered without another \
                       identifier is found by no payment";
        let help =
            "write primary_identifier = \"merchant_customer_identifier\", or operation_mode = \"payment_gateway\"";
        context.report.warning(&at.span, message, help);
    }
}

/// External ids are replaced, and payments recognise customers by the ones that they send.
pub(super) fn replaced_identities(context: &LintContext<'_>) {
    let Some(at) = context.raw.registration.external_id.generation.replace.as_ref().filter(|at| at.value) else {
        return;
    };
    let merchant = context.merchant;
    if !merchant.registration.replaces_external_id(RegistrationSource::Payment) {
        return;
    }
    let recognises = |endpoint: &Endpoint| endpoint.client_definition.contains(&Attribute::ExternalId);
    if let Some(project) = merchant.projects.iter().find(|project| project.endpoints.iter().any(recognises)) {
        let message = format!(
            "`replace` leaves alone the external ids of payments in project `{}`, whose `client_definition` recognises \
             customers by them",
            project.id
        );
        let help = "remove `external_id` from the `client_definition`, or write sources = [\"api\", \"import\"]";
        context.report.warning(&at.span, message, help);
    }
}
