//! Small values that can be destroyed: in memory, and in a folder.

mod folder;
mod memory;

pub use folder::FolderCells;
pub use memory::MemoryCells;
