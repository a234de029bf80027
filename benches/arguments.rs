//! What a bench of rounds is told.

/// With `--quick` a bench only has to show that it works: each person writes once in a round.
const MESSAGES_QUICK: usize = crate::world::PEOPLE;

/// The words after `--`: a number sets the messages of a round, a store's name leaves the others out.
#[derive(Debug)]
pub struct Arguments(Vec<String>);

impl Arguments {
    /// Reads them.
    #[must_use]
    pub fn read() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// Returns whether a word was given.
    #[must_use]
    pub fn say(&self, word: &str) -> bool {
        self.0.iter().any(|given| given == word)
    }

    /// Returns how many messages to take, all in all or in a round.
    #[must_use]
    pub fn messages(&self, default: usize) -> usize {
        let default = if self.say("--quick") { MESSAGES_QUICK } else { default };
        self.0.iter().find_map(|word| word.parse().ok()).unwrap_or(default)
    }

    /// Returns whether SQLite is wanted.
    #[must_use]
    pub fn sqlite(&self) -> bool {
        !self.say("postgres")
    }

    /// Returns where PostgreSQL is, if it is wanted and somebody has said where it is; says so if nobody has.
    #[expect(clippy::disallowed_methods, reason = "the server lies outside the project")]
    #[must_use]
    pub fn postgres(&self) -> Option<String> {
        if self.say("sqlite") {
            return None;
        }
        let url = std::env::var("WHISP_TEST_POSTGRES_URL").ok();
        if url.is_none() {
            crate::say("WHISP_TEST_POSTGRES_URL is not set: the bench on PostgreSQL is left out");
        }
        url
    }
}
