//! The bytes of denials with what explains them.

use super::{
    samples::{compacted, opened, opening},
    *,
};

/// The opening of the golden bytes, from its bits to its resolution, denied and not.
const DENIED: &str = "00ac02027431016dd00fd20f02014555528662100f0e0d0c0b0a0908070605040302010000017001650201";
const RESERVED: &str = "00ac02027431016dd00fd20f01014555528662100f0e0d0c0b0a0908070605040302010000017001650201";
const BOUND: &str = "019e950108046400";

fn denied(violations: &[Violation]) -> RecordedEvent {
    opened(|opening| {
        opening.opened = OpeningKind::Denied;
        opening.violations = violations.into();
    })
}

fn bound() -> Violation {
    let detail = ViolationDetail::Bound { owner: LimitOwner::Endpoint, bound: 100 };
    Violation::explained(DenialCode::AmountBelowMinimum, detail)
}

/// Every shape of an explained violation, with its bytes.
pub(super) fn golden() -> Vec<(&'static str, RecordedEvent, String)> {
    let limit = Violation {
        filter: Some(name("f")),
        ..Violation::explained(
            DenialCode::DailyAmountLimitExceeded,
            ViolationDetail::Limit(LimitFigures {
                owner: LimitOwner::Customer,
                scope: FilterScope::Customer,
                limit: 7_000,
                used: Some(6_000),
                window: Window::Day,
                start: Some(Millis(1)),
                end: Millis(2),
            }),
        )
    };
    let rate = Violation {
        filter: Some(name("f")),
        pair: Some(MissingRate { from: eur(), to: Currency::parse("ZZZ").unwrap() }),
        ..Violation::explained(
            DenialCode::RateUnavailable,
            ViolationDetail::Limit(LimitFigures {
                owner: LimitOwner::Level,
                scope: FilterScope::Merchant,
                limit: 1,
                used: None,
                window: Window::Lifetime,
                start: None,
                end: Millis(2),
            }),
        )
    };
    let label = Some((name("l"), Restriction::BlockDeposits));
    let blocks = CustomerBlocks { fraud: true, project: true, label, ..CustomerBlocks::default() };
    let block = Violation::explained(DenialCode::CustomerBlocked, ViolationDetail::Block(blocks));
    let plain = Violation::of(DenialCode::NoGateAvailable);
    let whole = |tag: &str| format!("{tag}0008020105ac02040000{RESERVED}{BOUND}");
    let RecordedEvent::Customer(CustomerEvent::Compacted { slot, facts, outcome, left, at, .. }) =
        compacted(false, &[])
    else {
        unreachable!("it is a compacted transaction")
    };
    let explained = Opening { violations: [bound()].as_slice().into(), ..opening() };
    let assigned = CustomerEvent::Assigned { slot, opening: explained.clone(), facts: facts.clone(), outcome, at };
    vec![
        ("denied by a limit", denied(&[limit]), format!("24{DENIED}01b89401050166030203d836f02e04020400")),
        ("denied by a rate", denied(&[rate]), format!("24{DENIED}01a095010701664555525a5a5a00010201030400")),
        ("denied by a bound", denied(&[bound()]), format!("24{DENIED}{BOUND}")),
        (
            "denied by a block, and without a gate",
            denied(&[block, plain]),
            format!("24{DENIED}029c95011019016c02a195010000"),
        ),
        (
            "compacted, explained",
            RecordedEvent::Customer(CustomerEvent::Compacted { slot, opening: explained, facts, outcome, left, at }),
            whole("25"),
        ),
        ("assigned, explained", RecordedEvent::Customer(assigned), whole("26")),
    ]
}

#[test]
fn a_denial_that_explains_nothing_has_one_shape() {
    // The tag of explained violations, with a violation that has no detail.
    let bytes = bytes_of_hex(&format!("24{DENIED}01a195010000"));
    assert!(decode(&bytes, &mut invert_bits_back).is_err());
    // The older tag, with a bit that only the newer one has.
    let bytes = bytes_of_hex(&format!("22{DENIED}{BOUND}"));
    assert!(decode(&bytes, &mut invert_bits_back).is_err());
    // Two details at once.
    let bytes = bytes_of_hex(&format!("24{DENIED}019e950118046400"));
    assert!(decode(&bytes, &mut invert_bits_back).is_err());
}
