//! Signals about customers and instruments. All merchants share one space of instrument ids.

use crate::ledger::{
    index::customer_numbers::number_of,
    payments::record::{Actor, CustomerStep, RecordedGroup},
    state::{blocked_instruments::RecordedBlocks, ledger::Ledger},
};
use crate::{
    domain::{
        customer::{
            aggregate::Customer,
            audit::{Author, ChangeSource},
            change::CustomerChange,
            instrument_blocks::{BlockPlace, InstrumentBlock, InstrumentBlocks, MerchantScope, OutOfScope},
            instruments::{Instrument, InstrumentState},
            status::{CustomerStatus, Signal},
        },
        events::{customer_event::CustomerEvent, global_event::GlobalEvent},
        request::refusal::Refusal,
        vocabulary::{
            calendar::{Calendar, LocalTime},
            names::Name,
            time::Millis,
        },
    },
    storage::journal::Lsn,
};

/// A signal as a caller sends it.
#[derive(Debug, Clone, Copy)]
pub struct SentSignal<'a> {
    /// The id of a merchant, which need not be one of the current rules.
    pub merchant: &'a str,
    /// The customer that the signal is about.
    pub customer_id: &'a str,
    /// What became known.
    pub signal: Signal,
    /// The instrument that the signal is about, if any.
    pub instrument: Option<&'a str>,
    /// The name of the caller's token; `None` without tokens.
    pub by: Option<Name>,
    /// The merchants that the caller may act for.
    pub reach: &'a MerchantScope,
    /// Whether the merchant's blocks are effective at all merchants, also those by callers with a limited reach.
    pub trusts_blocks: bool,
    /// The calendar of the merchant, in which cards expire.
    pub calendar: &'a Calendar,
}

/// The customer of a signal, after the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignalledCustomer {
    /// The number of the customer. If the named customer is merged, it is the target.
    pub number: u64,
    /// The status.
    pub status: CustomerStatus,
    /// The LSN that the status depends on.
    pub depends_on_lsn: Lsn,
}

impl SentSignal<'_> {
    /// The author of the change of a customer. The history of a merchant outside of the caller's reach does not name the
    /// caller.
    fn author_for(&self, customer: &Customer) -> Author {
        let by = self.by.filter(|_| self.reach.contains(customer.merchant));
        Author { source: ChangeSource::Api, by, job: None }
    }
}

/// The most customers of one step of a signal. Payments of all of them wait while the step is recorded.
const STEP_CUSTOMERS_MAX: usize = 256;

impl Ledger {
    /// Applies a signal about a customer. A fraud signal that names an instrument reaches all its holders, at all merchants:
    /// they become fraudulent where the block is effective, and suspicious elsewhere. The customer, the block and the first
    /// holders change in one step. An instrument with very many holders takes further steps, so that payments do not wait
    /// for all of them. A signal at a test merchant reaches its holders there alone, and no signal reaches those of another
    /// test merchant. Returns the customer that the signal reached.
    ///
    /// # Errors
    /// The merchant has no such customer; the caller may not lift a block of the instrument.
    pub fn signal(&self, sent: &SentSignal<'_>, now: Millis) -> Result<SignalledCustomer, Refusal> {
        let SentSignal { customer_id, signal, instrument, reach, .. } = *sent;
        let unknown = || Refusal::UnknownCustomer(customer_id.to_owned());
        let number = number_of(customer_id).ok_or_else(unknown)?;
        // One signal at a time is applied to an instrument.
        let digest = instrument.map(|id| self.digest_key.instrument(id));
        let _stripe = self.signal_stripes.lock_all(digest.into_iter());
        let merchant = self.customers.lock(number).get(number).map(|customer| customer.merchant);
        let merchant = merchant.filter(|merchant| merchant.as_str() == sent.merchant).ok_or_else(unknown)?;
        let place = self.block_place(merchant);
        let block = self.block_of_signal(sent, place);
        let changed_blocks = match instrument.zip(signal.blocks_instrument()) {
            None => None,
            // The block is effective first: from here on no payment with the instrument passes.
            Some((id, true)) => {
                self.blocked_instruments.announce(id, block.clone());
                Some((id, self.blocked_instruments.of(id).with(block.clone())))
            }
            Some((id, false)) => {
                let held_at = self.find_holder_outside(id, reach).merchant;
                let remaining = self.blocked_instruments.of(id).lifted_at(place, reach, held_at.as_slice());
                Some((id, remaining.map_err(|OutOfScope| Refusal::BlockOutOfReach)?))
            }
        };
        let reached = instrument.filter(|_| signal.reaches_holders()).map(|id| self.holders_of(id)).unwrap_or_default();
        let reached = self.identities.merge_targets.all_current(reached);
        let holders: Vec<u64> = reached.iter().map(u64::from).collect();
        let (first, rest) = holders.split_at(holders.len().min(STEP_CUSTOMERS_MAX - 1));
        let mut step = SignalStep { sent, place, block: &block, changed_blocks: changed_blocks.as_ref(), except: None };
        let mut signalled = self.record_signal(&step, &[&[number], first].concat(), now)?;
        // The customer was in the first step.
        (step.changed_blocks, step.except) = (None, Some(number));
        for holders in rest.chunks(STEP_CUSTOMERS_MAX) {
            signalled.depends_on_lsn = self.record_signal(&step, holders, now)?.depends_on_lsn;
        }
        Ok(signalled)
    }

