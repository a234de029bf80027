//! Proofs that an event was logged, as a text that anybody can check without the store: C2SP's
//! [tlog-proof](https://c2sp.org/tlog-proof).

use std::fmt;
use std::str::FromStr;

use crate::audit::note::{Checkpoint, SignedNote, decimal};
use crate::audit::tree::{TreeHash, includes};

/// The first line of a proof.
const FIRST: &str = "c2sp.org/tlog-proof@v1";

/// The most hashes of a proof: a tree has no more levels.
const PATH_MAX: usize = 64;

/// What is wrong with a proof, a checkpoint or a verifier key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The text does not have its form.
    #[error("the text is not in its form: {0}")]
    Malformed(&'static str),
    /// The key that verifies did not sign it.
    #[error("no signature is of this key: verify with the key of the log that is named")]
    UnknownKey,
    /// The signature of the key is wrong: somebody changed the checkpoint.
    #[error("the signature does not fit: the checkpoint was changed")]
    BadSignature,
    /// It is of another log.
    #[error("it is of another log")]
    OtherLog,
    /// The leaf is not where the proof says, under the checkpoint's root.
    #[error("the event is not in the log at this place: it, the proof or the log was changed")]
    NotIncluded,
    /// The event that was logged is not the one of this receipt.
    #[error("the receipt is not the one that was logged: it was changed")]
    OtherReceipt,
}

/// That a leaf is at a place of a log, with the checkpoint under which it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// At which place, counted from 0.
    pub index: u64,
    /// The hashes from the leaf's sibling up to below the root.
    pub path: Vec<TreeHash>,
    /// The signed checkpoint.
    pub checkpoint: SignedNote,
}

impl LogProof {
    /// Checks that a leaf is where the proof says, under the root of the checkpoint that it carries. The signature of the
    /// checkpoint must be verified besides, as `whisp_store::audit::verify_proof` does.
    ///
    /// # Errors
    /// [`ProofError::Malformed`], [`ProofError::NotIncluded`].
    pub fn check(&self, leaf: &[u8]) -> Result<Checkpoint, ProofError> {
        let checkpoint = self.checkpoint.checkpoint()?;
        let leaf = TreeHash::of_leaf(leaf);
        if includes(checkpoint.root, checkpoint.size, self.index, leaf, &self.path) {
            Ok(checkpoint)
        } else {
            Err(ProofError::NotIncluded)
        }
    }
}

impl fmt::Display for LogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST}\nindex {}", self.index)?;
        for hash in &self.path {
            writeln!(f, "{hash}")?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for LogProof {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let malformed = ProofError::Malformed("a proof is its name, an index, hashes and a checkpoint");
        let (proof, checkpoint) = text.split_once("\n\n").ok_or(malformed)?;
        let mut lines = proof.split('\n').peekable();
        if lines.next() != Some(FIRST) {
            return Err(malformed);
        }
        // Whatever it says, nobody vouches for it.
        let _extra = lines.next_if(|line| line.starts_with("extra "));
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).ok_or(malformed)?;
        let path: Vec<TreeHash> = lines.map(str::parse).collect::<Result<_, _>>().map_err(|_| malformed)?;
        if path.len() > PATH_MAX {
            return Err(malformed);
        }
        Ok(Self { index: decimal(index)?, path, checkpoint: SignedNote::parse(checkpoint)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::VerifierKey;

    fn proof() -> (&'static [u8], LogProof) {
        let (other, leaf) = (TreeHash::of_leaf(b"a"), b"b".as_slice());
        let root = TreeHash::of_pair(other, TreeHash::of_leaf(leaf));
        let body = Checkpoint { origin: "whisp/audit/1".to_owned(), size: 2, root }.body();
        let note = VerifierKey::new("whisp/audit/1", [7; 32]).unwrap().sign(body, [9; 64]);
        (leaf, LogProof { index: 1, path: vec![other], checkpoint: note })
    }

    #[test]
    fn a_proof_is_a_text_that_is_read_as_it_was_written() {
        let (leaf, proof) = proof();
        let text = proof.to_string();
        assert!(
            text.starts_with(
                "c2sp.org/tlog-proof@v1\nindex 1\nAippeebat6pa5MPl5F9+l3ESp+Y1k4INvsHsc4ok+Tw=\n\nwhisp/audit/1\n2\n"
            ),
            "{text}"
        );
        let read: LogProof = text.parse().unwrap();
        assert_eq!(read, proof);
        assert_eq!(read.check(leaf).unwrap().size, 2);
        assert_eq!(read.check(b"c"), Err(ProofError::NotIncluded));
        let extra = text.replacen("\nindex", "\nextra AAAA\nindex", 1);
        assert_eq!(extra.parse::<LogProof>().unwrap(), proof);
    }

    #[test]
    fn what_is_no_proof_is_refused() {
        let text = proof().1.to_string();
        let long = text.replacen("index 1\n", &format!("index 1\n{}", format!("{}\n", TreeHash::EMPTY).repeat(64)), 1);
        for wrong in [
            "",
            FIRST,
            &text.replace("@v1", "@v2"),
            &text.replace("index 1", "index 01"),
            &text.replace("index 1\n", ""),
            &text.replace("Aipp", "Aip"),
            &text.replace("\n\nwhisp", "\nwhisp"),
            &long,
        ] {
            assert!(matches!(wrong.parse::<LogProof>(), Err(ProofError::Malformed(_))), "{wrong}");
        }
    }
}
