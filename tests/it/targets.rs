//! Targets that a profile describes: the worked example of the documentation
//! against the server that it is about (`tests/independent/parley.mjs`), the same
//! over every transport, and what `posthaste check` must find by itself.

use crate::run::Run;
use crate::trace::{Tee, traced};
use assert_cmd::Command as Posthaste;
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The server, killed when dropped.
struct Parley {
    child: Child,
    url: String,
    folder: TempDir,
}

impl Parley {
    fn start(args: &[&str]) -> Self {
        let mut child =
            Command::new("node").arg("tests/independent/parley.mjs").args(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the first line names the address").to_owned();
        Self { child, url, folder: TempDir::new().unwrap() }
    }

    /// The example of the documentation, with parts replaced.
    fn profile(&self, replaced: &[(&str, &str)]) -> PathBuf {
        let mut text = example();
        for (old, new) in replaced {
            assert!(text.contains(old), "{old} is not in the example");
            text = text.replace(old, new);
        }
        let path = self.folder.path().join("parley.toml");
        fs::write(&path, text).unwrap();
        path
    }

    fn run(&self, profile: &Path, more: &[&str]) -> Run {
        let aim = ["--target", profile.to_str().unwrap(), "--url", &self.url];
        Run::short(&[&aim[..], &["--rate", "100", "--set", "churn.share_per_minute=10"], more].concat())
    }

    fn check(&self, profile: &Path, more: &[&str]) -> (i32, Value) {
        let mut command = Posthaste::new(env!("CARGO_BIN_EXE_posthaste"));
        command.arg("check").arg(profile).args(["--url", &self.url, "--json"]).args(more);
        let output = command.timeout(Duration::from_secs(90)).output().unwrap();
        let found = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), found)
    }

    /// What the server has counted.
    fn counted(&self, what: &str) -> u64 {
        let mut stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(b"GET /counts HTTP/1.0\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let counts: Value = serde_json::from_str(answer.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        counts[what].as_u64().unwrap()
    }
}

impl Drop for Parley {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The profile of the documentation.
fn example() -> String {
    let page = fs::read_to_string("profiles/targets/README.md").unwrap();
    let block = page.split("```toml\n").nth(1).expect("the page has an example");
    block.split("```").next().unwrap().to_owned()
}

fn node_is_missing() -> bool {
    let missing = !Command::new("node").arg("--version").output().is_ok_and(|node| node.status.success());
    if missing {
        println!("skipped: Node.js is not installed");
    }
    missing
}

/// The row of a question.
fn asked<'f>(found: &'f Value, question: &str) -> &'f Value {
    let rows = found["rows"].as_array().unwrap();
    rows.iter().find(|row| row["question"] == question).unwrap_or_else(|| panic!("nobody asked {question}: {found:#}"))
}

/// Everybody has everything in the end, and nothing else is wrong.
fn is_whole(run: &Run) {
    let (thresholds, failures) = (&run.summary["thresholds"], &run.summary["drain"]);
    let said = format!("{}\n{thresholds:#}\n{failures:#}", run.stderr);
    assert_eq!((run.code, run.summary["verdict"].as_str()), (0, Some("pass")), "{said}");
    run.only(&[]);
    run.adds_up();
    assert_eq!(run.ledger("stored"), run.ledger("acknowledged") + run.finding("unknown_stored"));
    assert!(run.ledger("live_deliveries") > run.ledger("entitled_deliveries") / 2, "{:#}", run.summary["ledger"]);
    assert!(run.ledger("healed") > 0, "some subscriber was away");
    assert_eq!((run.ledger("unhealed"), run.ledger("unresolved")), (0, 0));
}

const WS: &str =
    "transport = \"ws\"\nurl = \"/v1/socket?token={{user.token}}\"\nsubscribe = '{\"join\": {{channel.id|json}}}'";

