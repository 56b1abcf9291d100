//! Pages of customers in the order of their creation, and in the order of their last payment. No index contains either
//! order: the customers that a page needs are read and sorted.

use crate::domain::{
    customer::aggregate::Customer, request::refusal::Refusal, transaction::summary::TransactionSummary,
    vocabulary::time::Millis,
};
use crate::ledger::{
    index::{
        creation_times::{BlockSpan, PeriodCursor, period},
        search_index::SearchQuery,
        transaction_index::TransactionSlot,
    },
    queries::{
        customer_query::CustomerPosition,
        customer_reader::{CustomerReader, PageEnd, VISITS_MAX},
    },
    state::{evicted_times::EvictedTime, ledger::Ledger, merge_group::MergeGroup},
};
use roaring::RoaringBitmap;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
};

/// The most customers that are sorted by their last payment.
const SELECTION_MAX: usize = 10_000;
/// The most customers of one period that are read and sorted at once. In a period with more, the creation times of number
/// blocks show which of them come next.
const PERIOD_READ_MAX: u64 = 4_096;
/// The newest transactions of a customer among which the latest is looked for. A transaction that is placed in the past,
/// or linked later, comes after newer ones.
const NEWEST_TRANSACTIONS: u32 = 64;

/// A time and a number in the order of a page: both negative where the order is descending.
type OrderKey = (i64, i64);

fn order_key(at: Millis, number: u64, descending: bool) -> OrderKey {
    let number = i64::try_from(number).unwrap_or(i64::MAX);
    if descending { (at.0.saturating_neg(), -number) } else { (at.0, number) }
}

/// A block of numbers, by the first and the last key that its customers can have.
struct Block {
    first: OrderKey,
    last: OrderKey,
    numbers: (u32, u32),
}

impl Block {
    fn of(span: BlockSpan, descending: bool) -> Self {
        let BlockSpan { numbers, created: (earliest, latest) } = span;
        let (low, high) =
            (order_key(earliest, numbers.0.into(), descending), order_key(latest, numbers.1.into(), descending));
        let (first, last) = if descending { (high, low) } else { (low, high) };
        Self { first, last, numbers }
    }
}

/// The next customer in the order of creation.
enum NextCustomer {
    Number(u64, OrderKey),
    /// There is none.
    End,
    /// The page has read as many customers as it may.
    Exhausted,
}

/// The customers of a set in the order of their creation.
struct CreationOrder {
    set: RoaringBitmap,
    cursor: PeriodCursor,
    after: Option<OrderKey>,
    /// Only customers created from the first time on and before the second one.
    span: (Millis, Millis),
    /// The customers of the period that is being read.
    period: RoaringBitmap,
    /// Its blocks that are not read yet, by their first key.
    blocks: VecDeque<Block>,
    /// Customers that are read and come next.
    read: BinaryHeap<Reverse<(OrderKey, u32)>>,
}

impl CreationOrder {
    fn new(reader: &CustomerReader<'_>, set: RoaringBitmap) -> Self {
        let (query, descending) = (reader.query, reader.query.descending);
        let from = query.created_from.unwrap_or(Millis(i64::MIN));
        let to = query.created_to.unwrap_or(Millis(i64::MAX));
        let (first, last) = (period(from), period(Millis(to.0.saturating_sub(1))));
        let (next, last) = if descending { (last, first) } else { (first, last) };
        let at = query.after.and_then(|after| after.at).map(period);
        let next = at.map_or(next, |at| if descending { at.min(next) } else { at.max(next) });
        let cursor = PeriodCursor { next, last, descending };
        let after = query.after.map(|after| order_key(after.at.unwrap_or_default(), after.number, descending));
        let mut order = Self {
            set,
            cursor,
            after,
            span: (from, to),
            period: RoaringBitmap::new(),
            blocks: VecDeque::new(),
            read: BinaryHeap::new(),
        };
        if order.set.len() <= PERIOD_READ_MAX {
            // Few customers: all are read at once, and no period follows.
            order.period = std::mem::take(&mut order.set);
            order.blocks = VecDeque::from([Block {
                first: (i64::MIN, i64::MIN),
                last: (i64::MAX, i64::MAX),
                numbers: (0, u32::MAX),
            }]);
        }
        order
    }

