//! What is sealed can't be opened without a grant.

use whisp_core::store::Sealed;
use whisp_core::vault::{SealContext, Vault};

async fn read(vault: &dyn Vault, context: &SealContext, sealed: &Sealed) {
    let _plain = vault.open(context, sealed).await;
}

fn main() {}
