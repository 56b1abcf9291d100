//! Generated customers, for trials and for measurements.

use crate::{
    config::body::object,
    domain::{request::refusal::Refusal, rules::merchant::Merchant, vocabulary::direction::Direction},
    service::{
        csv::mock::{Levels, Mock},
        customers::CustomerService,
        error::ServiceError,
        import_export::{import::import_generated, row::ImportTarget},
        reply::{Answered, Reply},
    },
};

/// The most customers that one call generates.
pub const GENERATED_MAX: u64 = 1_000_000;

impl CustomerService<'_> {
    /// Generates customers as a body describes: `{"count": 1000, "seed": 1}`.
    ///
    /// # Errors
    /// The body is malformed.
    pub fn generate(&self, body: &[u8]) -> Answered {
        let (count, seed) = read_generation(body)?;
        let (ledger, merchant, now) = (&self.service.ledger, self.merchant, self.service.time()?);
        let target = ImportTarget {
            ledger,
            merchant,
            by: self.author.by,
            job: None,
            now,
            new_from: u64::MAX,
            resumed_after: None,
        };
        Ok(Reply::new(&import_generated(&target, Mock::new(count, seed, levels_of(merchant))).shown()))
    }
}

/// The number of customers and the seed.
fn read_generation(body: &[u8]) -> Result<(u64, u64), ServiceError> {
    let (mut count, mut seed) = (None, 0_u64);
    for (key, raw) in object(body)?.0 {
        let wrong = |expected: &str| ServiceError::unknown_value(&key, &format!("is {expected}"));
        match key.as_str() {
            "count" => {
                let sent = raw.get().parse().ok().filter(|count| (1..=GENERATED_MAX).contains(count));
                count = Some(sent.ok_or_else(|| wrong(&format!("a number from 1 to {GENERATED_MAX}")))?);
            }
            "seed" => seed = raw.get().parse().map_err(|_| wrong("a whole number"))?,
            _ => return Err(ServiceError::unknown_field(&key, "count, seed")),
        }
    }
    Ok((count.ok_or(Refusal::Missing("count"))?, seed))
}

/// The names of a merchant's levels, for generated customers.
#[must_use]
pub fn levels_of(merchant: &Merchant) -> Levels {
    let of = |direction: Direction| {
        let mut names: Vec<_> =
            merchant.levels.iter().filter(|level| level.direction == direction).map(|level| level.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    };
    Levels { deposit: of(Direction::Deposit), withdrawal: of(Direction::Withdrawal) }
}
