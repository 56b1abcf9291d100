//! The job of a bulk change.

use crate::{
    config::schema::texts::{AddressText, CustomerIdText, CustomersDigestText, FieldText, SentenceText},
    domain::{
        customer::{
            aggregate::Customer,
            audit::{Author, ChangeSource},
            updated_fields::UpdatedFields,
        },
        request::refusal::Refusal,
        rules::merchant::Merchant,
        vocabulary::{attributes::Attributes, calendar::LocalTime, time::Millis},
    },
    ledger::{Actor, Amendment, CustomerRef, Ledger},
    scheduling::give_way,
    service::{
        bulk_change::bulk_request::{BulkRequest, Selection},
        customers::{CustomerService, customer_service::Trial},
        error::{ErrorKind, ServiceError},
        jobs::{
            registry::{ActiveJob, Admission, JobRequest, Jobs, file_failed},
            resume_context::ResumeContext,
            tracked_job::{JobAnswer, JobDescription, JobKind, JobReply, Phase},
        },
    },
    storage::jobs::{Draft, Job},
    telemetry::traces::in_span,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{
    fmt,
    io::{BufRead, BufReader, Write},
};

/// The most refusals that an answer lists.
const REFUSALS_MAX: usize = 100;

/// The answer of a bulk change.
#[derive(Clone, Default, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "BulkOutcome")]
pub(crate) struct BulkCounts {
    /// Whether nothing was changed.
    dry_run: bool,
    /// The selected customers.
    selected: u64,
    /// Customers who were changed.
    changed: u64,
    /// Customers for whom the change is none.
    unchanged: u64,
    /// Customers whose change was refused.
    refused: u64,
    /// The first 100 refusals.
    refusals: Vec<RefusedCustomer>,
    /// In a trial: customers whose individual payment settings would change, because the level does or the limit is set. No table
    /// contains them, so `undo` does not bring them back.
    #[serde(default, skip_serializing_if = "is_zero")]
    settings_changed: u64,
    /// In a trial that would change customers: the path of the table that contains what it changes, as it is before. Its
    /// upload afterwards undoes the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AddressText>")]
    undo: Option<String>,
    /// In a trial: the customers who would change, as a digest of their ids. A change with the same digest changes these
    /// customers, or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<CustomersDigestText>")]
    changed_digest: Option<String>,
}

/// A customer whose change was refused.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
struct RefusedCustomer {
    /// The customer.
    #[schemars(with = "CustomerIdText")]
    customer_id: String,
    /// The code of the refusal.
    #[schemars(with = "FieldText")]
    code: String,
    /// The reason in words.
    #[schemars(with = "SentenceText")]
    detail: String,
}

/// What a bulk change changes of one customer.
struct BulkEffect {
    fields: UpdatedFields,
    /// Whether the global limit changes.
    is_limited: bool,
}

impl BulkEffect {
    fn is_none(&self) -> bool {
        self.fields.is_empty() && !self.is_limited
    }
}

/// The customers of a bulk change and its caller.
#[derive(Clone, Copy)]
struct BulkTarget<'a> {
    ledger: &'a Ledger,
    merchant: &'a Merchant,
    author: Author,
    now: Millis,
}

fn unreadable(error: impl fmt::Display) -> ServiceError {
    tracing::error!("the file of a bulk change could not be written or read: {error}");
    ServiceError::store_unavailable()
}

