//! What is checked before any channel calls out.

use whisp_core::channel::{ChannelError, ChannelErrorKind, Outbound, OutboundBody};
use whisp_core::clock::Clock;
use whisp_core::error::Retry;
use whisp_core::model::{ChannelKind, Connection, ConnectionState};

use crate::limits::invalid;

/// Refuses a connection that is not this channel's, that can't be used, or that lacks all of `scopes`: a scope that the
/// business did not grant is never used, even if the token allows it.
pub(crate) fn check_connection(
    connection: &Connection,
    kind: &ChannelKind,
    scopes: &[&str],
) -> Result<(), ChannelError> {
    if connection.channel != *kind {
        return Err(invalid("the connection belongs to another channel"));
    }
    let auth =
        |advice: &'static str| Err(ChannelError::new("send", ChannelErrorKind::Auth, Retry::Never).with_advice(advice));
    match connection.state {
        ConnectionState::Live => {}
        ConnectionState::Reauthorize => return auth("the business must connect the account again"),
        _ => return Err(ChannelError::new("send", ChannelErrorKind::Blocked, Retry::Never)),
    }
    if scopes.iter().any(|scope| has_scope(connection, scope)) {
        return Ok(());
    }
    auth("the business has not granted the scope for sending messages")
}

/// Returns whether the business granted `scope`.
pub(crate) fn has_scope(connection: &Connection, scope: &str) -> bool {
    connection.scopes.iter().any(|granted| granted == scope)
}

/// Reads the body under its permit, which is checked now.
pub(crate) fn release<'a>(message: &'a Outbound, clock: &dyn Clock) -> Result<&'a OutboundBody, ChannelError> {
    message
        .release(clock.now())
        .map_err(|denied| ChannelError::new("send", ChannelErrorKind::Denied, Retry::Never).with_source(denied))
}
