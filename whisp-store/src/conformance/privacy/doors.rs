//! Every way by which something about a person comes in, with something planted in each field that takes a text.

use chrono::TimeDelta;
use whisp_core::Sensitive;
use whisp_core::channel::{ChannelError, ChannelErrorKind, Choice, OutboundBody};
use whisp_core::error::Retry;
use whisp_core::id::{ContactId, ConversationId};
use whisp_core::model::{
    Content, FlowReply, Handle, HandleKind, Location, Media, MediaKind, OrderItem, PlatformMessageId, Provenance,
    Share, ShareKind, SharedContact, StoryRef,
};
use whisp_core::privacy::{
    Act, GlassReason, HoldGround, HoldScope, NewHold, Notice, Proof, ProofStrength, Purpose, RequestEvent, RequestKind,
    Statement,
};
use whisp_core::webhook::{Comment, ContactRef, Event, MessageEvent, Referral};

use super::raw::Needle;
use super::world::{Business, CANARY, FILE, World};

/// What becomes of something that was planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is in the person's copy.
    Kept,
    /// It was replaced, or never kept.
    Dropped,
}

/// Somebody who writes, and what was planted about them.
pub(super) struct Person {
    who: String,
    /// What their platform ids end in.
    ids: String,
    phone: String,
    planted: Vec<(String, Fate)>,
}

impl Person {
    /// Somebody whose platform ids nobody else has.
    pub(super) fn new(who: &str, number: u8) -> Self {
        Self::with_ids(who, who, number)
    }

    /// Somebody whose platform ids are those of whoever else has these.
    pub(super) fn with_ids(who: &str, ids: &str, number: u8) -> Self {
        Self { who: who.to_owned(), ids: ids.to_owned(), phone: format!("770155500{number:02}"), planted: Vec::new() }
    }

    /// A platform's id of something of theirs.
    pub(super) fn id(&self, what: &str) -> String {
        format!("{CANARY}-id-{what}-{}", self.ids)
    }

    fn plant(&mut self, what: &str, fate: Fate) -> String {
        let canary = format!("{CANARY}-{what}-{}", self.who);
        self.planted.push((canary.clone(), fate));
        canary
    }

    fn keep(&mut self, what: &str) -> Sensitive {
        self.plant(what, Fate::Kept).as_str().into()
    }

    /// What is to be in their copy.
    pub(super) fn kept(&self) -> impl Iterator<Item = &str> {
        self.planted.iter().filter(|(_, fate)| *fate == Fate::Kept).map(|(canary, _)| canary.as_str())
    }

    /// All that was planted.
    pub(super) fn planted(&self) -> impl Iterator<Item = &str> {
        self.planted.iter().map(|(canary, _)| canary.as_str())
    }

    pub(super) fn contact(&self) -> ContactRef {
        let bsuid = Handle::new(HandleKind::Bsuid, &self.id("bsuid"));
        let name = format!("{CANARY}-name-{}", self.who).as_str().into();
        ContactRef { handles: vec![bsuid, Handle::new(HandleKind::Phone, &self.phone)], name: Some(name) }
    }

    pub(super) fn message(&self, id: &str, content: Content) -> MessageEvent {
        MessageEvent::new(Some(PlatformMessageId::new(&self.id(id))), self.contact(), content)
    }

    /// They write a text.
    pub(super) async fn writes(&self, world: &World<'_>, business: &Business, id: &str, text: &str) {
        let event = Event::Message(self.message(id, Content::text(text)));
        let taken = world.ingest(vec![world.item(business, &self.id(id), Provenance::Live, event)]).await;
        assert_eq!(taken.stored, 1, "a message is taken in");
    }
}

/// What may be nowhere in clear: all that is planted, and the numbers that people have.
pub(super) fn needles(people: &[&Person]) -> Vec<Needle> {
    let numbers = people.iter().map(|person| Needle::text(&person.phone));
    [Needle::text(CANARY), Needle::text(FILE.trim_end())].into_iter().chain(numbers).collect()
}

