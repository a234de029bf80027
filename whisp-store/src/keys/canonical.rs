//! One way to turn parts into bytes, so that two different lists of parts never give the same bytes.

/// Parts, each after its length in four bytes, big endian.
#[derive(Debug)]
pub(crate) struct Canonical(Vec<u8>);

/// Enough for the parts of a seal, so that they are put together in one allocation.
const USUAL_LEN: usize = 192;

impl Canonical {
    /// Begins with a label that says what the bytes are for.
    pub(crate) fn new(label: &str) -> Self {
        Self(Vec::with_capacity(USUAL_LEN)).part(label.as_bytes())
    }

    /// Adds a part.
    #[must_use]
    pub(crate) fn part(mut self, bytes: &[u8]) -> Self {
        // A part of four gigabytes does not exist: parts are ids, names of ours, and values from one webhook.
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&len.to_be_bytes());
        self.0.extend_from_slice(bytes);
        self
    }

    /// Adds a number.
    #[must_use]
    pub(crate) fn number(self, number: u32) -> Self {
        self.part(&number.to_be_bytes())
    }
}

impl AsRef<[u8]> for Canonical {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moving_a_byte_between_parts_changes_the_bytes() {
        let bytes = |a: &str, b: &str| Canonical::new("x").part(a.as_bytes()).part(b.as_bytes()).as_ref().to_vec();
        assert_ne!(bytes("ab", "c"), bytes("a", "bc"));
        assert_ne!(bytes("", "a"), bytes("a", ""));
    }
}
