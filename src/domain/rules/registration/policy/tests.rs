//! Tests of the registration policy.

use super::*;
use crate::domain::{
    rules::registration::external_id::{Checksum, ExternalIdFormat},
    vocabulary::words::Word,
};

fn identifier(text: &str) -> Identifier {
    match text {
        "id" => Identifier::MerchantCustomerIdentifier,
        "ext" => Identifier::ExternalId,
        "number" => Identifier::CustomerId,
        other => Identifier::parse(other).unwrap(),
    }
}

/// `strict`, `skip`, `merge`, `any`, `since`, `made`, `primary=email`, `email:required,unique,fixed`.
fn policy(text: &str) -> RegistrationPolicy {
    let mut policy = RegistrationPolicy::default();
    for word in text.split_whitespace() {
        match word {
            "-" => {}
            "strict" => policy.strict_primary_check = true,
            "skip" => policy.skip_secondary_on_primary_mismatch = true,
            "merge" => policy.merge_on_duplicate = true,
            "any" => policy.allow_any_identifier = true,
            "since" => policy.min_registration_date = Some(Millis(1_000)),
            "made" => {
                let shape = ExternalIdFormat {
                    length: 8,
                    prefix: String::new(),
                    suffix: String::new(),
                    offset: 0,
                    checksum: Checksum::Luhn,
                    checksum_includes: None,
                    replace: false,
                    sources: Some(vec![RegistrationSource::Api]),
                };
                policy.external_ids = ExternalIds::new(shape).ok();
            }
            _ => match (word.split_once('='), word.split_once(':')) {
                (Some(("primary", field)), _) => policy.primary_identifier = identifier(field),
                (_, Some((field, flags))) => {
                    let rule = match identifier(field) {
                        Identifier::Email => &mut policy.email,
                        Identifier::Phone => &mut policy.phone,
                        _ => &mut policy.external_id,
                    };
                    for flag in flags.split(',') {
                        match flag {
                            "required" => rule.required = true,
                            "unique" => rule.unique = true,
                            "fixed" => rule.allow_update = false,
                            _ => panic!("{word}"),
                        }
                    }
                }
                _ => panic!("{word}"),
            },
        }
    }
    policy
}

/// `id`: free; `id:7`: held by customer 7; `import`: the source; `early`: before the date.
fn applicant(text: &str) -> Applicant {
    let mut applicant =
        Applicant { offers: [OfferedIdentifier::Absent; 4], source: RegistrationSource::Api, at: Millis(1_000) };
    for word in text.split_whitespace() {
        match (word, word.split_once(':')) {
            ("-", _) => {}
            ("early", _) => applicant.at = Millis(999),
            ("import", _) => applicant.source = RegistrationSource::Import,
            (_, Some((field, number))) => {
                applicant.offers[identifier(field) as usize] = OfferedIdentifier::Taken(number.parse().unwrap());
            }
            (field, None) => applicant.offers[identifier(field) as usize] = OfferedIdentifier::Free,
        }
    }
    applicant
}

fn show(verdict: Result<RegistrationDecision, RegistrationError>) -> String {
    let without = |left_out: IdentifierSet| -> String {
        let left_out = IDENTIFIERS.into_iter().filter(|field| left_out.contains(*field));
        left_out.map(|field| format!(" -{}", field.word())).collect()
    };
    match verdict {
        Ok(RegistrationDecision::Create { left_out }) => format!("create{}", without(left_out)),
        Ok(RegistrationDecision::Registered { number, left_out, .. }) => {
            format!("is {number}{}", without(left_out))
        }
        Ok(RegistrationDecision::Merge { into }) => format!("merge {into}"),
        Err(RegistrationError::Nothing) => "nothing".to_owned(),
        Err(refused) => format!("{} {}", refused.code().rsplit('_').next().unwrap(), refused.field()),
    }
}

