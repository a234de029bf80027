//! Who else sees data: nobody who is not registered for it, and whoever does leaves a record (invariant I-34).

use std::collections::BTreeSet;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use whisp::ai::Fallback;
use whisp::assistant::{Assistant, AssistantError, Budget, BuildError, Config, ExportedData};
use whisp::audit::{AuditAction, AuditDetail, AuditEvent, Outcome};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::id::ContactId;
use whisp::model::{AutomationMode, HandOffReason, Handling, SensitivePolicy};
use whisp::privacy::{
    Act, Categories, DataCategory, Deletion, DisclosureGround, EgressRefusal, Notice, Processor, ProcessorId,
    ProcessorRole, Processors, Purpose, Region, STANDING_LIFE, Statement,
};
use whisp::reply::{Decision, EngineId, Proposal, ReplyEngine, ReplyError, ReplyErrorKind, ReplyRequest};
use whisp::stores::{MemoryStore, SqliteStore};
use whisp::testing::{ManualClock, RecordingChannel, ScriptedEngine, SeqIds, cancel_after};

use crate::world::{DANA, World, parrot};
use crate::yielding::Yielding;

pub(crate) const MODEL: &str = "model.example";

pub(crate) fn model() -> Processor {
    Processor {
        id: ProcessorId::new(MODEL),
        name: "Model Ltd.".into(),
        role: ProcessorRole::LanguageModel,
        purposes: [Purpose::AutomatedReplies].into(),
        categories: Categories::of(&[DataCategory::MessageContent]),
        regions: [Region::new("EU")].into(),
        contract: Some("DPA 17".into()),
        safeguard: None,
        retention_days: 30,
        trains_on_data: false,
        deletion: Deletion::ByRetention,
        sub_processors: Vec::new(),
        reviewed_at: chrono::NaiveDate::from_ymd_opt(2026, 11, 1).unwrap(),
    }
}

pub(crate) fn registered(processor: Processor) -> Config {
    let mut config = Config::default();
    config.processors = Processors::default().with(processor).allowing(Region::new("EU"));
    config
}

/// An engine elsewhere that keeps what it was shown, as a provider may.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    id: EngineId,
    answer: fn(&str) -> Result<String, ReplyErrorKind>,
    pub(crate) seen: Mutex<Vec<String>>,
}

