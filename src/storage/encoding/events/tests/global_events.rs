//! Every event of the configuration and of the daemon, with its bytes.

use super::{samples::*, *};

/// Each of these events and of its options, with its bytes.
pub(super) fn golden() -> Vec<(&'static str, RecordedEvent, &'static str)> {
    let at = Millis(1);
    vec![
        (
            "configured",
            RecordedEvent::Global(GlobalEvent::ConfigurationApplied { version: "v1".into(), at }),
            "4202763102",
        ),
        (
            "level put",
            RecordedEvent::Global(GlobalEvent::LevelPut {
                key: key(),
                body: "{}".into(),
                created: at,
                at: Millis(2),
                by: None,
            }),
            "4400016d0245555204676f6c64027b7d0204",
        ),
        (
            "level put by a caller",
            RecordedEvent::Global(GlobalEvent::LevelPut {
                key: key(),
                body: "{}".into(),
                created: at,
                at,
                by: Some(name("ops")),
            }),
            "4401016d0245555204676f6c64027b7d0202036f7073",
        ),
        (
            "level deleted",
            RecordedEvent::Global(GlobalEvent::LevelDeleted { key: key(), at, by: None }),
            "4500016d0245555204676f6c6402",
        ),
        (
            "level deleted by a caller",
            RecordedEvent::Global(GlobalEvent::LevelDeleted { key: key(), at, by: Some(name("ops")) }),
            "4501016d0245555204676f6c6402036f7073",
        ),
        (
            "level filed",
            RecordedEvent::Global(GlobalEvent::LevelFileApplied {
                key: key(),
                digest: Some(0x0102),
                created: at,
                at: Millis(2),
            }),
            "4601016d0245555204676f6c64020100000000000000000000000000000204",
        ),
        (
            "level in no file",
            RecordedEvent::Global(GlobalEvent::LevelFileApplied {
                key: key(),
                digest: None,
                created: at,
                at: Millis(2),
            }),
            "4600016d0245555204676f6c640204",
        ),
        (
            "rates filed",
            RecordedEvent::Global(GlobalEvent::RatesFileApplied { body: Some("{}".into()), at }),
            "5001027b7d02",
        ),
        ("rates in no file", RecordedEvent::Global(GlobalEvent::RatesFileApplied { body: None, at }), "500002"),
        (
            "merchant filed",
            RecordedEvent::Global(GlobalEvent::MerchantFileApplied { merchant: name("m"), is_sandbox: false, at }),
            "5100016d02",
        ),
        (
            "test merchant filed",
            RecordedEvent::Global(GlobalEvent::MerchantFileApplied { merchant: name("m"), is_sandbox: true, at }),
            "5101016d02",
        ),
        ("clock accepted", RecordedEvent::Global(accepted(300, -2, false, None)), "4900d80403"),
        (
            "clock accepted by a caller, entries moved",
            RecordedEvent::Global(accepted(-1, 64, true, Some(name("ops")))),
            "4903018001036f7073",
        ),
        ("level renamed", RecordedEvent::Global(renamed(None)), "4800016d0204676f6c64046265737402"),
        (
            "level renamed by a caller",
            RecordedEvent::Global(renamed(Some(name("ops")))),
            "4801016d0204676f6c64046265737402036f7073",
        ),
        ("rates put", RecordedEvent::Global(GlobalEvent::RatesPut { body: "{}".into(), at, by: None }), "4700027b7d02"),
        (
            "rates put by a caller",
            RecordedEvent::Global(GlobalEvent::RatesPut { body: "{}".into(), at, by: Some(name("ops")) }),
            "4701027b7d02036f7073",
        ),
        ("segments released", RecordedEvent::Global(GlobalEvent::SegmentsReleased { last: 300, at }), "4aac0202"),
        (
            "loss of archived segments accepted",
            RecordedEvent::Global(GlobalEvent::ArchiveLossAccepted { first: 1, last: 300, at, by: None }),
            "4c0001ac0202",
        ),
        (
            "loss of archived segments accepted by a caller",
            RecordedEvent::Global(GlobalEvent::ArchiveLossAccepted { first: 1, last: 300, at, by: Some(name("ops")) }),
            "4c0101ac0202036f7073",
        ),
        ("operation audited", audited(None, Vec::new()), "4e0001020200"),
        (
            "operation audited, with all",
            audited(
                Some(("v1", name("ops"))),
                vec![OperationDetail {
                    merchant: Some(name("m")),
                    subject: "s".into(),
                    old: Some("a".into()),
                    new: Some("b".into()),
                }],
            ),
            "4e03010202027631036f70730107016d017301610162",
        ),
    ]
}
