//! The wire format of `POST /chat/completions`, as OpenAI and the servers compatible with it write it. Every field may
//! be missing: they differ in most.

use serde::Deserialize;
use serde_json::{Value, json};
use whisp_core::error::Retry;
use whisp_core::reply::{ReplyError, ReplyErrorKind, Usage};

const OPERATION: &str = "ask the model";

/// The most tokens of an answer, thinking included. A chat message is short; models that think need the rest.
pub const OUTPUT_TOKENS_MAX: u32 = 4_000;

/// What the model proposes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Answer {
    pub(super) action: Action,
    pub(super) message: String,
    pub(super) citations: Vec<String>,
    /// `asked_for_person` is the one that matters.
    pub(super) reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Action {
    /// It said nothing that can be used.
    #[default]
    Abstain,
    HandOff,
    Reply,
    Silence,
    /// The model wrote no structure: what it says is for a member to read.
    Unstructured,
}

/// The body of the request. `structured` asks the server to force the shape of the answer, which not all can.
pub(super) fn request(model: &str, system: &str, user: &str, structured: bool, legacy_limit: bool) -> Value {
    let limit = if legacy_limit { "max_tokens" } else { "max_completion_tokens" };
    let mut body = json!({
        "model": model,
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": user}],
        "store": false,
        limit: OUTPUT_TOKENS_MAX,
    });
    if structured && let Some(body) = body.as_object_mut() {
        body.insert("response_format".to_owned(), response_format());
    }
    body
}

fn response_format() -> Value {
    json!({"type": "json_schema", "json_schema": {"name": "decision", "strict": true, "schema": {
        "type": "object",
        "properties": {
            "action": {"type": "string", "enum": ["reply", "hand_off", "silence"]},
            "message": {"type": "string"},
            "citations": {"type": "array", "items": {"type": "string"}},
            "reason": {"type": "string", "enum":
                ["answered", "asked_for_person", "not_in_knowledge", "out_of_scope", "sensitive", "nothing_asked"]},
        },
        "required": ["action", "message", "citations", "reason"],
        "additionalProperties": false,
    }}})
}

/// Reads a successful response.
pub(super) fn answer(body: &[u8]) -> Result<(Answer, Usage), ReplyError> {
    let completion: Completion =
        serde_json::from_slice(body).map_err(|_| malformed("it is not the JSON of a chat completion"))?;
    let usage = completion.usage.unwrap_or_default();
    let usage = Usage { input_tokens: usage.prompt_tokens, output_tokens: usage.completion_tokens };
    let choice = completion.choices.unwrap_or_default().into_iter().next();
    let choice = choice.ok_or_else(|| malformed("the server sent no choice"))?;
    let message = choice.message.unwrap_or_default();
    if message.refusal.is_some_and(|refusal| !refusal.is_empty()) {
        return Err(ReplyError::new(OPERATION, ReplyErrorKind::Refused, Retry::Never));
    }
    match choice.finish_reason.as_deref() {
        Some("length") => {
            return Err(ReplyError::new(OPERATION, ReplyErrorKind::Truncated, Retry::Never)
                .with_advice("use a model that thinks less, or one with a larger output"));
        }
        Some("content_filter") => return Err(ReplyError::new(OPERATION, ReplyErrorKind::Refused, Retry::Never)),
        Some("tool_calls" | "function_call") => {
            return Err(malformed("the model called a tool, though none is offered"));
        }
        // `stop`, and what compatible servers send or leave out.
        _ => {}
    }
    let content = message.content.as_ref().map(text).unwrap_or_default();
    if content.trim().is_empty() {
        return Err(malformed("the model said nothing"));
    }
    Ok((decision(&content), usage))
}

/// Reads the decision out of what the model wrote: JSON, JSON in a fence or among words, or only words.
fn decision(content: &str) -> Answer {
    let inner = content.find('{').zip(content.rfind('}')).and_then(|(from, until)| content.get(from..=until));
    let structured = inner.and_then(|json| serde_json::from_str::<Structured>(json).ok());
    let Some(Structured { action: Some(action), message, citations, reason }) = structured else {
        return Answer { action: Action::Unstructured, message: content.trim().to_owned(), ..Answer::default() };
    };
    let message = message.unwrap_or_default().trim().to_owned();
    let action = match action.as_str() {
        "reply" if message.is_empty() => Action::Abstain,
        "reply" => Action::Reply,
        "hand_off" => Action::HandOff,
        "silence" => Action::Silence,
        _ => Action::Abstain,
    };
    Answer { action, message, citations: citations.unwrap_or_default(), reason: reason.unwrap_or_default() }
}

fn malformed(advice: &'static str) -> ReplyError {
    ReplyError::new(OPERATION, ReplyErrorKind::Malformed, Retry::After(None)).with_advice(advice)
}

/// The content is a string, or parts with texts.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(parts) => parts.iter().filter_map(|part| part.get("text")?.as_str()).collect(),
        _ => String::new(),
    }
}

