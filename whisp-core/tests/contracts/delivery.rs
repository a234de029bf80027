//! Receipts come late, twice and in any order.

use chrono::{DateTime, TimeDelta};
use proptest::prelude::{Just, Strategy, proptest};
use proptest::{prop_assert, prop_assert_eq, sample};
use whisp_core::id::{MessageId, RecordId, SubjectId};
use whisp_core::model::{Delivery, DeliveryStep, FailureCode};
use whisp_core::privacy::{AffirmativeAct, ConsentEvent, ConsentState, Purpose, Standing};

const STEPS: [DeliveryStep; 9] = [
    DeliveryStep::Queued,
    DeliveryStep::Sending,
    DeliveryStep::InDoubt,
    DeliveryStep::Sent,
    DeliveryStep::Cancelled,
    DeliveryStep::Failed,
    DeliveryStep::Delivered,
    DeliveryStep::Read,
    DeliveryStep::Played,
];

/// Some of the steps, some of them twice, in any order.
fn receipts() -> impl Strategy<Value = Vec<DeliveryStep>> {
    let twice: Vec<DeliveryStep> = STEPS.iter().chain(&STEPS).copied().collect();
    let all = twice.len();
    (Just(twice), 0..=all).prop_flat_map(|(twice, count)| sample::subsequence(twice, count)).prop_shuffle()
}

proptest! {
    #[test]
    fn a_delivery_never_goes_back_whatever_order_its_receipts_come_in(receipts in receipts()) {
        let start = DateTime::UNIX_EPOCH;
        let mut delivery = Delivery::queued(start);
        for (n, step) in (1..).zip(&receipts) {
            let before = delivery.clone();
            let code = (*step == DeliveryStep::Failed).then_some(FailureCode(131_026));
            let moved = delivery.advance(*step, start + TimeDelta::seconds(n), code);
            prop_assert_eq!(moved, step.rank() > before.step.rank());
            if moved {
                prop_assert_eq!((delivery.step, delivery.at), (*step, start + TimeDelta::seconds(n)));
                prop_assert!(delivery.failure.is_some() || before.failure.is_none(), "a failure is kept");
            } else {
                prop_assert_eq!(&delivery, &before, "what is behind changes nothing");
            }
        }
        let furthest = receipts.iter().map(|step| step.rank()).max().unwrap_or(0);
        prop_assert_eq!(delivery.step.rank(), furthest, "it is as far as the furthest receipt says");
    }
}

#[test]
fn only_a_refusal_and_a_cancellation_share_a_rank() {
    let mut ranks: Vec<u8> = STEPS.iter().map(|step| step.rank()).collect();
    assert!(ranks.is_sorted());
    ranks.dedup();
    assert_eq!(ranks, [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(DeliveryStep::Failed.rank(), DeliveryStep::Cancelled.rank());
}

fn event(n: u8, purpose: Purpose, state: ConsentState) -> ConsentEvent {
    ConsentEvent {
        id: RecordId::from_bytes([n; 16]),
        subject: SubjectId::from_bytes([9; 16]),
        purpose,
        state,
        act: AffirmativeAct::InChat { message: MessageId::from_bytes([n; 16]) },
        at: DateTime::UNIX_EPOCH,
    }
}

#[test]
fn for_each_purpose_the_last_entry_of_the_consent_log_holds() {
    use ConsentState::{Given, Withdrawn};
    use Purpose::{AutomatedReplies, DirectMarketing, ServiceProvision};
    let log = [
        event(1, AutomatedReplies, Withdrawn),
        event(2, DirectMarketing, Withdrawn),
        event(3, AutomatedReplies, Given),
        event(4, ServiceProvision, Given),
    ];
    let standing = Standing::fold(log.clone());
    assert!(standing.allows(AutomatedReplies) && standing.allows(ServiceProvision) && standing.allows(Purpose::Rights));
    assert!(!standing.allows(DirectMarketing), "another purpose says nothing about this one");
    let standing = Standing::fold(log.into_iter().chain([event(5, AutomatedReplies, Withdrawn)]));
    assert!(!standing.allows(AutomatedReplies), "withdrawn again");
    assert_eq!(Standing::fold([]), Standing::default());
}