impl CustomerService<'_> {
    /// Changes many customers as a body describes. `job_id` is the caller's id of the job. It can take long.
    ///
    /// # Errors
    /// The body is malformed; a limit on jobs is reached; a file has failed. A customer who cannot be changed is no error.
    pub fn bulk_change(&self, jobs: &Jobs, job_id: Option<&str>, body: &[u8]) -> Result<JobReply, ServiceError> {
        in_span("bulk_change", |span| {
            let changed = BulkRequest::read(self.rules, self.merchant, body).and_then(|request| {
                span.set_word("levelgate.bulk_change.mode", if request.is_trial { "trial" } else { "all" });
                self.change_as_requested(&request, jobs, (job_id, body))
            });
            span.note(&changed);
            changed
        })
    }

    fn change_as_requested(
        &self,
        request: &BulkRequest,
        jobs: &Jobs,
        (job_id, body): (Option<&str>, &[u8]),
    ) -> Result<JobReply, ServiceError> {
        let (ledger, merchant) = (&self.service.ledger, self.merchant);
        request.check_names(ledger, merchant)?;
        let target = BulkTarget { ledger, merchant, author: self.author, now: self.service.time()? };
        if request.is_trial {
            let mut fields = UpdatedFields::default();
            let mut settings_changed = 0;
            let tried = target.try_selected(request, &mut |_, effect| {
                fields = fields.and(effect.fields);
                settings_changed += u64::from(effect.is_limited || effect.fields.changes_settings());
                Ok(())
            })?;
            tried.check_expected(request)?;
            let counts = BulkCounts { settings_changed, undo: request.table_path(merchant.id, fields), ..tried };
            let answer = serde_json::to_value(&counts).map_err(unreadable)?;
            return Ok(JobReply { answer, is_replay: false });
        }
        let _permit = jobs.limits().work_at_once(merchant.id)?;
        let draft = jobs.draft(target.now).map_err(file_failed)?;
        let mut digester = ledger.digester();
        digester.take(body);
        let job_request = JobRequest {
            merchant: merchant.id,
            id: job_id,
            kind: JobKind::Bulk,
            mode: "all",
            by: self.author.by,
            digest: digester.digest(),
            now: target.now,
        };
        let active = match jobs.admit(&draft, &job_request)? {
            Admission::New(active) => active,
            Admission::Known(answer) => return Ok(JobReply { answer, is_replay: true }),
        };
        let draft = target.write_selection(request, &active, draft)?;
        let job = active.begin(draft, body).map_err(file_failed)?;
        let answer = target.of_job(&job).change_all(request, (&active, job), BulkCounts::default())?;
        Ok(JobReply { answer, is_replay: false })
    }
}

/// Continues a bulk change that a start found unfinished.
pub(crate) fn resume_bulk_change(
    context: &ResumeContext<'_>,
    job: Job,
    active: &ActiveJob<'_>,
) -> Result<Value, ServiceError> {
    let (merchant, by) = context.merchant_and_caller(active.description())?;
    let author = Author { source: ChangeSource::Api, by, job: Some(job.number()) };
    let target = BulkTarget { ledger: context.ledger, merchant, author, now: context.now };
    let stored = job.what.clone();
    let (_, body) = JobDescription::parse(&stored).map_err(unreadable)?;
    let request = BulkRequest::read_stored(context.rules, merchant, body)?;
    let counts = match job.progress.data.as_slice() {
        [] => BulkCounts::default(),
        kept => serde_json::from_slice(kept).map_err(unreadable)?,
    };
    target.change_all(&request, (active, job), counts)
}