/// Plants something through every door that somebody's data comes in by. Returns who they are and where they write.
pub(super) async fn plant(world: &World<'_>, business: &Business, person: &mut Person) -> (ContactId, ConversationId) {
    // Whoever writes last is on top of the inbox.
    world.later(TimeDelta::minutes(1));
    person.plant("name", Fate::Kept);
    let text = person.plant("text", Fate::Dropped);
    person.writes(world, business, "hello", &text).await;
    world.settle().await;
    let (contact, conversation) = world.last(business).await;
    approve(world, business, person, conversation).await;
    webhooks(world, business, person).await;
    world.settle().await;
    desk(world, business, person, (contact, conversation)).await;
    world.settle().await;
    (contact, conversation)
}

/// What a platform tells.
async fn webhooks(world: &World<'_>, business: &Business, person: &mut Person) {
    let mut events = Vec::new();
    for (n, content) in contents(person).into_iter().enumerate() {
        let mut message = person.message(&format!("content-{n}"), content);
        message.extras.reply_to = Some(PlatformMessageId::from(person.keep(&format!("reply-to-{n}"))));
        message.extras.story = Some(StoryRef { id: Some(person.keep(&format!("story-{n}"))), url: None });
        // Nobody reads these, so they are not kept.
        message.extras.referral = Some(referral(person, &format!("of-{n}")));
        events.push((Provenance::Live, Event::Message(message)));
    }
    for (id, provenance) in [("typed-on-the-phone", Provenance::Echo), ("from-before", Provenance::History)] {
        let content = Content::Text { text: person.keep(id) };
        let mut message = person.message(id, content);
        message.outgoing = provenance == Provenance::Echo;
        events.push((provenance, Event::Message(message)));
    }
    let (target, contact) = (PlatformMessageId::new(&person.id("hello")), person.contact());
    let edited = Content::Text { text: person.keep("edited") };
    let edit = Event::Edited { contact: Some(contact.clone()), target, content: Some(edited) };
    let raw = format!("{{\"hologram\":\"{}\"}}", person.plant("raw", Fate::Kept)).as_str().into();
    let unknown = Event::Unknown { kind: Some("hologram".to_owned()), contact: Some(contact.clone()), raw };
    let comment = Comment {
        id: Some(PlatformMessageId::new(&person.plant("comment-id", Fate::Dropped))),
        media: None,
        from: Some(contact.clone()),
        text: Some(person.plant("comment", Fate::Dropped).as_str().into()),
    };
    let referral = Event::Referral { contact, referral: referral(person, "alone") };
    events.extend([edit, unknown, Event::Comment(comment), referral].map(|event| (Provenance::Live, event)));
    let items = events.into_iter().enumerate();
    let items = items.map(|(n, (by, event))| world.item(business, &person.id(&format!("item-{n}")), by, event));
    let items = items.collect();
    world.ingest(items).await;
}

/// Every kind of content that a person sends.
fn contents(person: &mut Person) -> Vec<Content> {
    let target = PlatformMessageId::new(&person.id("hello"));
    let mut file = Media::new(MediaKind::Document);
    file.id = Some(person.keep("file-id"));
    file.url = Some(person.keep("file-url"));
    file.filename = Some(person.keep("filename"));
    let (latitude, longitude) = (43.25.into(), 76.95.into());
    let (name, address) = (Some(person.keep("place")), Some(person.keep("address")));
    let phones = vec![person.keep("card-phone")];
    let line = OrderItem { product: person.keep("product"), quantity: "1".to_owned(), price: None, currency: None };
    vec![
        Content::Media { items: vec![file], caption: Some(person.keep("caption")) },
        Content::Location(Location { latitude, longitude, name, address }),
        Content::Contacts { cards: vec![SharedContact { name: Some(person.keep("card")), phones, own: None }] },
        Content::Button { payload: person.keep("button-payload"), title: Some(person.keep("button")) },
        Content::List {
            id: person.keep("row-id"),
            title: person.keep("row"),
            description: Some(person.keep("row-description")),
        },
        Content::Postback { payload: Some(person.keep("postback-payload")), title: Some(person.keep("postback")) },
        Content::Flow(FlowReply { name: "survey".to_owned(), response: person.keep("flow") }),
        Content::Order { catalog: Some(person.keep("catalog")), items: vec![line], text: Some(person.keep("order")) },
        Content::Reaction { target, emoji: Some(person.keep("emoji")) },
        Content::Share(Share {
            kind: ShareKind::Link,
            id: Some(person.keep("share-id")),
            url: Some(person.keep("share-url")),
            title: Some(person.keep("share")),
        }),
        Content::StoryMention(StoryRef { id: Some(person.keep("mention-id")), url: Some(person.keep("mention-url")) }),
    ]
}