/// What kind of failure a status and a body are. The body's own words are read, never repeated: servers quote keys and
/// questions in them.
pub(super) fn failure(status: u16, body: &[u8], after: Option<std::time::Duration>) -> ReplyError {
    let error: Value = serde_json::from_slice(body).unwrap_or_default();
    let error = error.get("error").unwrap_or(&error);
    let field = |name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_ascii_lowercase();
    let (code, kind, said) = (field("code"), field("type"), field("message"));
    let is = |names: &[&str]| names.iter().any(|name| code == *name || kind == *name);
    let quota = is(&["insufficient_quota", "billing_hard_limit_reached", "quota_exceeded"])
        || (matches!(status, 400 | 403 | 429) && (said.contains("usage limit") || said.contains("current quota")));
    let long = is(&["context_length_exceeded", "exceed_context_size_error"])
        || (status == 400 && (said.contains("context length") || said.contains("context size")));
    let (kind, retry, advice) = match status {
        402 => (ReplyErrorKind::Quota, Retry::Never, "top up the provider's account"),
        _ if quota => (ReplyErrorKind::Quota, Retry::Never, "raise the limit of the provider's account"),
        _ if long || status == 413 => (ReplyErrorKind::TooLong, Retry::Never, "use a model with a longer context"),
        _ if status < 500 && is(&["content_filter", "content_policy_violation"]) => {
            (ReplyErrorKind::Refused, Retry::Never, "")
        }
        401 | 403 => (ReplyErrorKind::Auth, Retry::Never, "check the key and what it is allowed to do"),
        404 => (ReplyErrorKind::Invalid, Retry::Never, "check the base URL and the model's name"),
        408 => (ReplyErrorKind::Timeout, Retry::After(after), ""),
        409 | 425 => (ReplyErrorKind::Unavailable, Retry::After(after), ""),
        429 => (ReplyErrorKind::RateLimited, Retry::After(after), "slow down, or raise the provider's limit"),
        300..=399 => (ReplyErrorKind::Invalid, Retry::Never, "redirects are not followed: give the final base URL"),
        501 => (ReplyErrorKind::Invalid, Retry::Never, "the server lacks a feature that the request needs"),
        500.. => (ReplyErrorKind::Unavailable, Retry::After(after), ""),
        _ => (ReplyErrorKind::Invalid, Retry::Never, "check the model's name and what the server supports"),
    };
    ReplyError::new(OPERATION, kind, retry).with_advice(advice).with_code(status.into())
}

/// Whether a server says that it can't force the shape of an answer.
pub(super) fn lacks_response_format(status: u16, body: &[u8]) -> bool {
    matches!(status, 400 | 422 | 501) && String::from_utf8_lossy(body).contains("response_format")
}

#[derive(Deserialize)]
struct Completion {
    choices: Option<Vec<ChoiceOut>>,
    usage: Option<UsageOut>,
}

#[derive(Deserialize)]
struct ChoiceOut {
    message: Option<MessageOut>,
    finish_reason: Option<String>,
}

#[derive(Deserialize, Default)]
struct MessageOut {
    content: Option<Value>,
    refusal: Option<String>,
}

#[derive(Deserialize, Default)]
struct UsageOut {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct Structured {
    action: Option<String>,
    message: Option<String>,
    citations: Option<Vec<String>>,
    reason: Option<String>,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn completion(content: &str) -> Vec<u8> {
        json!({"choices": [{"message": {"content": content}, "finish_reason": "stop"}]}).to_string().into_bytes()
    }

    #[test]
    fn json_alone_in_a_fence_or_among_words_is_read_and_words_alone_are_not_a_reply() {
        let json = r#"{"action":"reply","message":"From 9.","citations":["hours"],"reason":"answered"}"#;
        for content in [json.to_owned(), format!("```json\n{json}\n```"), format!("Sure! {json}")] {
            let (answer, _) = answer(&completion(&content)).unwrap();
            assert_eq!((answer.action, answer.message.as_str()), (Action::Reply, "From 9."), "{content}");
        }
        assert_eq!(answer(&completion("We open at 9.")).unwrap().0.action, Action::Unstructured);
        assert_eq!(answer(&completion(r#"{"action":"reply"}"#)).unwrap().0.action, Action::Abstain);
    }

    #[test]
    fn what_is_no_answer_is_an_error_of_its_kind() {
        let finish = |reason: &str| {
            json!({"choices": [{"message": {"content": "x"}, "finish_reason": reason}]}).to_string().into_bytes()
        };
        for (body, kind) in [
            (finish("length"), ReplyErrorKind::Truncated),
            (finish("content_filter"), ReplyErrorKind::Refused),
            (finish("tool_calls"), ReplyErrorKind::Malformed),
            (b"<html>".to_vec(), ReplyErrorKind::Malformed),
            (b"{}".to_vec(), ReplyErrorKind::Malformed),
            (completion("  "), ReplyErrorKind::Malformed),
        ] {
            assert_eq!(answer(&body).unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn failures_are_told_apart_by_code_before_status() {
        let body = |code: &str| json!({"error": {"code": code, "message": "secret"}}).to_string().into_bytes();
        let second = Some(Duration::from_secs(1));
        for (status, code, kind, retry) in [
            (429, "insufficient_quota", ReplyErrorKind::Quota, Retry::Never),
            (429, "rate_limit_exceeded", ReplyErrorKind::RateLimited, Retry::After(second)),
            (400, "context_length_exceeded", ReplyErrorKind::TooLong, Retry::Never),
            (400, "content_filter", ReplyErrorKind::Refused, Retry::Never),
            (401, "invalid_api_key", ReplyErrorKind::Auth, Retry::Never),
            (404, "model_not_found", ReplyErrorKind::Invalid, Retry::Never),
            (302, "", ReplyErrorKind::Invalid, Retry::Never),
            (503, "", ReplyErrorKind::Unavailable, Retry::After(second)),
        ] {
            let error = failure(status, &body(code), second);
            assert_eq!((error.kind(), error.retry()), (kind, retry), "{status} {code}");
            assert!(!error.to_string().contains("secret"));
        }
    }
}
