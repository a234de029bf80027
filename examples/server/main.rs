//! A service to deploy from: Meta's webhooks, health, graceful shutdown; over SQLite in one process, or over PostgreSQL in
//! as many as you like, which share the work.
//!
//! ```text
//! cargo run --example server -- --config examples/server/whisp.toml --simulator
//! ```
//! Everything but secrets is in the file; secrets come from the environment: `META_APP_SECRET`, `META_VERIFY_TOKEN`, the
//! access token of each account under the name that the file gives it, `VAULT_TOKEN` for a Vault, and for PostgreSQL
//! `WHISP_DATABASE_URL` and `WHISP_KEYS_DATABASE_URL`.
//!
//! | request | answer |
//! |---|---|
//! | `GET`, `POST /webhooks/meta` | Meta's webhooks |
//! | `POST /meta/deauthorize`, `POST /meta/deletion` | Meta's privacy callbacks, where the file says `public` |
//! | `GET /meta/deletion/{code}` | how far a deletion has come |
//! | `GET /health/live` | 200 while the process serves |
//! | `GET /health/ready` | 200 while the store and the keys answer, else 503 |
//!
//! With `--simulator` it needs no account of Meta's: a simulated platform runs in the process, `POST /simulator/say` with
//! a text as body has a contact write it, and what the platform takes is printed.
//!
//! With `--json` each line on standard output is one object; its fields are stable: `{"event":"listening","address"}`,
//! `{"event":"error","error"}`, `{"event":"sent","account","text"}` (of the simulator), `{"event":"stopped"}`.
#![allow(clippy::print_stdout, reason = "a program that shows something")]

mod config;
mod keys;
mod simulated;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use clap::Parser;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use whisp::assistant::{Assistant, AssistantError, NewConnection, NewTenant, Runner};
use whisp::clock::Clock;
use whisp::error::{BoxError, Retry};
use whisp::meta::callback::StatusAddress;
use whisp::meta::router::{CallbackState, WebhookState, callback_router, webhook_router};
use whisp::meta::webhook::{AppSecrets, MetaDecoder};
use whisp::meta::{GraphClient, GraphConfig, Instagram, Messenger, WhatsApp};
use whisp::model::AccountId;
use whisp::system::{RandomIds, SystemClock};

use config::{Config, secret};

