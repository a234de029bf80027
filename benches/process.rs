//! What this process takes of the machine, as Linux tells it; elsewhere nothing is known.

/// A tick of the processor's clock, in which Linux counts the time of a process.
const TICKS_PER_SECOND: f64 = 100.0;

/// The bytes of a page of memory.
const PAGE: f64 = 4_096.0;

/// Returns for how many seconds the processors have worked for this process, 0 where nobody tells.
#[must_use]
pub fn busy() -> f64 {
    let read = || {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the process, in brackets, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let ticks = |at: usize| fields.get(at)?.parse::<u32>().ok().map(f64::from);
        Some(ticks(11)? + ticks(12)?)
    };
    read().unwrap_or_default() / TICKS_PER_SECOND
}

/// Returns how many bytes of memory this process has, 0 where nobody tells.
#[must_use]
pub fn resident() -> f64 {
    let read = || {
        let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
        statm.split_whitespace().nth(1)?.parse::<u32>().ok().map(f64::from)
    };
    read().unwrap_or_default() * PAGE
}
