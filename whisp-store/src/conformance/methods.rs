//! Every method of the store traits, so that what is proved over all of them leaves none out.

/// A method of [`Records`](whisp_core::store::Records), [`Work`](whisp_core::store::Work) or
/// [`Facts`](whisp_core::store::Facts).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// [`Records::clear`](whisp_core::store::Records::clear).
    Clear,
    /// [`Records::commit`](whisp_core::store::Records::commit).
    Commit,
    /// [`Facts::discard`](whisp_core::store::Facts::discard).
    Discard,
    /// [`Records::expired`](whisp_core::store::Records::expired).
    Expired,
    /// [`Records::find`](whisp_core::store::Records::find).
    Find,
    /// [`Records::get`](whisp_core::store::Records::get).
    Get,
    /// [`Records::list`](whisp_core::store::Records::list).
    List,
    /// [`Records::of_subject`](whisp_core::store::Records::of_subject).
    OfSubject,
    /// [`Work::own`](whisp_core::store::Work::own).
    Own,
    /// [`Work::pending`](whisp_core::store::Work::pending).
    Pending,
    /// [`Work::release`](whisp_core::store::Work::release).
    Release,
    /// [`Work::renew`](whisp_core::store::Work::renew).
    Renew,
    /// [`Facts::scan`](whisp_core::store::Facts::scan).
    Scan,
    /// [`Work::wait`](whisp_core::store::Work::wait).
    Wait,
}

impl Method {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::Clear,
        Self::Commit,
        Self::Discard,
        Self::Expired,
        Self::Find,
        Self::Get,
        Self::List,
        Self::OfSubject,
        Self::Own,
        Self::Pending,
        Self::Release,
        Self::Renew,
        Self::Scan,
        Self::Wait,
    ];

    /// Returns the name that it has in its trait.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Clear => "clear",
            Self::Commit => "commit",
            Self::Discard => "discard",
            Self::Expired => "expired",
            Self::Find => "find",
            Self::Get => "get",
            Self::List => "list",
            Self::OfSubject => "of_subject",
            Self::Own => "own",
            Self::Pending => "pending",
            Self::Release => "release",
            Self::Renew => "renew",
            Self::Scan => "scan",
            Self::Wait => "wait",
        }
    }
}
