//! A permit from a gate that knows where the person stands, beside one look-up in a hash map; and its check at the socket,
//! beside one atomic load: `cargo bench -p whisp-benches --bench gate`.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a bench stops where its set-up fails")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use criterion::{Criterion, criterion_group, criterion_main};
use whisp::assistant::Assistant;
use whisp::channel::{Outbound, OutboundBody};
use whisp::id::{ContactId, SubjectId, TenantId};
use whisp::model::{Author, AutomationMode, ChannelKind, Handle, HandleKind, Tenant};
use whisp::privacy::{AutomatedReplies, PurposeKind, ServiceProvision};
use whisp::stores::{MemoryKeyTable, MemoryStore};
use whisp::system::SystemClock;
use whisp::testing::RecordingChannel;
use whisp_benches::world::{TENANT, assistant};
use whisp_benches::{Goal, ratio};

/// How many people the gate knows: those who are being answered.
const PEOPLE: u64 = 1_000;

/// DESIGN.md, section 12.
const PERMIT_GOAL: Goal = Goal::TimesAtMost(5.0);
const RECHECK_GOAL: Goal = Goal::TimesAtMost(3.0);

const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn bench(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let channel = Arc::new(RecordingChannel::new(ChannelKind::WhatsApp, Arc::new(SystemClock)));
    let (assistant, tenant) = runtime.block_on(async {
        let (store, keys) = (Arc::new(MemoryStore::new()), Arc::new(MemoryKeyTable::new()));
        let assistant = assistant(store, keys, channel, AutomationMode::Automatic).await;
        let tenant = assistant.tenant(TENANT).await.expect("the tenant is there");
        (assistant, tenant)
    });
    let people: Vec<ContactId> = (0..PEOPLE).map(person).collect();
    let map: HashMap<(TenantId, SubjectId), u64> = people.iter().map(|person| ((TENANT, person.0), 0)).collect();
    let look_up = || {
        for person in &people {
            black_box(map.get(black_box(&(TENANT, person.0))));
        }
    };
    // All permits are asked for as one future, because no caller enters the runtime for each.
    let service = || runtime.block_on(permits::<ServiceProvision>(&assistant, &tenant, &people));
    let replies = || runtime.block_on(permits::<AutomatedReplies>(&assistant, &tenant, &people));
    service();
    ratio(&format!("{PEOPLE} permits to serve / look-ups in a hash map"), service, look_up, PERMIT_GOAL);
    ratio(&format!("{PEOPLE} permits to answer / look-ups in a hash map"), replies, look_up, PERMIT_GOAL);
    criterion.bench_function("permit/service", |bencher| bencher.iter_custom(|times| each(times, service)));
    criterion.bench_function("permit/replies", |bencher| bencher.iter_custom(|times| each(times, replies)));

    let gate = assistant.gate_for_tests();
    let permit = runtime.block_on(gate.permit::<AutomatedReplies>(&tenant, people[0], NOW)).expect("it is permitted");
    let to = Handle::new(HandleKind::Phone, "77010000000");
    let outbound = Outbound::new(permit.into_grant(), to, Author::System, OutboundBody::text("Hello"), String::new());
    let (generation, now) = (Arc::new(AtomicU64::new(0)), NOW);
    let recheck = || {
        // Who sends goes on or does not; what the check returns is put nowhere.
        assert!(black_box(&outbound).release(*black_box(&now)).is_ok(), "nothing has changed");
    };
    let load = || {
        black_box(black_box(&generation).load(Ordering::Acquire));
    };
    ratio("check of a permit at the socket / an atomic load", recheck, load, RECHECK_GOAL);
    criterion.bench_function("recheck", |bencher| bencher.iter(recheck));
}

async fn permits<P: PurposeKind>(assistant: &Assistant, tenant: &Tenant, people: &[ContactId]) {
    let gate = assistant.gate_for_tests();
    for person in people {
        let permit = gate.permit::<P>(tenant, *black_box(person), NOW).await.expect("it is permitted");
        black_box(&permit);
    }
}

fn each(times: u64, permits: impl Fn()) -> Duration {
    let began = Instant::now();
    (0..times.div_ceil(PEOPLE)).for_each(|_| permits());
    began.elapsed()
}

fn person(number: u64) -> ContactId {
    // In an order like random ids have.
    let scattered = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ContactId(SubjectId::from_bytes((u128::from(scattered) << 64 | u128::from(number)).to_be_bytes()))
}

criterion_group!(benches, bench);
criterion_main!(benches);