#[test]
fn the_example_of_the_documentation_works_over_every_transport() {
    if node_is_missing() {
        return;
    }
    let parley = Parley::start(&[]);
    is_whole(&parley.run(&parley.profile(&[]), &[]));
    let rooms = "query = { token = \"{{user.token}}\", rooms = \"{{channels}}\"";
    let opened = "[[receive.rule]]\nexists = [\"/open\"]\ndo = \"ready\"\n";
    let sse = format!("transport = \"sse\"\nurl = \"/v1/stream\"\n{rooms} }}\n\n{opened}");
    let lines = format!("transport = \"ndjson\"\nurl = \"/v1/lines\"\n{rooms} }}\n\n{opened}");
    for receive in [&sse, &lines] {
        is_whole(&parley.run(&parley.profile(&[(WS, receive)]), &[]));
    }
    // One connection for each channel.
    let lane = format!("per = \"channel\"\n{sse}");
    is_whole(
        &parley
            .run(&parley.profile(&[(WS, &lane)]), &["--set", "population.users=40", "--set", "population.members=10"]),
    );
    // Long polls, from a cursor that is fetched at every connect.
    let poll = format!(
        "transport = \"longpoll\"\nurl = \"/v1/poll\"\nready = \"open\"\n{rooms}, since = \"{{{{conn.next}}}}\" }}\n\n\
         [[receive.rule]]\nexists = [\"/next\"]\ncapture = {{ \"conn.next\" = \"/next\" }}\ncontinue = true\n\n\
         [[receive.rule]]\neach = \"/events/*\"\nexists = [\"/body\"]\ndo = \"deliver\"\ntext = \"/body\"\n\
         channel = \"/room\"\nposition = \"/seq\"\nkey = \"/nonce\"\n"
    );
    let boot = "[send]                                     # 2. a message is sent";
    let fetched = format!(
        "[[boot]]\nrequest = \"GET /v1/poll\"\n{rooms} }}\ncapture = {{ \"conn.next\" = \"/next\" }}\n\n{boot}"
    );
    let profile = parley.profile(&[(WS, &poll), (boot, &fetched)]);
    is_whole(&parley.run(&profile, &[]));
}

#[test]
fn a_described_target_is_told_traces_beside_its_own_headers() {
    if node_is_missing() {
        return;
    }
    let parley = Parley::start(&[]);
    let tee = Tee::before(&parley.url);
    // A header of the profile's gives way.
    let own = "headers = { Authorization = \"Bearer {{user.token}}\" }\njson = { body";
    let with_own = own.replace(" }\njson", ", Traceparent = \"00-1-2-00\", X-Own = \"{{message.key}}\" }\njson");
    let profile = parley.profile(&[(own, &with_own)]);
    let aim = ["--target", profile.to_str().unwrap(), "--url", &tee.url, "--rate", "100", "--trace", "1"];
    let run = Run::short(&aim);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let posts: Vec<_> =
        tee.requests("POST /v1/rooms/").into_iter().filter(|post| post.line.contains("/messages")).collect();
    let mut traces = Vec::new();
    for post in &posts {
        let [trace, _, flags] = traced(post);
        assert!(flags == "01" && post.all("x-own").len() == 1 && post.all("authorization").len() == 1);
        traces.push(trace);
    }
    let slowest = run.summary["slowest"].as_array().unwrap();
    assert!(!slowest.is_empty());
    assert!(slowest.iter().all(|slow| traces.contains(&slow["key"].as_str().unwrap().replace('-', ""))));
}

#[test]
fn what_is_wrong_with_a_described_target_is_counted() {
    if node_is_missing() {
        return;
    }
    let loses = Parley::start(&["--loses", "50"]);
    let run = loses.run(&loses.profile(&[]), &[]);
    assert_eq!(run.code, 97, "{}", run.stderr);
    run.only(&["acked_lost"]);
    assert_eq!(run.finding("acked_lost"), loses.counted("posts") / 50);

    // A push that did not come is a gap that the server tells, and is healed.
    let drops = Parley::start(&["--drops", "200"]);
    let gap = "[[receive.rule]]\nexists = [\"/gap\"]\ndo = \"gap\"\nchannel = \"/gap\"\n\n[[receive.rule]]\nexists = [\"/joined\"]";
    let told = drops.profile(&[("[[receive.rule]]\nexists = [\"/joined\"]", gap)]);
    let run = drops.run(&told, &["--set", "churn.share_per_minute=0"]);
    is_whole(&run);
    assert!(run.finding("live_missed") < run.ledger("healed"), "a message behind a gap is not owed live");
    // A design that trusts its pushes hears of it and reads nothing.
    let trusting = ["--set", "churn.share_per_minute=0", "--set", "receive.design=ws-trusting"];
    let run = drops.run(&told, &trusting);
    assert_eq!(run.summary["findings"]["healed"]["split"]["by_policy"], 0, "{}", run.summary["findings"]["healed"]);
    // Who does not hear of gaps, misses them, and heals in the end.
    let run = drops.run(&drops.profile(&[]), &["--set", "churn.share_per_minute=0"]);
    assert!(run.finding("live_missed") > 0 && run.ledger("unhealed") == 0, "{:#}", run.summary["ledger"]);
}

