//! Webhooks on their way: written as Meta writes them, signed, posted, retried.

use std::fmt::Write as _;

use aws_lc_rs::{digest, hmac};
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::Core;
use super::state::Queued;
use crate::client::hex;

/// How often a webhook is tried before it is given up.
pub const ATTEMPTS_MAX: u32 = 50;

/// How webhooks come: Meta promises neither order nor that each comes once, and puts several into one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// How many times more each is posted.
    pub duplicates: u32,
    /// Up to how many go into one body: 1 for each in its own. Meta: up to 1000.
    pub batch: usize,
    /// Whether they are posted in an order that the seed decides.
    pub shuffled: bool,
}

impl Default for Shape {
    /// Each once, in its own body, in order.
    fn default() -> Self {
        Self { duplicates: 0, batch: 1, shuffled: false }
    }
}

/// What became of the webhooks that waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Delivered {
    /// How many bodies were answered with a success, duplicates too.
    pub answered: usize,
    /// How many bodies were not; they wait for the next time.
    pub unanswered: usize,
    /// The webhooks that were given up after [`ATTEMPTS_MAX`] times.
    pub given_up: usize,
}

/// One body on its way, and the numbers of the webhooks in it.
struct Batch {
    numbers: Vec<u64>,
    body: Value,
}

/// Posts everything that waits, once. A webhook stays in the queue until it is answered.
pub(super) async fn deliver(core: &Core) -> Delivered {
    let _one_at_a_time = core.delivering.lock().await;
    let mut outcome = Delivered::default();
    let Some((url, batches, times)) = core.waiting() else { return outcome };
    for batch in batches {
        let body = wire(&batch.body);
        let mut answered = 0;
        for _ in 0..times {
            answered += usize::from(post(core, &url, &body).await);
        }
        outcome.answered += answered;
        if answered == 0 {
            outcome.unanswered += 1;
        }
        outcome.given_up += core.settle(&batch.numbers, answered > 0);
    }
    outcome
}

impl Core {
    /// Returns what waits in the shape that was asked for, and how often to post each; nothing without an address.
    fn waiting(&self) -> Option<(String, Vec<Batch>, u32)> {
        let mut world = self.world();
        let url = world.webhook.clone()?;
        let shape = world.shape;
        let mut waiting: Vec<Queued> = world.state.queue.iter().cloned().collect();
        if shape.shuffled {
            let salt = world.state.mint();
            waiting.sort_by_cached_key(|webhook| {
                let input = [salt.as_slice(), &webhook.number.to_be_bytes()].concat();
                digest::digest(&digest::SHA256, &input).as_ref().to_vec()
            });
        }
        Some((url, batched(waiting, shape.batch), shape.duplicates.saturating_add(1)))
    }

    /// Takes webhooks out of the queue that were answered or tried too often; returns how many of the latter.
    fn settle(&self, numbers: &[u64], answered: bool) -> usize {
        let mut given_up = 0;
        self.world().state.queue.retain_mut(|webhook| {
            if !numbers.contains(&webhook.number) {
                return true;
            }
            webhook.attempts += 1;
            let lost = !answered && webhook.attempts >= ATTEMPTS_MAX;
            given_up += usize::from(lost);
            !answered && !lost
        });
        given_up
    }
}

/// Puts neighbors of the same object into one body.
fn batched(waiting: Vec<Queued>, most: usize) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for webhook in waiting {
        let same =
            |last: &&mut Batch| last.numbers.len() < most && last.body.get("object") == webhook.body.get("object");
        if let Some(last) = batches.last_mut().filter(same)
            && let Some(into) = last.body.get_mut("entry").and_then(Value::as_array_mut)
        {
            into.extend(webhook.body.get("entry").and_then(Value::as_array).into_iter().flatten().cloned());
            last.numbers.push(webhook.number);
        } else {
            batches.push(Batch { numbers: vec![webhook.number], body: webhook.body });
        }
    }
    batches
}

async fn post(core: &Core, url: &str, body: &str) -> bool {
    let signature = sign(&core.app_secret, body.as_bytes());
    let Some(http) = &core.http else { return false };
    let request = http
        .post(url)
        .header(CONTENT_TYPE, "application/json")
        .header("X-Hub-Signature-256", signature)
        .body(body.to_owned());
    request.send().await.is_ok_and(|response| response.status().is_success())
}

/// Asks the endpoint to prove itself, as Meta does when a callback is saved
/// (<https://developers.facebook.com/docs/graph-api/webhooks/getting-started>).
pub(super) async fn handshake(core: &Core, verify_token: &str) -> bool {
    let (url, challenge) = {
        let mut world = core.world();
        let [a, b, c, d, ..] = world.state.mint();
        (world.webhook.clone().unwrap_or_default(), u32::from_be_bytes([a, b, c, d]).to_string())
    };
    let query = [("hub.mode", "subscribe"), ("hub.challenge", &challenge), ("hub.verify_token", verify_token)];
    let Ok(url) = reqwest::Url::parse_with_params(&url, query) else { return false };
    let Some(http) = &core.http else { return false };
    let Ok(response) = http.get(url).send().await else { return false };
    response.status().is_success() && response.text().await.is_ok_and(|body| body == challenge)
}

/// Returns the value of `X-Hub-Signature-256`.
pub(super) fn sign(secret: &SecretString, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose_secret().as_bytes());
    format!("sha256={}", hex(hmac::sign(&key, body).as_ref()))
}

/// Writes JSON as Meta puts it on the wire: everything outside ASCII, and `/`, `<`, `@`, escaped. Outside strings
/// compact JSON holds none of these.
pub(super) fn wire(body: &Value) -> String {
    let mut out = String::new();
    for character in body.to_string().chars() {
        match character {
            '/' => out.push_str("\\/"),
            '<' | '@' => escape(&mut out, character),
            character if character.is_ascii() => out.push(character),
            character => escape(&mut out, character),
        }
    }
    out
}

fn escape(out: &mut String, character: char) {
    for unit in character.encode_utf16(&mut [0; 2]) {
        // Writing to a string can't fail.
        let _ = write!(out, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_wire_form_escapes_as_meta_does_and_reads_the_same() {
        let body = json!({ "t": "äöå 😀 a/b <x@y> \"q\" \\" });
        let wire = wire(&body);
        assert_eq!(wire, r#"{"t":"\u00e4\u00f6\u00e5 \ud83d\ude00 a\/b \u003cx\u0040y> \"q\" \\"}"#);
        assert_eq!(serde_json::from_str::<Value>(&wire).unwrap(), body);
    }

    #[test]
    fn neighbors_of_one_object_share_a_body_up_to_the_bound() {
        let webhook = |object: &str, number: u64| Queued {
            number,
            body: json!({ "object": object, "entry": [number] }),
            attempts: 0,
        };
        let waiting = vec![webhook("page", 1), webhook("page", 2), webhook("page", 3), webhook("instagram", 4)];
        let bodies: Vec<Value> = batched(waiting, 2).into_iter().map(|batch| batch.body).collect();
        let entry = |object: &str, ids: &[u8]| json!({ "object": object, "entry": ids });
        assert_eq!(bodies, [entry("page", &[1, 2]), entry("page", &[3]), entry("instagram", &[4])]);
    }
}
