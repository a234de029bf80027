//! Checkpoints: how large a log is and what its root is, signed, in the forms of C2SP's
//! [tlog-checkpoint](https://c2sp.org/tlog-checkpoint) and [signed-note](https://c2sp.org/signed-note).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::audit::ProofError;
use crate::audit::tree::TreeHash;

/// The longest note that is read, in bytes: room for many witnesses.
pub const NOTE_MAX: usize = 1 << 17;

/// The byte that says of a key or a signature that it is Ed25519.
const ED25519: u8 = 1;

/// With what each signature line begins.
const SIGNATURE: &str = "\u{2014} ";

/// How large a log is, and the root over all its leaves. What it says counts only where its signature was verified:
/// `whisp_store::audit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Of which log: its name.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// The root over them.
    pub root: TreeHash,
}

impl Checkpoint {
    /// Returns the text that is signed.
    ///
    /// # Examples
    /// ```
    /// use whisp_core::audit::{Checkpoint, TreeHash};
    /// let checkpoint = Checkpoint { origin: "example.com/log".to_owned(), size: 0, root: TreeHash::EMPTY };
    /// assert_eq!(checkpoint.body(), "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    /// ```
    #[must_use]
    pub fn body(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, self.root)
    }

    /// Reads the text that is signed. Lines after the third are left out.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn parse(body: &str) -> Result<Self, ProofError> {
        let mut lines =
            body.strip_suffix('\n').ok_or(ProofError::Malformed("a checkpoint ends its lines"))?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(ProofError::Malformed("a checkpoint has three lines"));
        };
        if origin.is_empty() || lines.any(str::is_empty) {
            return Err(ProofError::Malformed("no line of a checkpoint is empty"));
        }
        let root = root.parse().map_err(|_| ProofError::Malformed("the root of a checkpoint is a hash"))?;
        Ok(Self { origin: origin.to_owned(), size: decimal(size)?, root })
    }
}

/// A text and its signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    /// What is signed, with the end of its last line.
    pub text: String,
    /// By whom.
    pub signatures: Vec<NoteSignature>,
}

/// One signature of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The name of the key.
    pub name: String,
    /// The first bytes of a hash of name and key: which of the keys with this name it is.
    pub id: [u8; 4],
    /// The signature.
    pub bytes: Vec<u8>,
}

impl SignedNote {
    /// Reads a note. Nothing is verified.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn parse(note: &str) -> Result<Self, ProofError> {
        if note.len() > NOTE_MAX {
            return Err(ProofError::Malformed("the note is too long"));
        }
        if note.chars().any(|letter| letter < ' ' && letter != '\n') {
            return Err(ProofError::Malformed("a note has no control characters"));
        }
        let (text, signatures) = note.rsplit_once("\n\n").ok_or(ProofError::Malformed("a note is signed"))?;
        let signatures = signatures.strip_suffix('\n').ok_or(ProofError::Malformed("a note ends its lines"))?;
        let signatures = signatures.split('\n').map(NoteSignature::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// Reads the checkpoint that the note holds. It counts only where a signature was verified.
    ///
    /// # Errors
    /// [`ProofError::Malformed`].
    pub fn checkpoint(&self) -> Result<Checkpoint, ProofError> {
        Checkpoint::parse(&self.text)
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for NoteSignature { name, id, bytes } in &self.signatures {
            writeln!(f, "{SIGNATURE}{name} {}", STANDARD.encode([id.as_slice(), bytes].concat()))?;
        }
        Ok(())
    }
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, ProofError> {
        let malformed = ProofError::Malformed("a signature line is a dash, a name and base64");
        let (name, bytes) = line.strip_prefix(SIGNATURE).and_then(|line| line.split_once(' ')).ok_or(malformed)?;
        let bytes = STANDARD.decode(bytes).map_err(|_| malformed)?;
        match bytes.split_first_chunk() {
            Some((id, bytes)) if is_key_name(name) && !bytes.is_empty() => {
                Ok(Self { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
            }
            _ => Err(malformed),
        }
    }
}

/// The public key by which a log's checkpoints are verified, with the log's name. Its text is the one that C2SP's tools
/// read: `name+id+key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    key: [u8; 32],
}

impl VerifierKey {
    /// Makes the verifier key of a log out of an Ed25519 public key.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] where the name is empty, or has a space, a plus or a control character.
    pub fn new(name: impl Into<String>, key: [u8; 32]) -> Result<Self, ProofError> {
        let name = name.into();
        if !is_key_name(&name) {
            return Err(ProofError::Malformed("the name of a log has no spaces, plus or control characters"));
        }
        Ok(Self { name, key })
    }

    /// Returns the name of the log.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the Ed25519 public key.
    #[must_use]
    pub const fn key(&self) -> &[u8; 32] {
        &self.key
    }

    /// Returns the id by which signatures name the key.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let TreeHash([a, b, c, d, ..]) = TreeHash::of(&[self.name.as_bytes(), b"\n", &[ED25519], &self.key]);
        [a, b, c, d]
    }

    /// Puts a signature of this key under a text.
    #[must_use]
    pub fn sign(&self, text: String, signature: [u8; 64]) -> SignedNote {
        let signature = NoteSignature { name: self.name.clone(), id: self.id(), bytes: signature.to_vec() };
        SignedNote { text, signatures: vec![signature] }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = STANDARD.encode([[ED25519].as_slice(), &self.key].concat());
        write!(f, "{}+{:08x}+{key}", self.name, u32::from_be_bytes(self.id()))
    }
}

impl FromStr for VerifierKey {
    type Err = ProofError;

