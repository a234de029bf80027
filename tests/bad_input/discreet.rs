//! What must never be printed.

use std::error::Error;

use whisp::error::ErrorChain;

use crate::world::{PHONE, TOKEN};

/// What the contact writes.
pub(crate) const TEXT: &str = "canary-text: my card is 4400 4301";
/// What signs webhooks.
pub(crate) const APP_SECRET: &str = "canary-app-secret";
/// The key of the language model.
pub(crate) const MODEL_KEY: &str = "sk-canary-model-key";

/// Returns what an error says to the developer, once it is sure that neither this nor its causes nor `Debug` gives
/// anything away.
#[track_caller]
pub(crate) fn said(error: &(impl Error + 'static)) -> String {
    let everything = format!("{error:?} {error:#?} {}", ErrorChain(error));
    hides_canaries(&everything);
    error.to_string()
}

#[track_caller]
pub(crate) fn hides_canaries(printed: &str) {
    for canary in [TEXT, APP_SECRET, MODEL_KEY, PHONE, TOKEN, "Aigerim"] {
        assert!(!printed.contains(canary), "{canary} in {printed}");
    }
}