/// policy | offered | verdict
const REGISTERED: &str = "
        -                               | id                        | create
        -                               | id:7                      | is 7
        -                               | -                         | required merchant_customer_identifier
        -                               | email phone ext           | required merchant_customer_identifier
        -                               | id email:3 phone:4 ext:5  | create
        -                               | id:7 email:3              | is 7
        any                             | -                         | nothing
        any                             | email                     | create
        any                             | email:3                   | is 3
        any                             | email:3 phone:4           | is 3
        any                             | email phone:4             | create
        any phone:unique                | email phone:4             | duplicate phone
        any                             | id ext:5                  | create
        primary=email                   | id                        | required email
        primary=email                   | email                     | create
        primary=email                   | email:3 id                | is 3
        primary=email                   | email id:7                | duplicate merchant_customer_identifier
        primary=email merge             | email id:7                | merge 7
        primary=email skip              | email id:7                | create -merchant_customer_identifier
        primary=email strict            | email id:7                | another merchant_customer_identifier
        primary=phone any               | id                        | create
        primary=ext made                | -                         | create
        primary=ext made                | import                    | required external_id
        primary=number                  | -                         | create
        primary=number                  | id email ext              | create
        primary=number                  | email:3                   | create
        primary=number                  | id:7                      | is 7
        primary=number                  | id:7 email:3              | is 7
        primary=number merge            | id:7                      | is 7
        primary=number strict           | id:7 email:3              | another email
        primary=number email:required   | -                         | required email
        primary=number email:unique     | email:3                   | duplicate email
        primary=number strict           | email:3                   | another email
        primary=number skip             | email:3 phone             | create -email
        primary=number skip             | id:7 email:3              | is 7 -email
        primary=number any              | -                         | create
        primary=number any              | email                     | create
        primary=number any              | email:3                   | is 3
        primary=number any              | id email:3                | create
        primary=number since            | early                     | early created_at
        email:required                  | id                        | required email
        email:required                  | id email                  | create
        email:required                  | id:7                      | is 7
        phone:required email:required   | id                        | required email
        ext:required                    | id                        | required external_id
        ext:required made               | id                        | create
        ext:required made               | id import                 | required external_id
        email:unique                    | id email                  | create
        email:unique                    | id email:3                | duplicate email
        email:unique                    | id:7 email:7              | is 7
        email:unique                    | id:7 email:3              | duplicate email
        email:unique                    | id phone:3                | create
        phone:unique                    | id email:3 phone:4        | duplicate phone
        merge                           | id email:3                | create
        merge email:unique              | id email:3                | merge 3
        merge email:unique              | id email:3 phone:4        | merge 3
        merge email:unique              | id:7 email:3              | duplicate email
        merge email:unique phone:unique | id email:3 phone:3        | merge 3
        merge email:unique phone:unique | id email:3 phone:4        | duplicate phone
        merge ext:unique any            | phone ext:5               | merge 5
        strict                          | id email:3                | another email
        strict                          | id:7 email:3              | another email
        strict                          | id:7 email:7              | is 7
        strict merge email:unique       | id email:3                | another email
        strict any                      | email:3 phone:3           | is 3
        strict any                      | email:3 phone:4           | another phone
        skip                            | id email:3                | create -email
        skip                            | id:7 email:3              | is 7 -email
        skip                            | id:7 email:7              | is 7
        skip                            | id email:3 phone:4 ext    | create -email -phone
        skip email:unique               | id email:3                | create -email
        skip email:required             | id email:3                | duplicate email
        skip merge email:unique         | id email:3                | create -email
        since                           | id                        | create
        since                           | id early                  | early created_at
        -                               | id early                  | create
        since email:required            | id early                  | required email
        since strict                    | id early email:3          | early created_at
    ";

/// policy | of customer 7: had or not, then the value to be | verdict
const UPDATED: &str = "
        -                        | had email          | ok
        -                        | had email:3        | ok
        -                        | had -email         | ok
        email:required           | had -email         | required email
        email:required           | had email          | ok
        email:unique             | had email:3        | duplicate email
        email:unique             | not email:3        | duplicate email
        email:unique             | had email:7        | ok
        email:unique merge       | had email:3        | duplicate email
        email:fixed              | had email          | fixed email
        email:fixed              | had -email         | fixed email
        email:fixed              | not email          | ok
        email:fixed,unique       | not email:3        | duplicate email
        phone:fixed              | had email          | ok
        ext:fixed                | had ext            | fixed external_id
        strict                   | had email:3        | another email
        strict                   | had email:7        | ok
        skip                     | had email:3        | ok
        -                        | had id:3           | duplicate merchant_customer_identifier
        -                        | had id             | ok
        -                        | had -id            | required merchant_customer_identifier
        any                      | had -id            | ok
        primary=email            | had email:3        | duplicate email
        primary=email            | had -email         | required email
        primary=email any        | had -email         | ok
        primary=number           | had -email         | ok
        primary=number           | had email:3        | ok
    ";

fn rows(table: &'static str) -> impl Iterator<Item = [&'static str; 3]> {
    let rows = table.lines().map(str::trim).filter(|line| !line.is_empty());
    rows.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>().try_into().unwrap())
}

#[test]
fn registrations_follow_each_key_alone_and_combined() {
    for [keys, offered, want] in rows(REGISTERED) {
        assert_eq!(show(policy(keys).evaluate(&applicant(offered))), want, "{keys} | {offered}");
    }
}

