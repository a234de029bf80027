//! What is printed of a delivery, of its items and of the errors holds nothing personal.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use chrono::DateTime;
use whisp_core::error::ErrorChain;
use whisp_core::webhook::{WebhookDecoder, WebhookRequest};
use whisp_meta::webhook::MetaDecoder;

/// Every field that is about a person holds the word; items of every kind, the unknown and the malformed too.
const BODIES: &[&str] = &[
    r#"{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{
        "metadata":{"display_phone_number":"15550001111","phone_number_id":"2"},
        "contacts":[{"profile":{"name":"CANARY"},"wa_id":"CANARY","user_id":"CANARY"}],
        "messages":[
            {"id":"wamid.CANARY","from":"CANARY","timestamp":"1750000000","type":"text","text":{"body":"CANARY"},
             "context":{"id":"wamid.CANARY0"},"referral":{"source_id":"CANARY","headline":"CANARY","ctwa_clid":"CANARY"}},
            {"id":"wamid.CANARY1","from":"CANARY","type":"image","image":{"id":"CANARY","url":"CANARY","caption":"CANARY"}},
            {"id":"wamid.CANARY2","from":"CANARY","type":"contacts","contacts":[{"name":{"formatted_name":"CANARY"},
             "phones":[{"phone":"CANARY"}]}]},
            {"id":"wamid.CANARY3","from":"CANARY","type":"interactive","interactive":{"type":"nfm_reply",
             "nfm_reply":{"name":"flow","response_json":"CANARY"}}},
            {"id":"wamid.CANARY4","from":"CANARY","type":"reaction","reaction":{"message_id":"CANARY","emoji":"CANARY"}},
            {"id":"wamid.CANARY5","from":"CANARY","group_id":"CANARY","type":"text","text":"CANARY"},
            {"id":"wamid.CANARY6","from":"CANARY","type":"edit","edit":{"original_message_id":"CANARY",
             "message":{"type":"text","text":{"body":"CANARY"}}}},
            {"id":"wamid.CANARY7","from":"CANARY","type":"system","system":{"type":"user_changed_number","wa_id":"CANARY8"}},
            "CANARY"],
        "statuses":[{"id":"wamid.CANARY","status":"read","recipient_id":"CANARY"}]}},
        {"field":"account_update","value":{"phone_number":"CANARY"}}]}]}"#,
    r#"{"object":"instagram","entry":[{"id":"3","time":1750000000,"messaging":[
        {"sender":{"id":"CANARY"},"recipient":{"id":"3"},"message":{"mid":"CANARY","text":"CANARY",
         "reply_to":{"story":{"id":"CANARY","url":"CANARY"}}}},
        {"sender":{"id":"CANARY"},"recipient":{"id":"3"},"postback":{"title":"CANARY","payload":"CANARY"}},
        {"sender":{"id":"CANARY"},"recipient":{"id":"3"},"read":{"mid":"CANARY"}},
        {"sender":{"id":"CANARY"},"recipient":{"id":"3"},"optin":{"ref":"CANARY"}},
        {"sender":{"id":"CANARY"},"recipient":{"id":"3"},"novelty":{"ref":"CANARY"}}],
      "changes":[{"field":"comments","value":{"id":"CANARY","text":"CANARY","from":{"id":"CANARY","username":"CANARY"}}}]}]}"#,
];

#[test]
fn a_delivery_prints_no_text_no_number_and_no_id_of_a_message() {
    let received_at = DateTime::from_timestamp(1_750_000_000, 0).unwrap();
    let mut kept = 0;
    for body in BODIES {
        let delivery = MetaDecoder::decode_verified(body.as_bytes(), received_at).unwrap();
        assert!(!format!("{delivery:?}").contains("CANARY"), "{delivery:?}");
        for item in &delivery.items {
            assert!(!format!("{item:#?} {:?}", item.media()).contains("CANARY"));
            kept += usize::from(item.dedup.expose().contains("CANARY"));
        }
    }
    assert!(kept > 10, "the canaries did not come through the decoder");
}

#[test]
fn a_request_and_a_refusal_print_neither_body_nor_secret() {
    let received_at = DateTime::from_timestamp(1_750_000_000, 0).unwrap();
    let decoder = MetaDecoder::new(&["CANARY".into()]);
    for signature in [None, Some("CANARY"), Some("sha256=CANARY")] {
        let signature = signature.map(str::to_owned);
        let request = WebhookRequest { signature, body: b"{\"CANARY\":".to_vec(), received_at };
        let error = decoder.decode(&request).unwrap_err();
        let printed = format!("{decoder:?} {request:?} {error:?} {error} {}", ErrorChain(&error));
        assert!(!printed.contains("CANARY"), "{printed}");
    }
    let error = MetaDecoder::decode_verified(b"{\"CANARY\": CANARY", received_at).unwrap_err();
    assert!(!format!("{error:?} {}", ErrorChain(&error)).contains("CANARY"));
}
