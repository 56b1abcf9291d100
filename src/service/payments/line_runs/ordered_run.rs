//! One run of a stream: through the gate in the order of the stream, then the rest.

use crate::{
    clock::{Clock, ClockError, Source, Stamp},
    domain::{rules::configuration::Rules, vocabulary::time::Millis},
    ledger::{Footprint, Reach, TransactionName},
    service::{
        documents::problem::ProblemDocument,
        error::ServiceError,
        payments::{
            admitted::{AdmittedOperation, AdmittedPayment},
            line_runs::{
                line_order::{KeyTable, LineOrder, PassedRun, RunTurn},
                line_run::LineRun,
                prepared_line::{LineStep, PreparedLine, PreparedRun, set_last},
            },
            lines::write_answer,
            operation::OperationContext,
            payment_service::PaymentService,
            precedence::{CallTarget, first_error_inside},
        },
        reply::Answered,
    },
    storage::journal::Lsn,
};
use smallvec::SmallVec;
use std::{ops::Range, sync::Arc};

/// The answers to a run.
#[derive(Debug)]
pub struct AnsweredRun {
    /// The answers in the order of the lines, each with its line end.
    pub bytes: Vec<u8>,
    /// Where each answer ends.
    pub ends: Vec<usize>,
    /// The lines that were refused, and why, in no particular order.
    pub problems: Vec<(usize, ProblemDocument)>,
    /// The record that the answers depend on.
    pub depends_on_lsn: Lsn,
}

/// A stream of lines that is answered in runs.
#[derive(Clone, Copy)]
pub struct LineStream<'a> {
    /// Answers the lines.
    pub service: &'a PaymentService,
    /// The order of its runs.
    pub order: &'a LineOrder,
    /// Whether the caller may act for a merchant.
    pub may_enter: &'a dyn Fn(&str) -> Result<(), ServiceError>,
}

impl LineStream<'_> {
    /// Answers a run. Runs are numbered from 0 in the order of the stream. Several threads may answer different runs; each
    /// waits for the runs before its own.
    #[must_use]
    pub fn answer(&self, number: u64, run: &LineRun) -> AnsweredRun {
        let Self { service, order, may_enter } = *self;
        let turn = order.begin(number);
        let generation = service.ledger.rename_generation();
        let rules_before = service.rules();
        let rules;
        let prepared = service.prepare_run(&rules_before, run, may_enter);
        let earlier = turn.enter_gate();
        // Only now: a run that waits for an earlier one must not keep a change waiting that the earlier one waits for.
        let _inside = service.ledger.block_renames();
        rules = service.rules();
        let is_current = Arc::ptr_eq(&rules_before, &rules) && service.ledger.rename_generation() == generation;
        let PreparedRun { lines, footprints, keys } =
            if is_current { prepared } else { service.prepare_run(&rules, run, may_enter) };
        let mut ordered = OrderedRun {
            stream: *self,
            rules: &rules,
            turn,
            earlier,
            answers: Answers::with_lines(lines.len()),
            lines,
            time: StreamTime::read(&service.clock),
            pending: Vec::new(),
            done: 0,
        };
        ordered.pass_gate(footprints, keys);
        ordered.do_pending();
        ordered.answers.into_run(service.ledger.journal().last())
    }
}

/// The time of the lines of a run. With the system as source, all lines get the time at which the run passed the gate, so
/// that the time does not go back from line to line.
struct StreamTime {
    /// `None`: the time comes from the lines.
    by_system: Option<(Result<Millis, ClockError>, Stamp)>,
}

impl StreamTime {
    fn read(clock: &Clock) -> Self {
        let by_system = match (clock.source(), clock.stamp(None)) {
            (Source::System, Ok(stamp)) => {
                let present = if stamp.is_accepted { Ok(stamp.at) } else { clock.now(None) };
                Some((present, stamp))
            }
            _ => None,
        };
        Self { by_system }
    }

    fn of(&self, operation: &AdmittedOperation<'_>, clock: &Clock) -> Result<Stamp, ServiceError> {
        match self.by_system {
            None => operation.time(clock),
            Some((present, _)) if operation.needs_present() => Ok(Stamp { at: present?, is_accepted: true }),
            Some((_, stamp)) => Ok(stamp),
        }
    }
}

/// A line that is done after the gate.
struct PendingLine {
    line: usize,
    time: Option<Result<Stamp, ServiceError>>,
    /// The lines of earlier runs, by their place in `earlier`, that are done before it.
    after: SmallVec<[(usize, usize); 1]>,
}

struct OrderedRun<'a> {
    stream: LineStream<'a>,
    rules: &'a Rules,
    turn: RunTurn<'a>,
    /// The runs that this one overlaps, in their order.
    earlier: Vec<Arc<PassedRun>>,
    lines: Vec<PreparedLine<'a>>,
    answers: Answers,
    time: StreamTime,
    pending: Vec<PendingLine>,
    /// How many of `pending` are done.
    done: usize,
}

