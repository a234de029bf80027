//! What a simulator is made of: accounts, people, limits.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use whisp_core::clock::Clock;
use whisp_core::id::{ConnectionId, IdSource, TenantId};
use whisp_core::model::{AccountId, AutomationMode, ChannelKind, Connection, ConnectionState, Handle, HandleKind};

use super::state::State;

/// An account of a business.
#[derive(Debug, Clone)]
pub struct Account {
    pub(super) channel: ChannelKind,
    pub(super) id: AccountId,
    pub(super) token: SecretString,
    /// WhatsApp Business Account id; elsewhere the account's own id.
    pub(super) owner: String,
    /// WhatsApp's `display_phone_number`; elsewhere empty.
    pub(super) phone: String,
}

impl Account {
    /// A WhatsApp number: its `phone_number_id`, the account that owns it, the number as people see it.
    #[must_use]
    pub fn whatsapp(phone_number_id: &str, waba: &str, phone: &str, token: SecretString) -> Self {
        Self {
            channel: ChannelKind::WhatsApp,
            id: AccountId::new(phone_number_id),
            token,
            owner: waba.to_owned(),
            phone: phone.to_owned(),
        }
    }

    /// An Instagram professional account.
    #[must_use]
    pub fn instagram(id: &str, token: SecretString) -> Self {
        Self::of(ChannelKind::Instagram, id, token)
    }

    /// A Facebook Page.
    #[must_use]
    pub fn messenger(page: &str, token: SecretString) -> Self {
        Self::of(ChannelKind::Messenger, page, token)
    }

    fn of(channel: ChannelKind, id: &str, token: SecretString) -> Self {
        Self { channel, id: AccountId::new(id), token, owner: id.to_owned(), phone: String::new() }
    }

    /// Returns the platform's id of the account.
    #[must_use]
    pub const fn id(&self) -> &AccountId {
        &self.id
    }

    /// Returns the account as a tenant connects it, with the scope for sending.
    #[must_use]
    pub fn connection(&self, id: ConnectionId, tenant: TenantId, now: DateTime<Utc>) -> Connection {
        let scope = match self.channel {
            ChannelKind::Instagram => "instagram_business_manage_messages",
            ChannelKind::Messenger => "pages_messaging",
            _ => "whatsapp_business_messaging",
        };
        Connection {
            id,
            tenant,
            channel: self.channel.clone(),
            account: self.id.clone(),
            token: self.token.clone(),
            scopes: vec![scope.to_owned()],
            mode: AutomationMode::Automatic,
            state: ConnectionState::Live,
            connected_at: now,
        }
    }
}

/// A person who writes to the business.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persona {
    /// On WhatsApp the phone number without `+`, elsewhere the scoped id.
    pub(super) id: String,
    pub(super) name: Option<String>,
    pub(super) username: Option<String>,
    pub(super) bsuid: Option<String>,
    pub(super) parent_bsuid: Option<String>,
    pub(super) hides_phone: bool,
}

impl Persona {
    /// Somebody with this phone number (WhatsApp, without `+`) or scoped id (Instagram, Messenger).
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self { id: id.to_owned(), name: None, username: None, bsuid: None, parent_bsuid: None, hides_phone: false }
    }

    /// Gives the name of the profile.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Gives WhatsApp's business-scoped id.
    #[must_use]
    pub fn with_bsuid(mut self, bsuid: &str) -> Self {
        self.bsuid = Some(bsuid.to_owned());
        self
    }

    /// Gives the business-scoped id that several portfolios share.
    #[must_use]
    pub fn with_parent_bsuid(mut self, bsuid: &str) -> Self {
        self.parent_bsuid = Some(bsuid.to_owned());
        self
    }

    /// Adopts a WhatsApp username: webhooks then leave the phone number out.
    #[must_use]
    pub fn hiding_phone_behind(mut self, username: &str) -> Self {
        self.username = Some(username.to_owned());
        self.hides_phone = true;
        self
    }

    /// Adopts a WhatsApp username whose phone number the business knows already.
    #[must_use]
    pub fn with_username(mut self, username: &str) -> Self {
        self.username = Some(username.to_owned());
        self
    }

    /// Returns the handle by which `account` reaches this person.
    #[must_use]
    pub fn handle(&self, account: &Account) -> Handle {
        match (&account.channel, &self.bsuid) {
            (ChannelKind::Instagram, _) => Handle::new(HandleKind::InstagramScoped, &self.id),
            (ChannelKind::Messenger, _) => Handle::new(HandleKind::PageScoped, &self.id),
            (_, Some(bsuid)) if self.hides_phone => Handle::new(HandleKind::Bsuid, bsuid),
            _ => Handle::new(HandleKind::Phone, &self.id),
        }
    }
}

