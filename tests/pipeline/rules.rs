//! How long things are kept: by the business's own rules, by what they tell, and by rules that change.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use whisp::assistant::{AssistantError, Config, RETENTION_SETTLES, Retention};
use whisp::audit::AuditAction;
use whisp::model::{AutomationMode, Content, Provenance, TenantRetention};
use whisp::store::SubjectQuery;
use whisp::webhook::Event;

use crate::media::kit::Album;
use crate::world::{World, contact, parrot};

/// Until when the records of the only contact are kept, by kind, the earliest first.
async fn ends(world: &World) -> BTreeMap<&'static str, Vec<DateTime<Utc>>> {
    let subject = world.assistant.desk(world.tenant).inbox(None, 1).await.unwrap().conversations[0].contact.0;
    let query = SubjectQuery { tenant: world.tenant, subject, after: None, limit: 100 };
    let mut ends: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for record in world.store.of_subject(&query).await.unwrap().records {
        if let Some(until) = record.expires_at {
            ends.entry(record.kind.name()).or_default().push(until);
        }
    }
    ends.values_mut().for_each(|ends| ends.sort_unstable());
    ends
}

fn own(messages: Option<u16>, files: Option<u16>) -> TenantRetention {
    TenantRetention { messages, files, ..TenantRetention::default() }
}

/// Lets a rule that was set take hold of what is there.
async fn settles(world: &World) {
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    world.clock.set(world.now() + RETENTION_SETTLES);
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
}

#[tokio::test]
async fn p29_a_shorter_rule_of_the_business_takes_hold_of_what_is_there_and_a_longer_one_does_not() {
    let album = Album::new().await;
    let world = &album.world;
    let came = world.now();
    album.sends("m1", 1).await;
    album.fetch().await;
    world.settle().await;
    let answered = ends(world).await["message"][1];
    assert_eq!(ends(world).await["message"][0], came + Retention::default().messages);
    assert_eq!(ends(world).await["media"], [came + Retention::default().files]);
    settles(world).await;
    let before = ends(world).await;
    world.assistant.set_retention(world.tenant, own(Some(30), Some(7))).await.unwrap();
    world.assistant.sweep(1_000).await.unwrap().into_result().unwrap();
    assert_eq!(ends(world).await, before, "another worker may date by the old rule yet");
    world.clock.set(world.now() + RETENTION_SETTLES);
    assert_eq!(
        world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().redated,
        3,
        "a question, its file and an answer"
    );
    let after = ends(world).await;
    assert_eq!(after["message"], [came + TimeDelta::days(30), answered - TimeDelta::days(335)]);
    assert_eq!(after["media"], [came + TimeDelta::days(7)]);
    assert_eq!(world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().redated, 0, "once");
    let plan = world.assistant.retention_plan(world.tenant).await.unwrap();
    assert_eq!((plan.keeps.messages, plan.keeps.files), (TimeDelta::days(30), TimeDelta::days(7)));
    // What is new goes by it at once.
    let now = world.now();
    world.says("m2", "Hello").await;
    assert_eq!(ends(world).await["message"][2], now + TimeDelta::days(30));
    // People were told when it goes.
    world.assistant.set_retention(world.tenant, own(None, None)).await.unwrap();
    settles(world).await;
    assert_eq!(ends(world).await["message"][..2], after["message"][..2]);
    let now = world.now();
    world.says("m3", "Hello again").await;
    assert_eq!(*ends(world).await["message"].last().unwrap(), now + Retention::default().messages);
    let (log, _) = world.assistant.audit(world.tenant).events(None, 100).await.unwrap();
    let set = log.iter().filter(|entry| entry.event.action == AuditAction::RetentionSet);
    assert_eq!(set.count(), 2, "it is in the log who decided that");
}

#[tokio::test]
async fn a_business_keeps_nothing_longer_than_the_host_and_everything_for_a_day() {
    let world = World::new().await;
    let longer = TenantRetention { messages: Some(9_999), suggestions: Some(9_999), ..own(None, Some(9_999)) };
    world.assistant.set_retention(world.tenant, longer).await.unwrap();
    let keeps = world.assistant.retention_plan(world.tenant).await.unwrap().keeps;
    assert_eq!(keeps, Retention::default());
    let refused = world.assistant.set_retention(world.tenant, own(Some(0), None)).await;
    assert!(matches!(refused, Err(AssistantError::Invalid(_))), "{refused:?}");
    assert_eq!(world.assistant.tenant(world.tenant).await.unwrap().retention, longer);
}

#[tokio::test]
async fn a_rule_of_the_host_that_got_shorter_takes_hold_too_a_part_at_each_sweep() {
    let world = World::with(parrot(), AutomationMode::Suggest).await;
    for n in 0..5 {
        world.says(&format!("m{n}"), "Hello").await;
        world.settle().await;
    }
    settles(&world).await;
    let mut config = Config::default();
    config.retention.messages = TimeDelta::days(20);
    config.retention.suggestions = TimeDelta::days(10);
    let stricter = world.another(parrot(), 9, |builder| builder.config(config));
    let before = ends(&world).await;
    stricter.sweep(3).await.unwrap().into_result().unwrap();
    world.clock.set(world.now() + RETENTION_SETTLES);
    let mut sweeps = Vec::new();
    loop {
        let report = stricter.sweep(3).await.unwrap().into_result().unwrap();
        sweeps.push(report.redated);
        if !report.more {
            break;
        }
    }
    assert_eq!(sweeps.iter().sum::<usize>(), 10, "{sweeps:?}");
    assert!(sweeps.len() >= 4 && sweeps.iter().all(|n| *n <= 3), "{sweeps:?}");
    for (kind, days) in [("message", 345), ("suggestion", 20)] {
        let earlier: Vec<_> = before[kind].iter().map(|until| *until - TimeDelta::days(days)).collect();
        assert_eq!(ends(&world).await[kind], earlier, "{kind}");
    }
}

#[tokio::test]
async fn p4_what_tells_of_health_is_kept_for_less_time_with_its_files_and_after_an_edit_too() {
    let album = Album::new().await;
    let world = &album.world;
    let came = world.now();
    world.says("m1", "I have diabetes, what can I eat?").await;
    world.says("m2", "Where are you?").await;
    album.sends("m3", 1).await;
    let special = came + Retention::default().special;
    let long = came + Retention::default().messages;
    assert_eq!(ends(world).await["message"], [special, long, long]);
    for id in ["m2", "m3"] {
        let content = Content::text("My diabetes makes me ask where you are");
        let target = whisp::model::PlatformMessageId::new(id);
        let event = Event::Edited { contact: Some(contact()), target, content: Some(content) };
        world.ingest(vec![world.event(&format!("e:{id}"), Provenance::Live, event)]).await;
    }
    world.settle().await;
    let after = ends(world).await;
    assert_eq!(after["message"][..3], [special; 3]);
    assert_eq!(after["media"], [special], "what was edited is the caption");
    // Then it is gone, and the rest is not.
    world.says("m4", "Thank you").await;
    world.settle().await;
    world.clock.set(special);
    world.assistant.trust_clock().await.unwrap();
    assert!(
        world.messages().await.iter().all(|message| message.author != whisp::model::Author::Contact
            || message.content.readable() == Some("Thank you")),
        "nobody reads it any more"
    );
    while world.assistant.sweep(1_000).await.unwrap().into_result().unwrap().more {}
    assert_eq!(ends(world).await.get("media"), None);
    let left = ends(world).await;
    assert!(left["message"].iter().all(|until| *until > special) && !left["message"].is_empty(), "{left:?}");
}