    /// The block that a signal at a merchant sets. A caller who may act for test merchants too does not block there.
    fn block_of_signal(
        &self,
        sent: &SentSignal<'_>,
        BlockPlace { merchant, is_sandbox }: BlockPlace,
    ) -> InstrumentBlock {
        if is_sandbox {
            return InstrumentBlock::set_at_sandbox(merchant);
        }
        let is_real = |merchant: &&Name| !self.block_place(**merchant).is_sandbox;
        let reach = match sent.reach {
            MerchantScope::All => MerchantScope::All,
            MerchantScope::Some(merchants) => MerchantScope::Some(merchants.iter().filter(is_real).copied().collect()),
        };
        InstrumentBlock::set_at(merchant, &reach, sent.trusts_blocks)
    }

    /// Records one step of a signal about the customers that numbers lead to. Returns the first of them, and the LSN that the
    /// step depends on.
    fn record_signal(&self, step: &SignalStep<'_>, numbers: &[u64], now: Millis) -> Result<SignalledCustomer, Refusal> {
        let SignalStep { sent, place, block, changed_blocks, except } = *step;
        let SentSignal { signal, instrument, .. } = *sent;
        let targets = &self.identities.merge_targets;
        loop {
            let except = except.map(|number| targets.current(number));
            let mut reached: Vec<u64> = numbers.iter().map(|number| targets.current(*number)).collect();
            let first = reached.first().copied();
            reached.retain(|number| Some(*number) != except);
            reached.sort_unstable();
            reached.dedup();
            let mut shards = self.customers.lock_all(&reached);
            let now = self.limited_time(now);
            let mut customers = shards.get_all_mut(&reached);
            if customers.iter().any(|customer| customer.merged_into().is_some()) {
                continue;
            }
            // A customer in the index may have dropped the instrument.
            let is_reached = |customer: &&mut Customer| {
                let is_named = except.is_none() && Some(customer.number()) == first;
                let holds = instrument.is_some_and(|id| customer.has_instrument(id));
                is_named || holds && place.reaches(self.block_place(customer.merchant))
            };
            customers.retain(is_reached);
            customers.sort_unstable_by_key(|customer| customer.number());
            let step = |customer| {
                let customer: &mut Customer = customer;
                // The holder is only flagged where the block is not effective.
                let is_blocked =
                    signal.blocks_instrument() != Some(true) || block.acts_at(self.block_place(customer.merchant));
                let signal = if instrument.is_none() || is_blocked { signal } else { Signal::FraudSuspected };
                let state = instrument.and_then(|id| changed_state(customer, signal, id));
                let signalled =
                    CustomerEvent::SignalReceived { signal, names_instrument: instrument.is_some(), at: now };
                let context = Actor { author: sent.author_for(customer), now }.into();
                CustomerStep { customer, context, events: std::iter::once(signalled).chain(state).collect() }
            };
            let steps: Vec<_> = customers.into_iter().map(step).collect();
            // The blocks and the holders change in one step: recovery restores both or neither.
            let changed = changed_blocks.filter(|(id, blocks)| self.blocked_instruments.of(id) != *blocks);
            if steps.is_empty() && changed.is_none() {
                let (number, depends_on_lsn) = (first.unwrap_or_default(), self.journal.last());
                return Ok(SignalledCustomer { number, status: CustomerStatus::New, depends_on_lsn });
            }
            let global_event = changed.map(|(id, blocks)| GlobalEvent::InstrumentBlocks {
                id: (*id).into(),
                blocks: blocks.clone(),
                by: sent.by,
                previous: self.blocked_instruments.last_record(id),
                at: now,
            });
            let RecordedGroup { global, last, .. } = self.record_group(steps, global_event.as_ref());
            // Under the locks, so that a snapshot that begins after this record contains the blocks.
            if let Some((id, blocks)) = changed_blocks {
                let (blocks, last_record) = (blocks.clone(), global.or(self.blocked_instruments.last_record(id)));
                self.blocked_instruments.set(id, RecordedBlocks { blocks, at: now, last_record });
            }
            let local = LocalTime { calendar: sent.calendar, now };
            let number = first.unwrap_or_default();
            let status = shards.get(number).map_or(CustomerStatus::New, |customer| customer.status(local));
            return Ok(SignalledCustomer { number, status, depends_on_lsn: last });
        }
    }
}

/// What the steps of a signal have in common.
#[derive(Clone, Copy)]
struct SignalStep<'a> {
    sent: &'a SentSignal<'a>,
    /// The merchant of the signal.
    place: BlockPlace,
    block: &'a InstrumentBlock,
    /// The blocks that the step records, and the instrument.
    changed_blocks: Option<&'a (&'a str, InstrumentBlocks)>,
    /// A customer whom an earlier step reached.
    except: Option<u64>,
}

/// The change of the state of an instrument by a signal, where the customer holds the instrument.
fn changed_state(customer: &Customer, signal: Signal, id: &str) -> Option<CustomerEvent> {
    let instrument = customer.profile()?.instrument(id)?;
    let state = match signal {
        Signal::CardExpired => InstrumentState::Expired,
        Signal::CardInvalid => InstrumentState::Invalid,
        // Payments with the instrument are allowed again.
        Signal::Cleared => InstrumentState::Active,
        _ => return None,
    };
    let changed = || Instrument { recorded_state: state, ..instrument.clone() };
    (instrument.recorded_state != state).then(|| CustomerEvent::CustomerChanged(CustomerChange::Instrument(changed())))
}

#[cfg(test)]
mod tests;