impl Elsewhere {
    pub(crate) fn new(answer: fn(&str) -> Result<String, ReplyErrorKind>) -> Arc<Self> {
        Arc::new(Self { id: EngineId::new("elsewhere"), answer, seen: Mutex::default() })
    }

    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl ReplyEngine for Elsewhere {
    fn id(&self) -> &EngineId {
        &self.id
    }

    fn processor(&self) -> Option<ProcessorId> {
        Some(ProcessorId::new(MODEL))
    }

    async fn reply(&self, request: &ReplyRequest) -> Result<Decision, ReplyError> {
        assert!(request.is_released_to(&ProcessorId::new(MODEL)));
        assert!(request.contact_name.is_none());
        let shown: Vec<&str> = request.turns()?.iter().filter_map(|turn| turn.content.readable()).collect();
        self.seen.lock().unwrap().push(shown.join("\0"));
        // The bytes have left; the answer takes its time.
        tokio::task::yield_now().await;
        match (self.answer)(&request.question()?) {
            Ok(answer) => Ok(Decision::Reply(Proposal::new(&answer))),
            Err(kind) => Err(ReplyError::new("ask elsewhere", kind, Retry::After(None))),
        }
    }
}

pub(crate) async fn world(engine: Arc<dyn ReplyEngine>, config: Config) -> World {
    let store = Arc::new(MemoryStore::new());
    World::equipped(store, engine, AutomationMode::Automatic, |builder| builder.config(config)).await
}

pub(crate) async fn contact(world: &World) -> ContactId {
    world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact
}

pub(crate) async fn handled_because(world: &World) -> Option<HandOffReason> {
    let id = world.conversation().await;
    match world.assistant.desk(world.tenant).conversation(id).await.unwrap().handling {
        Handling::Engine => None,
        Handling::Member { reason, .. } => Some(reason),
    }
}

async fn disclosures(world: &World) -> Vec<whisp::privacy::Disclosure> {
    world.assistant.desk(world.tenant).disclosures(contact(world).await, None, 100).await.unwrap().disclosures
}

async fn refusals(world: &World) -> Vec<AuditEvent> {
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let (events, _) = world.assistant.audit(world.tenant).events(None, 1_000).await.unwrap();
    events.into_iter().map(|entry| entry.event).filter(|event| event.action == AuditAction::EgressRefused).collect()
}

/// What is wrong with a processor, and how it is refused.
fn wrong() -> Vec<(Processors, EgressRefusal)> {
    let of = |processor| registered(processor).processors;
    vec![
        (Processors::default().allowing(Region::new("EU")), EgressRefusal::Unregistered),
        (of(Processor { contract: None, ..model() }), EgressRefusal::NoContract),
        (of(Processor { trains_on_data: true, ..model() }), EgressRefusal::TrainsOnData),
        (of(Processor { purposes: [Purpose::Support].into(), ..model() }), EgressRefusal::Purpose),
        (
            of(Processor { categories: Categories::of(&[DataCategory::Identity]), ..model() }),
            EgressRefusal::Category(DataCategory::MessageContent),
        ),
        (of(Processor { regions: [Region::new("US")].into(), ..model() }), EgressRefusal::Region),
        (of(Processor { regions: BTreeSet::new(), ..model() }), EgressRefusal::Region),
        (Processors::default().with(model()), EgressRefusal::Region),
    ]
}

#[tokio::test]
async fn i34_who_is_not_registered_for_it_gets_nothing_and_the_next_engine_answers() {
    for (processors, refusal) in wrong() {
        let elsewhere = Elsewhere::new(|_| Ok("From afar.".into()));
        let mut config = Config::default();
        config.processors = processors;
        let engines: Vec<Arc<dyn ReplyEngine>> =
            vec![Arc::clone(&elsewhere) as _, Arc::clone(&elsewhere) as _, parrot()];
        let fallback = Fallback::new(engines, Arc::new(ManualClock::default()));
        let world = world(Arc::new(fallback), config).await;
        world.says("m1", "Hello").await;
        world.settle().await;
        assert!(elsewhere.seen().is_empty(), "{refusal:?}");
        assert!(world.channel.texts()[0].ends_with("Answer: Hello"), "{refusal:?}");
        assert_eq!(disclosures(&world).await, []);
        let refused = refusals(&world).await;
        assert_eq!(refused.len(), 1, "once, however often it was asked");
        assert_eq!(refused[0].outcome, Outcome::Denied);
        let detail = world.assistant.audit(world.tenant).detail(refused[0].id).await.unwrap();
        assert_eq!(detail, Some(AuditDetail::Egress { processor: ProcessorId::new(MODEL), refusal }));
    }
}

#[tokio::test]
async fn i34_where_no_engine_is_left_a_person_answers() {
    let elsewhere = Elsewhere::new(|_| Ok("From afar.".into()));
    let fallback = Fallback::new(vec![Arc::clone(&elsewhere) as _], Arc::new(ManualClock::default()));
    let world = world(Arc::new(fallback), Config::default()).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    assert!(elsewhere.seen().is_empty());
    assert_eq!(handled_because(&world).await, Some(HandOffReason::EngineFailed));
    assert_eq!(refusals(&world).await.len(), 1);
}

#[tokio::test]
async fn i34_an_engine_that_could_never_be_asked_is_found_when_the_assistant_is_put_together() {
    let keys = tempfile::tempdir().unwrap();
    let provider = Arc::new(whisp::stores::LocalKeyProvider::create(keys.path().join("root.key")).unwrap());
    let table = Arc::new(whisp::stores::MemoryKeyTable::new());
    let vault = Arc::new(whisp::stores::EnvelopeVault::open(provider, table).await.unwrap());
    let clock = Arc::new(ManualClock::default());
    let put_together = |processors| {
        let mut config = Config::default();
        config.processors = processors;
        Assistant::builder()
            .store(Arc::new(MemoryStore::new()))
            .vault(Arc::clone(&vault) as _)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .ids(Arc::new(SeqIds::new(7)))
            .channel(Arc::new(RecordingChannel::new(whisp::model::ChannelKind::WhatsApp, Arc::clone(&clock) as _)))
            .engine(Elsewhere::new(|_| Ok("From afar.".into())) as _)
            .config(config)
            .build()
    };
    for (processors, expected) in wrong() {
        let error = put_together(processors).unwrap_err();
        assert!(matches!(&error, BuildError::Egress { refusal, .. } if *refusal == expected), "{error:?}");
        let told = error.to_string();
        assert!(told.contains("elsewhere") && told.contains(MODEL), "{told}");
    }
    assert!(put_together(registered(model()).processors).is_ok());
}

#[tokio::test]
async fn i34_each_call_leaves_a_record_also_one_that_failed() {
    let elsewhere = Elsewhere::new(|question| match question {
        "Fail" => Err(ReplyErrorKind::Unavailable),
        question => Ok(format!("You asked: {question}")),
    });
    let world = world(Arc::clone(&elsewhere) as _, registered(model())).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let first = disclosures(&world).await;
    assert_eq!(first.len(), 1);
    let (one, now) = (&first[0], first[0].at);
    assert_eq!(
        (one.processor.as_str(), one.ground, one.purpose),
        (MODEL, DisclosureGround::Processor, Purpose::AutomatedReplies)
    );
    assert_eq!((one.categories, one.bytes), (model().categories, 5));
    assert_eq!(one.retained_until, Some(now + chrono::TimeDelta::days(30)));
    world.says("m2", "Fail").await;
    for _ in 0..10 {
        world.later(61);
        world.step().await;
        world.deliver().await;
    }
    assert_eq!(handled_because(&world).await, Some(HandOffReason::EngineFailed));
    assert_eq!(elsewhere.seen().len(), 4, "it was tried three times");
    assert_eq!(disclosures(&world).await.len(), 4);
    let recipients = world.assistant.recipients(world.tenant, contact(&world).await).await.unwrap();
    assert_eq!(recipients.len(), 1);
    let recipient = &recipients[0];
    assert_eq!((recipient.name.as_deref(), recipient.times), (Some("Model Ltd."), 4));
    assert_eq!(recipient.bytes, elsewhere.seen().iter().map(|seen| seen.replace('\0', "").len() as u64).sum::<u64>());
    assert!(recipient.first_at == now && recipient.last_at > now);
}

#[tokio::test]
async fn i34_what_left_has_a_record_wherever_the_step_is_dropped() {
    let mut left = 0;
    for polls in 0..400 {
        let elsewhere = Elsewhere::new(|_| Ok("From afar.".into()));
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let engine = Arc::clone(&elsewhere) as Arc<dyn ReplyEngine>;
        let equip = |builder: whisp::assistant::AssistantBuilder| builder.config(registered(model()));
        let world = World::equipped(store, engine, AutomationMode::Automatic, equip).await;
        world.says("m1", "Hello").await;
        world.later(4);
        let done = cancel_after(polls, world.assistant.step(&Budget::default())).await.is_some();
        let (seen, written) = (elsewhere.seen().len(), disclosures(&world).await.len());
        assert!(seen <= written && written <= 1, "dropped after {polls} polls: {seen} calls, {written} records");
        left += usize::from(seen > 0 && !done);
        world.later(61);
        world.settle().await;
        assert_eq!(world.channel.sent().len(), 1);
        assert!(elsewhere.seen().len() <= disclosures(&world).await.len());
        if done {
            assert!(left > 0, "{left} were dropped while it was away");
            return;
        }
    }
    panic!("step has more awaits");
}

/// A world in which something happens while the first engine thinks, which then does not know; the second one is elsewhere.
/// Returns what that one was shown, and how many records there are of it, once that has happened.
async fn shown_after<H: Future<Output = ()> + Send + 'static>(
    happens: impl FnOnce(&World, ContactId) -> H,
) -> (Vec<String>, usize) {
    let elsewhere = Elsewhere::new(|_| Ok("From afar.".into()));
    let thinking = Arc::new(Thinking(EngineId::new("thinking"), Mutex::default()));
    let engines: Vec<Arc<dyn ReplyEngine>> = vec![Arc::clone(&thinking) as _, Arc::clone(&elsewhere) as _];
    let fallback = Fallback::new(engines, Arc::new(ManualClock::default()));
    let world = world(Arc::new(fallback), registered(model())).await;
    world.says("m1", "Hello").await;
    let contact = contact(&world).await;
    *thinking.1.lock().unwrap() = Some(Box::pin(happens(&world, contact)));
    world.later(4);
    world.step().await;
    assert!(thinking.1.lock().unwrap().is_none(), "it has happened");
    let page = world.assistant.desk(world.tenant).disclosures(contact, None, 10).await.unwrap();
    (elsewhere.seen(), page.disclosures.len())
}

