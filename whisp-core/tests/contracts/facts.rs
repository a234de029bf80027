//! Facts as bytes: what is persisted never changes.

use chrono::DateTime;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use proptest::{option, prop_assert_eq};
use whisp_core::id::{ConnectionId, ConversationId, FactId, InquiryId, MemberId, SubjectId};
use whisp_core::kpi::{Actor, Fact, FactKind};
use whisp_core::store::StoreErrorKind;

/// Every kind with its number, which is persisted.
const KINDS: [(FactKind, u8); 11] = [
    (FactKind::MessageIn, 1),
    (FactKind::MessageOut, 2),
    (FactKind::InquiryOpened, 3),
    (FactKind::InquiryResolved, 4),
    (FactKind::InquiryReopened, 5),
    (FactKind::HandedOff, 6),
    (FactKind::HandedBack, 7),
    (FactKind::Suggested, 8),
    (FactKind::SendFailed, 9),
    (FactKind::Delivered, 10),
    (FactKind::Read, 11),
];

fn fact() -> Fact {
    Fact {
        id: FactId::from_bytes([1; 16]),
        at: DateTime::from_timestamp(1_795_338_000, 123_456_000).unwrap(),
        kind: FactKind::MessageOut,
        actor: Actor::Member(Some(MemberId(SubjectId::from_bytes([0x55; 16])))),
        connection: ConnectionId::from_bytes([0x33; 16]),
        conversation: ConversationId::from_bytes([0x44; 16]),
        inquiry: Some(InquiryId::from_bytes([0x66; 16])),
    }
}

fn read(bytes: &[u8]) -> Result<Fact, StoreErrorKind> {
    let Fact { at, id, .. } = fact();
    Fact::from_bytes(at, id, bytes).map_err(|error| error.kind())
}

#[test]
fn a_fact_has_these_bytes() {
    let parts: [&[u8]; 5] = [&[1, 2, 3, 0b11], &[0x33; 16], &[0x44; 16], &[0x55; 16], &[0x66; 16]];
    assert_eq!(fact().to_bytes(), parts.concat());
    let bare = Fact { kind: FactKind::MessageIn, actor: Actor::Contact, inquiry: None, ..fact() };
    let parts: [&[u8]; 4] = [&[1, 1, 1, 0], &[0x33; 16], &[0x44; 16], &[0; 32]];
    assert_eq!(bare.to_bytes(), parts.concat());
}

#[test]
fn every_kind_and_every_actor_has_its_number() {
    for (kind, number) in KINDS {
        assert_eq!(Fact { kind, ..fact() }.to_bytes()[1], number);
    }
    let actors =
        [(Actor::Contact, 1), (Actor::Engine, 2), (Actor::Member(None), 3), (fact().actor, 3), (Actor::System, 4)];
    for (actor, number) in actors {
        assert_eq!(Fact { actor, ..fact() }.to_bytes()[2], number);
    }
}

#[test]
fn what_no_version_wrote_is_corrupt_and_what_a_later_one_wrote_is_newer() {
    let bytes = fact().to_bytes();
    for len in 0..bytes.len() {
        assert_eq!(read(&bytes[..len]), Err(StoreErrorKind::Corrupt), "{len} bytes");
    }
    let with = |place: usize, value: u8| {
        let mut changed = bytes.clone();
        changed[place] = value;
        read(&changed)
    };
    for (place, value) in [(0, 0), (1, 0), (1, 12), (1, 255), (2, 0), (2, 5), (3, 0b100), (3, 0xff)] {
        assert_eq!(with(place, value), Err(StoreErrorKind::Corrupt), "{value} at {place}");
    }
    assert_eq!(read(&[bytes.as_slice(), &[0]].concat()), Err(StoreErrorKind::Corrupt), "one byte too many");
    assert_eq!(with(0, 2), Err(StoreErrorKind::Newer));
    assert_eq!(read(&[2]), Err(StoreErrorKind::Newer), "a later version may be shorter");
    let error = Fact::from_bytes(fact().at, fact().id, &[2]).unwrap_err();
    assert!(error.to_string().contains("open the store with the version of whisp that wrote it"), "{error}");
}

fn any_fact() -> impl Strategy<Value = Fact> {
    let member = option::of(any::<[u8; 16]>().prop_map(|bytes| MemberId(SubjectId::from_bytes(bytes))));
    let actor =
        prop_oneof![Just(Actor::Contact), Just(Actor::Engine), member.prop_map(Actor::Member), Just(Actor::System)];
    let ids = any::<([u8; 16], [u8; 16], [u8; 16], Option<[u8; 16]>)>();
    (0..KINDS.len(), actor, ids).prop_map(|(kind, actor, (id, connection, conversation, inquiry))| Fact {
        id: FactId::from_bytes(id),
        kind: KINDS[kind].0,
        actor,
        connection: ConnectionId::from_bytes(connection),
        conversation: ConversationId::from_bytes(conversation),
        inquiry: inquiry.map(InquiryId::from_bytes),
        ..fact()
    })
}

proptest! {
    #[test]
    fn every_fact_comes_back_from_its_bytes(fact in any_fact()) {
        prop_assert_eq!(Fact::from_bytes(fact.at, fact.id, &fact.to_bytes()).unwrap(), fact);
    }

    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120), first in 0..3_u8) {
        let marked: Vec<u8> = std::iter::once(first).chain(bytes).collect();
        match read(&marked) {
            Ok(fact) => prop_assert_eq!(fact.to_bytes().len(), marked.len()),
            Err(kind) => assert!(matches!(kind, StoreErrorKind::Corrupt | StoreErrorKind::Newer)),
        }
    }
}
