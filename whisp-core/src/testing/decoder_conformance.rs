//! Proves that a decoder keeps the contracts of [`WebhookDecoder`]. Run it against your own.
//!
//! A harness writes and signs what the platform would send; each function here checks the contract of its number, [`CASES`]
//! lists them and [`check_all`] runs all. Cases may be added in a minor release: pin the version.

use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::ErrorChain;
use crate::model::Content;
use crate::sensitive::Sensitive;
use crate::testing::case::{Case, Violation, cases, ensure};
use crate::webhook::{Delivery, Event, Item, WebhookDecoder, WebhookError, WebhookErrorKind, WebhookRequest};

/// A decoder with the platform that sends to it.
pub trait DecoderHarness: Send + Sync {
    /// Returns the decoder.
    fn decoder(&self) -> &dyn WebhookDecoder;

    /// Signs a body as the platform does.
    fn sign(&self, body: &[u8]) -> String;

    /// Writes the body of one webhook that brings these, in their order, to one account, each as one item. `None` where the
    /// platform sends no such body; one with a single [`What::Text`] it always sends.
    fn body(&self, sent: &[Sent]) -> Option<Vec<u8>>;
}

/// What a platform sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// What it is.
    pub what: What,
    /// The number behind the platform's id of it, where it has one.
    pub id: u8,
    /// What it says: a word of ASCII letters and `-`, which is nowhere else in the body.
    pub word: &'static str,
}

/// What something is that a platform sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A contact's text message, which says the word and nothing else.
    Text,
    /// A contact's message of a type that does not exist yet; the word is somewhere in it.
    Unreadable,
    /// Something that is no message, of a kind that does not exist yet; the word is somewhere in it.
    Novelty,
    /// What was to be a message but says neither which nor whose; the word is somewhere in it.
    Malformed,
}

/// Runs a case.
pub type Run = fn(&dyn DecoderHarness) -> Result<(), Violation>;

/// All cases, in the order of the contract.
pub const CASES: &[Case<Run>] = cases![
    1 only_what_is_signed_is_read,
    2 what_is_not_understood_is_kept,
    3 each_item_stands_alone,
    4 the_same_bytes_give_the_same_items,
    5 a_redelivery_is_known_by_its_identity,
    6 items_keep_their_order,
    7 no_bytes_make_it_panic,
];

/// Checks all contracts, in the order of their numbers.
///
/// # Errors
/// The first [`Violation`].
pub fn check_all(harness: &dyn DecoderHarness) -> Result<(), Violation> {
    CASES.iter().try_for_each(|case| (case.run)(harness))
}

const HELLO: Sent = Sent { what: What::Text, id: 1, word: "hello-canary" };

/// Contract 1: with a changed byte, another body's signature, half of one or none nothing is parsed, and nothing of the body
/// is told.
///
/// # Errors
/// [`Violation`].
pub fn only_what_is_signed_is_read(harness: &dyn DecoderHarness) -> Result<(), Violation> {
    use WebhookErrorKind::{BadSignature, Unsigned};
    let body = written(harness, &[HELLO], 1)?;
    let signature = harness.sign(&body);
    let refused = |what: &str, signature: Option<&str>, body: &[u8]| {
        let request =
            WebhookRequest { signature: signature.map(str::to_owned), body: body.to_vec(), received_at: at(0) };
        let outcome = harness.decoder().decode(&request);
        let kind = outcome.as_ref().err().map(WebhookError::kind);
        ensure(1, matches!(kind, Some(Unsigned | BadSignature)), || format!("{what} gave {kind:?}"))?;
        let printed = outcome.err().map(|error| format!("{error} {error:?} {}", ErrorChain(&error)));
        let is_told = printed.is_some_and(|printed| printed.contains(HELLO.word));
        ensure(1, !is_told, || format!("{what} is refused with a part of the body"))
    };
    refused("a body without a signature", None, &body)?;
    let other = harness.sign(b"another body");
    let half: String = signature.chars().take(signature.chars().count() / 2).collect();
    for (what, wrong) in [("an empty signature", ""), ("half of a signature", &half), ("another signature", &other)] {
        refused(what, Some(wrong), &body)?;
    }
    for place in 0..body.len() {
        let mut changed = body.clone();
        changed.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1);
        refused("a body with a changed byte", Some(&signature), &changed)?;
    }
    refused("a body with a space after it", Some(&signature), &[body.as_slice(), b" "].concat())?;
    refused("what is not even a body", Some(&signature), b"{")
}

