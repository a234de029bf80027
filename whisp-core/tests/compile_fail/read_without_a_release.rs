//! What goes out is read through `release` alone, which checks the permit once more.

use whisp_core::channel::{Outbound, OutboundBody};

fn peek(message: &Outbound) -> &OutboundBody {
    &message.body
}

fn main() {}
