//! Receipts come late, twice and in any order.

use chrono::{DateTime, TimeDelta};
use proptest::prelude::{Just, Strategy, proptest};
use proptest::{prop_assert, prop_assert_eq, sample};
use whisp_core::model::{Delivery, DeliveryStep, FailureCode};

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