#[test]
fn tokens_are_renewed_and_no_message_is_rejected_for_it() {
    if node_is_missing() {
        return;
    }
    for expires in ["", "expires = \"/expires_in\"\n"] {
        let parley = Parley::start(&["--token-life", "3"]);
        let login = format!(
            "[[login]]\nrequest = \"POST /v1/login\"\njson = {{ name = \"{{{{user.name}}}}\" }}\n{expires}capture = "
        );
        let setup = "[[setup]]                                  # 1. users and rooms come to be\nper = \"user\"\nrequest = \"POST /v1/login\"\njson = { name = \"{{user.name}}\" }\ncapture = ";
        let refused = "status = [400, 401, 403, 404]";
        let profile = parley.profile(&[(setup, &login), (refused, "status = [400, 403, 404]")]);
        let run = parley.run(&profile, &["--set", "arrival.duration=6s"]);
        is_whole(&run);
        assert_eq!(run.ledger("rejected") + run.ledger("unknown"), 0);
        let (logins, unauthorized) = (parley.counted("logins"), parley.counted("unauthorized"));
        assert!(logins > 100, "60 users live through some tokens: {logins}");
        // A token whose lifetime is told is renewed before anybody is turned away, unless
        // the machine is so busy that it expires on its way.
        let seldom = unauthorized * 10 < logins;
        assert_eq!(seldom, !expires.is_empty(), "{unauthorized} were turned away, {logins} logins");
    }
}

/// The server pings twice a second: who beats only where nothing comes, never does.
#[test]
fn heartbeats_are_sent_as_the_target_wants_them() {
    if node_is_missing() {
        return;
    }
    for (idle, beats) in [("", true), ("only_idle = true\n", false)] {
        let parley = Parley::start(&[]);
        let beat = format!("[receive.heartbeat]\nframe = '{{\"beat\": 1}}'\nevery = \"1s\"\n{idle}\n[history]  ");
        let profile = parley.profile(&[("[history]  ", &beat)]);
        is_whole(&parley.run(&profile, &[]));
        assert_eq!(parley.counted("beats") > 0, beats, "{idle}");
    }
}

#[test]
fn users_and_channels_are_kept_and_used_again() {
    if node_is_missing() {
        return;
    }
    let parley = Parley::start(&[]);
    // A step of the run uses what the one before it has captured.
    let chain = "\n[[setup]]\nper = \"run\"\nrequest = \"POST /v1/login\"\njson = { name = \"admin\" }\ncapture = { \"run.token\" = \"/token\" }\n\n[[setup]]\nper = \"run\"\nrequest = \"PUT /v1/rooms/lobby\"\nheaders = { Authorization = \"Bearer {{run.token}}\" }\n\n[[setup]]   ";
    let clean = "\n[[cleanup]]\nper = \"channel\"\nrequest = \"DELETE /v1/rooms/{{channel.id}}\"\nheaders = { Authorization = \"Bearer {{user.token}}\" }\n\n[send] ";
    let profile = parley.profile(&[("\n[send] ", clean), ("\n[[setup]]   ", chain)]);
    let kept = parley.folder.path().join("setup.ndjson");
    let setup = ["--setup", kept.to_str().unwrap()];
    is_whole(&parley.run(&profile, &setup));
    let (logins, rooms) = (parley.counted("logins"), parley.counted("rooms"));
    assert_eq!((logins, rooms), (61, 7));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&kept).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "tokens are in it");
    // A set-up that was cut off goes on where it was.
    let text = fs::read_to_string(&kept).unwrap();
    let cut: Vec<&str> = text.lines().take(1 + 1 + 60 + 3).collect();
    fs::write(&kept, format!("{}\n{{\"what\":\"chan", cut.join("\n"))).unwrap();
    is_whole(&parley.run(&profile, &setup));
    assert_eq!((parley.counted("logins"), parley.counted("rooms")), (61, 10), "three rooms were left to make");
    is_whole(&parley.run(&profile, &setup));
    assert_eq!((parley.counted("logins"), parley.counted("rooms")), (61, 10), "and nothing after that");
    let both = parley.run(&profile, &[&setup[..], &["--clean"]].concat());
    assert!(both.code == 2 && both.stderr.contains("give one of them"), "{}", both.stderr);
    is_whole(&parley.run(&profile, &["--clean"]));
    assert_eq!(parley.counted("deleted"), 6, "cleaned up");
    let other = parley.run(&profile, &[&setup[..], &["--set", "population.users=70"]].concat());
    assert!(other.code == 2 && other.stderr.contains("it was made for"), "{}", other.stderr);
}

