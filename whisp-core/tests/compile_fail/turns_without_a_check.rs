//! What an engine is asked is read through `turns` alone, which checks the permit once more.

use whisp_core::reply::{ReplyRequest, Turn};

fn peek(request: &ReplyRequest) -> &[Turn] {
    &request.turns
}

fn main() {}