    fn next(&mut self, reader: &mut CustomerReader<'_>) -> NextCustomer {
        loop {
            if let Some(Reverse((key, number))) = self.read.peek()
                && self.blocks.front().is_none_or(|block| block.first > *key)
            {
                let next = NextCustomer::Number(u64::from(*number), *key);
                self.read.pop();
                return next;
            }
            if reader.is_exhausted() {
                return NextCustomer::Exhausted;
            }
            match self.blocks.pop_front() {
                Some(block) => self.read_block(reader, &block),
                None if !self.begin_period(reader) => return NextCustomer::End,
                None => {}
            }
        }
    }

    /// Reads when the customers of a block were created.
    fn read_block(&mut self, reader: &mut CustomerReader<'_>, block: &Block) {
        if self.after.is_some_and(|after| block.last <= after) {
            return;
        }
        for number in self.period.range(block.numbers.0..=block.numbers.1) {
            reader.visited += 1;
            let wide = u64::from(number);
            let created = reader.ledger.customers.lock(wide).get(wide).map(|customer| customer.created);
            let created = created.filter(|created| *created >= self.span.0 && *created < self.span.1);
            let key = created.map(|created| order_key(created, wide, self.cursor.descending));
            let key = key.filter(|key| self.after.is_none_or(|after| *key > after));
            self.read.extend(key.map(|key| Reverse((key, number))));
        }
    }

    /// Finds the next period that has customers of the set. Returns whether there is one.
    fn begin_period(&mut self, reader: &CustomerReader<'_>) -> bool {
        let search = &reader.ledger.search;
        if self.set.is_empty() {
            return false;
        }
        let Some(next) = search.next_period(reader.merchant, &self.set, self.cursor) else { return false };
        let descending = self.cursor.descending;
        self.cursor.next = if descending { next.number.saturating_sub(1) } else { next.number.saturating_add(1) };
        self.period = next.customers;
        let mut blocks: Vec<Block> = if self.period.len() <= PERIOD_READ_MAX {
            vec![Block { first: (i64::MIN, i64::MIN), last: (i64::MAX, i64::MAX), numbers: (0, u32::MAX) }]
        } else {
            let spans = search.block_spans(reader.merchant, &self.period);
            let overlaps = |span: &BlockSpan| span.created.1 >= self.span.0 && span.created.0 < self.span.1;
            spans.into_iter().filter(overlaps).map(|span| Block::of(span, descending)).collect()
        };
        blocks.sort_by_key(|block| block.first);
        self.blocks = blocks.into();
        true
    }
}

/// A page in the order of creation.
///
/// # Errors
/// More customers than one page may read were created within one period, in no order of their numbers.
pub(in crate::ledger) fn by_creation(
    reader: &mut CustomerReader<'_>,
    sets: &[RoaringBitmap],
    show: &mut dyn FnMut(&Customer, Millis),
) -> Result<PageEnd, Refusal> {
    let query = reader.query;
    let set = reader.ledger.search.all_candidates(reader.merchant, &reader.candidates(sets));
    let mut order = CreationOrder::new(reader, set);
    let (mut shown, mut next) = (0, None);
    loop {
        match order.next(reader) {
            NextCustomer::End => return Ok(PageEnd { next: None, last_payments: Vec::new() }),
            NextCustomer::Number(..) if shown >= query.limit => return Ok(PageEnd { next, last_payments: Vec::new() }),
            NextCustomer::Number(number, (at, _)) => {
                let at = Millis(if query.descending { at.saturating_neg() } else { at });
                next = Some(CustomerPosition { number, at: Some(at) });
                shown += usize::from(reader.show(number, show));
            }
            NextCustomer::Exhausted if next.is_some() => return Ok(PageEnd { next, last_payments: Vec::new() }),
            NextCustomer::Exhausted => {
                let reason = format!(
                    "cannot order the customers by creation: more than {VISITS_MAX} of them were created in the same \
                     hour; narrow the search by created_from and created_to, or sort by customer_id"
                );
                return Err(Refusal::NotAllowed { field: "sort", reason });
            }
        }
    }
}

