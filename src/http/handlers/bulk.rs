//! Many customers at once: chosen by filters or by ids, each changed as one call would change it.
//!
//! It is a job: who is chosen is written down with the change before the first is changed, and a daemon that stops in the
//! middle changes the rest at its next start. Payments go on meanwhile, each of a customer who is changed or not yet.

use crate::{
    config::parse::body::{Object, object, settings},
    domain::{
        customer::{
            aggregate::{Customer, CustomerEvent},
            attributes::Attributes,
            profile::{Author, Change, IndividualSettings, Source},
            update::CustomerUpdate,
        },
        decision::{
            payment::{asked, currency, keep_name, word},
            refusal::Refusal,
        },
        rules::configuration::{Direction, Merchant, Rules},
        vocabulary::{identifier_text::no_control, money::Currency, names::Name, time::Millis},
    },
    ledger::{Find, Ledger, PAGE_MAX},
    storage::jobs::{Draft, Job},
};
use crate::{
    http::{
        dto::{
            customer,
            problem::{Problem, Told},
        },
        handlers::{
            admin_request::Staff,
            customers::{once_each, wanted},
        },
    },
    service::{
        jobs::{self, Admitted, Finishing, Jobs, Kind, Running, Sent, What, not_kept},
        payments::render,
    },
};
use axum::{http::HeaderValue, response::Response};
use serde::{Deserialize, Serialize};
use serde_json::{Value, value::RawValue};
use std::io::{self, BufRead, BufReader, Write};

/// The most refusals that are told one by one.
const REFUSALS_MAX: usize = 100;
/// What a bulk change may set, the global limit apart.
const TAKEN: [&str; 4] = ["deposit_level", "withdrawal_level", "status", "labels"];

/// A global limit of individual settings; without a level, under the one that each customer has.
struct GlobalLimit {
    direction: Direction,
    currency: Currency,
    level: Option<Name>,
    min: Option<u64>,
    max: Option<u64>,
}

struct Asked {
    /// `None`: nobody.
    ids: Option<Vec<String>>,
    find: Option<Find>,
    said: CustomerUpdate,
    limit: Option<GlobalLimit>,
    is_trial: bool,
}

#[derive(Clone, Default, Serialize, Deserialize)]
struct Counts {
    dry_run: bool,
    selected: u64,
    changed: u64,
    unchanged: u64,
    refused: u64,
    refusals: Vec<RefusedOut>,
}

#[derive(Clone, Serialize, Deserialize)]
struct RefusedOut {
    customer_id: String,
    code: String,
    detail: String,
}

/// Into whom it goes.
#[derive(Clone, Copy)]
struct Into<'a> {
    ledger: &'a Ledger,
    merchant: &'a Merchant,
    author: Author,
    now: Millis,
}

/// `POST /v1/merchants/{m}/customers/bulk`; `?job=ID` names the job.
pub(crate) async fn bulk(staff: Staff) -> Response {
    let (replayed, is_replay) = tokio::sync::oneshot::channel();
    let mut response = staff
        .aside(|staff| {
            let (answer, is_replay) = run(staff)?;
            // Whoever asked is there still, or nobody is.
            let _heard = replayed.send(is_replay);
            Ok(Told::of(render(&answer)))
        })
        .await;
    if response.status().is_success() && is_replay.await.unwrap_or(false) {
        response.headers_mut().insert(crate::http::handlers::handlers::REPLAY, HeaderValue::from_static("true"));
    }
    response
}

