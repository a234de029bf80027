//! Facts that are past their time become figures about groups of people (promises P29, P30), which nothing changes any more
//! (invariant I-27).

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use whisp::assistant::{Assistant, AssistantError, Config, SweepReport};
use whisp::id::FactId;
use whisp::kpi::{Fact, Figure, Figures, GROUP_MIN, KpiValue, KpiWindow, SETTLED_AFTER, Volumes, built_in};
use whisp::model::{AutomationMode, Content, Handle, HandleKind, PlatformMessageId, Provenance};
use whisp::store::{Commit, Kind, ListOrder, ListQuery, Store, WriteBatch, WriteOp};
use whisp::stores::{MemoryStore, SqliteStore};
use whisp::testing::cancel_after;
use whisp::webhook::{ContactRef, Event, MessageEvent};

use crate::tap::{Fate, Tap, puts};
use crate::world::{World, parrot};
use crate::yielding::Yielding;

/// How long facts are kept here.
const KEEP: TimeDelta = TimeDelta::days(60);

fn config() -> Config {
    let mut config = Config::default();
    config.retention.facts = Some(KEEP);
    config
}

async fn over(store: Arc<dyn Store>) -> World {
    let world = World::equipped(store, parrot(), AutomationMode::Automatic, |builder| builder.config(config())).await;
    world.clock.set(midnight(world.now()) + TimeDelta::hours(30));
    world
}

fn midnight(at: DateTime<Utc>) -> DateTime<Utc> {
    at.date_naive().and_time(NaiveTime::MIN).and_utc()
}

/// Each of these people asks something, and is answered.
async fn write(world: &World, people: std::ops::Range<usize>) {
    let items = people.map(|person| {
        let id = format!("{person} at {}", world.now());
        let phone = Handle::new(HandleKind::Phone, &format!("7701{person:07}"));
        let contact = ContactRef { handles: vec![phone], name: None };
        let message = MessageEvent::new(Some(PlatformMessageId::new(id.as_str())), contact, Content::text("Open?"));
        world.event(&id, Provenance::Live, Event::Message(message))
    });
    world.ingest(items.collect()).await;
    world.settle().await;
}

/// Goes on to a time; the machine has stood still so long.
async fn go_on(world: &World, to: DateTime<Utc>) {
    world.clock.set(to);
    world.assistant.trust_clock().await.unwrap();
}

async fn figures(world: &World) -> Vec<Figures> {
    let all = world.assistant.figures(world.tenant, DateTime::<Utc>::MIN_UTC, world.now()).await.unwrap();
    let query = ListQuery {
        tenant: world.tenant,
        kind: Kind::FIGURES,
        parent: world.tenant.into(),
        order: ListOrder::Ascending,
        after: None,
        limit: 100,
    };
    let records = world.store.list(&query).await.unwrap().records;
    assert_eq!(records.len(), all.len());
    assert!(
        records.iter().all(|record| record.subjects.is_empty() && record.expires_at.is_none()),
        "nobody's, for ever"
    );
    all
}

async fn measured(assistant: &Assistant, world: &World, window: &KpiWindow) -> Result<Vec<KpiValue>, AssistantError> {
    let measured = assistant.measure(world.tenant, window, &built_in()).await?;
    Ok(measured.into_iter().map(|(_, value)| value).collect())
}

/// The day on which a time is, looked at as its figures will be.
fn day_of(at: DateTime<Utc>) -> KpiWindow {
    let until = midnight(at) + TimeDelta::days(1);
    KpiWindow { from: midnight(at), until, as_of: until + SETTLED_AFTER }
}

/// What is told of a day about enough people, facts gone and figures there.
async fn told(world: &World) -> (KpiWindow, Vec<Option<KpiValue>>) {
    let day = day_of(world.now());
    write(world, 0..15).await;
    for later in [1, 2] {
        world.clock.set(day.from + TimeDelta::days(later) + TimeDelta::hours(9));
        write(world, 0..3).await;
    }
    go_on(world, day.as_of).await;
    let before = measured(&world.assistant, world, &day).await.unwrap();
    let coarse = before.into_iter().map(|value| value.coarse(GROUP_MIN as u64));
    (day, coarse.collect())
}

/// Where the first day is past its time, and the others are not.
fn past(day: &KpiWindow) -> DateTime<Utc> {
    day.until + KEEP
}

fn values(figures: &Figures) -> Vec<Option<KpiValue>> {
    figures.values.as_ref().unwrap().iter().map(|figure| figure.value.clone()).collect()
}

