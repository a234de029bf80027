//! Plugging in a channel of your own: texts through an SMS gateway, proved by the suite that every channel passes.
//!
//! `cargo run -p whisp-examples --example custom_channel [-- --json]`
//!
//! The gateway is a stub on loopback. With `--json` each line of standard output is an object
//! `{"contract": number, "name": string, "kept": bool, "violation": string or null}`.
#![expect(clippy::print_stdout, reason = "what it found is its output")]

use std::collections::VecDeque;
use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::{Router, http::StatusCode, routing::post};
use chrono::{DateTime, Utc};
use clap::Parser;
use secrecy::ExposeSecret;
use serde_json::json;
use whisp::channel::{Capabilities, Channel, ChannelError, ChannelErrorKind as Kind, Outbound, OutboundBody};
use whisp::channel::{SendReceipt, TextLimit};
use whisp::clock::Clock;
use whisp::error::Retry;
use whisp::model::{ChannelKind, Connection, Handle, HandleKind};
use whisp::system::SystemClock;
use whisp::testing::channel_conformance::{self as suite, ChannelHarness, Failure};

/// Ten SMS in one: what most gateways put together.
const LIMIT: TextLimit = TextLimit::Chars(1_530);
const TIMEOUT: Duration = Duration::from_millis(300);

/// The channel. Everything about SMS is in here.
#[derive(Debug)]
struct Sms {
    http: reqwest::Client,
    url: String,
}

#[async_trait]
impl Channel for Sms {
    fn kind(&self) -> ChannelKind {
        ChannelKind::custom("sms")
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::text_only(LIMIT)
    }

    async fn send(&self, connection: &Connection, message: &Outbound) -> Result<SendReceipt, ChannelError> {
        let refused = |kind| ChannelError::new("send", kind, Retry::Never);
        let body = message.release(SystemClock.now()).map_err(|denied| refused(Kind::Denied).with_source(denied))?;
        let text = match body {
            OutboundBody::Text { text } if message.reply_to.is_none() => text.expose(),
            _ => return Err(refused(Kind::Unsupported)),
        };
        if !LIMIT.fits(text) {
            return Err(refused(Kind::Invalid).with_advice("the text is longer than ten SMS"));
        }
        let request = json!({ "to": message.to.value.expose(), "text": text });
        let call = self.http.post(&self.url).bearer_auth(connection.token.expose_secret()).json(&request).send();
        let response = call.await.map_err(|error| {
            // Only a connection that was never made proves that nothing was sent.
            let never_left = (Kind::Unavailable, Retry::After(None));
            let (kind, retry) = if error.is_connect() { never_left } else { (Kind::Unknown, Retry::OutcomeUnknown) };
            ChannelError::new("send", kind, retry).with_source(error.without_url())
        })?;
        let (kind, retry) = match response.status().as_u16() {
            200..300 => return Ok(SendReceipt::new(None)),
            429 => (Kind::RateLimited, Retry::After(None)),
            400..500 => (Kind::Invalid, Retry::Never),
            _ => (Kind::Unknown, Retry::OutcomeUnknown),
        };
        Err(ChannelError::new("send", kind, retry).with_code(response.status().as_u16().into()))
    }
}

/// What the suite needs to know, and the stub of the gateway: it counts what comes and fails on demand.
struct Harness {
    channel: Sms,
    connection: Connection,
    requests: AtomicUsize,
    failures: Mutex<VecDeque<Failure>>,
}

#[rustfmt::skip]
impl ChannelHarness for Harness {
    fn channel(&self) -> &dyn Channel { &self.channel }
    fn connection(&self) -> &Connection { &self.connection }
    fn recipient(&self) -> Handle { Handle::new(HandleKind::Custom, "+77011234567") }
    fn now(&self) -> DateTime<Utc> { SystemClock.now() }
    fn requests(&self) -> usize { self.requests.load(Ordering::SeqCst) }
    fn fail_next(&self, failure: Failure) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push_back(failure);
    }
}

async fn gateway(harness: Arc<Harness>) -> StatusCode {
    harness.requests.fetch_add(1, Ordering::SeqCst);
    let failure = harness.failures.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    match failure {
        None => StatusCode::OK,
        Some(Failure::Refused) => StatusCode::BAD_REQUEST,
        Some(Failure::Limited) => StatusCode::TOO_MANY_REQUESTS,
        Some(Failure::Unanswered) => std::future::pending().await,
    }
}

/// Proves a channel of one's own with the suite that every channel passes.
#[derive(Parser)]
struct Arguments {
    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments = Arguments::parse();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let http = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).retry(reqwest::retry::never()).build()?;
    let channel = Sms { http, url: format!("http://{}/sms", listener.local_addr()?) };
    let connection = suite::connection(channel.kind(), "the-gateways-secret".to_owned().into());
    let (requests, failures) = Default::default();
    let harness = Arc::new(Harness { channel, connection, requests, failures });
    let served = Arc::clone(&harness);
    let app = Router::new().route("/sms", post(move || gateway(served)));
    tokio::spawn(async move { axum::serve(listener, app).await });
    let mut all = true;
    for case in suite::CASES {
        let violation = (case.run)(&*harness).await.err().map(|violation| violation.to_string());
        let (contract, name, kept) = (case.contract, case.name.replace('_', " "), violation.is_none());
        if arguments.json {
            println!("{}", json!({ "contract": contract, "name": name, "kept": kept, "violation": violation }));
        } else {
            println!("{contract}. {name}: {}", violation.as_deref().unwrap_or("kept"));
        }
        all &= kept;
    }
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
