//! The part of a merchant's file about customers: registration, labels, delays, the terminal.

use super::*;
use crate::domain::{
    rules::registration::{
        external_id::{Checksum, ChecksumIncludes},
        identifier::{Identifier, PaymentRegistration},
        policy::IdentifierRule,
    },
    vocabulary::contact::phone::Country,
};

#[test]
fn the_registration_policy_is_compiled() {
    let registration = |text: &str| {
        let loaded =
            load_merchant(&format!("{MERCHANT}{text}")).unwrap_or_else(|problems| panic!("{text}: {problems}"));
        merchant(&loaded, "m").registration.clone()
    };
    let every = registration(
        "[registration]\nprimary_identifier = \"email\"\nallow_any_identifier = true\nstrict_primary_check = true
        min_registration_date = 2020-03-01T00:00:00+02:00\ndefault_country = \"DE\"
        email = { required = true, unique = true, allow_update = false }\nphone.required = true
        [registration.external_id]\nunique = true\nlength = 12\nprefix = \"1234\"\nsuffix = \"3401\"\noffset = 3000",
    );
    assert_eq!(every.primary_identifier, Identifier::Email);
    assert!(every.allow_any_identifier && every.strict_primary_check);
    assert!(!every.skip_secondary_on_primary_mismatch && !every.merge_on_duplicate);
    assert_eq!(every.email, IdentifierRule { required: true, unique: true, allow_update: false });
    assert_eq!(every.phone, IdentifierRule { required: true, unique: false, allow_update: true });
    assert_eq!(every.external_id, IdentifierRule { required: false, unique: true, allow_update: true });
    assert_eq!(every.min_registration_date, Millis::parse("2020-02-29T22:00:00Z"));
    assert_eq!(every.default_country, Country::parse("DE"));
    let ids = every.external_ids.as_ref().unwrap();
    assert_eq!((ids.nth(0).as_deref(), ids.format().checksum), (Ok("123430003401"), Checksum::AutoInc));
    assert!(ids.covers_source(RegistrationSource::Payment));
    let other = registration(
        "[registration]\nskip_secondary_on_primary_mismatch = true\nmin_registration_date = \"2020-03-01\"
        external_id = { length = 9, checksum = \"luhn\", checksum_includes = \"prefix\", sources = [\"api\"] }",
    );
    assert!(other.skip_secondary_on_primary_mismatch);
    assert_eq!(other.min_registration_date, Millis::parse("2020-03-01T00:00:00Z"), "midnight in UTC");
    let shape = other.external_ids.as_ref().unwrap().format();
    assert_eq!((shape.checksum, shape.checksum_includes), (Checksum::Luhn, Some(ChecksumIncludes::Prefix)));
    assert_eq!(shape.sources.as_deref(), Some([RegistrationSource::Api].as_slice()));
    assert!(registration("[registration]\nmerge_on_duplicate = true\nemail.unique = true").merge_on_duplicate);
    let default = RegistrationPolicy { primary_identifier: Identifier::CustomerId, ..RegistrationPolicy::default() };
    assert_eq!(registration("[registration]"), default, "of a merchant in payment_gateway mode");
    let lettered = registration(
        "[registration]\nfrom_payments = \"match\"\nprimary_identifier = \"customer_id\"
        external_id = { length = 13, prefix = \"BRAND\", offset = 20000017, replace = true, sources = [\"api\"] }",
    );
    assert_eq!(lettered.from_payments, PaymentRegistration::Match);
    assert_eq!(lettered.primary_identifier, Identifier::CustomerId);
    assert_eq!(lettered.external_ids.as_ref().unwrap().nth(0).as_deref(), Ok("BRAND20000017"));
    assert!(lettered.replaces_external_id(RegistrationSource::Api));
    assert!(!lettered.replaces_external_id(RegistrationSource::Payment));
    let identifying = registration(
        "[registration]\nprimary_identifier = \"external_id\"
        external_id = { length = 13, prefix = \"BRAND\", offset = 20000017, replace = true }",
    );
    assert!(!identifying.replaces_external_id(RegistrationSource::Api), "a retry finds the customer by the sent id");
}

#[test]
fn the_mode_decides_the_default_primary_identifier() {
    for (mode, want) in [("crm", Identifier::MerchantCustomerIdentifier), ("payment_gateway", Identifier::CustomerId)] {
        for table in ["", "[registration]\n"] {
            let text = format!("{MERCHANT}{table}").replace("\"payment_gateway\"", &format!("\"{mode}\""));
            let loaded = load_merchant(&text).unwrap();
            let policy = &merchant(&loaded, "m").registration;
            assert_eq!(policy.primary_identifier, want, "{mode}");
        }
    }
}

#[test]
fn delays_labels_and_the_terminal_are_compiled() {
    let top = "labels_max = 100\nraise_delay = \"0s\"\ndeletion_grace = \"2w\"\nterminal_url = \"https://t.example/{merchant}?c={customer_id}\"\n";
    let text = format!(
        "{top}{MERCHANT}[[labels]]\nname = \"vip\"\n[[labels]]\nname = \"gone\"\nkind = \"deleted\"\nrestrictions = [\"mark_outlier\", \"x\"]\n"
    );
    let loaded = load_merchant(&text).unwrap();
    assert_eq!(loaded.warnings, [], "{}", crate::config::report::problem::render(&loaded.warnings, Style::Plain));
    let m = merchant(&loaded, "m");
    assert_eq!((m.labels_max, m.raises.delay_ms, m.deletion_grace_ms), (100, 0, 14 * DAY_MS));
    assert_eq!(m.terminal_url.as_deref(), Some("https://t.example/{merchant}?c={customer_id}"));
    assert_eq!(m.default_label().map(|label| (label.name, label.kind)), Some((name("vip"), LabelKind::Active)));
    assert_eq!(m.label(name("gone")).unwrap().restrictions, [name("mark_outlier"), name("x")]);
    assert!(m.label(name("x")).is_none());
}

#[test]
fn raises_wait_for_the_configured_delay() {
    let policy = |delay_ms, confirm_within_ms, waits_for_period_end| RaisePolicy {
        delay_ms,
        confirm_within_ms,
        waits_for_period_end,
    };
    for (keys, want) in [
        ("", policy(DAY_MS, None, false)),
        ("raise_confirm = false", policy(DAY_MS, None, false)),
        ("raise_confirm = true", policy(DAY_MS, Some(7 * DAY_MS), false)),
        (
            "raise_confirm = true\nconfirm_within = \"36h\"\nraise_delay = \"0s\"",
            policy(0, Some(DAY_MS * 3 / 2), false),
        ),
        ("raise_delay = \"72h\"\nraise_not_before = \"period_end\"", policy(3 * DAY_MS, None, true)),
        (
            "raise_delay = \"4d\"\nraise_not_before = \"period_end\"\nraise_confirm = true",
            policy(4 * DAY_MS, Some(7 * DAY_MS), true),
        ),
    ] {
        let loaded = load_merchant(&format!("{keys}\n{MERCHANT}")).unwrap();
        assert_eq!(loaded.warnings, [], "{keys}");
        assert_eq!(merchant(&loaded, "m").raises, want, "{keys}");
    }
}

#[test]
fn a_duration_of_zero_is_valid_for_raises_only() {
    for (key, span, taken) in [
        ("raise_delay", "0s", true),
        ("raise_delay", "00d", true),
        ("raise_delay", "10m", true),
        ("raise_delay", "0", false),
        ("raise_delay", "0y", false),
        ("raise_delay", "", false),
        ("raise_delay", "-1s", false),
        ("confirm_within", "0s", false),
        ("confirm_within", "1s", true),
        ("deletion_grace", "0s", false),
        ("deletion_grace", "1s", true),
    ] {
        let loaded = load_merchant(&format!("{key} = \"{span}\"\n{MERCHANT}"));
        assert_eq!(loaded.is_ok(), taken, "{key} = {span:?}");
    }
}

#[test]
fn a_deletion_grace_of_zero_is_refused_with_the_way_to_erase_at_once() {
    for span in ["0s", "00d"] {
        let problems = load_merchant(&format!("deletion_grace = \"{span}\"\n{MERCHANT}")).unwrap_err();
        let text = format!("{:?}", problems.list);
        assert!(text.contains("`deletion_grace` is zero") && text.contains("\\\"1s\\\" to erase at once"), "{text}");
    }
}