/// When a customer last paid, as far as memory contains it.
struct LastPayment {
    number: u64,
    at: Option<Millis>,
    /// The last transactions of members whose transactions are all evicted.
    evicted: Vec<TransactionSlot>,
}

impl LastPayment {
    fn of(merge_group: &MergeGroup<'_>) -> Self {
        let mut payment = Self { number: merge_group.head.number(), at: None, evicted: Vec::new() };
        for member in merge_group.members() {
            let (summaries, end) = (member.summaries(), member.summaries().next_slot());
            let newest = (end.saturating_sub(NEWEST_TRANSACTIONS)..end).filter_map(|slot| summaries.get(slot));
            match newest.map(|summary: TransactionSummary| summary.at).max() {
                Some(at) => payment.at = payment.at.max(Some(at)),
                None if end > 0 => {
                    payment.evicted.push(TransactionSlot { customer: member.number(), slot: end - 1 });
                }
                None => {}
            }
        }
        payment
    }
}

impl Ledger {
    /// When an evicted transaction was made. `None`: it is forgotten or was linked elsewhere.
    fn time_of_evicted(&self, slot: TransactionSlot) -> Result<Option<Millis>, Refusal> {
        self.evicted_times.time_of(slot, self.forgotten_before(), || {
            let Some(last_record) = self.last_record(slot)? else { return Ok(None) };
            match self.load_transaction(0, slot, last_record) {
                Ok(loaded) => Ok(loaded.map(|loaded| EvictedTime { at: loaded.transaction.opening.at, last_record })),
                Err(Refusal::RecordLost(_)) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }
}

/// A page in the order of the last payment. It reads all customers that match.
///
/// # Errors
/// More than [`SELECTION_MAX`] customers match, or more must be examined than one page may read; the archive cannot be
/// read.
pub(in crate::ledger) fn by_last_payment(
    reader: &mut CustomerReader<'_>,
    sets: &[RoaringBitmap],
    show: &mut dyn FnMut(&Customer, Millis),
) -> Result<PageEnd, Refusal> {
    let too_many = || {
        let reason = format!(
            "orders at most {SELECTION_MAX} customers by their last payment, of at most {VISITS_MAX} that are examined, and \
             more match: narrow the search by status, label, a level, or created_from and created_to"
        );
        Refusal::NotAllowed { field: "sort", reason }
    };
    let query = reader.query;
    let limit = usize::try_from(VISITS_MAX).unwrap_or(usize::MAX).saturating_add(1);
    let candidates =
        reader.ledger.search.candidates(reader.merchant, &SearchQuery { limit, ..reader.candidates(sets) });
    if candidates.len() >= limit {
        return Err(too_many());
    }
    let mut payments: Vec<LastPayment> = Vec::new();
    for number in candidates {
        payments.extend(reader.read(u64::from(number), |merge_group| LastPayment::of(merge_group)));
        if payments.len() > SELECTION_MAX {
            return Err(too_many());
        }
    }
    for payment in &mut payments {
        for slot in std::mem::take(&mut payment.evicted) {
            payment.at = payment.at.max(reader.ledger.time_of_evicted(slot)?);
        }
    }
    // Customers without a payment are last in both orders.
    let key = |number, at: Option<Millis>| (at.is_none(), order_key(at.unwrap_or_default(), number, query.descending));
    let mut ordered: Vec<_> = payments.iter().map(|payment| (key(payment.number, payment.at), payment)).collect();
    ordered.sort_by_key(|(key, _)| *key);
    let after = query.after.map(|after| key(after.number, after.at));
    let begin = ordered.partition_point(|(key, _)| after.is_some_and(|after| *key <= after));
    let (mut last_payments, mut next) = (Vec::new(), None);
    for (_, LastPayment { number, at, .. }) in &ordered[begin..] {
        if last_payments.len() >= query.limit {
            return Ok(PageEnd { next, last_payments });
        }
        next = Some(CustomerPosition { number: *number, at: *at });
        if reader.show(*number, show) {
            last_payments.push(*at);
        }
    }
    Ok(PageEnd { next: None, last_payments })
}