impl fmt::Debug for Persona {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Persona(..)")
    }
}

/// How much may be sent. Meta's own numbers by default.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages a second and account; over it 130429 on WhatsApp, 613 elsewhere. Meta: 80 on WhatsApp.
    pub per_second: u32,
    /// Messages to one person on WhatsApp that may come at once; over it 131056. Meta: 45.
    pub pair_burst: u32,
    /// After a burst, one message to one person each so often. Meta: 6 seconds.
    pub pair_every: TimeDelta,
    /// Calls an hour and account; over it 80007 on WhatsApp, 80002 on Instagram, 80001 on Messenger.
    pub calls_per_hour: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_second: 80, pair_burst: 45, pair_every: TimeDelta::seconds(6), calls_per_hour: 200_000 }
    }
}

/// How far the receipts of a message go by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Receipts {
    /// No receipt at all.
    None,
    /// WhatsApp says `sent`.
    Sent,
    /// The message reaches a device. Instagram does not tell.
    Delivered,
    /// The contact reads it at once.
    Read,
}

/// When webhooks are posted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posting {
    /// When [`Simulator::deliver`](super::Simulator::deliver) is called: for tests.
    OnDemand,
    /// At once, by a task of the simulator, which retries what is not answered with 200: for examples.
    Immediately,
}

/// A template that was approved.
#[derive(Debug, Clone)]
pub struct ApprovedTemplate {
    /// Its name.
    pub name: String,
    /// Its language.
    pub language: String,
    /// How many values its body takes.
    pub body_values: usize,
}

/// What a simulator is started with.
#[derive(Debug, Clone)]
pub struct SimulatorConfig {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    pub(super) app_secret: SecretString,
    pub(super) accounts: Vec<Account>,
    pub(super) templates: Vec<ApprovedTemplate>,
    pub(super) webhook: Option<String>,
    pub(super) limits: Limits,
    pub(super) receipts: Receipts,
    pub(super) posting: Posting,
    pub(super) require_proof: bool,
    pub(super) state: Option<State>,
    pub(super) file: Option<PathBuf>,
}

impl SimulatorConfig {
    /// An app with this secret, without accounts. Time and ids come from `clock` and `ids`: the same seed gives the
    /// same ids.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>, app_secret: SecretString) -> Self {
        Self {
            clock,
            ids,
            app_secret,
            accounts: Vec::new(),
            templates: Vec::new(),
            webhook: None,
            limits: Limits::default(),
            receipts: Receipts::Delivered,
            posting: Posting::OnDemand,
            require_proof: false,
            state: None,
            file: None,
        }
    }

    /// Adds an account.
    #[must_use]
    pub fn with_account(mut self, account: &Account) -> Self {
        self.accounts.push(account.clone());
        self
    }

    /// Adds an approved template, on all WhatsApp accounts.
    #[must_use]
    pub fn with_template(mut self, template: ApprovedTemplate) -> Self {
        self.templates.push(template);
        self
    }

    /// Posts webhooks to this address. Without one they wait.
    #[must_use]
    pub fn with_webhook(mut self, url: &str) -> Self {
        self.webhook = Some(url.to_owned());
        self
    }

    /// Sets the rate limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how far receipts go by themselves.
    #[must_use]
    pub const fn with_receipts(mut self, receipts: Receipts) -> Self {
        self.receipts = receipts;
        self
    }

    /// Sets when webhooks are posted.
    #[must_use]
    pub const fn with_posting(mut self, posting: Posting) -> Self {
        self.posting = posting;
        self
    }

    /// Refuses calls without a right `appsecret_proof`.
    #[must_use]
    pub const fn requiring_proof(mut self) -> Self {
        self.require_proof = true;
        self
    }

    /// Keeps the state in a file: each change is in it before it is answered, and a simulator that is started over the same
    /// file, after a crash of the process too, goes on from there. The file holds what the simulated people wrote.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Goes on where another simulator was.
    #[must_use]
    pub fn with_state(mut self, state: State) -> Self {
        self.state = Some(state);
        self
    }
}
