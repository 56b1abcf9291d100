//! What the audit shows of changes through the API: the levels and rates before and after them.

use crate::{
    config::Loaded,
    domain::{
        customer::audit::ChangeSource,
        events::{
            audited_operation::{AuditedOperation, OperationDetail, OperationKind},
            global_event::GlobalEvent,
            overrides::Overrides,
        },
        rules::{level::LevelKey, rates::Rates},
    },
    service::configuration::change::ConfigurationChange,
};
use serde_json::{Value, json};

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
            None => {
                let entry = self.files.level_entries.iter().find(|entry| entry.key == *key);
                entry.map(|entry| entry.body.as_str().into())
            }
        }
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
            GlobalEvent::RatesPut { body, .. } => {
                let (old, new) = (Some(self.rates()), Some(body.clone()));
                Some((OperationKind::Rates, OperationDetail { merchant: None, subject: "rates".into(), old, new }))
            }
            GlobalEvent::InstrumentBlocks { .. }
            | GlobalEvent::InstrumentBlocked { .. }
            | GlobalEvent::LevelCreated { .. }
            | GlobalEvent::ExternalIdsGenerated { .. }
            | GlobalEvent::ConfigurationApplied { .. }
            | GlobalEvent::LevelFileApplied { .. }
            | GlobalEvent::LevelRenamed { .. }
            | GlobalEvent::SegmentsReleased { .. }
            | GlobalEvent::ArchiveLossAccepted { .. }
            | GlobalEvent::ClockAccepted { .. }
            | GlobalEvent::OperationAudited(_) => None,
        }
    }
}