/// Contract 2: a text is a message; one of an unknown type is a message too, of which the content is not; what is no message
/// or can't be told to be one is an item; and of what is not understood all is kept.
///
/// # Errors
/// [`Violation`].
pub fn what_is_not_understood_is_kept(harness: &dyn DecoderHarness) -> Result<(), Violation> {
    for sent in [
        HELLO,
        Sent { what: What::Unreadable, id: 2, word: "unreadable-canary" },
        Sent { what: What::Novelty, id: 3, word: "novelty-canary" },
        Sent { what: What::Malformed, id: 4, word: "malformed-canary" },
    ] {
        let Some(item) = alone(harness, sent, 2)? else { continue };
        let (right, raw) = match (&item.event, sent.what) {
            (Event::Message(message), What::Text) => {
                let told = Content::Text { text: sent.word.into() };
                (message.content == told && message.extras.raw.is_none(), None)
            }
            (Event::Message(message), What::Unreadable) => {
                (matches!(message.content, Content::Unsupported { .. }), message.extras.raw.as_ref())
            }
            (Event::Unknown { raw, .. }, What::Novelty | What::Malformed) => (true, Some(raw)),
            _ => (false, None),
        };
        ensure(2, right, || format!("{:?} is {:?}", sent.what, item.event))?;
        let kept = raw.is_some_and(|raw| {
            let is_json = serde_json::from_str::<serde_json::Value>(raw.expose()).is_ok();
            is_json && raw.expose().contains(sent.word)
        });
        ensure(2, kept || sent.what == What::Text, || format!("the JSON of {:?} is not kept", sent.what))?;
    }
    Ok(())
}

/// Contract 3: whatever is between two texts, all three are what they are alone.
///
/// # Errors
/// [`Violation`].
pub fn each_item_stands_alone(harness: &dyn DecoderHarness) -> Result<(), Violation> {
    for what in [What::Text, What::Unreadable, What::Novelty, What::Malformed] {
        let between = Sent { what, id: 2, word: "between-canary" };
        let sent = [HELLO, between, Sent { what: What::Text, id: 3, word: "after-canary" }];
        let Some(items) = batch(harness, &sent, 3)? else { continue };
        ensure(3, items.len() == sent.len(), || format!("of 3 with {what:?} there are {}", items.len()))?;
        for one in sent {
            // Its identity is contract 5's.
            let bare = |item: &Item| Item { dedup: Sensitive::from(""), ..item.clone() };
            let Some(alone) = alone(harness, one, 3)? else { continue };
            let found = items.iter().any(|item| bare(item) == bare(&alone));
            ensure(3, found, || format!("beside {what:?} {:?} is another than alone", one.what))?;
        }
    }
    Ok(())
}

/// Contract 4: the same bytes, at once, after others and later, give the same.
///
/// # Errors
/// [`Violation`].
pub fn the_same_bytes_give_the_same_items(harness: &dyn DecoderHarness) -> Result<(), Violation> {
    let sent = several();
    let request = |sent| Ok(signed(harness, written(harness, &[sent], 4)?, at(0)));
    let requests = sent.into_iter().filter(|sent| harness.body(&[*sent]).is_some()).map(request);
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let first = requests.iter().map(|request| decoded(harness, request, 4)).collect::<Result<Vec<_>, _>>()?;
    for (request, first) in requests.iter().zip(&first).rev() {
        let again = decoded(harness, request, 4)?;
        ensure(4, again == *first, || "the same bytes gave something else".to_owned())?;
        let later = WebhookRequest { received_at: at(3_600), ..request.clone() };
        let later = decoded(harness, &later, 4)?;
        ensure(4, identities(&later.items) == identities(&first.items), || "later it had another identity".to_owned())?;
    }
    Ok(())
}

/// Contract 5: alone or in another batch, an item has the identity that it had; different ones, two messages that say the
/// same too, have different ones.
///
/// # Errors
/// [`Violation`].
pub fn a_redelivery_is_known_by_its_identity(harness: &dyn DecoderHarness) -> Result<(), Violation> {
    let mut seen: Vec<(Sent, Sensitive)> = Vec::new();
    for sent in several() {
        let Some(item) = alone(harness, sent, 5)? else { continue };
        let same = seen.iter().find(|(_, dedup)| *dedup == item.dedup);
        ensure(5, same.is_none(), || format!("{sent:?} has the identity of {:?}", same.map(|(other, _)| other)))?;
        let before = Sent { what: What::Text, id: 100, word: "before-canary" };
        if let Some(items) = batch(harness, &[before, sent], 5)? {
            let again = items.iter().any(|other| other.dedup == item.dedup);
            ensure(5, again, || format!("in a batch {sent:?} has another identity"))?;
        }
        seen.push((sent, item.dedup));
    }
    Ok(())
}

/// Contract 6: items come in the order in which they are in the body, whatever they are.
///
/// # Errors
/// [`Violation`].
pub fn items_keep_their_order(harness: &dyn DecoderHarness) -> Result<(), Violation> {
    let mut sent = several();
    for _ in 0..sent.len() {
        sent.rotate_left(1);
        for sent in [sent.to_vec(), sent.iter().rev().copied().collect()] {
            let Some(items) = batch(harness, &sent, 6)? else { continue };
            let mut alike = Vec::new();
            for one in &sent {
                alike.extend(alone(harness, *one, 6)?.map(|item| item.dedup));
            }
            ensure(6, identities(&items) == alike.iter().collect::<Vec<_>>(), || {
                "the items changed places".to_owned()
            })?;
        }
    }
    Ok(())
}