    fn from_str(text: &str) -> Result<Self, ProofError> {
        let malformed = ProofError::Malformed("a verifier key is a name, an id and the base64 of an Ed25519 key");
        // The base64 may have a plus in it.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed);
        };
        let bytes = STANDARD.decode(key).map_err(|_| malformed)?;
        let key = bytes.strip_prefix(&[ED25519]).and_then(|key| key.try_into().ok()).ok_or(malformed)?;
        let key = Self::new(name, key)?;
        if format!("{:08x}", u32::from_be_bytes(key.id())) == id { Ok(key) } else { Err(malformed) }
    }
}

/// Returns whether a key may have this name.
fn is_key_name(name: &str) -> bool {
    !name.is_empty() && !name.chars().any(|letter| letter.is_whitespace() || letter.is_control() || letter == '+')
}

/// Reads a number from zero that is written in one way only.
pub(super) fn decimal(text: &str) -> Result<u64, ProofError> {
    let canonical = |number: &u64| number.to_string() == text;
    text.parse().ok().filter(canonical).ok_or(ProofError::Malformed("a number is written without zeros before it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of checkpoints.
    const CHECKPOINT: &str = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n\n\
        \u{2014} example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n";

    #[test]
    fn the_example_of_the_specification_is_read_and_written_as_it_is() {
        let note = SignedNote::parse(CHECKPOINT).unwrap();
        assert_eq!(note.to_string(), CHECKPOINT);
        let checkpoint = note.checkpoint().unwrap();
        assert_eq!((checkpoint.origin.as_str(), checkpoint.size), ("example.com/behind-the-sofa", 20_852_163));
        assert_eq!(checkpoint.body(), note.text);
        assert_eq!((note.signatures[0].id, note.signatures[0].bytes.len()), ([3, 0x3d, 0xe0, 0xae], 64));
        let extended = format!("{}extension\n", note.text);
        assert_eq!(Checkpoint::parse(&extended).unwrap(), checkpoint);
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let cut = CHECKPOINT.strip_suffix('\n').unwrap();
        let wrong = [
            "",
            "\n\n",
            cut,
            &CHECKPOINT.replace("\n\n", "\n"),
            &CHECKPOINT.replace('\u{2014}', "-"),
            &CHECKPOINT.replace("sofa Az3", "sofa  Az3"),
            &CHECKPOINT.replace("sofa Az3", "so fa Az3"),
            &CHECKPOINT.replace("sofa\n2", "sofa\r\n2"),
            &CHECKPOINT.replace(
                "sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=",
                "sofa Az3grg==",
            ),
            &CHECKPOINT.repeat(NOTE_MAX / CHECKPOINT.len() + 1),
        ];
        for note in wrong {
            assert!(matches!(SignedNote::parse(note), Err(ProofError::Malformed(_))), "{note}");
        }
        for body in [
            "",
            "a\n1\n",
            "a\n01\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n1\nCsU=\n",
            "\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n+1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n",
            "a\n1\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=",
        ] {
            assert!(matches!(Checkpoint::parse(body), Err(ProofError::Malformed(_))), "{body:?}");
        }
    }

    #[test]
    fn a_verifier_key_is_written_as_the_tools_of_c2sp_read_it() {
        // The key of the Go checksum database, as the Go command has it.
        let text = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8";
        let key: VerifierKey = text.parse().unwrap();
        assert_eq!(key.to_string(), text);
        assert_eq!((key.name(), key.id()), ("sum.golang.org", [3, 0x3d, 0xe0, 0xae]));
        for wrong in [
            "",
            "a",
            "a+b",
            &text.replace("033d", "033e"),
            &text.replace("+Ac4", "+Bc4"),
            &text.replace("sum", "su m"),
            &text[..60],
        ] {
            assert!(wrong.parse::<VerifierKey>().is_err(), "{wrong}");
        }
        assert!(VerifierKey::new("a+b", [0; 32]).is_err());
    }
}
