//! Random salts.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use whisp_core::vault::VaultError;

use super::suite1::SALT_LEN;
use crate::keys::random;

/// How many salts are drawn at once: a call of the generator costs a quarter of sealing a short message. Few, because
/// these are the ones that come again where the machine's memory is restored from a snapshot; then another record or
/// revision still gets another key.
const DRAWN: usize = 32;

/// Gives each salt once.
#[derive(Default)]
pub(crate) struct Salts(Mutex<Vec<[u8; SALT_LEN]>>);

impl Salts {
    pub(crate) fn next(&self) -> Result<[u8; SALT_LEN], VaultError> {
        let mut salts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(salt) = salts.pop() {
                return Ok(salt);
            }
            let bytes: [u8; SALT_LEN * DRAWN] = random()?;
            salts.extend_from_slice(bytes.as_chunks().0);
        }
    }
}

impl fmt::Debug for Salts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salts(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_salt_comes_twice_on_whatever_thread() {
        let salts = Salts::default();
        let draw = || (0..500).map(|_| salts.next().unwrap()).collect::<Vec<_>>();
        let drawn = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(draw)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<BTreeSet<_>>()
        });
        assert_eq!(drawn.len(), 2_000);
    }
}
