//! The reference server driven by the SDKs that real clients use. They are
//! installed by `tests/sdk/install`; without them there is nothing to drive.

use crate::server::harness::ServerProcess;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the SDKs are installed.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("sdk")
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sdk").join(name)
}

/// Runs a script against a server that has its apps reconnect every three
/// seconds; each check must say that it passed.
fn drive(mut command: Command, checks: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let flags = ["--replay-window", "2000", "--socket-refresh", "3s"];
    let server = ServerProcess::start(&folder.path().join("test.db"), &flags);
    let output = command.arg(&server.client.base).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    let passed: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("ok ")).collect();
    assert_eq!(passed, checks);
}

#[test]
fn the_python_sdk_and_bolt_work_with_it() {
    let python = folder().join("venv/bin/python");
    if !folder().join("installed-requirements.txt").exists() {
        return println!("skipped: slack_sdk and slack_bolt are not installed (tests/sdk/install does)");
    }
    let mut command = Command::new(python);
    command.arg(script("sdk.py"));
    drive(command, &["web", "rtm", "replay", "socket_mode", "bolt_socket_mode", "bolt_http"]);
}

#[test]
fn the_node_sdk_works_with_it() {
    let node = folder().join("node");
    if !node.join("installed-package.json").exists() {
        return println!("skipped: @slack/web-api and @slack/socket-mode are not installed (tests/sdk/install does)");
    }
    // Node looks for packages beside the script.
    let copy = node.join("sdk.mjs");
    std::fs::copy(script("sdk.mjs"), &copy).unwrap();
    let mut command = Command::new("node");
    command.arg(copy);
    drive(command, &["web", "socketMode"]);
}