#[test]
fn check_finds_what_a_server_does_with_keys() {
    if node_is_missing() {
        return;
    }
    let parley = Parley::start(&[]);
    let (code, found) = parley.check(&parley.profile(&[]), &["--patience", "0s"]);
    assert_eq!(code, 0, "{found:#}");
    assert!(found["rows"].as_array().unwrap().iter().all(|row| row["agreement"] != "broken"));

    // Forgotten before its time.
    let forgetful = Parley::start(&["--window", "3"]);
    let (code, found) = forgetful.check(&forgetful.profile(&[]), &["--patience", "6s"]);
    assert_eq!(code, 97, "{found:#}");
    let later = asked(&found, "the same key after 5 s");
    assert_eq!(later["agreement"], "broken", "{later}");
    assert!(later["observed"].as_str().unwrap().starts_with("2 messages stored"), "{later}");
    assert_eq!(asked(&found, "the same key twice")["agreement"], "agrees");
    // A profile that declares it is right, and says what comes after.
    let declared = forgetful.profile(&[("window = \"10m\"", "window = \"3s\"")]);
    let (code, found) = forgetful.check(&declared, &["--patience", "6s"]);
    assert_eq!(code, 0, "{found:#}");
    assert_eq!(asked(&found, "the same key after 5 s")["declared"], "forgotten after 3 s");

    // Another user's post under the same key is answered with somebody else's message.
    let global = Parley::start(&["--nonces", "server"]);
    let by_user = global.profile(&[("scope = \"channel\"", "scope = \"user\"")]);
    let (code, found) = global.check(&by_user, &["--patience", "0s"]);
    assert_eq!(code, 97);
    for (question, agreement) in
        [("another user's message under the same key", "broken"), ("the same key in another channel", "noted")]
    {
        let row = asked(&found, question);
        assert_eq!(row["agreement"], agreement, "{row}");
        let observed = row["observed"].as_str().unwrap();
        assert!(observed.contains("acknowledged and not stored"), "{observed}");
        assert!(observed.contains("answered with the id of somebody else's message"), "{observed}");
    }
}

#[test]
fn check_finds_what_a_server_does_with_history_and_texts() {
    if node_is_missing() {
        return;
    }
    let shallow = Parley::start(&["--keep", "25", "--trims"]);
    let (code, found) = shallow.check(&shallow.profile(&[]), &["--patience", "0s"]);
    assert_eq!(code, 97);
    let deep = asked(&found, "how deep history is");
    assert_eq!(deep["agreement"], "broken");
    assert!(deep["observed"].as_str().unwrap().starts_with("25 of 60 are shown, and nothing says"), "{deep}");
    assert!(asked(&found, "text: spaces at its end")["observed"].as_str().unwrap().starts_with("trimmed"));
    assert_eq!(asked(&found, "text: letters of many scripts")["observed"], "as it was");
    let declared = shallow.profile(&[("lag = \"1s\"", "lag = \"1s\"\ndepth = 25")]);
    let (_, found) = shallow.check(&declared, &["--patience", "0s"]);
    assert_eq!(asked(&found, "how deep history is")["agreement"], "agrees");

    let silent = Parley::start(&["--silent"]);
    let unconfirmed = silent.profile(&[("[[receive.rule]]\nexists = [\"/joined\"]\ndo = \"subscribed\"\n", "")]);
    let (code, found) = silent.check(&unconfirmed, &["--patience", "0s"]);
    assert_eq!(code, 0, "{found:#}");
    let (code, found) = silent.check(&silent.profile(&[]), &["--patience", "0s"]);
    assert_eq!(code, 97, "nothing confirms, and the profile waits for it");
    assert_eq!(asked(&found, "subscriptions that stand")["observed"].as_str().unwrap().split(' ').next(), Some("0"));
}

