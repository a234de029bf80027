//! What must be kept though its person is erased or its time has come, and what becomes of it at the release.

use std::sync::Arc;

use chrono::TimeDelta;
use whisp::assistant::{AssistantError, Config, Holds, WithheldRecords};
use whisp::error::Retry;
use whisp::id::{ContactId, ConversationId};
use whisp::media::MediaErrorKind;
use whisp::model::{AutomationMode, Content, Handle, HandleKind, PlatformMessageId, Provenance};
use whisp::privacy::{
    Categories, DataCategory, DeniedReason, Hold, HoldGround, HoldScope, LawfulBasis, NewHold, ProcessingActivity,
    Purpose, RefusalReason, Register, RequestEvent, RequestKind, RequestOutcome, RequestState, SubjectKind, Withheld,
};
use whisp::store::{Record, SubjectQuery};
use whisp::stores::MemoryStore;
use whisp::testing::cancel_after;
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::media::kit::{Album, Next, picture};
use crate::world::{World, contact, parrot};
use crate::yielding::Yielding;

/// A register with a ground for holds.
pub(crate) fn register() -> Register {
    let all = [DataCategory::Identity, DataCategory::Media, DataCategory::MessageContent];
    let basis = LawfulBasis::LegalObligation { law: "Civil Procedure Code, Art. 73".to_owned() };
    let categories = Categories::of(&all);
    Register::standard()
        .with(ProcessingActivity::new(Purpose::LegalCompliance, SubjectKind::Contact, basis, categories))
        .unwrap()
}

struct Held {
    world: World,
    contact: ContactId,
    conversation: ConversationId,
}

impl Held {
    /// Somebody wrote twice, a day apart.
    async fn new() -> Self {
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let mut config = Config::default();
        config.register = register();
        let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config)).await;
        world.says("m1", "canary-first").await;
        world.settle().await;
        world.later(86_400);
        world.says("m2", "canary-second").await;
        world.settle().await;
        let conversation = world.conversation().await;
        let contact = world.assistant.desk(world.tenant).conversation(conversation).await.unwrap().contact;
        Self { world, contact, conversation }
    }

    fn holds(&self) -> Holds {
        self.world.assistant.desk(self.world.tenant).holds()
    }

    fn on(&self, scope: HoldScope) -> NewHold {
        NewHold {
            scope,
            ground: HoldGround::LegalClaim,
            authority: "District court of Almaty, 2-1234/2026".to_owned(),
            review_by: self.world.now() + TimeDelta::days(90),
        }
    }

    /// A hold on what was written in the last hours.
    async fn place(&self) -> Hold {
        let scope = HoldScope { from: Some(self.world.now() - TimeDelta::hours(2)), ..HoldScope::default() };
        self.holds().place(self.contact, self.on(scope)).await.unwrap()
    }

    async fn owned(&self, subject: whisp::id::SubjectId) -> Vec<Record> {
        let query = SubjectQuery { tenant: self.world.tenant, subject, after: None, limit: 1_000 };
        self.world.store.of_subject(&query).await.unwrap().records
    }

    async fn kept(&self, hold: &Hold) -> Vec<String> {
        let page = self.holds().read(hold.id, None, 100).await.unwrap();
        page.held.iter().map(|held| held.value.expose().to_string()).collect()
    }
}

#[tokio::test]
async fn i23_what_is_held_is_kept_for_the_claim_alone_and_goes_with_the_release() {
    let held = Held::new().await;
    let hold = held.place().await;
    let receipt = held.world.assistant.erase(held.world.tenant, held.contact).await.unwrap();
    assert!(receipt.key_destroyed_at.is_some(), "the person's own key is gone all the same");
    let told: Vec<_> = receipt.withheld.iter().map(|each| (each.what, each.reason)).collect();
    let claims = RefusalReason::LegalClaims;
    assert_eq!(told, [(DataCategory::Identity, claims), (DataCategory::MessageContent, claims)]);
    assert!(held.owned(held.contact.0).await.is_empty(), "nothing of the person is left under their own key");
    let kept = held.kept(&hold).await;
    assert!(kept.iter().any(|value| value.contains("canary-second")), "{kept:?}");
    assert!(!kept.iter().any(|value| value.contains("canary-first")), "the rest is gone");
    let desk = held.world.assistant.desk(held.world.tenant);
    assert!(desk.messages(held.conversation, None, 10).await.is_err());

    let released = held.holds().release(hold.id).await.unwrap();
    assert!(released.key_destroyed_at.is_some() && released.withheld.is_empty());
    assert!(held.owned(hold.keeper).await.is_empty());
    assert!(matches!(held.holds().read(hold.id, None, 1).await, Err(AssistantError::NotFound(_))));
    assert!(held.holds().open(None, 10).await.unwrap().0.is_empty());
    let known = held.holds().on(held.contact).await.unwrap();
    assert!(known[0].released_at.is_some(), "that there was one stays known");
}

