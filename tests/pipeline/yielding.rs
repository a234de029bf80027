//! A store that yields before and after each call.

pub(crate) use whisp::testing::{Yielding, pause};