/// Contract 7: neither odd bytes, nor a body that is cut or changed at any byte, nor an odd signature makes it panic, though
/// all but the last are signed.
///
/// # Errors
/// [`Violation`].
pub fn no_bytes_make_it_panic(harness: &dyn DecoderHarness) -> Result<(), Violation> {
    let decode = |request: &WebhookRequest| {
        let seen = catch_unwind(AssertUnwindSafe(|| harness.decoder().decode(request).is_ok()));
        ensure(7, seen.is_ok(), || format!("it panicked on {}", String::from_utf8_lossy(&request.body)))
    };
    let odd = [
        "",
        " ",
        "null",
        "0",
        "1e999",
        "\"",
        "\"\\ud800\"",
        "[]",
        "{}",
        "[{}]",
        "{\"\":[]}",
        "\0",
        "\u{feff}{}",
        "\u{202e}",
    ];
    let deep = ["[", "{\"a\":"].map(|open| open.repeat(10_000));
    for body in odd.map(str::to_owned).into_iter().chain(deep) {
        decode(&signed(harness, body.into_bytes(), at(0)))?;
    }
    decode(&signed(harness, vec![0xff, 0xfe], at(0)))?;
    let whole = match harness.body(&several()) {
        Some(body) => body,
        None => written(harness, &[HELLO], 7)?,
    };
    for place in 0..whole.len() {
        let (before, after) = whole.split_at(place);
        decode(&signed(harness, before.to_vec(), at(0)))?;
        for byte in *b"\0\xff\"}9" {
            let rest = after.get(1..).unwrap_or_default();
            decode(&signed(harness, [before, &[byte], rest].concat(), at(0)))?;
        }
    }
    for signature in ["", "=", "sha256=", "é", "\0", &"f".repeat(1_000), &"é".repeat(100)] {
        let request = WebhookRequest { signature: Some(signature.to_owned()), body: whole.clone(), received_at: at(0) };
        decode(&request)?;
    }
    Ok(())
}

/// Some of everything; two of the texts say the same.
const fn several() -> [Sent; 6] {
    [
        Sent { what: What::Text, id: 12, word: "same-canary" },
        Sent { what: What::Novelty, id: 15, word: "novelty-canary" },
        Sent { what: What::Text, id: 11, word: "same-canary" },
        Sent { what: What::Malformed, id: 16, word: "malformed-canary" },
        Sent { what: What::Unreadable, id: 14, word: "unreadable-canary" },
        Sent { what: What::Text, id: 13, word: "another-canary" },
    ]
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + TimeDelta::days(20_000) + TimeDelta::seconds(seconds)
}

fn signed(harness: &dyn DecoderHarness, body: Vec<u8>, received_at: DateTime<Utc>) -> WebhookRequest {
    WebhookRequest { signature: Some(harness.sign(&body)), body, received_at }
}

fn written(harness: &dyn DecoderHarness, sent: &[Sent], contract: u8) -> Result<Vec<u8>, Violation> {
    let none = || Violation::new(contract, format!("the harness has no body of {sent:?}"));
    harness.body(sent).ok_or_else(none)
}

fn decoded(harness: &dyn DecoderHarness, request: &WebhookRequest, contract: u8) -> Result<Delivery, Violation> {
    let refused = |error| Violation::new(contract, format!("it refused what is signed: {error}"));
    harness.decoder().decode(request).map_err(refused)
}

/// The items of a webhook, `None` where the platform sends no such one.
fn batch(harness: &dyn DecoderHarness, sent: &[Sent], contract: u8) -> Result<Option<Vec<Item>>, Violation> {
    let Some(body) = harness.body(sent) else { return Ok(None) };
    decoded(harness, &signed(harness, body, at(0)), contract).map(|delivery| Some(delivery.items))
}

/// The one item of a webhook, `None` where the platform sends no such one.
fn alone(harness: &dyn DecoderHarness, sent: Sent, contract: u8) -> Result<Option<Item>, Violation> {
    let Some(mut items) = batch(harness, &[sent], contract)? else {
        ensure(contract, sent.what != What::Text, || "the harness has no body of a text".to_owned())?;
        return Ok(None);
    };
    ensure(contract, items.len() == 1, || format!("{:?} is {} items", sent.what, items.len()))?;
    Ok(items.pop())
}

fn identities(items: &[Item]) -> Vec<&Sensitive> {
    items.iter().map(|item| &item.dedup).collect()
}

#[cfg(test)]
mod tests;
