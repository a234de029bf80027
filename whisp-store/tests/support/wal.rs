//! The write-ahead log as bytes, and images of what a power cut leaves (<https://www.sqlite.org/walformat.html>).

use std::fs;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const PAGE: usize = 4_096;

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;

/// Where frames begin and end, from nothing to all of it.
pub(crate) fn boundaries(log: &[u8]) -> Vec<usize> {
    let frames = log.len().saturating_sub(HEADER) / (FRAME_HEADER + PAGE);
    assert!(frames > 0, "the log is empty");
    [0].into_iter().chain((0..=frames).map(|frame| HEADER + frame * (FRAME_HEADER + PAGE))).collect()
}

/// Writes a database and its log as they were found after a power cut.
pub(crate) fn write_image(path: &Path, file: &[u8], log: &[u8]) {
    let mut log_path = path.as_os_str().to_owned();
    log_path.push("-wal");
    fs::write(path, file).and_then(|()| fs::write(log_path, log)).expect("there is room");
}

/// Picks numbers, the same ones each time.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % sides
    }

    /// What is on the disk if the power went while `new` was written over `old`: of each sector that differs the old
    /// bytes, the new ones, zeros, or the beginning of the new ones, in any order. The bytes beside those that were
    /// written stay: SQLite relies on that (<https://www.sqlite.org/psow.html>), as every disk of today keeps it.
    pub(crate) fn cut(&mut self, old: &[u8], new: &[u8]) -> Vec<u8> {
        let mut disk = old.to_vec();
        disk.resize(old.len().max(new.len()), 0);
        for (there, sector) in disk.chunks_mut(SECTOR).zip(new.chunks(SECTOR)) {
            let differs = |at: &usize| there[*at] != sector[*at];
            let (Some(first), Some(last)) = ((0..sector.len()).find(differs), (0..sector.len()).rev().find(differs))
            else {
                continue;
            };
            let (there, sector) = (&mut there[first..=last], &sector[first..=last]);
            match self.roll(5) {
                0 => {}
                1 => there.fill(0),
                2 => {
                    let torn = self.roll(sector.len());
                    there[..torn].copy_from_slice(&sector[..torn]);
                }
                _ => there.copy_from_slice(sector),
            }
        }
        disk
    }
}