#[tokio::test]
async fn i23_an_erasure_under_a_hold_ends_the_same_wherever_it_is_cut_short() {
    let mut cut = 0;
    for polls in (0..600).step_by(7) {
        let held = Held::new().await;
        let hold = held.place().await;
        let done = cancel_after(polls, held.world.assistant.erase(held.world.tenant, held.contact)).await;
        held.world.assistant.erase(held.world.tenant, held.contact).await.unwrap();
        assert!(held.owned(held.contact.0).await.is_empty(), "{polls} polls");
        let kept = held.kept(&hold).await;
        assert_eq!(kept.iter().filter(|value| value.contains("canary-second")).count(), 2, "question and answer, once");
        held.holds().release(hold.id).await.unwrap();
        assert!(held.owned(hold.keeper).await.is_empty(), "{polls} polls");
        cut += 1;
        if done.is_some() {
            break;
        }
    }
    assert!(cut > 5, "{cut}");
}

#[tokio::test]
async fn i24_the_answer_to_a_request_says_what_is_withheld_and_why() {
    let held = Held::new().await;
    held.place().await;
    let requests = held.world.assistant.desk(held.world.tenant).requests();
    let request = requests.take_in(held.contact, RequestKind::Erasure).await.unwrap();
    requests.ask_proof(request.id(), held.conversation).await.unwrap();
    held.world.settle().await;
    let text = held.world.channel.texts().pop().unwrap();
    let mut words = text.split(|c: char| !c.is_ascii_digit());
    let code = words.find_map(whisp::privacy::Code::parse).unwrap().expose().to_owned();
    held.world.says("proof", &code).await;
    held.world.settle().await;
    requests.apply(request.id(), RequestEvent::Assess).await.unwrap();
    let withheld = Withheld::new(DataCategory::MessageContent, RefusalReason::LegalClaims);
    requests.apply(request.id(), RequestEvent::ApprovePartly(withheld)).await.unwrap();
    requests.erase(request.id()).await.unwrap();
    let answered = requests.answer(request.id(), 0).await.unwrap();
    let RequestState::Answered { outcome: RequestOutcome::Partial { withheld } } = answered.state() else {
        panic!("{answered:?}")
    };
    assert_eq!(withheld.groups().len(), 2, "who they are, and what they wrote");
}

#[tokio::test]
async fn nothing_that_is_held_goes_for_its_age_and_nobody_reads_it_past_its_time() {
    let held = Held::new().await;
    let hold = held.holds().place(held.contact, held.on(HoldScope::default())).await.unwrap();
    held.world.clock.advance(TimeDelta::days(370));
    held.world.assistant.trust_clock().await.unwrap();
    held.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    let desk = held.world.assistant.desk(held.world.tenant);
    let (shown, _) = desk.messages(held.conversation, None, 10).await.unwrap();
    assert!(shown.is_empty(), "past its time nobody reads it");
    held.world.assistant.erase(held.world.tenant, held.contact).await.unwrap();
    let kept = held.kept(&hold).await;
    assert!(kept.iter().any(|value| value.contains("canary-first")), "but it was there for the claim");

    let other = Held::new().await;
    let hold = other.holds().place(other.contact, other.on(HoldScope::default())).await.unwrap();
    other.world.clock.advance(TimeDelta::days(370));
    other.world.assistant.trust_clock().await.unwrap();
    other.holds().release(hold.id).await.unwrap();
    assert!(
        other.world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().deleted > 0,
        "with the release its time counts again"
    );
}

#[tokio::test]
async fn what_is_held_is_kept_as_it_was_before_it_is_edited_or_taken_back() {
    let held = Held::new().await;
    let hold = held.holds().place(held.contact, held.on(HoldScope::default())).await.unwrap();
    let edit = Event::Edited {
        contact: Some(contact()),
        target: PlatformMessageId::new("m1"),
        content: Some(Content::text("nothing of the kind")),
    };
    let unsend = Event::Unsent { contact: Some(contact()), target: PlatformMessageId::new("m2") };
    held.world.ingest(vec![held.world.event("e1", Provenance::Live, edit)]).await;
    held.world.ingest(vec![held.world.event("u1", Provenance::Live, unsend)]).await;
    held.world.settle().await;
    let shown: Vec<String> =
        held.world.messages().await.iter().filter_map(|each| each.content.readable().map(str::to_owned)).collect();
    assert!(!shown.iter().any(|text| text == "canary-first" || text == "canary-second"), "{shown:?}");
    let kept = held.kept(&hold).await;
    for canary in ["canary-first", "canary-second"] {
        assert!(kept.iter().any(|value| value.contains(canary)), "{kept:?}");
    }
    held.world.assistant.erase(held.world.tenant, held.contact).await.unwrap();
    assert!(held.kept(&hold).await.iter().any(|value| value.contains("nothing of the kind")), "and as it was at last");
    held.holds().release(hold.id).await.unwrap();
    assert!(held.owned(hold.keeper).await.is_empty());
}

