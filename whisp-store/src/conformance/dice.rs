//! What random calls are made of: few keys, so that every tenant uses each of them.

use chrono::{DateTime, TimeDelta, Utc};
use whisp_core::id::{ConnectionId, ConversationId, FactId, IdSource, RecordId, SubjectId, WorkId};
use whisp_core::kpi::{Actor, Fact, FactKind};
use whisp_core::store::{BlindIndex, Bucket, Clear, DedupKey, Kind, Record, Sealed, WorkItem, WorkKey};
use whisp_core::testing::SeqIds;

pub(super) const KINDS: [Kind; 3] = [Kind::MESSAGE, Kind::ROUTE, Kind::SUGGESTION];
pub(super) const BUCKETS: [Bucket; 2] = [Bucket(0), Bucket(u16::MAX)];

/// How many ids, parents, lookups and so on there are.
pub(super) const FEW: u8 = 3;

/// Picks at random, the same from the same seed.
pub(super) struct Dice {
    ids: SeqIds,
    /// When everything begins.
    pub(super) began: DateTime<Utc>,
}

impl Dice {
    pub(super) const fn new(seed: u32, began: DateTime<Utc>) -> Self {
        Self { ids: SeqIds::new(seed as u64), began }
    }

    pub(super) fn bytes(&self) -> [u8; 16] {
        self.ids.random().into_bytes()
    }

    pub(super) fn below(&self, end: u32) -> u32 {
        let mut bytes = [0; 8];
        self.ids.fill(&mut bytes);
        (u64::from_le_bytes(bytes) >> 32) as u32 % end
    }

    pub(super) fn one_in(&self, count: u32) -> bool {
        self.below(count) == 0
    }

    pub(super) fn pick<T: Copy>(&self, among: &[T]) -> T {
        among[self.below(among.len() as u32) as usize]
    }

    /// One of the few names, the lowest and the highest among them.
    pub(super) fn name(&self) -> [u8; 16] {
        name(self.below(u32::from(FEW)) as u8)
    }

    pub(super) fn id(&self) -> RecordId {
        RecordId::from_bytes(self.name())
    }

    /// One of a few moments around the beginning.
    pub(super) fn moment(&self) -> DateTime<Utc> {
        self.began + TimeDelta::seconds(i64::from(self.below(4)) - 1)
    }

    pub(super) fn position(&self) -> i64 {
        self.pick(&[i64::MIN, -1, 0, 1, i64::MAX])
    }

    pub(super) fn limit(&self) -> usize {
        self.pick(&[1, 2, 3, 1_000])
    }

    pub(super) fn dedup(&self) -> DedupKey {
        let name = self.name();
        DedupKey { second: i64::from(name[0]), digest: [name[0]; 32] }
    }

    pub(super) fn work_key(&self) -> WorkKey {
        WorkKey { bucket: self.pick(&BUCKETS), due: self.moment(), id: WorkId::from_bytes(self.name()) }
    }

    pub(super) fn record(&self, kind: Kind, id: RecordId, version: u64) -> Record {
        let (mut record, paths) = (Record { version, ..Record::new(kind, id) }, kind.paths());
        record.parent = (paths.listed && !self.one_in(4)).then(|| self.id());
        record.position = if paths.listed { self.position() } else { 0 };
        if paths.found {
            record.lookups = (0..self.below(3)).map(|_| BlindIndex(self.name())).collect();
        }
        if paths.owned {
            record.subjects = (0..self.below(3)).map(|_| SubjectId::from_bytes(self.name())).collect();
        }
        record.expires_at = (paths.expires && self.one_in(2)).then(|| self.moment());
        // What tells the records of the tenants from one another.
        record.clear = Clear(format!(r#"{{"n":{}}}"#, self.below(1_000_000)));
        record.sealed = Sealed(self.bytes().to_vec());
        record
    }

    pub(super) fn fact(&self) -> Fact {
        Fact {
            id: FactId::from_bytes(self.name()),
            at: self.moment(),
            kind: self.pick(&[FactKind::MessageIn, FactKind::MessageOut, FactKind::Read]),
            actor: Actor::Contact,
            connection: ConnectionId::from_bytes(self.name()),
            conversation: ConversationId::from_uuid(self.ids.random()),
            inquiry: None,
        }
    }

    pub(super) fn work(&self, key: WorkKey) -> WorkItem {
        let payload = Clear(format!(r#"{{"n":{}}}"#, self.below(1_000_000)));
        WorkItem { key, lane: self.id(), attempts: self.below(9), payload }
    }

    /// The version that makes an operation possible, as a rule.
    pub(super) fn likely(&self, version: u64) -> u64 {
        if self.one_in(16) { self.below(4).into() } else { version }
    }
}

pub(super) fn name(byte: u8) -> [u8; 16] {
    [[0; 16], [7; 16], [0xff; 16]][usize::from(byte)]
}