async fn as_the_facts_said(world: &World) -> (KpiWindow, Vec<Fact>) {
    let (day, before) = told(world).await;
    let all = world.facts().await;
    go_on(world, past(&day) - TimeDelta::seconds(1)).await;
    assert_eq!(
        world.assistant.sweep(10_000).await.unwrap().into_result().unwrap().facts,
        0,
        "before its time nothing goes"
    );
    assert_eq!((figures(world).await, world.facts().await), (Vec::new(), all.clone()));
    go_on(world, past(&day)).await;
    let swept = world.assistant.sweep(10_000).await.unwrap().into_result().unwrap();
    let of_the_day = all.iter().filter(|fact| day.holds(fact.at)).count();
    assert!(of_the_day >= 30 && swept.facts == of_the_day, "{swept:?}");
    assert_eq!(world.facts().await, all[of_the_day..]);
    let frozen = figures(world).await;
    assert_eq!((frozen.len(), values(&frozen[0])), (1, before));
    assert_eq!((frozen[0].from, frozen[0].until, frozen[0].as_of), (day.from, day.until, day.as_of));
    let Some(Figure { kpi, version: 1, value: Some(KpiValue::Counts(counts)), .. }) =
        frozen[0].values.as_ref().unwrap().first()
    else {
        panic!("{frozen:?}")
    };
    assert_eq!((kpi.as_str(), counts["opened"]), ("inquiries", 15));
    (day, all[..of_the_day].to_vec())
}

#[tokio::test]
async fn i27_figures_are_what_the_facts_said_and_no_erasure_changes_them() {
    let world = over(Arc::new(MemoryStore::new())).await;
    let (day, gone) = as_the_facts_said(&world).await;
    let before = figures(&world).await;
    // What is frozen is measured no more; the rest is, as before.
    let refused = measured(&world.assistant, &world, &day).await.unwrap_err();
    assert!(matches!(refused, AssistantError::Frozen { until } if until == day.until), "{refused:?}");
    assert!(refused.to_string().contains("read the figures"), "{refused}");
    let from_there = KpiWindow { from: day.until, until: world.now(), as_of: world.now() };
    let rest = measured(&world.assistant, &world, &from_there).await.unwrap();
    assert!(matches!(rest.last(), Some(KpiValue::Counts(counts)) if counts["contact"] == 6), "{rest:?}");
    // Somebody goes, what is told late comes too late, and a host counts otherwise by now.
    let inbox = world.assistant.desk(world.tenant).inbox(None, 100).await.unwrap().conversations;
    world.assistant.erase(world.tenant, inbox[0].contact).await.unwrap();
    let late = Fact { id: FactId::from_bytes([0xee; 16]), ..gone[0] };
    let late = WriteBatch::new(world.tenant).op(WriteOp::Append(late));
    assert_eq!(world.store.commit(late).await.unwrap(), Commit::Done);
    world.later(24 * 3_600);
    let other = world.another(parrot(), 9, |builder| builder.config(config()).kpis(vec![Box::new(Volumes)]));
    assert_eq!(other.sweep(10_000).await.unwrap().into_result().unwrap().facts, 1, "what came late goes uncounted");
    assert_eq!(figures(&world).await, before);
    assert!(world.facts().await.iter().all(|fact| fact.at >= day.until));
    // Seven days make no figures either, and are no time to ask for.
    assert_eq!(world.assistant.figures(world.tenant, day.until, world.now()).await.unwrap(), []);
    assert_eq!(world.assistant.figures(world.tenant, day.from, day.from).await.unwrap(), []);
    assert_eq!(world.assistant.figures(world.tenant, day.from, day.until).await.unwrap(), before);
}

#[tokio::test]
async fn facts_that_became_figures_are_gone_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("whisp.db");
    let world = over(Arc::new(SqliteStore::open(&path).unwrap())).await;
    let (_, gone) = as_the_facts_said(&world).await;
    let kept: BTreeSet<Vec<u8>> = world.facts().await.iter().map(Fact::to_bytes).collect();
    // Whoever wrote again later is in both.
    let gone: BTreeSet<Vec<u8>> = gone.iter().map(Fact::to_bytes).filter(|fact| !kept.contains(fact)).collect();
    drop(world);
    let bytes = std::fs::read(&path).unwrap();
    let holds = |fact: &Vec<u8>| bytes.windows(fact.len()).any(|window| window == fact);
    assert!(kept.len() >= 6 && kept.iter().all(holds), "facts stand there as they are");
    assert!(gone.len() >= 24 && !gone.iter().any(holds));
}

#[tokio::test]
async fn i27_fewer_than_eleven_people_wait_for_others_and_go_without_figures() {
    let world = over(Arc::new(MemoryStore::new())).await;
    let first = midnight(world.now());
    for day in [0, 20, 40] {
        world.clock.set(first + TimeDelta::days(day) + TimeDelta::hours(9));
        write(&world, 0..10).await;
    }
    let all = world.facts().await;
    go_on(&world, first + KEEP + TimeDelta::days(59)).await;
    assert_eq!(
        world.assistant.sweep(10_000).await.unwrap().into_result().unwrap().facts,
        0,
        "ten on three days are ten"
    );
    assert_eq!((world.facts().await, figures(&world).await), (all.clone(), Vec::new()));
    go_on(&world, first + KEEP + KEEP).await;
    assert_eq!(
        world.assistant.sweep(10_000).await.unwrap().into_result().unwrap().facts,
        all.len(),
        "with all that waited"
    );
    let frozen = figures(&world).await;
    let until = first + KEEP;
    assert_eq!(frozen.iter().map(|each| (each.from, each.until)).collect::<Vec<_>>(), [(first, until)]);
    assert_eq!(frozen[0].values, None, "and nothing is told of them");
    let window = KpiWindow { from: first, until: world.now(), as_of: world.now() };
    assert!(matches!(measured(&world.assistant, &world, &window).await, Err(AssistantError::Frozen { .. })));
}