/// A service over Whisp: webhooks in, answers out.
#[derive(Debug, Parser)]
#[command(name = "server")]
struct Options {
    /// The configuration; the file `whisp.toml` in the current folder unless told.
    #[arg(long, value_name = "FILE", default_value = "whisp.toml")]
    config: PathBuf,
    /// Runs a simulated platform in this process, instead of calling Meta.
    #[arg(long)]
    simulator: bool,
    /// Prints one JSON object a line.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

#[expect(clippy::print_stderr, reason = "a program's error goes to standard error")]
fn fail(error: &str) -> ExitCode {
    eprintln!("server: {error}");
    ExitCode::FAILURE
}

async fn run(options: &Options) -> Result<(), BoxError> {
    let config = Config::load(&options.config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let json = options.json;
    let simulated = match options.simulator {
        true => Some(simulated::Platform::start(&config, Arc::clone(&clock), json).await?),
        false => None,
    };
    let graph = GraphClient::new(&simulated.as_ref().map_or_else(|| real_graph(&config), |platform| platform.graph()))?;
    let assistant = Assistant::builder()
        .store(config.store().await?)
        .vault(config.vault().await?)
        .system()
        .channel(Arc::new(WhatsApp::new(graph.clone(), Arc::clone(&clock))))
        .channel(Arc::new(Instagram::new(graph.clone(), Arc::clone(&clock))))
        .channel(Arc::new(Messenger::new(graph, Arc::clone(&clock))))
        .engine(config.engine(Arc::clone(&clock))?)
        .config(config.behaviour())
        .build()?;
    enroll(&assistant, &config, options.simulator).await?;

    let (app_secret, verify_token) = match &simulated {
        Some(platform) => (platform.app_secret(), simulated::VERIFY_TOKEN.into()),
        None => (secret("META_APP_SECRET")?, secret("META_VERIFY_TOKEN")?),
    };
    let webhooks = webhook_router(
        WebhookState {
            decoder: Arc::new(MetaDecoder::new(std::slice::from_ref(&app_secret))),
            verify_token,
            sink: Arc::new(assistant.clone()),
            clock: Arc::clone(&clock),
        },
        move |line| say(json, "error", &json!({"error": line})),
    );
    let mut app = Router::new().nest("/webhooks/meta", webhooks).merge(health(&assistant, &config));
    if let Some(public) = &config.public {
        let state = CallbackState {
            secrets: AppSecrets::new(&[app_secret]),
            status: StatusAddress::new(&format!("{}/meta/deletion", public.trim_end_matches('/')))?,
            sink: Arc::new(assistant.clone()),
            clock,
            ids: Arc::new(RandomIds::default()),
        };
        let callbacks = callback_router(state, move |line| say(json, "error", &json!({"error": line})));
        app = app.nest("/meta", callbacks);
    }
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    if let Some(platform) = &simulated {
        app = app.merge(platform.router());
        platform.post_to(&format!("http://{address}/webhooks/meta"));
    }
    let running = Runner::new(assistant).on_error(move |error| say(json, "error", &json!({"error": error}))).start();
    // Whoever is told that it listens may ask it to stop at once.
    let stopped = stopped()?;
    say(json, "listening", &json!({"address": address.to_string()}));
    axum::serve(listener, app).with_graceful_shutdown(stopped).await?;
    // No webhook comes in any more. What is being done ends, and the leases go back, so that others go on at once.
    running.stop().await?;
    say(json, "stopped", &json!({}));
    Ok(())
}

fn real_graph(config: &Config) -> GraphConfig {
    match &config.graph {
        Some(host) => GraphConfig::default().with_hosts(host, host).danger_allow_plain_http_to_loopback(),
        None => GraphConfig::default(),
    }
}

/// How often it is tried to take the business on: of several processes that start at once, one is first each time.
const ENROLL_TRIES: usize = 8;

/// Takes the business on and connects its accounts; what is there already stays.
async fn enroll(assistant: &Assistant, config: &Config, simulated: bool) -> Result<(), BoxError> {
    let mut given = Vec::new();
    for account in &config.account {
        let token = if simulated { simulated::token(account) } else { secret(&account.token)? };
        let authorizer = account.authorizer.as_ref().filter(|_| !simulated).map(|name| secret(name)).transpose()?;
        given.push((token, authorizer));
    }
    for _ in 1..ENROLL_TRIES {
        match enroll_once(assistant, config, &given).await {
            Err(error) if matches!(error.retry(), Retry::After(_)) => {}
            outcome => return Ok(outcome?),
        }
    }
    Ok(enroll_once(assistant, config, &given).await?)
}

/// The token of an account, and the app-scoped id of whoever connected it.
type Given = (SecretString, Option<SecretString>);

async fn enroll_once(assistant: &Assistant, config: &Config, given: &[Given]) -> Result<(), AssistantError> {
    let tenant = config.tenant.id;
    if assistant.tenant(tenant).await.is_err() {
        let new = NewTenant::new(tenant, &config.tenant.name, &config.tenant.zone);
        if let Err(error) = assistant.create_tenant(NewTenant { buckets: config.tenant.buckets, ..new }).await {
            assistant.tenant(tenant).await.map_err(|_| error)?;
        }
    }
    if assistant.tenant(tenant).await?.automation != config.tenant.automation {
        assistant.set_automation(tenant, config.tenant.automation).await?;
    }
    for (account, (token, authorizer)) in config.account.iter().zip(given) {
        let new = NewConnection {
            channel: account.channel.clone(),
            account: AccountId::new(&account.id),
            token: token.clone(),
            scopes: account.scopes.clone(),
            mode: account.mode,
        };
        let connection = assistant.connect(tenant, new).await?;
        if let Some(user) = authorizer {
            assistant.set_authorizer(tenant, connection, user.expose_secret()).await?;
        }
    }
    Ok(())
}

fn health(assistant: &Assistant, config: &Config) -> Router {
    let (assistant, tenant) = (assistant.clone(), config.tenant.id);
    let ready = async move || match assistant.tenant(tenant).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    };
    Router::new().route("/health/live", get(|| async { StatusCode::OK })).route("/health/ready", get(ready))
}

/// Ends when the process is asked to.
fn stopped() -> Result<impl Future<Output = ()>, BoxError> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
    })
}

/// Prints what happened.
fn say(json: bool, event: &str, fields: &serde_json::Value) {
    if json {
        let mut line = json!({"event": event});
        if let (Some(line), Some(fields)) = (line.as_object_mut(), fields.as_object()) {
            line.extend(fields.clone());
        }
        println!("{line}");
    } else {
        let fields = fields.as_object().into_iter().flatten();
        let fields =
            fields.map(|(name, value)| value.as_str().map_or_else(|| format!("{name} {value}"), str::to_owned));
        println!("{event}: {}", fields.collect::<Vec<_>>().join(" "));
    }
}