impl OrderedRun<'_> {
    /// Passes the gate: gives each line its time, and does the lines that can only be done in the order of the stream.
    fn pass_gate(&mut self, mut footprints: Vec<Footprint>, mut keys: KeyTable) {
        // Near the limit on transactions, every line may change the answer to another one.
        let in_work: usize = self.earlier.iter().map(|run| run.len()).sum::<usize>() + self.lines.len();
        let has_room = self.stream.service.ledger.has_room_for(in_work as u64);
        let mut has_opaque_lines = false;
        for line in 0..self.lines.len() {
            let mut footprint = std::mem::replace(&mut footprints[line], Footprint::empty());
            let known_keys = footprint.keys.len();
            self.complete(line, &mut footprint, &footprints, has_opaque_lines);
            let shares_keys = self.lines[line].shares_keys || footprint.keys.len() != known_keys;
            match footprint.reach {
                Reach::All => self.do_alone(line),
                _ if !has_room => self.do_alone(line),
                Reach::NewCustomer => {
                    if shares_keys {
                        self.do_pending();
                    }
                    self.wait_for_keys(&footprint);
                    let time = self.time_of(line);
                    self.do_line(line, time);
                }
                Reach::Keys => {
                    let time = self.time_of(line);
                    let after = self.lines_before(&footprint);
                    self.pending.push(PendingLine { line, time, after });
                }
            }
            // Later lines on the same transaction find its customer among these keys.
            if footprint.reach != Reach::Keys
                && let Some(transaction) = self.lines[line].step.transaction()
            {
                self.stream.service.ledger.add_recorded_customer(&mut footprint, transaction);
            }
            has_opaque_lines |= footprint.reach == Reach::All;
            for key in &footprint.keys {
                let last = keys.get(key).copied().unwrap_or(line).max(line);
                set_last(&mut keys, *key, last);
            }
            footprints[line] = footprint;
        }
        let done = self.first_open();
        self.turn.leave_gate(footprints, keys, has_opaque_lines, done);
    }

    /// Completes the footprint of a line by what the lines before it may have changed since it was looked up.
    fn complete(&mut self, line: usize, footprint: &mut Footprint, own: &[Footprint], has_opaque_lines: bool) {
        let transaction = footprint.transaction.filter(|_| footprint.is_new_transaction);
        if let Some(transaction) = transaction {
            let opened_by = self.lines[line].same_transaction.and_then(|earlier| own.get(earlier));
            opened_by.into_iter().for_each(|opened_by| footprint.add_customers_of(opened_by));
            for run in &self.earlier {
                let opened_by = run.line_with(transaction).and_then(|earlier| run.footprint(earlier));
                opened_by.into_iter().for_each(|opened_by| footprint.add_customers_of(opened_by));
            }
        }
        let is_uncertain = self.lines[line].step.is_recognised_by_attributes()
            && (self.lines[line].shares_keys
                || has_opaque_lines
                || self.earlier.iter().any(|run| {
                    run.has_opaque_lines || footprint.attributes.iter().any(|key| run.line_with(*key).is_some())
                }));
        if is_uncertain {
            self.do_pending();
            self.wait_for_keys(footprint);
        }
        // A line of which nothing was known may have opened the transaction.
        let may_be_opened =
            transaction.is_some() && (has_opaque_lines || self.earlier.iter().any(|run| run.has_opaque_lines));
        if is_uncertain || may_be_opened || footprint.reach != Reach::Keys {
            self.look_up_again(line, footprint);
        }
    }

    /// Looks up the footprint of a line again, as lines before it have left the state.
    fn look_up_again(&mut self, line: usize, footprint: &mut Footprint) {
        let ledger = &self.stream.service.ledger;
        let LineStep::Decide { merchant, operation, .. } = &mut self.lines[line].step else { return };
        let now = match &mut **operation {
            AdmittedOperation::Payment(AdmittedPayment { payment, lookup, .. }) => {
                let (now, found) = ledger.payment_footprint(payment, true);
                *lookup = Some(found);
                now
            }
            AdmittedOperation::Check { payment, .. } => ledger.payment_footprint(payment, false).0,
            AdmittedOperation::Transition(transition) => {
                let transaction = TransactionName { merchant, id: &transition.transaction_id };
                ledger.transition_footprint(transaction, transition.unreserved.is_some())
            }
        };
        let before = std::mem::replace(footprint, now);
        footprint.add_customers_of(&before);
    }

    /// The lines of earlier runs that are not done and share a key.
    fn lines_before(&self, footprint: &Footprint) -> SmallVec<[(usize, usize); 1]> {
        let mut before = SmallVec::new();
        for (place, run) in self.earlier.iter().enumerate().filter(|(_, run)| !run.is_done()) {
            let last = footprint.all_keys().filter_map(|key| run.line_with(key)).max();
            before.extend(last.filter(|line| !run.is_line_done(*line)).map(|line| (place, line)));
        }
        before
    }

    fn wait_for_keys(&self, footprint: &Footprint) {
        for (place, line) in self.lines_before(footprint) {
            self.turn.wait_for_line(&self.earlier[place], line);
        }
    }

    /// Does a line when all lines before it are done.
    fn do_alone(&mut self, line: usize) {
        self.do_pending();
        for run in &self.earlier {
            self.turn.wait_for_line(run, run.len().saturating_sub(1));
        }
        let text = self.lines[line].text;
        let answered = match &self.lines[line].step {
            LineStep::Refuse { .. } => self.answer(line, None),
            _ => self.stream.service.line_inside(self.rules, text, self.stream.may_enter),
        };
        self.answers.add(line, answered);
        self.time = StreamTime::read(&self.stream.service.clock);
    }

    fn time_of(&self, line: usize) -> Option<Result<Stamp, ServiceError>> {
        match &self.lines[line].step {
            LineStep::Decide { operation, .. } => Some(self.time.of(operation, &self.stream.service.clock)),
            _ => None,
        }
    }

    /// Does the lines that are pending, in their order.
    fn do_pending(&mut self) {
        while let Some(next) = self.pending.get_mut(self.done) {
            let (line, time, after) = (next.line, next.time.take(), std::mem::take(&mut next.after));
            for (place, earlier) in after {
                self.turn.wait_for_line(&self.earlier[place], earlier);
            }
            self.do_line(line, time);
            self.done += 1;
            self.turn.lines_done(self.first_open());
        }
    }

    /// The first line that is not done, of those before the end of the gate.
    fn first_open(&self) -> usize {
        self.pending.get(self.done).map_or(self.lines.len(), |next| next.line)
    }

    fn do_line(&mut self, line: usize, time: Option<Result<Stamp, ServiceError>>) {
        let answered = self.answer(line, time);
        self.answers.add(line, answered);
        // The name of its transaction is needed until the gate is passed.
        if self.turn.has_passed() {
            self.lines[line].step = LineStep::Done;
        }
    }

    fn answer(&self, line: usize, time: Option<Result<Stamp, ServiceError>>) -> Answered {
        let (service, rules) = (self.stream.service, self.rules);
        let PreparedLine { text, step, .. } = &self.lines[line];
        let answered = match step {
            LineStep::Refuse { error, after_gate } => {
                let gate = after_gate.map_or(Ok(()), |kind| service.gate.may_decide(kind));
                return service.counted(gate.and_then(|()| Err((**error).clone())));
            }
            LineStep::Read | LineStep::Done => return service.line_inside(rules, text, self.stream.may_enter),
            LineStep::Decide { merchant, kind, operation } => {
                let context = OperationContext { rules, merchant, is_in_stream: true };
                service.gate.may_decide(*kind).and_then(|()| {
                    let time = match time {
                        Some(time) => time?,
                        None => self.time.of(operation, &service.clock)?,
                    };
                    service.decide(context, operation, time)
                })
            }
        };
        service.counted(answered).map_err(|error| {
            first_error_inside((&service.ledger, rules), CallTarget::default(), text, error, self.stream.may_enter)
        })
    }
}

