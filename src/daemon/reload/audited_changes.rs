//! Changes of the configuration as the audit shows them: through the API, and by a reload of the files.

use crate::{
    config::{Loaded, diff::Difference},
    domain::{
        customer::audit::{Author, ChangeSource},
        events::{
            audited_operation::{AuditedOperation, OperationDetail, OperationKind},
            global_event::GlobalEvent,
            overrides::Overrides,
        },
        rules::{level::LevelKey, rates::Rates},
        vocabulary::time::Millis,
    },
    service::configuration::{change::ConfigurationChange, reload::ReloadReport},
};
use serde_json::{Value, json};

/// The item of a difference of the rates, which concern all merchants.
const RATES_ITEM: &str = "rates";

/// The operation of a reload, in parts. None if it changed no merchant and no rates. Settings of the daemon, such as its
/// tokens, are of no merchant and are left out.
pub(super) fn audited_reload(report: &ReloadReport, author: Author, at: Millis) -> Vec<GlobalEvent> {
    let is_shown = |difference: &&Difference| difference.merchant.is_some() || difference.item == RATES_ITEM;
    let details: Vec<OperationDetail> = report.differences.iter().filter(is_shown).map(reload_detail).collect();
    let Author { source, by, .. } = author;
    let (kind, version) = (OperationKind::Reload, Some(report.version.as_str().into()));
    let operation = AuditedOperation { kind, source, at, by, version, details };
    operation.bounded_parts().into_iter().map(GlobalEvent::OperationAudited).collect()
}

fn reload_detail(difference: &Difference) -> OperationDetail {
    let Difference { merchant, item, part, before, after, .. } = difference;
    let subject = [item.as_str(), part.as_str()].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>();
    let value = |text: &Option<String>| text.as_deref().map(Into::into);
    OperationDetail { merchant: *merchant, subject: subject.join(": ").into(), old: value(before), new: value(after) }
}

/// The configuration before a change.
pub(super) struct ConfigurationBefore<'a> {
    pub(super) files: &'a Loaded,
    pub(super) overrides: &'a Overrides,
    pub(super) rates: &'a Rates,
}

impl ConfigurationBefore<'_> {
    /// The entry of a level that was in force.
    fn level(&self, key: &LevelKey) -> Option<Box<str>> {
        match self.overrides.level(key).and_then(|level| level.api_override.as_ref()) {
            Some(set) => set.body.clone(),
            None => self.file_entry(key),
        }
    }

    /// The entry of a level in the file.
    fn file_entry(&self, key: &LevelKey) -> Option<Box<str>> {
        let entry = self.files.level_entries.iter().find(|entry| entry.key == *key);
        entry.map(|entry| entry.body.as_str().into())
    }

    fn rates(&self) -> Box<str> {
        let Rates { base, as_of, rates, .. } = self.rates;
        let mut table: Vec<(String, String)> =
            rates.iter().map(|(currency, rate)| (currency.to_string(), rate.to_string())).collect();
        table.sort_unstable();
        let table: serde_json::Map<String, Value> =
            table.into_iter().map(|(currency, rate)| (currency, json!(rate))).collect();
        let as_of = as_of.map(|as_of| as_of.to_string());
        json!({ "base": base.map(|base| base.to_string()), "as_of": as_of, "rates": table }).to_string().into()
    }

    /// The operation that sets levels or rates by these events. `None`: the events set neither.
    pub(super) fn audited(&self, change: &ConfigurationChange, events: &[GlobalEvent]) -> Option<GlobalEvent> {
        let details: Vec<(OperationKind, OperationDetail)> =
            events.iter().filter_map(|event| self.detail(event)).collect();
        let kind = details.first().map(|(kind, _)| *kind)?;
        let details = details.into_iter().map(|(_, detail)| detail).collect();
        let (source, at, by, version) = (ChangeSource::Api, change.at, change.by, None);
        let operation = AuditedOperation { kind, source, at, by, version, details };
        Some(GlobalEvent::OperationAudited(operation.bounded()))
    }

    fn detail(&self, event: &GlobalEvent) -> Option<(OperationKind, OperationDetail)> {
        let of_level = |key: &LevelKey, new| {
            let (merchant, subject) = (Some(key.merchant), format!("level {}", key.path()).into());
            (OperationKind::Level, OperationDetail { merchant, subject, old: self.level(key), new })
        };
        match event {
            GlobalEvent::LevelPut { key, body, .. } => Some(of_level(key, Some(body.clone()))),
            GlobalEvent::LevelDeleted { key, .. } => Some(of_level(key, None)),
            // A level was reset to the entry of its file.
            GlobalEvent::LevelFileApplied { key, .. } => Some(of_level(key, self.file_entry(key))),
            GlobalEvent::RatesPut { body, .. } => {
                let (old, new) = (Some(self.rates()), Some(body.clone()));
                Some((OperationKind::Rates, OperationDetail { merchant: None, subject: "rates".into(), old, new }))
            }
            GlobalEvent::InstrumentBlocks { .. }
            | GlobalEvent::InstrumentBlocked { .. }
            | GlobalEvent::LevelCreated { .. }
            | GlobalEvent::ExternalIdsGenerated { .. }
            | GlobalEvent::ConfigurationApplied { .. }
            | GlobalEvent::RatesFileApplied { .. }
            | GlobalEvent::MerchantFileApplied { .. }
            | GlobalEvent::LevelRenamed { .. }
            | GlobalEvent::SegmentsReleased { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::ClockAccepted { .. }
            | GlobalEvent::OperationAudited(_) => None,
        }
    }
}