/// Lets something happen while it thinks.
struct Thinking(EngineId, Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>);

impl fmt::Debug for Thinking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Thinking")
    }
}

#[async_trait]
impl ReplyEngine for Thinking {
    fn id(&self) -> &EngineId {
        &self.0
    }

    fn processor(&self) -> Option<ProcessorId> {
        None
    }

    async fn reply(&self, _: &ReplyRequest) -> Result<Decision, ReplyError> {
        let happens = self.1.lock().unwrap().take();
        if let Some(happens) = happens {
            happens.await;
        }
        Ok(Decision::Abstain)
    }
}

#[tokio::test]
async fn i34_about_somebody_who_was_erased_meanwhile_nothing_leaves_and_nothing_is_written() {
    let erased = shown_after(|world, contact| {
        let (assistant, tenant) = (world.assistant.clone(), world.tenant);
        async move { drop(assistant.erase(tenant, contact).await.unwrap()) }
    });
    assert_eq!(erased.await, (Vec::new(), 0));
    let nothing = shown_after(|_, _| async {}).await;
    assert_eq!((nothing.0.len(), nothing.1), (1, 1), "else it is asked");
}

#[tokio::test]
async fn p15_what_another_process_has_heard_meanwhile_keeps_the_next_engine_from_being_asked() {
    let withdrawn = shown_after(|world, contact| {
        let other = world.another(parrot(), 9, |builder| builder.config(registered(model())));
        let (clock, tenant) = (Arc::clone(&world.clock), world.tenant);
        async move {
            let no = Statement::withdrawn(Purpose::AutomatedReplies);
            other.desk(tenant).declare(contact, no, Act::Host).await.unwrap();
            clock.advance(STANDING_LIFE);
        }
    });
    assert_eq!(withdrawn.await, (Vec::new(), 0));
    let disconnected = shown_after(|world, _| {
        let other = world.another(parrot(), 9, |builder| builder.config(registered(model())));
        let (tenant, connection) = (world.tenant, world.connection);
        async move { other.disconnect(tenant, connection).await.unwrap() }
    });
    assert_eq!(disconnected.await, (Vec::new(), 0), "of an account that was given up");
}