#[test]
fn a_secret_stands_in_no_output() {
    if node_is_missing() {
        return;
    }
    const CANARY: &str = "canary-4f1c9e";
    let parley = Parley::start(&[]);
    let variables = "\n[variables]\nsecret = { env = \"PARLEY_SECRET\" }\n\n[[setup]]  ";
    let sent = "headers = { Authorization = \"Bearer {{user.token}}\", X-Secret = \"{{var.secret}}\" }\njson";
    let profile = parley.profile(&[
        ("\n[[setup]]  ", variables),
        ("headers = { Authorization = \"Bearer {{user.token}}\" }\njson", sent),
    ]);
    let results = parley.folder.path().join("results");
    let mut command = Posthaste::new(env!("CARGO_BIN_EXE_posthaste"));
    command.args(["run", "--users", "50", "--duration", "1s", "--target"]).arg(&profile).args(["--url", &parley.url]);
    command.arg("--results").arg(&results).env("PARLEY_SECRET", CANARY).env("RUST_LOG", "debug");
    let output = command.timeout(Duration::from_secs(60)).output().unwrap();
    let printed = [output.stdout, output.stderr].concat();
    assert!(!String::from_utf8_lossy(&printed).contains(CANARY));
    let mut files = vec![results];
    let mut looked_at = 0;
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            looked_at += 1;
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(CANARY.len()).any(|part| part == CANARY.as_bytes()), "{}", path.display());
        }
    }
    assert!(looked_at > 8, "the run left its files");

    let refused = parley.run(&profile, &["--var", "secret=x"]);
    assert!(refused.code == 2 && refused.stderr.contains("no place on a command line"), "{}", refused.stderr);
    let missing = parley.run(&profile, &[]);
    assert!(missing.stderr.contains("needs the environment variable PARLEY_SECRET"), "{}", missing.stderr);
}

/// The same wire natively and as a profile describes it, against the reference
/// server with a bug: both see the same.
#[test]
fn a_described_wire_is_judged_as_the_native_one() {
    let folder = TempDir::new().unwrap();
    let users = folder.path().join("users.csv");
    let tokens: Vec<String> = (0..60).map(|user| format!("xoxb-test-{user}")).collect();
    fs::write(&users, format!("token\n{}\n", tokens.join("\n"))).unwrap();
    let log = folder.path().join("defects.ndjson");
    let mut serve = Command::new(env!("CARGO_BIN_EXE_posthaste"))
        .args(["serve", "--port", "0", "--defect", "ack-before-persist=100", "--defect-log"])
        .arg(&log)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(serve.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url =
        line.split_whitespace().find(|word| word.starts_with("http://")).expect("it names its address").to_owned();
    let aim = ["--target", "slack", "--users-from", users.to_str().unwrap(), "--url", &url];
    let run = Run::short(&[&aim[..], &["--set", "churn.share_per_minute=10"]].concat());
    serve.kill().unwrap();
    serve.wait().unwrap();
    assert_eq!(run.code, 97, "{}\n{:#}", run.stderr, run.summary);
    run.only(&["acked_lost"]);
    let planted = fs::read_to_string(&log).unwrap().lines().count() as u64;
    assert!(planted > 1 && run.finding("acked_lost") == planted, "{planted}");
    assert!(run.ledger("healed") > 0);
}

#[test]
fn mistakes_are_named_with_what_to_do() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mine.toml");
    let check = |text: &str, more: &[&str]| {
        fs::write(&path, text).unwrap();
        let mut command = Posthaste::new(env!("CARGO_BIN_EXE_posthaste"));
        let output = command.arg("check").arg(&path).args(more).timeout(Duration::from_secs(20)).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let good = example();
    for (text, expected) in [
        (
            good.replace("codec", "codex").replace("subscribe =", "subscribes ="),
            "unknown key `subscribes`; did you mean `subscribe`?",
        ),
        (good.replace("{{user.token}}", "{{user.tokn}}"), "there is no variable user.tokn; did you mean user.token?"),
        (good.replace("effect = \"ok\"", "effect = \"none\""), "no [[send.answer]] has effect = \"ok\""),
        (good.replace("\"ws\"", "\"carrier-pigeon\""), "unknown variant `carrier-pigeon`"),
    ] {
        let (code, error) = check(&text, &[]);
        assert!(code == Some(2) && error.contains(expected) && error.contains("mine.toml:"), "{error}");
    }
    let (code, error) = check(&good, &["--url", "http://198.51.100.7:80"]);
    assert!(code == Some(2) && error.contains("--allow-host 198.51.100.7"), "{error}");
    let (code, error) = check(&good, &["--url", "http://127.0.0.1:9"]);
    assert!(code == Some(5) && error.contains("cannot reach the target"), "{error}");
}

#[test]
fn the_schema_takes_every_built_in_profile() {
    let mut command = Posthaste::new(env!("CARGO_BIN_EXE_posthaste"));
    let output = command.args(["check", "--schema"]).output().unwrap();
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let mut profiles = 0;
    for entry in fs::read_dir("profiles/targets").unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let profile: Value = toml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            let errors: Vec<String> = validator.iter_errors(&profile).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{}: {errors:?}", path.display());
            profiles += 1;
        }
    }
    assert_eq!(profiles, 14);
    let wrong: Value = serde_json::json!({ "name": "x", "capabilities": {}, "sned": {} });
    assert!(!validator.is_valid(&wrong));
}