fn read(rules: &Rules, merchant: &Merchant, body: &[u8]) -> Result<Asked, Problem> {
    let body = object(body)?;
    let part = |name: &str| body.0.iter().find(|(key, _)| key == name).map(|(_, raw)| *raw);
    if let Some((key, _)) = body.0.iter().find(|(key, _)| !["select", "set", "dry_run"].contains(&key.as_str())) {
        let detail = format!("`{key}` is not taken here; taken are select, set, dry_run");
        return Err(Problem::malformed("unknown_field", detail).at(key));
    }
    let needed = |name: &'static str| part(name).ok_or(Refusal::Missing(name));
    let select = object(needed("select")?.get().as_bytes())?;
    let set = object(needed("set")?.get().as_bytes())?;
    let wrong = |field: &str, what: &str| Problem::malformed("wrong_type", format!("`{field}` is {what}")).at(field);
    let is_trial = match part("dry_run") {
        None => false,
        Some(raw) => serde_json::from_str(raw.get()).map_err(|_| wrong("dry_run", "true or false"))?,
    };
    let (mut ids, mut query) = (None, form_urlencoded::Serializer::new(String::new()));
    for (key, raw) in &select.0 {
        match key.as_str() {
            "ids" => {
                let listed: Vec<String> =
                    serde_json::from_str(raw.get()).map_err(|_| wrong("ids", "a list of customer ids"))?;
                listed.iter().try_for_each(|id| no_control("ids", id.trim()))?;
                ids = Some(listed);
            }
            // How a page is cut is no part of a choice.
            "limit" | "cursor" | "sort" => {
                return Err(Problem::malformed("unknown_field", format!("`{key}` chooses nobody")).at(key));
            }
            _ => {
                let value: String = serde_json::from_str(raw.get()).map_err(|_| wrong(key, "a string"))?;
                query.append_pair(key, &value);
            }
        }
    }
    if ids.is_some() && select.0.len() > 1 {
        return Err(Problem::malformed("value_unknown", "`select` has either `ids` or filters").at("select"));
    }
    let find = wanted(&query.finish(), merchant)?.map(|find| Find { limit: PAGE_MAX, ..find });
    let (said, limit) = changes((rules, merchant.id), &set, is_trial)?;
    Ok(Asked { ids, find, said, limit, is_trial })
}

fn changes(
    (rules, merchant): (&Rules, Name),
    set: &Object<'_>,
    is_trial: bool,
) -> Result<(CustomerUpdate, Option<GlobalLimit>), Problem> {
    let mut limit = None;
    let mut rest: Vec<String> = Vec::new();
    for (key, raw) in &set.0 {
        if key == "global_limit" {
            limit = Some(global_limit((rules, merchant), raw, is_trial)?);
        } else if TAKEN.contains(&key.as_str()) {
            rest.push(format!("\"{key}\":{raw}"));
        } else {
            let detail = format!("`{key}` is not set in bulk; taken are {}, global_limit", TAKEN.join(", "));
            return Err(Problem::malformed("unknown_field", detail).at(key));
        }
    }
    if set.0.is_empty() {
        return Err(Problem::malformed("field_missing", "`set` says nothing").at("set"));
    }
    let said = customer::read(format!("{{{}}}", rest.join(",")).as_bytes(), rules, false)?.said;
    Ok((said, limit))
}

fn global_limit((rules, merchant): (&Rules, Name), raw: &RawValue, is_trial: bool) -> Result<GlobalLimit, Problem> {
    let fields = object(raw.get().as_bytes())?;
    let text = |name: &'static str| -> Result<Option<String>, Problem> {
        let Some((_, raw)) = fields.0.iter().find(|(key, _)| key == name) else { return Ok(None) };
        let wrong = |_| Problem::malformed("wrong_type", format!("`{name}` is a string")).at(name);
        serde_json::from_str(raw.get()).map_err(wrong)
    };
    let direction = word::<Direction>("direction", &text("direction")?.ok_or(Refusal::Missing("direction"))?)?;
    let currency = currency(rules, &text("currency")?.ok_or(Refusal::Missing("currency"))?)?;
    let level = text("level")?.filter(|level| !level.is_empty());
    let level = level.map(|level| match is_trial {
        true => asked("level", &level),
        false => keep_name("level", merchant, &level),
    });
    let level = level.transpose()?;
    let rest = fields.0.iter().filter(|(key, _)| !["direction", "currency", "level"].contains(&key.as_str()));
    let rest: Vec<String> = rest.map(|(key, raw)| format!("\"{key}\":{raw}")).collect();
    let body = format!("{{\"global_limit\":{{{}}}}}", rest.join(","));
    let sent = settings(body.as_bytes(), currency, &rules.currencies, merchant)?;
    Ok(GlobalLimit { direction, currency, level, min: sent.global_min, max: sent.global_max })
}

