//! What goes out can't be taken apart either.

use whisp_core::channel::{Outbound, OutboundBody};

fn take(message: Outbound) -> OutboundBody {
    let Outbound { body, .. } = message;
    body
}

fn main() {}