impl BulkTarget<'_> {
    /// The target of the steps of a job.
    fn of_job(self, job: &Job) -> Self {
        Self { author: Author { job: Some(job.number()), ..self.author }, ..self }
    }

    /// Writes the ids of the customers of the job into the draft, one a line: of all chosen ones, or with a digest of those
    /// who would change. Such a job changes no other customer, however long it takes.
    ///
    /// # Errors
    /// Other customers would change than those of the digest; the file has failed.
    fn write_selection(
        self,
        request: &BulkRequest,
        active: &ActiveJob<'_>,
        mut draft: Draft,
    ) -> Result<Draft, ServiceError> {
        let mut written = 0;
        let mut write = |id: &str| {
            written += 1;
            active.count(written);
            // No customer has an id with a line end.
            writeln!(draft, "{}", id.replace(['\n', '\r'], " ")).map_err(file_failed)?;
            active.step(written).map_err(|error| active.interrupted(&error))
        };
        if request.changed_digest.is_none() {
            self.each_selected(request, &mut write)?;
            return Ok(draft);
        }
        let tried = self.try_selected(request, &mut |id, _| write(id))?;
        tried.check_expected(request).inspect_err(|_| {
            let answer = serde_json::to_value(tried.without_refusals()).unwrap_or_default();
            active.leave(Phase::Refused, Some((answer, active.time(self.now))));
        })?;
        Ok(draft)
    }

    /// Tries the change of all chosen customers, and calls `each` with those who would change. Returns the counts of a trial.
    fn try_selected(
        self,
        request: &BulkRequest,
        each: &mut dyn FnMut(&str, &BulkEffect) -> Result<(), ServiceError>,
    ) -> Result<BulkCounts, ServiceError> {
        let mut counts = BulkCounts { dry_run: true, ..BulkCounts::default() };
        let mut digester = self.ledger.digester();
        self.each_selected(request, &mut |id| {
            let tried = self.change(request, id, Trial::Yes).and_then(|effect| Ok((effect, self.current_number(id)?)));
            if let Ok((effect, number)) = &tried
                && !effect.is_none()
            {
                digester.take(&number.to_le_bytes());
                each(id, effect)?;
            }
            counts.count(id, tried.map(|(effect, _)| effect));
            Ok(())
        })?;
        counts.changed_digest = Some(format!("{:032x}", digester.digest()));
        Ok(counts)
    }

    /// The number of a customer, who can have been merged since the id was chosen.
    fn current_number(self, id: &str) -> Result<u64, Refusal> {
        self.ledger.with_customer(self.merchant.id.as_str(), id, self.now, |customer, _| customer.number())
    }

    /// Calls `each` with the ids of the chosen customers.
    fn each_selected(
        self,
        request: &BulkRequest,
        each: &mut dyn FnMut(&str) -> Result<(), ServiceError>,
    ) -> Result<(), ServiceError> {
        let mut find = match &request.selection {
            Selection::Nobody => return Ok(()),
            Selection::Ids(ids) => return ids.iter().try_for_each(|id| each(id)),
            Selection::Search(find) => find.clone(),
        };
        loop {
            let id_of = |customer: &Customer, _| customer.number().to_string();
            let local = LocalTime { calendar: &self.merchant.calendar, now: self.now };
            let found = self.ledger.find_customers(self.merchant.id, &find, local, id_of)?;
            found.customers.iter().try_for_each(|id| each(id))?;
            // A change can remove a customer from the search. The next page begins after the last number in any case.
            match found.next {
                Some(next) => find.after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// Changes the customers after those that `counts` counts.
    fn change_all(
        self,
        request: &BulkRequest,
        (active, mut job): (&ActiveJob<'_>, Job),
        mut counts: BulkCounts,
    ) -> Result<Value, ServiceError> {
        let journal = self.ledger.journal();
        let ids = BufReader::new(job.reader()).lines();
        let change_rest = || {
            for id in ids.skip(usize::try_from(counts.selected).unwrap_or(usize::MAX)) {
                give_way();
                let id = id?;
                counts.count(&id, self.change(request, &id, Trial::No));
                active.step(counts.selected)?;
                active.mark(&mut job, journal, counts.selected, &counts.without_refusals())?;
            }
            Ok(())
        };
        change_rest().map_err(|error| active.interrupted(&error))?;
        let document = |counts: &BulkCounts| serde_json::to_value(counts).map_err(unreadable);
        let answer = JobAnswer { shown: document(&counts)?, stored: document(&counts.without_refusals())? };
        active.end(job, journal, answer, self.now).map_err(|error| active.interrupted(&error))
    }

    /// Changes one customer, unless it is a trial; returns what changes.
    fn change(self, request: &BulkRequest, id: &str, trial: Trial) -> Result<BulkEffect, Refusal> {
        let Self { ledger, merchant, author, now } = self;
        let actor = Actor { author, now };
        let is_trial = trial == Trial::Yes;
        let (fields, _) =
            ledger.amend(&Amendment { merchant, customer_id: id, update: &request.update, actor, is_trial })?;
        let Some(limit) = &request.limit else { return Ok(BulkEffect { fields, is_limited: false }) };
        let mut is_limited = false;
        ledger.change(
            CustomerRef { merchant: merchant.id, customer_id: id },
            actor,
            &Attributes::default(),
            &mut |customer, _| {
                let events = limit.events(customer);
                is_limited = !events.is_empty();
                Ok(if is_trial { Vec::new() } else { events })
            },
        )?;
        Ok(BulkEffect { fields, is_limited })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference to the field")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl BulkCounts {
    /// Refuses where the customers of this trial are not those whom a request expects.
    ///
    /// # Errors
    /// `selection_changed`
    fn check_expected(&self, request: &BulkRequest) -> Result<(), ServiceError> {
        if request.changed_digest.is_none() || request.changed_digest == self.changed_digest {
            return Ok(());
        }
        let detail = format!(
            "other customers would change than those of the trial with this digest, {} of them now; nothing was changed. \
             Send it with `dry_run` again, and then with the `changed_digest` of that answer",
            self.changed
        );
        Err(ServiceError::new(ErrorKind::Conflict, "selection_changed", detail).at("changed_digest"))
    }

    /// The counts without what can be personal, as they are stored unencrypted.
    fn without_refusals(&self) -> Self {
        let Self { dry_run, selected, changed, unchanged, refused, .. } = *self;
        Self { dry_run, selected, changed, unchanged, refused, ..Self::default() }
    }

    fn count(&mut self, id: &str, changed: Result<BulkEffect, Refusal>) {
        self.selected += 1;
        match changed {
            Ok(effect) if effect.is_none() => self.unchanged += 1,
            Ok(_) => self.changed += 1,
            Err(refusal) => {
                self.refused += 1;
                if self.refusals.len() < REFUSALS_MAX {
                    let (code, detail) = (refusal.code().to_owned(), refusal.to_string());
                    self.refusals.push(RefusedCustomer { customer_id: id.to_owned(), code, detail });
                }
            }
        }
    }
}