fn broken(error: impl std::fmt::Display) -> Problem {
    tracing::error!("a bulk change could not be kept or read again: {error}");
    Problem::store_unavailable()
}

fn interrupted(running: &Running<'_>, error: &io::Error) -> Problem {
    let id = &running.what().id;
    tracing::error!("job {id} stops in the middle: {error}");
    Problem::job_interrupted(id)
}

/// Says whether the answer is one that was given before.
fn run(staff: &Staff) -> Result<(Value, bool), Problem> {
    let asked = read(&staff.rules, &staff.merchant, &staff.body)?;
    let mut id = None;
    for (_, value) in once_each(&staff.query, &["job"])? {
        id = Some(jobs::id_of(value)?);
    }
    let (ledger, merchant, jobs) = (&staff.daemon.desk.ledger, &*staff.merchant, &*staff.daemon.jobs);
    let into = Into { ledger, merchant, author: staff.author, now: staff.now()? };
    if asked.is_trial {
        let mut counts = Counts { dry_run: true, ..Counts::default() };
        choose(into, &asked, &mut |id| {
            counts.count(id, change(into, &asked, id));
            Ok(())
        })?;
        return Ok((serde_json::to_value(&counts).map_err(broken)?, false));
    }
    let _within_limits = jobs.limits().work_at_once(merchant.id)?;
    let draft = jobs.draft(into.now).map_err(not_kept)?;
    let mut digester = ledger.digester();
    digester.take(&staff.body);
    let sent = Sent {
        merchant: merchant.id,
        id: id.as_deref(),
        kind: Kind::Bulk,
        mode: "all",
        by: staff.author.by,
        digest: digester.digest(),
        now: into.now,
    };
    let running = match jobs.admit(&draft, &sent)? {
        Admitted::New(running) => running,
        Admitted::Known(answer) => return Ok((answer, true)),
    };
    let draft = write_down(into, &asked, (jobs, &running), draft)?;
    let job = jobs.begin(&running, draft, &staff.body).map_err(not_kept)?;
    Ok((change_all(jobs, into, &asked, job, &running, Counts::default())?, false))
}

