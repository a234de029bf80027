//! Verifying and decoding webhooks, beside the bare hash and beside a JSON parser that builds nothing.
//!
//! A signature takes one block more than one SHA-256, so that 0.94 of its speed is as much as can be; aws-lc's own HMAC,
//! which copies large keyed states, comes to 0.79.
//!
//! A webhook of the usual shape is read by a cursor, in one pass that builds the items (`serde_json` that only reads the same
//! body into borrowed fields takes 2.0 times the time of skipping it, 1.75 for an item of a batch). Of a batch, whose items are
//! 216 bytes in memory each with their events, half is reading, about as long as skipping it takes; a quarter is building, the
//! rest copying, moving, allocating and dropping. All its texts are parts of one copy of the body. What only few messages have
//! lies in a box of its own, since what an item takes in memory is moved several times, and is more than the cache holds.
#![expect(clippy::expect_used, reason = "a bench over a body that is not one measures nothing")]

use std::fmt::Write as _;
use std::hint::black_box;

use aws_lc_rs::{digest, hmac};
use chrono::DateTime;
use criterion::{Criterion, Throughput};
use serde::de::IgnoredAny;
use whisp::meta::webhook::{AppSecrets, MetaDecoder};
use whisp::webhook::Delivery;
use whisp_benches::{Goal, ratio};

const SECRET: &str = "a secret of thirty-two characters";

fn main() {
    let one = whatsapp(1);
    let batch = whatsapp(1_000);
    let instagram = instagram();
    let status = status();
    let kib = vec![b'x'; 1_024];

    let mut criterion = Criterion::default().configure_from_args();
    absolute(&mut criterion, &kib, &one, &batch);
    criterion.final_summary();

    let secrets = AppSecrets::new(&[SECRET.into()]);
    let header = sign(&kib);
    let verify = || secrets.verify(black_box(&kib), Some(&header)).expect("it is signed");
    let sha256 = || {
        black_box(digest::digest(&digest::SHA256, black_box(&kib)));
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let bare_hmac = || {
        black_box(hmac::sign(&key, black_box(&kib)));
    };
    ratio("verify 1 KiB / SHA-256", verify, sha256, Goal::SpeedAtLeast(0.85));
    ratio("verify 1 KiB / bare HMAC-SHA256", verify, bare_hmac, Goal::SpeedAtLeast(0.9));
    for (name, body, goal) in [
        ("decode one WhatsApp message", &one, 2.5),
        ("decode one WhatsApp status", &status, 2.5),
        ("decode one Instagram message", &instagram, 2.5),
        ("decode a batch of 1,000", &batch, 2.0),
    ] {
        let name = format!("{name} / serde_json IgnoredAny");
        // A delivery lives until the next one is decoded, as in a server: else the allocator gives the memory of a
        // large batch back to the system after each call, and page faults are what is measured.
        let mut last = decode(body);
        let ours = || last = black_box(decode(body));
        ratio(&name, ours, || ignore(body), Goal::TimesAtMost(goal));
        drop(last);
    }
}

fn absolute(criterion: &mut Criterion, kib: &[u8], one: &[u8], batch: &[u8]) {
    let secrets = AppSecrets::new(&[SECRET.into()]);
    let mut group = criterion.benchmark_group("decode");
    for (name, body) in [("1 KiB", kib), ("one message", one), ("1,000 messages", batch)] {
        let header = sign(body);
        group.throughput(Throughput::Bytes(body.len() as u64));
        group.bench_function(format!("SHA-256 of {name}"), |b| b.iter(|| digest::digest(&digest::SHA256, body)));
        group.bench_function(format!("verify {name}"), |b| b.iter(|| secrets.verify(body, Some(&header))));
        if body.starts_with(b"{") {
            group.bench_function(format!("IgnoredAny over {name}"), |b| b.iter(|| ignore(body)));
            group.bench_function(format!("decode {name}"), |b| b.iter(|| decode(body)));
        }
    }
    group.finish();
}

fn decode(body: &[u8]) -> Delivery {
    let received_at = DateTime::from_timestamp(1_750_000_000, 0).expect("it is in range");
    MetaDecoder::decode_verified(black_box(body), received_at).expect("it is a webhook")
}

fn ignore(body: &[u8]) {
    black_box(serde_json::from_slice::<IgnoredAny>(black_box(body)).expect("it is JSON"));
}

fn sign(body: &[u8]) -> String {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body);
    let mut header = String::from("sha256=");
    for byte in tag.as_ref() {
        write!(header, "{byte:02x}").expect("it fits");
    }
    header
}

/// One delivery with `count` messages of as many people in one value, as WhatsApp batches them.
fn whatsapp(count: u64) -> Vec<u8> {
    let list = |one: &dyn Fn(u64) -> String| (0..count).map(one).collect::<Vec<_>>().join(",");
    let contacts = list(&|n| {
        format!(
            r#"{{"profile":{{"name":"Aigerim Bekova"}},"wa_id":"{}","user_id":"KZ.{}"}}"#,
            77_010_000_000 + n,
            1_000_000_000_000_000 + n
        )
    });
    let messages = list(&|n| {
        format!(
            r#"{{"from":"{}","from_user_id":"KZ.{}","id":"wamid.HBgLNzcwMTAwMDAwMDAVAgASGBQzQTRBNjU5OUFFRTA{n:08}","timestamp":"{}","text":{{"body":"Hello, is the blue one still in stock? I would take two of them today."}},"type":"text"}}"#,
            77_010_000_000 + n,
            1_000_000_000_000_000 + n,
            1_750_000_000 + n
        )
    });
    whatsapp_value(&format!(r#""contacts":[{contacts}],"messages":[{messages}]"#))
}

fn status() -> Vec<u8> {
    whatsapp_value(
        r#""statuses":[{"id":"wamid.HBgLNzcwMTAwMDAwMDAVAgARGBI3MTE5MjUAAAAA","status":"delivered","timestamp":"1750030073","recipient_id":"77010000000","biz_opaque_callback_data":"0197f1d0-0000-7000-8000-000000000000","pricing":{"billable":true,"pricing_model":"PMP","type":"regular","category":"utility"}}]"#,
    )
}

fn whatsapp_value(lists: &str) -> Vec<u8> {
    format!(
        r#"{{"object":"whatsapp_business_account","entry":[{{"id":"102290129340398","changes":[{{"value":{{"messaging_product":"whatsapp","metadata":{{"display_phone_number":"15550783881","phone_number_id":"106540352242922"}},{lists}}},"field":"messages"}}]}}]}}"#
    )
    .into_bytes()
}

fn instagram() -> Vec<u8> {
    br#"{"object":"instagram","entry":[{"time":1750000000349,"id":"17841400000000001","messaging":[{"sender":{"id":"1254459154682919"},"recipient":{"id":"17841400000000001"},"timestamp":1750000000349,"message":{"mid":"aWdfZAG1faXRlbToxOklHTWVzc2FnZAUlEOjE3ODQxNDAwMDAwMDAwMDAxOjM0MDI4MjM2Njg0MTcx","text":"Hello, is the blue one still in stock? I would take two of them today."}}]}]}"#
        .to_vec()
}
