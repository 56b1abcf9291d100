//! Counts of the decisions of several merchants over time, as one series, with the merchants that decided the most.

use crate::{
    config::schema::texts::NameText,
    domain::vocabulary::{denial_codes::DenialCode, names::Name},
    service::{
        decision_series::{CountedPeriods, CountsDocument, SeriesQuery, TotalsDocument, add_counts},
        payments::PaymentService,
        reply::{Answered, Reply},
    },
    storage::journal::Lsn,
};
use schemars::JsonSchema;
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeMap};

/// The most merchants with their own counts.
const MERCHANTS_MAX: usize = 20;

/// The decisions of one merchant.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MerchantDecisions")]
struct MerchantDocument {
    /// The merchant.
    #[schemars(with = "NameText")]
    merchant: &'static str,
    /// The sums.
    totals: TotalsDocument,
    /// The allowed payments of each period, the oldest first.
    allow: Vec<u32>,
    /// The denied payments of each period.
    deny: Vec<u32>,
}

/// The decisions of all merchants that the token is for. One count for each period in each list.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "MerchantSeries")]
pub(crate) struct MerchantSeriesDocument {
    #[serde(flatten)]
    counts: CountsDocument,
    /// At most 20 merchants with a decision, those with the most first.
    merchants: Vec<MerchantDocument>,
    /// The merchants with a decision that are not listed. Their decisions are in the sums.
    merchants_left_out: usize,
}

impl PaymentService {
    /// The counts of the decisions of the merchants that `reaches` selects.
    ///
    /// # Errors
    /// The time is not known.
    pub(crate) fn merchant_series(&self, query: SeriesQuery, reaches: impl Fn(Name) -> bool) -> Answered {
        let (now, rules) = (self.time()?, self.rules());
        let since = self.meters.series.since().unwrap_or(now);
        let (resolution, periods) = (query.resolution, query.periods(since, now));
        let zeros = vec![0_u32; periods.len()];
        let (mut allow, mut deny) = (zeros.clone(), zeros.clone());
        let mut codes: BTreeMap<u16, (DenialCode, Vec<u32>)> = BTreeMap::new();
        let mut merchants = Vec::new();
        for merchant in rules.merchants.values().filter(|merchant| reaches(merchant.id)) {
            let (mut own_allow, mut own_deny) = (zeros.clone(), zeros.clone());
            for counted in self.meters.series.read(merchant.id, resolution, periods.clone(), now) {
                let Some(code) = counted.denied else {
                    own_allow = counted.counts;
                    continue;
                };
                add_counts(&mut own_deny, &counted.counts);
                let of_code = codes.entry(code.number()).or_insert_with(|| (code, zeros.clone()));
                add_counts(&mut of_code.1, &counted.counts);
            }
            let totals = TotalsDocument::of(&own_allow, &own_deny);
            if totals.allow + totals.deny > 0 {
                add_counts(&mut allow, &own_allow);
                add_counts(&mut deny, &own_deny);
                let merchant = merchant.id.as_str();
                merchants.push(MerchantDocument { merchant, totals, allow: own_allow, deny: own_deny });
            }
        }
        merchants.sort_by_key(|row| (Reverse(row.totals.allow + row.totals.deny), row.merchant));
        let merchants_left_out = merchants.len().saturating_sub(MERCHANTS_MAX);
        merchants.truncate(MERCHANTS_MAX);
        let codes = codes.into_values().collect();
        let counts = CountsDocument::of(CountedPeriods { resolution, since, periods, allow, deny, codes });
        let document = MerchantSeriesDocument { counts, merchants, merchants_left_out };
        Ok(Reply::new(&document).depending_on(Lsn::NONE))
    }
}
