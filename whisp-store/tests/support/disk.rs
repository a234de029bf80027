//! File systems of a few megabytes, in a namespace of their own, where the kernel lets anybody make one.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Who a program on a small disk is.
#[derive(Clone, Copy)]
pub(crate) enum Who {
    Root,
    /// Nobody special: some programs refuse to be root.
    User,
}

/// Prepares to run a program, which is to be added, with a small disk at the folder that goes away with the program.
/// Where none can be made, it says so and returns `None`.
pub(crate) fn on_small_disk(folder: &Path, megabytes: u32, who: Who) -> Option<Command> {
    let prepared = || {
        let then = match who {
            Who::Root => "",
            Who::User => "unshare --user --map-user=1000",
        };
        let script = format!(r#"mount -t tmpfs -o size={megabytes}m tmpfs "$1" && shift && exec {then} "$@""#);
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", &script, "sh"]).arg(folder);
        command
    };
    if prepared().arg("true").stderr(Stdio::null()).status().is_ok_and(|status| status.success()) {
        return Some(prepared());
    }
    left_out("no small file system can be made here");
    None
}

/// Says why a test of a full disk is left out: past the test runner, which keeps what a passing test prints to itself.
pub(crate) fn left_out(why: &str) {
    let line = format!("{why}: the test of a full disk was left out\n");
    std::io::stderr().write_all(line.as_bytes()).expect("it can be written");
}

/// Takes all the room that is left, and gives it back.
pub(crate) struct Ballast(PathBuf);

impl Ballast {
    pub(crate) fn fill(folder: &Path) -> Self {
        let path = folder.join("ballast");
        let mut file = fs::File::create(&path).expect("there is room for a name");
        while file.write_all(&[1; 4_096]).is_ok() {}
        Self(path)
    }

    pub(crate) fn give_back(&self, bytes: u64) {
        let file = fs::OpenOptions::new().write(true).open(&self.0).expect("it is there");
        let length = file.metadata().expect("it is there").len();
        file.set_len(length - bytes).expect("it can be cut");
    }

    pub(crate) fn remove(self) {
        fs::remove_file(self.0).expect("it is there");
    }
}