#[tokio::test]
async fn a_hold_needs_a_ground_an_authority_and_a_review_in_time() {
    let held = Held::new().await;
    let good = held.on(HoldScope::default());
    let late = held.world.now() + Hold::REVIEW_MAX + TimeDelta::seconds(1);
    for bad in [
        NewHold { authority: " ".to_owned(), ..good.clone() },
        NewHold { review_by: held.world.now(), ..good.clone() },
        NewHold { review_by: late, ..good.clone() },
    ] {
        assert!(matches!(held.holds().place(held.contact, bad).await, Err(AssistantError::Invalid(_))));
    }
    let hold = held.holds().place(held.contact, good.clone()).await.unwrap();
    assert!(held.holds().review(hold.id, late).await.is_err());
    let next = held.world.now() + TimeDelta::days(300);
    assert_eq!(held.holds().review(hold.id, next).await.unwrap().review_by, next);

    let world = World::new().await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let desk = world.assistant.desk(world.tenant);
    let contact = desk.conversation(world.conversation().await).await.unwrap().contact;
    match desk.holds().place(contact, good).await {
        Err(AssistantError::Denied(denied)) => assert_eq!(denied.reason, DeniedReason::Unregistered),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_receipt_of_before_has_nothing_withheld_and_one_under_a_hold_counts_it() {
    let held = Held::new().await;
    held.holds().place(held.contact, held.on(HoldScope::default())).await.unwrap();
    let receipt = held.world.assistant.erase(held.world.tenant, held.contact).await.unwrap();
    let messages = |each: &&WithheldRecords| each.what == DataCategory::MessageContent;
    assert_eq!(receipt.withheld.iter().find(messages).unwrap().records, 4, "two questions and two answers");
    let read = held.world.assistant.receipt(held.world.tenant, receipt.id).await.unwrap();
    assert_eq!(read.withheld, receipt.withheld);
}

/// What was written down under the hold while the file was on its way does not stand for the file.
#[tokio::test]
async fn i23_a_file_that_came_after_its_message_was_edited_is_kept_with_its_bytes() {
    let album = Album::new().await;
    let (world, bytes) = (&album.world, picture(200_000));
    let desk = world.assistant.desk(world.tenant);
    world.says("m0", "Hello").await;
    world.settle().await;
    let person = desk.conversation(world.conversation().await).await.unwrap().contact;
    let new = NewHold {
        scope: HoldScope::default(),
        ground: HoldGround::LegalClaim,
        authority: "District court of Almaty, 2-1234/2026".to_owned(),
        review_by: world.now() + TimeDelta::days(90),
    };
    let hold = desk.holds().place(person, new).await.unwrap();
    let held = async || desk.holds().read(hold.id, None, 100).await.unwrap().held;

    album.platform.then(Next::Refuse(MediaErrorKind::Unavailable, Retry::After(None)));
    album.platform.then(Next::File(bytes.clone()));
    album.sends("m1", 1).await;
    assert_eq!(album.fetch().await.fetched, 0, "the platform is down");
    world.settle().await;
    let (target, content) = (PlatformMessageId::new("m1"), Some(Content::text("Look again")));
    let edit = Event::Edited { contact: Some(contact()), target, content };
    world.ingest(vec![world.event("e1", Provenance::Live, edit)]).await;
    world.settle().await;
    let lines = held().await;
    assert!(lines.iter().any(|each| each.kind == "media" && each.file.is_none()), "no bytes yet: {lines:?}");
    assert_eq!(album.fetch().await.fetched, 1);

    world.assistant.erase(world.tenant, person).await.unwrap();
    let file = held().await.iter().find_map(|each| each.file).unwrap();
    assert_eq!(album.kept().await, [file], "the copy alone");
    let (mut read, mut chunk) = (Vec::new(), 0);
    while let Some(piece) = desk.holds().read_file(hold.id, file, chunk).await.unwrap() {
        read.extend_from_slice(&piece);
        chunk += 1;
    }
    assert_eq!(read, bytes);
}

/// Whoever writes from a new number is the same person: a hold that was placed before stands in the way of an erasure that is
/// asked from there.
#[tokio::test]
async fn i24_a_hold_under_one_id_withholds_from_an_erasure_under_another() {
    let held = Held::new().await;
    held.holds().place(held.contact, held.on(HoldScope::default())).await.unwrap();
    let bsuid = Handle::new(HandleKind::Bsuid, "KZ.1");
    let of = |phone: &str| vec![bsuid.clone(), Handle::new(HandleKind::Phone, phone)];
    for (id, phone) in [("a1", crate::world::PHONE), ("a2", "77770000000")] {
        let who = ContactRef { handles: of(phone), name: None };
        let message = MessageEvent::new(Some(PlatformMessageId::new(id)), who, Content::text("It is me"));
        let world = &held.world;
        world.ingest(vec![world.event(id, Provenance::Live, Event::Message(message))]).await;
        world.settle().await;
        assert_eq!(world.conversation().await, held.conversation, "the same conversation");
    }
    let erased = held.world.assistant.erase(held.world.tenant, held.contact).await.unwrap();
    let messages = erased.withheld.iter().find(|withheld| withheld.what == DataCategory::MessageContent).unwrap();
    // Two and their answers before, two and their answers from the new number.
    assert_eq!((messages.records, messages.reason), (8, RefusalReason::LegalClaims), "{erased:?}");
}