#[tokio::test]
async fn the_eleventh_of_a_later_day_makes_a_period_of_both() {
    let world = over(Arc::new(MemoryStore::new())).await;
    let first = midnight(world.now());
    write(&world, 0..10).await;
    world.clock.set(first + TimeDelta::days(30) + TimeDelta::hours(9));
    write(&world, 9..11).await;
    go_on(&world, first + TimeDelta::days(31) + KEEP).await;
    world.assistant.sweep(10_000).await.unwrap().into_result().unwrap();
    let frozen = figures(&world).await;
    let (from, until) = (first, first + TimeDelta::days(31));
    assert_eq!(frozen.iter().map(|each| (each.from, each.until)).collect::<Vec<_>>(), [(from, until)]);
    assert_eq!(world.facts().await, []);
}

#[tokio::test]
async fn a_clock_that_jumps_freezes_nothing_and_who_keeps_facts_keeps_them() {
    let world = over(Arc::new(MemoryStore::new())).await;
    world.assistant.sweep(10_000).await.unwrap().into_result().unwrap();
    write(&world, 0..15).await;
    let all = world.facts().await;
    world.later(KEEP.num_seconds() + 2 * 24 * 3_600);
    assert!(matches!(world.assistant.sweep(10_000).await, Err(AssistantError::Clock { .. })));
    world.assistant.trust_clock().await.unwrap();
    let mut keeps = config();
    keeps.retention.facts = None;
    world.another(parrot(), 9, |builder| builder.config(keeps)).sweep(10_000).await.unwrap().into_result().unwrap();
    assert_eq!((world.facts().await, figures(&world).await), (all, Vec::new()));
    assert!(world.assistant.sweep(10_000).await.unwrap().into_result().unwrap().facts > 0);
}

#[tokio::test]
async fn figures_are_written_before_their_facts_go() {
    let tap = Tap::new();
    let world = over(tap.store()).await;
    let (day, before) = told(&world).await;
    let all = world.facts().await;
    go_on(&world, past(&day)).await;
    // The disk takes nothing, then it takes the figures and does not say so.
    for fate in [Fate::Lost, Fate::Mute] {
        tap.ask(move |batch| if puts(batch, Kind::FIGURES).next().is_some() { fate } else { Fate::Done });
        let swept = world.assistant.sweep(10_000).await.and_then(SweepReport::into_result);
        assert!(matches!(swept, Err(AssistantError::Store(_))));
        assert_eq!(world.facts().await, all, "nothing has gone");
        assert_eq!(figures(&world).await.len(), usize::from(fate == Fate::Mute));
    }
    tap.heal();
    let refused = measured(&world.assistant, &world, &day).await;
    assert!(matches!(refused, Err(AssistantError::Frozen { .. })), "what is still there is counted once");
    // A few at a time, by whoever goes on.
    let other = world.another(parrot(), 9, |builder| builder.config(config()));
    let (mut removed, mut sweeps) = (0, 0);
    loop {
        let swept = other.sweep(7).await.unwrap().into_result().unwrap();
        assert!(swept.facts + swept.deleted <= 7, "{swept:?}");
        (removed, sweeps) = (removed + swept.facts, sweeps + 1);
        if !swept.more {
            break;
        }
        assert!(sweeps < 1_000, "it comes to no end");
    }
    assert_eq!(removed, all.iter().filter(|fact| day.holds(fact.at)).count());
    let frozen = figures(&world).await;
    assert_eq!((frozen.len(), values(&frozen[0])), (1, before));
}

#[tokio::test]
async fn a_sweep_cut_short_anywhere_or_of_two_at_once_freezes_the_same() {
    /// More awaits than a sweep has here.
    const AWAITS_MAX: usize = 1_000;
    let mut expected = None;
    for polls in 0..AWAITS_MAX {
        let world = over(Arc::new(Yielding(Arc::new(MemoryStore::new())))).await;
        let (day, before) = told(&world).await;
        go_on(&world, past(&day)).await;
        let other = world.another(parrot(), 9, |builder| builder.config(config()));
        let whole = cancel_after(polls, world.assistant.sweep(10_000)).await.is_some();
        let (one, two) = tokio::join!(world.assistant.sweep(10_000), other.sweep(10_000));
        let went_well = |swept: &Result<SweepReport, _>| swept.as_ref().is_ok_and(|report| report.errors.is_empty());
        assert!(went_well(&one) && went_well(&two), "after {polls} polls: {one:?} {two:?}");
        other.sweep(10_000).await.unwrap().into_result().unwrap();
        assert!(world.facts().await.iter().all(|fact| fact.at >= day.until), "after {polls} polls");
        let frozen = figures(&world).await;
        assert_eq!((frozen.len(), values(&frozen[0])), (1, before), "after {polls} polls");
        assert_eq!(expected.get_or_insert(frozen.clone()), &frozen);
        if whole {
            return;
        }
    }
    panic!("a sweep has fewer awaits");
}
