//! A simulator with one account a channel, and what the tests need around it.

use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use uuid::Uuid;
use whisp_core::channel::{Channel, ChannelError, Outbound, OutboundBody, SendReceipt};
use whisp_core::clock::Clock;
use whisp_core::id::{ConnectionId, MemberId, SubjectId, TenantId};
use whisp_core::model::{Author, ChannelKind, Connection};
use whisp_core::privacy::{Grant, Purpose};
use whisp_core::reply::EngineId;
use whisp_core::testing::{ManualClock, SeqIds};
use whisp_meta::simulator::{Account, ApprovedTemplate, Persona, Receipts, Say, Simulator, SimulatorConfig};
use whisp_meta::{GraphClient, Instagram, Messenger, WhatsApp};

pub(crate) const CHANNELS: [ChannelKind; 3] = [ChannelKind::WhatsApp, ChannelKind::Instagram, ChannelKind::Messenger];

/// What must never be printed.
pub(crate) const TOKEN: &str = "EAAcanarytoken0123";
pub(crate) const PHONE: &str = "77011234567";
pub(crate) const BSUID: &str = "KZ.13491208655302741918";
pub(crate) const SCOPED: &str = "1254477777772919";

pub(crate) struct World {
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) simulator: Simulator,
    pub(crate) account: Account,
    pub(crate) persona: Persona,
    pub(crate) channel: Box<dyn Channel>,
    pub(crate) connection: Connection,
}

pub(crate) fn account(kind: &ChannelKind) -> Account {
    let token = TOKEN.to_owned().into();
    match kind {
        ChannelKind::Instagram => Account::instagram("17841400000000001", token),
        ChannelKind::Messenger => Account::messenger("1234567890001", token),
        _ => Account::whatsapp("106540352242922", "102290129340398", "15550783881", token),
    }
}

pub(crate) fn config(kind: &ChannelKind, clock: &Arc<ManualClock>) -> SimulatorConfig {
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let template = ApprovedTemplate { name: "visit".to_owned(), language: "en_US".to_owned(), body_values: 1 };
    SimulatorConfig::new(clock, Arc::new(SeqIds::new(7)), "app-secret".to_owned().into())
        .with_account(&account(kind))
        .with_template(template)
        .with_receipts(Receipts::Read)
}

impl World {
    /// A world where the contact has just written.
    pub(crate) async fn open(kind: &ChannelKind) -> Self {
        let clock = Arc::new(ManualClock::default());
        let config = config(kind, &clock);
        let world = Self::with(kind, clock, config).await;
        world.simulator.contact_says(&world.account, &world.persona, &Say::text("hello"));
        world
    }

    /// A world where nobody has written.
    pub(crate) async fn with(kind: &ChannelKind, clock: Arc<ManualClock>, config: SimulatorConfig) -> Self {
        let simulator = Simulator::start(config).await.expect("a loopback port is free");
        let account = account(kind);
        let client = GraphClient::new(&simulator.graph()).expect("the simulator's address is allowed");
        let persona = Persona::new(if *kind == ChannelKind::WhatsApp { PHONE } else { SCOPED }).named("Aigerim");
        let connection = account.connection(
            ConnectionId::from_uuid(Uuid::from_u128(1)),
            TenantId::from_uuid(Uuid::from_u128(2)),
            clock.now(),
        );
        let channel = channel(kind, client, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, simulator, account, persona, channel, connection }
    }

    /// A message by a member, with the tag `tag-1`.
    pub(crate) fn outbound(&self, body: OutboundBody) -> Outbound {
        Outbound::new(self.grant(), self.persona.handle(&self.account), member(), body, "tag-1".to_owned())
    }

    pub(crate) fn grant(&self) -> Grant {
        let subject = SubjectId::from_uuid(Uuid::from_u128(3));
        Grant::for_tests(self.connection.tenant, subject, Purpose::ServiceProvision, self.clock.now())
    }

    pub(crate) async fn send(&self, outbound: &Outbound) -> Result<SendReceipt, ChannelError> {
        self.channel.send(&self.connection, outbound).await
    }

    pub(crate) async fn send_text(&self, text: &str) -> Result<SendReceipt, ChannelError> {
        self.send(&self.outbound(OutboundBody::text(text))).await
    }

    /// The body of the last request.
    pub(crate) fn last_request(&self) -> Value {
        self.simulator.requests().last().expect("a request came").body.expose().clone()
    }
}

pub(crate) fn channel(kind: &ChannelKind, client: GraphClient, clock: Arc<dyn Clock>) -> Box<dyn Channel> {
    match kind {
        ChannelKind::Instagram => Box::new(Instagram::new(client, clock)),
        ChannelKind::Messenger => Box::new(Messenger::new(client, clock)),
        _ => Box::new(WhatsApp::new(client, clock)),
    }
}

pub(crate) fn member() -> Author {
    Author::Member { member: Some(MemberId(SubjectId::from_uuid(Uuid::from_u128(4)))) }
}

pub(crate) fn engine() -> Author {
    Author::Engine { engine: EngineId::new("rules") }
}

/// Where the recorded payloads are, if the tests were told; says so on standard error where not.
#[expect(clippy::disallowed_methods, reason = "a test may read where its fixtures are")]
pub(crate) fn fixtures() -> Option<PathBuf> {
    let folder = std::env::var("WHISP_FIXTURES").ok();
    if folder.is_none() {
        // Past the test runner, which keeps what a passing test prints to itself.
        std::io::Write::write_all(
            &mut std::io::stderr(),
            b"WHISP_FIXTURES is not set: the comparison with recorded payloads was left out\n",
        )
        .unwrap();
    }
    folder.map(PathBuf::from)
}

pub(crate) fn fixture(folder: &std::path::Path, name: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Lists the paths of a JSON value with the kinds of its leaves: `entry[].id: string`.
pub(crate) fn shape(value: &Value) -> std::collections::BTreeSet<String> {
    fn walk(value: &Value, path: &str, out: &mut std::collections::BTreeSet<String>) {
        let kind = match value {
            Value::Object(fields) => {
                for (key, value) in fields {
                    walk(value, &format!("{path}.{key}"), out);
                }
                return;
            }
            Value::Array(items) => {
                for item in items {
                    walk(item, &format!("{path}[]"), out);
                }
                return;
            }
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "bool",
            Value::Null => "null",
        };
        out.insert(format!("{path}: {kind}"));
    }
    let mut out = std::collections::BTreeSet::new();
    walk(value, "", &mut out);
    out
}