/// The answers so far, in the order in which they were written.
struct Answers {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
    problems: Vec<(usize, ProblemDocument)>,
}

/// The bytes of most answers, with some room.
const ANSWER_BYTES: usize = 640;

impl Answers {
    fn with_lines(lines: usize) -> Self {
        Self { bytes: Vec::with_capacity(lines * ANSWER_BYTES), places: vec![0..0; lines], problems: Vec::new() }
    }

    fn add(&mut self, line: usize, answered: Answered) {
        let start = self.bytes.len();
        let problem = write_answer(answered, &mut self.bytes);
        self.problems.extend(problem.map(|problem| (line, problem)));
        self.places[line] = start..self.bytes.len();
    }

    fn into_run(self, depends_on_lsn: Lsn) -> AnsweredRun {
        let Self { bytes, places, problems } = self;
        if places.is_sorted_by_key(|place| place.start) {
            let ends = places.into_iter().map(|place| place.end).collect();
            return AnsweredRun { bytes, ends, problems, depends_on_lsn };
        }
        let (mut sorted, mut ends) = (Vec::with_capacity(bytes.len()), Vec::with_capacity(places.len()));
        for place in places {
            sorted.extend_from_slice(bytes.get(place).unwrap_or_default());
            ends.push(sorted.len());
        }
        AnsweredRun { bytes: sorted, ends, problems, depends_on_lsn }
    }
}
