//! The decoder keeps the contracts of `WebhookDecoder` on all three channels.
#![allow(clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use whisp_core::testing::decoder_conformance::{DecoderHarness, Sent, What, check_all};
use whisp_core::webhook::WebhookDecoder;
use whisp_meta::webhook::MetaDecoder;

const SECRET: &str = "app-secret";

/// Meta, on the channel of one `object`.
struct Meta {
    decoder: MetaDecoder,
    object: &'static str,
}

impl DecoderHarness for Meta {
    fn decoder(&self) -> &dyn WebhookDecoder {
        &self.decoder
    }

    fn sign(&self, body: &[u8]) -> String {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), body);
        tag.as_ref().iter().fold("sha256=".to_owned(), |mut header, byte| {
            write!(header, "{byte:02x}").expect("a string takes anything");
            header
        })
    }

    // As Meta writes it: what an item needs comes before it.
    fn body(&self, sent: &[Sent]) -> Option<Vec<u8>> {
        let (list, one): (&str, fn(&Sent) -> String) = match self.object {
            "whatsapp_business_account" => (r#""changes""#, change),
            _ => (r#""time":1750000000000,"messaging""#, messaging),
        };
        let items: Vec<String> = sent.iter().map(one).collect();
        let (object, items) = (self.object, items.join(","));
        Some(format!(r#"{{"object":"{object}","entry":[{{"id":"1",{list}:[{items}]}}]}}"#).into_bytes())
    }
}

/// WhatsApp's: `entry[].changes[]`.
fn change(Sent { what, id, word }: &Sent) -> String {
    let message = match what {
        What::Text => format!(
            r#"{{"from":"7","id":"wamid.{id}","timestamp":"1750000000","type":"text","text":{{"body":"{word}"}}}}"#
        ),
        What::Unreadable => format!(
            r#"{{"from":"7","id":"wamid.{id}","timestamp":"1750000000","type":"hologram","hologram":"{word}"}}"#
        ),
        What::Malformed => format!(r#"{{"from":7.5,"id":{{"text":"{word}"}},"type":"text"}}"#),
        What::Novelty => return format!(r#"{{"value":{{"word":"{word}"}},"field":"novelty"}}"#),
    };
    let metadata = r#""metadata":{"display_phone_number":"15550001111","phone_number_id":"1"}"#;
    format!(r#"{{"value":{{"messaging_product":"whatsapp",{metadata},"messages":[{message}]}},"field":"messages"}}"#)
}

/// Instagram's and Messenger's: `entry[].messaging[]`.
fn messaging(Sent { what, id, word }: &Sent) -> String {
    let said = match what {
        What::Text => format!(r#""message":{{"mid":"m_{id}","text":"{word}"}}"#),
        What::Unreadable => format!(r#""message":{{"mid":"m_{id}","attachments":[{{"hologram":"{word}"}}]}}"#),
        What::Malformed => format!(r#""message":{{"mid":{{"text":"{word}"}}}}"#),
        What::Novelty => format!(r#""novelty":{{"word":"{word}"}}"#),
    };
    format!(r#"{{"sender":{{"id":"7"}},"recipient":{{"id":"1"}},"timestamp":1750000000000,{said}}}"#)
}

#[test]
fn the_decoder_passes_the_suite_on_the_three_channels() {
    for object in ["whatsapp_business_account", "instagram", "page"] {
        let meta = Meta { decoder: MetaDecoder::new(&["old-secret".into(), SECRET.into()]), object };
        check_all(&meta).unwrap_or_else(|violation| panic!("{object}: {violation}"));
    }
}
