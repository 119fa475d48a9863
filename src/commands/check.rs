//! `posthaste check`: reads a workload or a target profile and says what it
//! means; with `--url`, asks the target whether its profile is true.

use super::complain;
use super::report::stdout_style;
use super::run::inputs;
use super::run::sources::sources;
use super::run::trust::trust;
use super::run::{casting, dry_run, print};
use super::signals::{Asked, on_signals};
use crate::cli::CheckArgs;
use crate::engine::{self, EngineError, Interval, Job, Means, Observer, ProbeOptions, Snapshot, Stop};
use crate::exit_code;
use crate::judge::probe::{Agreement, Declared, ProbeRow, Within, table};
use crate::ledger::{Latencies, LedgerPiece, NoSpill, ProbeFacts, RunRecord};
use crate::model::RunId;
use crate::plan::profile::{BuiltIn, find_built_in, load, parse_duration};
use crate::report::{Progress, ProgressMode, probed, target_in_words};
use crate::target::{Address, Described, GivenFrom, KeyEcho, KeyScope, SCHEMA, TargetProfile, built_in_targets};
use anyhow::Context;
use serde::Serialize;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Runs the command and returns the exit code.
pub fn run(args: &CheckArgs) -> anyhow::Result<u8> {
    if args.schema {
        print(SCHEMA)?;
        return Ok(exit_code::PASS);
    }
    if args.of_itself {
        return super::self_check::run(args);
    }
    let Some(what) = args.what.as_deref() else {
        complain(
            "name a workload or a target profile, or ask for --self or --schema; posthaste profiles lists the built-in \
             ones",
        );
        return Ok(exit_code::USAGE);
    };
    match check(args, what) {
        Ok(code) => Ok(code),
        Err(error) => {
            match error.downcast_ref::<EngineError>() {
                Some(EngineError::Left) => {
                    complain("stopped; the users and channels that were made stay at the target")
                }
                _ => complain(&format!("{error:#}")),
            }
            Ok(error.downcast_ref::<EngineError>().map_or(exit_code::USAGE, super::run::code_of))
        }
    }
}

fn check(args: &CheckArgs, what: &str) -> anyhow::Result<u8> {
    if !is_target(what)? {
        let resolved = inputs::resolved(what, &args.aim())?;
        print(&dry_run(&resolved))?;
        return Ok(exit_code::PASS);
    }
    let target = inputs::target(what)?;
    let Some(url) = &args.url else {
        print(&target_in_words(&in_words(&target), stdout_style()))?;
        return Ok(exit_code::PASS);
    };
    let (facts, rows) = ask(args, target.clone(), url)?;
    if args.json {
        #[derive(Serialize)]
        struct Found<'a> {
            target: &'a str,
            url: &'a str,
            warnings: Vec<String>,
            rows: &'a [ProbeRow],
            facts: &'a ProbeFacts,
        }
        let warnings = args.reach.warnings();
        let found = Found { target: &target.name, url, warnings, rows: &rows, facts: &facts };
        print(&format!("{}\n", serde_json::to_string_pretty(&found)?))?;
    } else {
        print(&probed(&rows, &format!("{} at {url}", target.name), stdout_style()))?;
        args.reach.warnings().iter().try_for_each(|warning| print(&format!("{warning}\n")))?;
    }
    let broken = rows.iter().any(|row| row.agreement == Agreement::Broken);
    Ok(if broken { exit_code::INCORRECT } else { exit_code::PASS })
}

/// Whether a name or a path is that of a target profile.
fn is_target(what: &str) -> anyhow::Result<bool> {
    if built_in_targets().iter().any(|(name, _)| *name == what) {
        return Ok(true);
    }
    if find_built_in(what).is_ok() {
        return Ok(false);
    }
    let text = std::fs::read_to_string(what);
    let text = text.with_context(|| format!("{what}: neither a built-in profile nor a file that can be read"))?;
    // Only a target profile has promises.
    Ok(text.lines().any(|line| line.trim_start().starts_with("[capabilities]")))
}

