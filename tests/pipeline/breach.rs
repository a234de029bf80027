//! A breach is contained, measured and told (promise P27): nothing leaves from the commit on, wherever that falls, nothing is
//! lost, and each date is told once.

mod contain;
mod radius;
mod register;
mod undated;

use chrono::TimeDelta;
use secrecy::SecretString;
use whisp::assistant::{Breaches, NewConnection};
use whisp::audit::AuditAction;
use whisp::id::{BreachId, ContactId};
use whisp::model::{AccountId, AutomationMode, ChannelKind};
use whisp::privacy::{BreachNature, BreachOrigin, NewBreach};

use crate::world::{ACCOUNT, World};

pub(crate) fn breaches(world: &World) -> Breaches {
    world.assistant.desk(world.tenant).breaches()
}

pub(crate) fn new(world: &World) -> NewBreach {
    NewBreach {
        origin: BreachOrigin::Ours,
        nature: BreachNature::Disclosed,
        from: world.now() - TimeDelta::hours(2),
        until: None,
    }
}

pub(crate) async fn suspected(world: &World) -> BreachId {
    breaches(world).suspect(new(world)).await.unwrap().id
}

/// The same account, with another token.
pub(crate) async fn connect_anew(world: &World) {
    let account = NewConnection {
        channel: ChannelKind::WhatsApp,
        account: AccountId::new(ACCOUNT),
        token: SecretString::from("EAAG-new"),
        scopes: Vec::new(),
        mode: AutomationMode::Automatic,
    };
    assert_eq!(world.assistant.connect(world.tenant, account).await.unwrap(), world.connection);
}

pub(crate) async fn contact(world: &World) -> ContactId {
    world.assistant.desk(world.tenant).conversation(world.conversation().await).await.unwrap().contact
}

/// What the audit log says, in its order.
pub(crate) async fn logged(world: &World) -> Vec<AuditAction> {
    let audit = world.assistant.audit(world.tenant);
    while audit.sequence(1_000).await.unwrap() > 0 {}
    let (events, _) = audit.events(None, 1_000).await.unwrap();
    events.into_iter().map(|entry| entry.event.action).collect()
}
