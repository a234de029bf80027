//! Calls, over HTTP or from within this process: who calls, whether anything goes wrong on purpose, and the answer.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, Query, RawQuery, State as Shared};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use whisp_core::Sensitive;
use whisp_core::model::ChannelKind;

use super::config::Account;
use super::fault::{Fault, Scissors};
use super::refusal::Refusal;
use super::state::{ACCEPTED_MAX, RecordedRequest};
use super::{Core, World, book, file, node, take_pages, take_whatsapp};
use crate::client::{API_VERSION, appsecret_proof, hex};

pub(super) fn router(core: Arc<Core>) -> Router {
    Router::new()
        .route("/{version}/{node}/messages", post(messages))
        .route("/{version}/{node}/contact_book", delete(contact_book))
        .route("/{version}/{node}", get(node::node))
        .route(file::WHATSAPP_PATH, get(file::file))
        .route(file::PAGES_PATH, get(file::file))
        .fallback(unknown_path)
        .with_state(core)
}

async fn unknown_path() -> Response {
    refused(&Refusal::new(400, 2_500, "Unknown path components"), "A0")
}

async fn messages(
    Shared(core): Shared<Arc<Core>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((version, node)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = Call {
        path: format!("/{version}/{node}/messages"),
        node,
        token: bearer(&headers).map(str::to_owned),
        proof: query.and_then(|query| query.strip_prefix("appsecret_proof=").map(str::to_owned)),
        what: What::Message(serde_json::from_slice(&body).unwrap_or(Value::Null)),
    };
    respond(&core, &call, &scissors).await
}

async fn contact_book(
    Shared(core): Shared<Arc<Core>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    Path((version, node)): Path<(String, String)>,
    Query(mut query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let call = Call {
        path: format!("/{version}/{node}/contact_book"),
        node,
        token: bearer(&headers).map(str::to_owned),
        proof: query.remove("appsecret_proof"),
        what: What::Entry(query),
    };
    respond(&core, &call, &scissors).await
}

/// Takes a call and answers it, unless the simulator is gone.
async fn respond(core: &Core, call: &Call, scissors: &Scissors) -> Response {
    if core.is_closed() {
        return cut(scissors);
    }
    let (fault, answer) = core.call(call);
    finish(fault, answer.map(Answer::into_response), scissors).await
}

/// Lets an answer out, or not.
async fn finish(fault: Option<Fault>, response: Option<Response>, scissors: &Scissors) -> Response {
    match (fault, response) {
        (Some(Fault::NoAnswer { .. }), _) => std::future::pending().await,
        (Some(Fault::Cut { .. }), _) | (_, None) => cut(scissors),
        (Some(Fault::Garbled { status }), Some(_)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, "<html>Sorry, something went wrong.</html>").into_response()
        }
        (Some(Fault::Slow(wait)), Some(response)) => {
            tokio::time::sleep(wait).await;
            response
        }
        (_, Some(response)) => response,
    }
}

pub(super) fn cut(scissors: &Scissors) -> Response {
    scissors.cut();
    StatusCode::INTERNAL_SERVER_ERROR.into_response()
}

pub(super) fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

/// What a call is answered with.
struct Answer {
    status: u16,
    /// How much of its budgets is used up.
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn refused(refusal: &Refusal, trace: &str) -> Self {
        Self { status: refusal.status, headers: HeaderMap::new(), body: refusal.envelope(trace) }
    }

    /// Writes the headers by which Meta tells how much of its budgets is used up: of the app, and of the business.
    fn tell_usage(&mut self, account: &Account, percent: u32, regain_minutes: u64) {
        let app = json!({ "call_count": percent.min(100) / 4, "total_time": 1, "total_cputime": 1 });
        let business = json!({ account.owner.as_str(): [{
            "type": account.channel.as_str(), "call_count": percent, "total_cputime": 1, "total_time": 1,
            "estimated_time_to_regain_access": regain_minutes,
        }] });
        for (name, usage) in [("x-app-usage", app), ("x-business-use-case-usage", business)] {
            if let Ok(value) = usage.to_string().parse() {
                self.headers.insert(name, value);
            }
        }
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        (status, self.headers, Json(self.body)).into_response()
    }
}

/// One call, taken apart.
struct Call {
    path: String,
    node: String,
    token: Option<String>,
    proof: Option<String>,
    what: What,
}

/// What a call is about.
enum What {
    /// To send a message: the body.
    Message(Value),
    /// To delete somebody from the contact book: the query.
    Entry(HashMap<String, String>),
}

/// What comes of a call without a socket: the status, the headers, and the JSON where it is any; none where no answer comes.
/// A slow answer is not slow.
type Inside = (u16, HeaderMap, Option<Value>);

impl Core {
    /// Takes a message of this process, without a socket.
    pub(crate) fn post_inside(
        &self,
        node: &str,
        token: &SecretString,
        proof: Option<String>,
        body: &Value,
    ) -> Option<Inside> {
        self.inside((node, "messages"), token, proof, What::Message(body.clone()))
    }

    /// Deletes somebody from the contact book, without a socket.
    pub(crate) fn delete_inside(
        &self,
        to: (&str, &str),
        token: &SecretString,
        proof: Option<String>,
        query: &[(&str, &str)],
    ) -> Option<Inside> {
        let query = query.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.inside(to, token, proof, What::Entry(query))
    }

    fn inside(
        &self,
        (node, path): (&str, &str),
        token: &SecretString,
        proof: Option<String>,
        what: What,
    ) -> Option<Inside> {
        if self.is_closed() {
            return None;
        }
        let path = format!("/{API_VERSION}/{node}/{path}");
        let token = Some(token.expose_secret().to_owned());
        match self.call(&Call { path, node: node.to_owned(), token, proof, what }) {
            (Some(Fault::NoAnswer { .. } | Fault::Cut { .. }), _) | (_, None) => None,
            (Some(Fault::Garbled { status }), _) => Some((status, HeaderMap::new(), None)),
            (_, Some(Answer { status, headers, body })) => Some((status, headers, Some(body))),
        }
    }

    /// Takes a call, unless something is to go wrong before that. Returns what is to go wrong, and the answer; none where
    /// nothing was taken and nothing is said.
    fn call(&self, call: &Call) -> (Option<Fault>, Option<Answer>) {
        let fault = self.world().faults.pop_front();
        let answer = match &fault {
            Some(Fault::NoAnswer { accepted: false } | Fault::Cut { accepted: false }) => {
                record(&mut self.world(), self, call, None, None);
                None
            }
            Some(Fault::Refuse { status, code, subcode }) => {
                let refusal = Refusal::new(*status, *code, "(simulated)").with_subcode(*subcode);
                Some(self.answer(call, Err(refusal)))
            }
            Some(Fault::Limited { regain_minutes }) => {
                let account = self.account_of(call.token.as_deref().unwrap_or_default());
                let channel = account.map_or(ChannelKind::WhatsApp, |account| account.channel.clone());
                let refusal = limited(&channel).regained_in(*regain_minutes);
                Some(self.answer(call, Err(refusal)))
            }
            _ => Some(self.take(call)),
        };
        self.posted.notify_one();
        (fault, answer)
    }

    /// Takes a call as Meta does, and records it.
    fn take(&self, call: &Call) -> Answer {
        let outcome = {
            let mut world = self.world();
            self.authorize(&mut world, call).and_then(|account| match (&account.channel, &call.what) {
                (ChannelKind::WhatsApp, What::Entry(query)) => book::delete(&mut world, account, query),
                (_, What::Entry(_)) => Err(Refusal::new(400, 2_500, "Unknown path components")),
                (ChannelKind::WhatsApp, What::Message(body)) => take_whatsapp::take(self, &mut world, account, body),
                (_, What::Message(body)) => take_pages::take(self, &mut world, account, body),
            })
        };
        self.answer(call, outcome)
    }

    fn answer(&self, call: &Call, outcome: Result<Value, Refusal>) -> Answer {
        let mut world = self.world();
        let account = self.account_of(call.token.as_deref().unwrap_or_default());
        let (status, code) =
            outcome.as_ref().map_or_else(|refusal| (refusal.status, Some(refusal.code)), |_| (200, None));
        record(&mut world, self, call, Some(status), code);
        let regain = outcome.as_ref().err().and_then(|refusal| refusal.regain_minutes);
        let mut answer = match outcome {
            Ok(body) => Answer { status, headers: HeaderMap::new(), body },
            Err(refusal) => {
                let trace = format!("A{}", hex(world.state.mint().get(..11).unwrap_or_default()));
                Answer::refused(&refusal, &trace)
            }
        };
        if let Some(account) = account {
            let used = world.state.used_of_hour(&account.id, self.limits.calls_per_hour, self.clock.now());
            answer.tell_usage(account, if regain.is_some() { 100 } else { used }, regain.unwrap_or(0));
        }
        answer
    }

    pub(super) fn account_of(&self, token: &str) -> Option<&Account> {
        self.accounts.iter().find(|account| account.token.expose_secret() == token)
    }

    fn authorize(&self, world: &mut World, call: &Call) -> Result<&Account, Refusal> {
        let token = call.token.as_deref().ok_or_else(|| Refusal::token(false))?;
        let account = self.account_of(token).ok_or_else(|| Refusal::token(true))?;
        if call.node != "me" && call.node != account.id.as_str() {
            return Err(Refusal::no_such_object());
        }
        let proof = appsecret_proof(&self.app_secret, &account.token);
        if self.require_proof && call.proof.as_deref() != Some(&proof) {
            return Err(Refusal::new(400, 100, "API calls from the server require an appsecret_proof argument"));
        }
        if world.state.accepted.len() >= ACCEPTED_MAX {
            return Err(Refusal::new(503, 2, "Service temporarily unavailable").transient());
        }
        if world.state.within_hour(&account.id, self.limits.calls_per_hour, self.clock.now()) {
            return Ok(account);
        }
        Err(limited(&account.channel).regained_in(60))
    }
}

fn limited(channel: &ChannelKind) -> Refusal {
    let (code, message) = match channel {
        ChannelKind::Instagram => (80_002, "(#80002) There have been too many calls to this Instagram account."),
        ChannelKind::Messenger => (80_001, "(#80001) There have been too many calls to this Page account."),
        _ => (80_007, "(#80007) Business request limit reached"),
    };
    Refusal::new(400, code, message).transient()
}

pub(super) fn refused(refusal: &Refusal, trace: &str) -> Response {
    Answer::refused(refusal, trace).into_response()
}

fn record(world: &mut World, core: &Core, call: &Call, status: Option<u16>, code: Option<i64>) {
    world.state.record(RecordedRequest {
        at: core.clock.now(),
        path: call.path.clone(),
        body: Sensitive::new(match &call.what {
            What::Message(body) => body.clone(),
            What::Entry(_) => Value::Null,
        }),
        status,
        code,
    });
}