#[tokio::test]
async fn i34_the_record_is_the_persons_told_in_their_copy_and_gone_with_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("data.db")).unwrap());
    let elsewhere = Elsewhere::new(|_| Ok("From afar.".into()));
    let equip = |builder: whisp::assistant::AssistantBuilder| builder.config(registered(model()));
    let world = World::equipped(store, elsewhere, AutomationMode::Automatic, equip).await;
    world.says("m1", "Hello").await;
    world.settle().await;
    let contact = contact(&world).await;
    let page = world.assistant.export(world.tenant, contact, None).await.unwrap();
    let told: Vec<_> = page.entries.iter().filter(|e| matches!(e.data, ExportedData::Disclosure { .. })).collect();
    assert_eq!(told.len(), 1);
    assert!(!told[0].is_portable());
    let line = serde_json::to_value(told[0]).unwrap();
    let names: Vec<&str> = line.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        names,
        ["at", "bytes", "categories", "ground", "id", "kept_until", "kind", "processor", "purpose", "retained_until"]
    );
    let explained = world.assistant.explain(whisp::privacy::SubjectKind::Contact).processors;
    assert_eq!(explained.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["Model Ltd."]);
    assert_eq!((&line["processor"], &line["ground"]), (&MODEL.into(), &"processor".into()));
    world.assistant.erase(world.tenant, contact).await.unwrap();
    let after = world.assistant.desk(world.tenant).disclosures(contact, None, 10).await.unwrap();
    assert_eq!(after.disclosures, []);
    let unknown = world.assistant.recipients(whisp::id::TenantId::from_bytes([9; 16]), contact).await;
    assert!(matches!(unknown, Err(AssistantError::NotFound(_))));
}

