//! Full disks under logs: told once, nobody is held up, and there are lines again once there is room.

use std::fs::OpenOptions;
use std::path::PathBuf;

use testkit::{Builder, Gateway, poll};

use crate::{gateway, is_root};

/// A gateway with a disk of its own for 16 KiB at `%dir/disk`, which takes root's rights.
fn with_small_disk(conf: &str) -> Option<Builder> {
    let builder = is_root().then(|| gateway(conf))?;
    let disk = builder.dir().join("disk");
    std::fs::create_dir(&disk).unwrap();
    // Nobody but the gateway sees it, and it goes with the gateway.
    let script = format!("mount -t tmpfs -o size=16k,mode=777 tmpfs {} && exec \"$@\"", disk.display());
    Some(builder.launched_by(["unshare", "--mount", "sh", "-c", &script, "sh"]))
}

/// A file on that disk.
fn on_disk(gw: &Gateway, name: &str) -> PathBuf {
    PathBuf::from(format!("/proc/{}/root{}", gw.pid(), gw.path("disk").join(name).display()))
}

/// Makes room on the disk, as one does who has noticed.
fn make_room(gw: &Gateway, name: &str) {
    OpenOptions::new().write(true).truncate(true).open(on_disk(gw, name)).unwrap();
}

const FULL: &str = "failed (28: No space left on device)";

/// Fills the disk, sees what is told, makes room, and sees lines again.
fn fills_and_resumes(log: &str, told: &str) {
    let conf = format!(
        "map $remote_addr $empty {{ default \"\"; }} log_format f '{}';\naccess_log %dir/disk/{log};\nserver {{ listen 127.0.0.1:%in; return ok; }}",
        "x".repeat(1023)
    );
    let Some(builder) = with_small_disk(&conf) else { return };
    let gw = builder.start();
    for _ in 0..60 {
        assert_eq!(gw.ask("in", ""), "ok");
    }
    let line = gw.wait_error(FULL);
    assert_eq!(line.level, "alert");
    let expected = format!("write() to \"{}\" {FULL}", gw.path("disk/access.log").display());
    assert!(line.text.starts_with(&expected), "{}", line.text);
    assert_eq!(line.text.strip_prefix(&expected), Some(told.replace("%in", &gw.addr("in")).as_str()));
    let lines = gw.errors().iter().filter(|line| line.text.contains(FULL)).count();
    assert_eq!(lines, 1, "told once a minute");
    make_room(&gw, "access.log");
    poll("lines again", || {
        assert_eq!(gw.ask("in", ""), "ok");
        std::fs::read(on_disk(&gw, "access.log")).unwrap().ends_with(b"xxx\n").then_some(())
    });
}

#[test]
fn a_full_disk_under_the_access_log() {
    fills_and_resumes("access.log f", " while returning text, client: 127.0.0.1, server: %in");
}

#[test]
fn a_full_disk_under_a_buffered_log() {
    if !crate::is_nginx() {
        fills_and_resumes("access.log f buffer=4k", "");
    }
}

#[test]
fn a_full_disk_under_a_log_named_by_variables() {
    if !crate::is_nginx() {
        fills_and_resumes("${empty}access.log f", " while returning text, client: 127.0.0.1, server: %in");
    }
}

#[test]
fn what_a_disk_takes_of_a_line() {
    let conf = format!(
        "log_format f '{}';\naccess_log %dir/disk/access.log f;\nserver {{ listen 127.0.0.1:%in; return ok; }}",
        "x".repeat(1000)
    );
    let Some(builder) = with_small_disk(&conf) else { return };
    let gw = builder.start();
    for _ in 0..20 {
        assert_eq!(gw.ask("in", ""), "ok");
    }
    let line = gw.wait_error("write() to ");
    assert_eq!(line.level, "alert");
    assert!(line.text.contains("access.log\" was incomplete: 368 of 1001 while "), "{}", line.text);
}

#[test]
fn a_full_disk_under_the_error_log() {
    let conf = "server { listen 127.0.0.1:%in; error_log %dir/disk/error.log info; return ok; }";
    let Some(builder) = with_small_disk(conf) else { return };
    let gw = builder.start();
    for _ in 0..400 {
        assert_eq!(gw.ask("in", ""), "ok");
    }
    make_room(&gw, "error.log");
    poll("lines again", || {
        assert_eq!(gw.ask("in", ""), "ok");
        let text = String::from_utf8(std::fs::read(on_disk(&gw, "error.log")).unwrap()).unwrap();
        text.lines().last().is_some_and(|line| line.contains(" connected to ")).then_some(())
    });
}