fn referral(person: &mut Person, of: &str) -> Referral {
    let mut drop = |what: &str| Some(person.plant(&format!("{what}-{of}"), Fate::Dropped).as_str().into());
    Referral {
        source: Some("ad".to_owned()),
        source_id: drop("ad-id"),
        parameter: drop("ad-parameter"),
        headline: drop("ad-headline"),
        click_id: drop("ad-click"),
    }
}

/// A member sends what an engine proposed, in other words. Whoever answers on the phone overtakes what is proposed.
async fn approve(world: &World<'_>, business: &Business, person: &mut Person, conversation: ConversationId) {
    let desk = world.assistant.desk(business.tenant).by(business.member);
    let open = desk.suggestions(conversation).await.expect("lists suggestions");
    let suggestion = open.first().expect("something is suggested").id;
    let text = person.plant("approved", Fate::Kept);
    desk.approve(conversation, suggestion, Some(&text)).await.expect("sends a suggestion");
}

/// What a business writes about them.
async fn desk(world: &World<'_>, business: &Business, person: &mut Person, (contact, conversation): Who) {
    let desk = world.assistant.desk(business.tenant).by(business.member);
    let choice = Choice {
        id: person.keep("choice-id"),
        // A title is too short for more.
        title: "Yes".into(),
        description: None,
    };
    let buttons = OutboundBody::Buttons { text: person.keep("buttons"), buttons: vec![choice] };
    for body in [OutboundBody::text(person.keep("member").expose()), buttons] {
        desk.send(conversation, body).await.expect("sends");
    }
    world.settle().await;
    // What a platform says about a failure may quote anything.
    let cause = person.plant("failure", Fate::Dropped);
    let failure = ChannelError::new("send", ChannelErrorKind::Invalid, Retry::Never).with_source(cause);
    world.channel.fail_next(failure);
    desk.send(conversation, OutboundBody::text(person.keep("refused").expose())).await.expect("sends");
    // What is on its way still takes no note.
    world.settle().await;
    let notice = Notice { version: "2025-08-12".to_owned(), language: "kk".to_owned(), evidence: None };
    let given = Statement::given(Purpose::AutomatedReplies, Some(notice));
    desk.declare(contact, given, Act::Host).await.expect("takes a statement down");
    let (newest, _) = desk.messages(conversation, None, 1).await.expect("reads");
    let wrong = newest.first().expect("something was written").id;
    let request = desk.requests().take_in(contact, RequestKind::Rectification).await.expect("takes a request down");
    let proof = Proof { strength: ProofStrength::Confirmed, at: world.now() };
    for event in [RequestEvent::Prove(proof), RequestEvent::Assess, RequestEvent::Approve] {
        desk.requests().apply(request.id(), event).await.expect("goes on with it");
    }
    desk.requests().annotate(request.id(), wrong, &person.keep("note")).await.expect("puts a note beside it");
}

/// Somebody, and where they write.
type Who = (ContactId, ConversationId);

/// What people ask about their data, and what is done about it that leaves more records.
pub(super) async fn ask(world: &World<'_>, business: &Business, (contact, conversation): Who) {
    let desk = world.assistant.desk(business.tenant).by(business.member);
    let request = desk.requests().take_in(contact, RequestKind::Access).await.expect("takes a request down");
    desk.requests().ask_proof(request.id(), conversation).await.expect("sends a code");
    hold(world, business, contact).await;
    desk.break_glass(conversation, GlassReason::Review).await.expect("looks");
    world.settle().await;
}

/// Something of theirs has to be kept.
pub(super) async fn hold(world: &World<'_>, business: &Business, contact: ContactId) -> whisp_core::id::HoldId {
    let new = NewHold {
        scope: HoldScope::default(),
        ground: HoldGround::LegalClaim,
        authority: "District court, 2-1234/2026".to_owned(),
        review_by: world.now() + TimeDelta::days(100),
    };
    world.assistant.desk(business.tenant).holds().place(contact, new).await.expect("places a hold").id
}