#[tokio::test]
async fn a_message_that_tells_of_health_is_answered_by_a_person_unless_the_business_has_that_for_its_trade_and_consent()
{
    let question = "У меня диабет, что посоветуете?";
    let engine = || Arc::new(ScriptedEngine::replying(|_| "Чай.".to_owned()));
    let world = World::with(engine(), AutomationMode::Automatic).await;
    world.says("m1", question).await;
    world.settle().await;
    assert_eq!(handled_because(&world).await, Some(HandOffReason::Sensitive));
    assert!(!world.channel.texts().iter().any(|text| text.contains("Чай")));

    let desk = world.assistant.desk(world.tenant);
    world.assistant.set_sensitive(world.tenant, SensitivePolicy::WithConsent).await.unwrap();
    desk.by(DANA).hand_back(world.conversation().await).await.unwrap();
    world.says("m2", question).await;
    world.settle().await;
    assert_eq!(handled_because(&world).await, Some(HandOffReason::Sensitive), "nobody has agreed");
    let notice = Notice { version: "2".into(), language: "ru".into(), evidence: None };
    let yes = Statement::given(Purpose::AutomatedReplies, Some(notice));
    desk.declare(contact(&world).await, yes.clone(), Act::Asserted { by: DANA }).await.unwrap();
    desk.by(DANA).hand_back(world.conversation().await).await.unwrap();
    world.says("m3", question).await;
    world.settle().await;
    assert_eq!(
        handled_because(&world).await,
        Some(HandOffReason::Sensitive),
        "that the business says so is no consent"
    );
    desk.declare(contact(&world).await, yes, Act::Host).await.unwrap();
    desk.by(DANA).hand_back(world.conversation().await).await.unwrap();
    world.says("m4", question).await;
    world.settle().await;
    assert_eq!(handled_because(&world).await, None);
    assert!(world.channel.texts().last().unwrap().ends_with("Чай."));
    world.assistant.sweep(100).await.unwrap().into_result().unwrap();
    let (events, _) = world.assistant.audit(world.tenant).events(None, 1_000).await.unwrap();
    let set = events.iter().filter(|entry| entry.event.action == AuditAction::SensitiveSet);
    assert_eq!(set.count(), 1, "that the business has it for its trade is logged");
}

#[tokio::test]
async fn the_receipt_of_an_erasure_says_until_when_a_processor_keeps_what_it_was_given() {
    // A crash after any step tells the same.
    for polls in 1.. {
        let elsewhere = Elsewhere::new(|question| Ok(format!("Answer: {question}")));
        let store = Arc::new(Yielding(Arc::new(MemoryStore::new())));
        let world =
            World::equipped(store, elsewhere, AutomationMode::Automatic, |builder| builder.config(registered(model())))
                .await;
        for day in 0..2 {
            world.says(&format!("m{day}"), "Hello").await;
            world.settle().await;
            world.later(86_400);
        }
        let last = disclosures(&world).await[0].retained_until.unwrap();
        let contact = contact(&world).await;
        let mut erasing = Box::pin(world.assistant.erase(world.tenant, contact));
        let ended = cancel_after(polls, erasing.as_mut()).await.is_some();
        drop(erasing);
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
        if let [receipt] = &world.assistant.receipts(world.tenant).await.unwrap()[..] {
            assert_eq!(receipt.processors, [(ProcessorId::new(MODEL), last)].into(), "after {polls} polls");
        } else {
            let there = world.assistant.desk(world.tenant).contact(contact).await;
            assert!(there.is_ok() && !ended, "begun, it goes on");
        }
        if ended {
            return;
        }
    }
}

/// Beside an engine in this process that looks back further.
#[tokio::test]
async fn p25_a_processor_is_shown_no_more_turns_than_it_looks_at() {
    let seen: Arc<Mutex<Vec<(bool, usize)>>> = Arc::default();
    let looks = |elsewhere: bool| {
        let seen = Arc::clone(&seen);
        ScriptedEngine::new(move |request| {
            seen.lock().unwrap().push((elsewhere, request.turns()?.len()));
            Ok(if elsewhere { Decision::Abstain } else { Decision::Reply(Proposal::new("Yes.")) })
        })
    };
    let engines: Vec<Arc<dyn ReplyEngine>> =
        vec![Arc::new(looks(true).looking_back(1).at(MODEL)), Arc::new(looks(false).looking_back(4))];
    let fallback = Fallback::new(engines, Arc::new(ManualClock::default()));
    let world = world(Arc::new(fallback), registered(model())).await;
    for id in ["m1", "m2", "m3", "m4"] {
        world.says(id, "Do you deliver?").await;
        world.settle().await;
        world.later(60);
    }
    let last = seen.lock().unwrap().split_off(6);
    assert_eq!(last, [(true, 2), (false, 5)], "one turn waits for an answer");
}