fn ask(args: &CheckArgs, target: TargetProfile, url: &str) -> anyhow::Result<(ProbeFacts, Vec<ProbeRow>)> {
    let address = Address::parse(url)?;
    let casting = casting::options(&args.aim(), &target)?;
    let BuiltIn { text, .. } = find_built_in("probe").map_err(anyhow::Error::msg)?;
    let design = match target.described.as_deref() {
        Some(described) if described.send.request.is_none() => "send.design=ws-ack",
        _ => "send.design=http",
    };
    let resumes = target.described.as_ref().is_none_or(|described| described.receive.resume.is_some());
    let receive = if resumes { "receive.design=rtm" } else { "receive.design=ws" };
    let overrides = [design, receive].map(crate::plan::profile::Override::set);
    let overrides = overrides.into_iter().collect::<Result<Vec<_>, _>>()?;
    let plan = load(text, "probe.toml", &overrides, target.capabilities.clone(), &target.name)?.plan;
    casting::check(&plan, &target, true, &casting)?;
    let patience = parse_duration(&args.patience).map_err(|why| anyhow::anyhow!("--patience: {why}"))?;
    let declared = target.clone();
    let options = ProbeOptions {
        patience: Duration::from_micros(patience),
        window: target.key.window_us.map(Duration::from_micros),
        burst: args.messages,
    };
    let number = RunId(uuid::Uuid::new_v4().as_u64_pair().0);
    let job = Job {
        plan,
        target,
        address,
        allowed_hosts: args.reach.allow_host.clone(),
        trust: trust(&args.reach, None)?,
        ceiling_per_s: args.reach.ceiling.map(|ceiling| f64::from(ceiling.get())),
        sources: sources(&args.reach.source)?,
        run: number,
        run_id: "check".to_owned(),
        started_at: jiff::Timestamp::now().to_string(),
        workers: 1,
        means: Means::default(),
        always_proxy: false,
        signing_secret: String::new(),
        spill: Arc::new(NoSpill),
        casting,
    };
    let (stopper, stop) = watch::channel(Stop::No);
    on_signals(move |asked| {
        stopper.send_replace(match asked {
            Asked::Once | Asked::Twice => Stop::Now,
        });
    })?;
    let mut progress = Shown { progress: Progress::new(ProgressMode::of_stderr(args.quiet || args.json)) };
    let facts = engine::probe(job, options, &mut progress, stop)?;
    progress.progress.finish();
    let rows = table(&facts, declared_by(&declared));
    Ok((facts, rows))
}

fn declared_by(target: &TargetProfile) -> Declared<'_> {
    Declared {
        capabilities: &target.capabilities,
        key_window_us: target.key.window_us,
        key_within: target.key.scope.map(|scope| match scope {
            KeyScope::Channel => Within::Channel,
            KeyScope::User => Within::User,
            KeyScope::Server => Within::Server,
        }),
    }
}

/// Says which question is asked.
struct Shown {
    progress: Progress,
}

impl Observer for Shown {
    fn interval(&mut self, _: &Interval, _: &Latencies) {}

    fn snapshot(&mut self, _: &Snapshot) {}

    fn event(&mut self, _: u64, kind: &str, detail: serde_json::Value) {
        if let ("phase", Some(name)) = (kind, detail["phase"].as_str()) {
            self.progress.note(&format!("asking: {name}"));
        }
    }

    fn setting_up(&mut self, what: &str, done: usize, all: usize) {
        self.progress.setting_up(what, done, all);
    }

    fn record(&mut self, _: &RunRecord) {}

    fn checkpoint(&mut self, _: usize, _: &LedgerPiece) {}
}

