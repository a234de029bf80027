#![doc = include_str!("../README.md")]

#[cfg(feature = "ai")]
pub use whisp_ai as ai;
pub use whisp_core::*;
#[cfg(feature = "meta")]
pub use whisp_meta as meta;
pub use whisp_store as stores;