/// Writes down who is chosen, a line each.
fn write_down(
    into: Into<'_>,
    asked: &Asked,
    (jobs, running): (&Jobs, &Running<'_>),
    mut draft: Draft,
) -> Result<Draft, Problem> {
    let mut chosen = 0;
    choose(into, asked, &mut |id| {
        chosen += 1;
        running.count(chosen);
        // An id that holds the end of a line is nobody's.
        writeln!(draft, "{}", id.replace(['\n', '\r'], " ")).map_err(not_kept)?;
        jobs.step(running, chosen).map_err(|error| interrupted(running, &error))
    })?;
    Ok(draft)
}

/// RecoveryWorkers over the ids of those who are chosen.
fn choose(into: Into<'_>, asked: &Asked, each: &mut dyn FnMut(&str) -> Result<(), Problem>) -> Result<(), Problem> {
    if let Some(ids) = &asked.ids {
        return ids.iter().try_for_each(|id| each(id));
    }
    let Some(find) = &asked.find else { return Ok(()) };
    let mut find = find.clone();
    loop {
        let show = |customer: &Customer, _| customer.number().to_string();
        let found = into.ledger.find_customers(into.merchant.id, &find, into.now, show);
        found.customers.iter().try_for_each(|id| each(id))?;
        // What changes may leave the choice; the next page begins behind the last number all the same.
        match found.next {
            Some(next) => find.after = Some(next),
            None => return Ok(()),
        }
    }
}

/// Changes those behind the ones that are changed.
fn change_all(
    jobs: &Jobs,
    into: Into<'_>,
    asked: &Asked,
    mut job: Job,
    running: &Running<'_>,
    mut counts: Counts,
) -> Result<Value, Problem> {
    let journal = into.ledger.journal();
    let ids = BufReader::new(job.reader()).lines();
    let all = || {
        for id in ids.skip(usize::try_from(counts.selected).unwrap_or(usize::MAX)) {
            let id = id?;
            counts.count(&id, change(into, asked, &id));
            jobs.step(running, counts.selected)?;
            jobs.mark(&mut job, journal, counts.selected, &counts.bare())?;
        }
        Ok(())
    };
    all().map_err(|error| interrupted(running, &error))?;
    let value = |counts: &Counts| serde_json::to_value(counts).map_err(broken);
    let ended = jobs.end(running, job, journal, (value(&counts)?, value(&counts.bare())?), into.now);
    ended.map_err(|error| interrupted(running, &error))
}

/// Goes on with one that a start found unfinished.
pub(crate) fn finish(with: &Finishing<'_>, job: Job, running: &Running<'_>) -> Result<Value, Problem> {
    let (merchant, by) = with.whose(running.what())?;
    let into = Into { ledger: with.ledger, merchant, author: Author { source: Source::Api, by }, now: with.now };
    let what = job.what.clone();
    let (_, body) = What::parse(&what).map_err(broken)?;
    let asked = read(with.rules, merchant, body)?;
    let counts = match job.mark.kept.as_slice() {
        [] => Counts::default(),
        kept => serde_json::from_slice(kept).map_err(broken)?,
    };
    change_all(with.jobs, into, &asked, job, running, counts)
}

impl Counts {
    /// The counts alone, as they are kept in clear.
    fn bare(&self) -> Self {
        let Self { dry_run, selected, changed, unchanged, refused, .. } = *self;
        Self { dry_run, selected, changed, unchanged, refused, refusals: Vec::new() }
    }

    fn count(&mut self, id: &str, changed: Result<bool, Refusal>) {
        self.selected += 1;
        match changed {
            Ok(true) => self.changed += 1,
            Ok(false) => self.unchanged += 1,
            Err(refusal) => {
                self.refused += 1;
                if self.refusals.len() < REFUSALS_MAX {
                    let (code, detail) = (refusal.code().to_owned(), refusal.to_string());
                    self.refusals.push(RefusedOut { customer_id: id.to_owned(), code, detail });
                }
            }
        }
    }
}

/// Whether anything changes.
fn change(into: Into<'_>, asked: &Asked, id: &str) -> Result<bool, Refusal> {
    let Into { ledger, merchant, author, now } = into;
    let (changed, _) = ledger.amend(merchant, id, &asked.said, (author, now), asked.is_trial)?;
    let Some(limit) = &asked.limit else { return Ok(changed) };
    let mut limited = false;
    ledger.change(merchant.id, id, (author, now), &Attributes::default(), &mut |customer, _| {
        let events = limit.events(customer);
        limited = !events.is_empty();
        Ok(if asked.is_trial { Vec::new() } else { events })
    })?;
    Ok(changed || limited)
}

impl GlobalLimit {
    fn events(&self, customer: &Customer) -> Vec<CustomerEvent> {
        // Whoever has no level pays as those of the unknown one.
        let stored = customer.levels[self.direction as usize];
        let level = self.level.or(stored).unwrap_or_else(crate::domain::decision::level_choice::unknown);
        let known = customer.settings_for(self.direction, self.currency, level);
        let settings = IndividualSettings {
            direction: self.direction,
            currency: self.currency,
            level,
            methods: known.map(|known| known.methods.clone()).unwrap_or_default(),
            global_min: self.min,
            global_max: self.max,
        };
        let same = known == Some(&settings) || (known.is_none() && settings.is_empty());
        if same { Vec::new() } else { vec![CustomerEvent::Changed(Change::Settings(settings))] }
    }
}