#[test]
fn updates_follow_the_policy() {
    for [keys, change, want] in rows(UPDATED) {
        let (had, value) = change.split_once(' ').unwrap();
        let (field, now) = match (value.strip_prefix('-'), value.split_once(':')) {
            (Some(field), _) => (field, OfferedIdentifier::Absent),
            (_, Some((field, holder))) => (field, OfferedIdentifier::Taken(holder.parse().unwrap())),
            (_, None) => (value, OfferedIdentifier::Free),
        };
        let verdict = policy(keys).check_update(7, identifier(field), had == "had", now);
        let shown = verdict.map_or_else(|refused| show(Err(refused)), |()| "ok".to_owned());
        assert_eq!(shown, want, "{keys} | {change}");
    }
}

#[test]
fn every_created_customer_can_be_found_and_takes_no_unique_identifier_of_another() {
    // Every policy of the flags, every offer of two identifiers.
    let offers =
        [OfferedIdentifier::Absent, OfferedIdentifier::Free, OfferedIdentifier::Taken(3), OfferedIdentifier::Taken(4)];
    for bits in 0..64_u8 {
        let on = |bit: u8| bits & (1 << bit) != 0;
        let email = IdentifierRule { required: on(0), unique: on(1), allow_update: true };
        let policy = RegistrationPolicy {
            email,
            allow_any_identifier: on(2),
            strict_primary_check: on(3),
            skip_secondary_on_primary_mismatch: on(4),
            merge_on_duplicate: on(5),
            ..RegistrationPolicy::default()
        };
        for id in offers {
            for mail in offers {
                let offers = [id, mail, OfferedIdentifier::Absent, OfferedIdentifier::Absent];
                let verdict = policy.evaluate(&Applicant { offers, source: RegistrationSource::Api, at: Millis(0) });
                let taken = |left_out: IdentifierSet| {
                    mail != OfferedIdentifier::Absent && !left_out.contains(Identifier::Email)
                };
                match verdict {
                    Ok(RegistrationDecision::Create { left_out }) => {
                        assert!(!matches!(id, OfferedIdentifier::Taken(_)), "{policy:?} {offers:?}");
                        assert!(id == OfferedIdentifier::Free || taken(left_out), "{policy:?} {offers:?}");
                        let anothers = email.unique && matches!(mail, OfferedIdentifier::Taken(_));
                        assert!(!(anothers && taken(left_out)), "{policy:?} {offers:?}");
                        assert!(!email.required || taken(left_out), "{policy:?} {offers:?}");
                    }
                    Ok(RegistrationDecision::Registered { number, .. }) => {
                        assert!(
                            id == OfferedIdentifier::Taken(number)
                                || (id == OfferedIdentifier::Absent && mail == OfferedIdentifier::Taken(number))
                        );
                    }
                    Ok(RegistrationDecision::Merge { into }) => {
                        assert!(
                            email.unique && id == OfferedIdentifier::Free && mail == OfferedIdentifier::Taken(into)
                        );
                    }
                    Err(refused) => assert!(!refused.to_string().is_empty()),
                }
            }
        }
    }
}

#[test]
fn phone_numbers_without_a_country_are_read_with_the_default_one() {
    let policy = |country| RegistrationPolicy { default_country: country, ..RegistrationPolicy::default() };
    let german = policy(phone::Country::parse("DE"));
    for (value, with, without) in [
        ("030 1234502", "+49301234502", "030 1234502"),
        ("+44 20 7946 0018", "+442079460018", "+442079460018"),
        ("x2", "x2", "x2"),
        ("1", "1", "1"),
    ] {
        assert_eq!(german.normalised(Attribute::Phone, value), with);
        assert_eq!(policy(None).normalised(Attribute::Phone, value), without);
    }
    assert_eq!(german.normalised(Attribute::Email, " A@B.example "), "a@b.example");
    assert_eq!(german.normalised(Attribute::ExternalId, "030 1234502"), "030 1234502");
    for (attribute, value, want) in [
        (Attribute::Phone, "030 1234502", "+49301234502"),
        (Attribute::Phone, " x2 ", "x2"),
        (Attribute::ExternalId, " A ", "A"),
        (Attribute::PaymentInstrument, "\u{2003}tok", "tok"),
        (Attribute::Country, " cy", "CY"),
        (Attribute::Country, " Cyprus ", "Cyprus"),
        (Attribute::Country, " ", ""),
        (Attribute::DateOfBirth, " 1990-01-31 ", "1990-01-31"),
        (Attribute::Email, " A@B.example ", " A@B.example "),
        (Attribute::Email, " \t", ""),
    ] {
        assert_eq!(german.stored(attribute, value), want);
    }
    assert_eq!(policy(None).stored(Attribute::Phone, "+49 30 1234502"), "+49 30 1234502");
}