/// What a profile says, a line a subject.
fn in_words(target: &TargetProfile) -> Vec<(String, String)> {
    let mut lines = vec![("target".to_owned(), format!("{}: {}", target.name, target.description))];
    let mut line = |name: &str, value: String| lines.push((name.to_owned(), value));
    if !target.server.is_empty() {
        line("written for", target.server.clone());
    }
    line("tried on", target.tried.clone().unwrap_or_else(|| "nothing: written from its documentation".to_owned()));
    match target.described.as_deref() {
        None => line("wire", "the native one: Slack's, with all send and receive designs".to_owned()),
        Some(described) => described_in_words(described, &mut line),
    }
    let promised = &target.capabilities;
    let promises = [
        ("dedup", promised.dedup),
        ("sender_order", promised.sender_order),
        ("live_order", promised.live_order),
        ("read_after_ack", promised.read_after_ack),
        ("explicit_membership", promised.explicit_membership),
        ("own_push", promised.own_push),
        ("changes", promised.changes),
        ("confirmed_subscription", promised.confirmed_subscription),
        ("history", promised.history),
    ];
    let named = |wanted: bool| {
        let names: Vec<&str> = promises.iter().filter(|(_, has)| *has == wanted).map(|(name, _)| *name).collect();
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
    };
    line("promises", named(true));
    line("does not", named(false));
    line("positions", format!("{:?}", promised.positions).to_lowercase());
    line("key", key_in_words(target));
    line("next", format!("posthaste check {} --url URL asks the server whether that is true", target.name));
    lines
}

fn described_in_words(described: &Described, line: &mut impl FnMut(&str, String)) {
    let given = described.given.iter().map(|variable| match &variable.from {
        GivenFrom::Flag(Some(default)) => format!("--var {}={default}", variable.name),
        GivenFrom::Flag(None) => format!("--var {}=… (needed)", variable.name),
        GivenFrom::Env(name) => format!("{} from ${name} (secret)", variable.name),
        GivenFrom::File(path) => format!("{} from the file {path} (secret)", variable.name),
    });
    let given: Vec<String> = given.collect();
    if !given.is_empty() {
        line("variables", given.join(", "));
    }
    if !described.columns.is_empty() {
        line("users", format!("--users-from a CSV with the columns {}", described.columns.join(", ")));
    }
    let names = |steps: &[crate::target::Step]| {
        let names: Vec<String> = steps.iter().map(|step| step.name.clone()).collect();
        names.join(" · ")
    };
    for (name, steps) in [
        ("set-up", &described.setup),
        ("login", &described.login),
        ("at connect", &described.boot),
        ("clean-up", &described.cleanup),
    ] {
        if !steps.is_empty() {
            line(name, names(steps));
        }
    }
    let mut sends = Vec::new();
    if described.send.request.is_some() {
        sends.push("over HTTP (send.design = http, http-no-key)");
    }
    if described.send.frame.is_some() {
        sends.push("over the socket (ws, ws-ack, ws-ack-no-key)");
    }
    line("sends", sends.join("; "));
    let mut receives = String::new();
    let _ = write!(receives, "{:?}", described.receive.transport);
    receives.make_ascii_lowercase();
    if described.receive.resume.is_some() {
        receives.push_str(", resumes a lost connection (receive.design = rtm)");
    }
    line("receives", receives);
    line(
        "history",
        match &described.history {
            Some(history) => format!("pages by {:?}, {} rows at most", history.by, history.size),
            None => "none: nothing can be healed".to_owned(),
        },
    );
}

fn key_in_words(target: &TargetProfile) -> String {
    let mut words = vec![format!("{:?}", target.key_format).to_lowercase()];
    if let Some(window_us) = target.key.window_us {
        words.push(format!("remembered for {}", crate::report::long_duration(window_us)));
    }
    if let Some(scope) = target.key.scope {
        words.push(format!("one message within a {}", format!("{scope:?}").to_lowercase()));
    }
    let shown = target.key.echo.iter().map(|echo| match echo {
        KeyEcho::Sender => "answers",
        KeyEcho::Event => "pushes",
        KeyEcho::History => "history",
    });
    let shown: Vec<&str> = shown.collect();
    if !shown.is_empty() {
        words.push(format!("shown in {}", shown.join(", ")));
    }
    words.join(", ")
}
