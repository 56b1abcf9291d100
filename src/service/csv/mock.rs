//! Generated customers, for trials and measurements: the same seed gives the same customers.

use crate::domain::{
    customer::status::CustomerStatus,
    vocabulary::{names::Name, time::Millis},
};
use crate::service::csv::row::{Column, Row};
use fake::locales::{DE_DE, Data, EN, FR_FR, IT_IT};

/// The level names to choose from; without any the columns stay empty.
#[derive(Debug, Clone, Default)]
pub struct Levels {
    /// For deposits.
    pub deposit: Vec<Name>,
    /// For withdrawals.
    pub withdrawal: Vec<Name>,
}

/// The common names and mobile phone numbers of a country.
struct People {
    country: &'static str,
    language: &'static str,
    first_names: &'static [&'static str],
    last_names: &'static [&'static str],
    /// The prefix of seven digits.
    phone: &'static str,
}

const PEOPLE: [People; 4] = [
    People {
        country: "DE",
        language: "de",
        first_names: DE_DE::NAME_FIRST_NAME,
        last_names: DE_DE::NAME_LAST_NAME,
        phone: "+491511",
    },
    People {
        country: "FR",
        language: "fr",
        first_names: FR_FR::NAME_FIRST_NAME,
        last_names: FR_FR::NAME_LAST_NAME,
        phone: "+3361",
    },
    People {
        country: "IT",
        language: "it",
        first_names: IT_IT::NAME_FIRST_NAME,
        last_names: IT_IT::NAME_LAST_NAME,
        phone: "+39333",
    },
    People {
        country: "ES",
        language: "en",
        first_names: EN::NAME_FIRST_NAME,
        last_names: EN::NAME_LAST_NAME,
        phone: "+3461",
    },
];
/// Reserved domains (RFC 2606).
const DOMAINS: [&str; 3] = ["example.com", "example.net", "example.org"];
/// The customers are created within three years from the start of 2023.
const CREATED_FROM: i64 = 1_672_531_200_000;
const CREATED_SPAN_MS: u64 = 3 * 365 * 86_400_000;
/// The number of different phone numbers.
const PHONES: u64 = 10_000_000;

/// Rows of generated customers. Their identifiers, e-mail addresses and phone numbers are unique among themselves
/// (phone numbers up to ten million rows).
#[derive(Debug, Clone)]
pub struct Mock {
    seed: u64,
    levels: Levels,
    next: u64,
    count: u64,
}

impl Mock {
    /// A source of `count` rows.
    #[must_use]
    pub fn new(count: u64, seed: u64, levels: Levels) -> Self {
        Self { seed, levels, next: 0, count }
    }

    fn row(&self, number: u64) -> Row {
        // Each row has its own random source, so that a row does not depend on the rows before it.
        let mut random = RandomSource(mixed(self.seed).wrapping_add(mixed(number ^ 0x6d6f_636b)));
        let people = random.one_of(&PEOPLE);
        let (first, last) = (*random.one_of(people.first_names), *random.one_of(people.last_names));
        let mut row = Row::default();
        let tag = mixed(self.seed) & 0xffff;
        row.set(Column::MerchantCustomerIdentifier, format!("mock-{tag:04x}-{number:07}"));
        for (column, names) in
            [(Column::DepositLevel, &self.levels.deposit), (Column::WithdrawalLevel, &self.levels.withdrawal)]
        {
            row.set(column, if names.is_empty() { "" } else { random.one_of(names).as_str() });
        }
        let status = if random.below(3) == 0 { CustomerStatus::New } else { CustomerStatus::Member };
        row.set(Column::Status, status.word());
        let mailbox = |name: &str| name.chars().filter_map(plain).collect::<String>();
        let domain = *random.one_of(&DOMAINS);
        row.set(Column::Email, format!("{}.{}.{number}@{domain}", mailbox(first), mailbox(last)));
        // A factor without a common divisor with ten gives different numbers.
        let digits = (number % PHONES * 61_803_399 + mixed(self.seed) % PHONES) % PHONES;
        row.set(Column::Phone, format!("{}{digits:07}", people.phone));
        row.set(Column::FirstName, first);
        row.set(Column::LastName, last);
        row.set(Column::Country, people.country);
        row.set(Column::Language, people.language);
        let since = i64::try_from(random.below(CREATED_SPAN_MS)).unwrap_or(0);
        row.set(Column::CreatedAt, Millis(CREATED_FROM + since).to_string());
        row
    }
}

impl Iterator for Mock {
    type Item = Row;

    fn next(&mut self) -> Option<Row> {
        if self.next >= self.count {
            return None;
        }
        self.next += 1;
        Some(self.row(self.next))
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014): written here, so that a seed gives the same customers after every upgrade.
struct RandomSource(u64);

impl RandomSource {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let product = u128::from(mixed(self.0)) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }

    fn one_of<'t, T>(&mut self, list: &'t [T]) -> &'t T {
        let place = self.below(u64::try_from(list.len()).unwrap_or(u64::MAX));
        &list[usize::try_from(place).unwrap_or(0)]
    }
}

fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// The plain form of a letter for an e-mail address.
fn plain(letter: char) -> Option<char> {
    let letter = letter.to_lowercase().next()?;
    Some(match letter {
        'a'..='z' => letter,
        'à' | 'â' | 'ä' | 'á' => 'a',
        'ç' => 'c',
        'è' | 'é' | 'ê' | 'ë' => 'e',
        'î' | 'ï' | 'ì' => 'i',
        'ô' | 'ö' | 'ò' => 'o',
        'ù' | 'û' | 'ü' => 'u',
        'ß' => 's',
        _ => return None,
    })
}
