//! A simulated platform in the process, to try the service without an account of Meta's.

use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use secrecy::SecretString;
use serde_json::json;
use whisp::clock::Clock;
use whisp::error::BoxError;
use whisp::meta::GraphConfig;
use whisp::meta::simulator::{Account, Persona, Posting, Say, Simulator, SimulatorConfig};
use whisp::model::ChannelKind;
use whisp::system::RandomIds;

use crate::config::{AccountConfig, Config};

/// The token of the handshake.
pub(crate) const VERIFY_TOKEN: &str = "simulated-verify-token";

const APP_SECRET: &str = "simulated-app-secret";

/// How often it is looked for new messages to show.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(100);

/// The simulated platform.
pub(crate) struct Platform {
    simulator: Arc<Simulator>,
    accounts: Vec<Account>,
}

/// The token of a simulated account.
pub(crate) fn token(account: &AccountConfig) -> SecretString {
    format!("simulated-{}", account.id).into()
}

impl Platform {
    pub(crate) async fn start(config: &Config, clock: Arc<dyn Clock>, json: bool) -> Result<Self, BoxError> {
        let mut accounts = Vec::new();
        for account in &config.account {
            accounts.push(match account.channel {
                ChannelKind::WhatsApp => Account::whatsapp(&account.id, "1", "77272500000", token(account)),
                ChannelKind::Instagram => Account::instagram(&account.id, token(account)),
                ChannelKind::Messenger => Account::messenger(&account.id, token(account)),
                ref other => return Err(format!("no simulated account of the channel {other:?}").into()),
            });
        }
        let mut simulated = SimulatorConfig::new(clock, Arc::new(RandomIds::default()), APP_SECRET.into())
            .with_posting(Posting::Immediately);
        for account in &accounts {
            simulated = simulated.with_account(account);
        }
        let simulator = Arc::new(Simulator::start(simulated).await?);
        tokio::spawn(show(Arc::clone(&simulator), json));
        Ok(Self { simulator, accounts })
    }

    pub(crate) fn graph(&self) -> GraphConfig {
        self.simulator.graph()
    }

    pub(crate) fn app_secret(&self) -> SecretString {
        APP_SECRET.into()
    }

    pub(crate) fn post_to(&self, address: &str) {
        self.simulator.set_webhook(address);
    }

    /// `POST /simulator/say`: a contact of the first account writes the body.
    pub(crate) fn router(&self) -> Router {
        let (simulator, account) = (Arc::clone(&self.simulator), self.accounts.first().cloned());
        let say = async move |text: String| match &account {
            Some(account) => {
                simulator.contact_says(account, &Persona::new("77015550101").named("Aigerim"), &Say::text(&text));
                StatusCode::ACCEPTED
            }
            None => StatusCode::NOT_FOUND,
        };
        Router::new().route("/simulator/say", post(say))
    }
}

/// Prints each message that the platform takes, once.
async fn show(simulator: Arc<Simulator>, json: bool) {
    let mut shown = 0;
    loop {
        let accepted = simulator.accepted();
        for message in accepted.iter().skip(shown) {
            let text = message.text.as_ref().map_or("(no text)", |text| text.expose().as_str());
            crate::say(json, "sent", &json!({"account": message.account, "text": text}));
        }
        shown = accepted.len();
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
