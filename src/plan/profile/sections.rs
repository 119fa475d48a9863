//! The sections of a profile: their keys, ranges and defaults.

use super::error::ProfileError;
use super::keys::{Keys, Reading, constant, word};
use super::tree::{Node, Value};
use super::{Origin, arrival, changes, faults, receive};
use crate::model::{KeyLayout, SizeRange};
use crate::plan::{
    Backoff, Capabilities, CatchUp, CatchUpCursor, Churn, Connect, Drain, Heartbeat, HttpUse, Measurement, Members,
    Observe, Population, Range, RunPlan, Send, SendDesign, StopRule, Taps, Threshold, Trace, TraceSample, UserChoice,
};

const SECTIONS: &[&str] = &[
    "name",
    "description",
    "seed",
    "thresholds",
    "population",
    "arrival",
    "message",
    "send",
    "changes",
    "hints",
    "actions",
    "receive",
    "connect",
    "churn",
    "members",
    "faults",
    "heartbeat",
    "catch_up",
    "drain",
    "measurement",
    "stop",
    "observe",
    "trace",
    "resolved",
];

/// The longest text in bytes: Slack truncates past 40,000 characters.
const LARGEST_MESSAGE: u32 = 40_000;
/// What a workload without thresholds must meet, beside the findings of class
/// zero, which the verdict always judges.
const DEFAULT_THRESHOLD: &str = "errors.share < 1%";

/// The plan of a profile, not yet checked across sections, and the
/// description.
pub(super) fn read(
    reading: &Reading<'_>,
    capabilities: Capabilities,
    target: &str,
) -> Result<(RunPlan, String), ProfileError> {
    let root = reading.keys(SECTIONS)?;
    let plan = RunPlan {
        workload: root.text("name", Some(stem(reading.source.file)))?,
        target: target.to_owned(),
        // TOML's integers end at 2⁶³ − 1.
        seed: root.whole("seed", 0..=i64::MAX as u64, Some(1))?,
        population: population(&root)?,
        arrival: arrival::read(reading, &root)?,
        message_size_bytes: message_size(&root)?,
        send: send(&root)?,
        changes: changes::read(&root)?,
        hints: changes::hints(&root)?,
        actions: changes::actions(&root)?,
        receive: receive::read(&root)?,
        connect: connect(&root)?,
        churn: churn(&root)?,
        members: members(&root)?,
        faults: faults::read(reading, &root)?,
        heartbeat: heartbeat(&root)?,
        catch_up: catch_up(&root)?,
        drain: drain(&root)?,
        measurement: measurement(&root)?,
        stop: stop(&root)?,
        observe: observe(&root)?,
        trace: trace(&root)?,
        thresholds: thresholds(reading, &root)?,
        capabilities,
        // Decided by the checks, which know the whole plan.
        key_layout: KeyLayout { channel_bits: 0 },
    };
    Ok((plan, root.text("description", Some(""))?))
}

/// The name of a file without its folders and its `.toml`.
fn stem(file: &str) -> &str {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".toml").unwrap_or(name)
}

/// Most users and most channels.
const MOST: u32 = 10_000_000;

fn population(root: &Keys<'_>) -> Result<Population, ProfileError> {
    let keys = root
        .table("population", &["users", "channels", "members", "senders", "subscribers", "choice", "private_share"])?;
    let users = keys.whole("users", 1..=MOST, None)?;
    let channels = keys.whole("channels", 1..=MOST, Some((users / 10).max(1)))?;
    // Room for everybody, and twenty where there is no need for more.
    let usual = users.div_ceil(channels).max(20).min(users);
    let members = keys.range("members", 1..=MOST, Range { min: usual, max: usual })?;
    let room = u64::from(channels) * u64::from(members.min);
    let senders = u64::from(users).min(room) as u32;
    Ok(Population {
        users,
        channels,
        members,
        senders: keys.whole("senders", 1..=MOST, Some(senders))?,
        subscribers: keys.whole("subscribers", 0..=MOST, Some(users))?,
        choice: keys.value("choice", Some(UserChoice::Uniform), choice)?,
        private_share: keys.share("private_share", 0.0..=1.0, 0.0)?,
    })
}

fn choice(node: &Node) -> Result<UserChoice, String> {
    let expected = "must be \"uniform\" or { zipf = EXPONENT }";
    match &node.value {
        Value::Text(_) => {
            word(node, &[("uniform", UserChoice::Uniform)]).map_err(|_| format!("{expected}, not {}", node.kind()))
        }
        Value::Table(entries) => {
            let exponent = node.get("zipf").filter(|_| entries.len() == 1).map(|zipf| &zipf.value);
            let exponent = match exponent {
                Some(Value::Real(number)) => *number,
                Some(Value::Whole(number)) => *number as f64,
                _ => return Err(expected.to_owned()),
            };
            if !(0.0..=5.0).contains(&exponent) {
                return Err(format!("has an exponent of {exponent}, which is not from 0 to 5"));
            }
            Ok(UserChoice::Zipf { exponent })
        }
        _ => Err(format!("{expected}, not {}", node.kind())),
    }
}

fn message_size(root: &Keys<'_>) -> Result<SizeRange, ProfileError> {
    let keys = root.table("message", &["size"])?;
    let size = keys.range("size", SizeRange::SMALLEST..=LARGEST_MESSAGE, Range { min: 80, max: 240 })?;
    Ok(SizeRange { min: size.min, max: size.max })
}

fn send(root: &Keys<'_>) -> Result<Send, ProfileError> {
    let known = &["design", "http", "attempts", "timeout", "backoff", "idle_timeout", "taps"];
    let keys = root.table("send", known)?;
    let designs = SendDesign::ALL.map(|design| (design.name(), design));
    let uses = HttpUse::ALL.map(|used| (used.name(), used));
    let taps = keys.table("taps", &["share", "after"])?;
    Ok(Send {
        design: keys.word("design", &designs, Some(SendDesign::Http))?,
        http: keys.word("http", &uses, Some(HttpUse::Kept))?,
        attempts: keys.whole("attempts", 1..=1_000, Some(4))?,
        timeout_us: keys.time("timeout", "1ms"..="1h", Some("5s"))?,
        backoff: backoff(&keys, "100ms", "2s")?,
        idle_timeout_us: keys.time("idle_timeout", "0s"..="1h", Some("10s"))?,
        taps: Taps {
            share: taps.share("share", 0.0..=1.0, Taps::NONE.share)?,
            after_us: taps.times("after", "0s"..="1h", Taps::NONE.after_us)?,
        },
    })
}

fn backoff(section: &Keys<'_>, base: &str, max: &str) -> Result<Backoff, ProfileError> {
    let keys = section.table("backoff", &["base", "max"])?;
    Ok(Backoff {
        base_us: keys.time("base", "0s"..="1h", Some(base))?,
        max_us: keys.time("max", "0s"..="1h", Some(max))?,
    })
}

fn connect(root: &Keys<'_>) -> Result<Connect, ProfileError> {
    let keys = root.table("connect", &["rate", "timeout", "backoff"])?;
    Ok(Connect {
        rate_per_s: keys.number("rate", 0.001..=1e6, Some(500.0))?,
        timeout_us: keys.time("timeout", "1ms"..="1h", Some("10s"))?,
        backoff: backoff(&keys, "100ms", "5s")?,
    })
}

fn churn(root: &Keys<'_>) -> Result<Churn, ProfileError> {
    let keys = root.table("churn", &["share_per_minute", "reset_share", "away"])?;
    let away = Range { min: constant("1s"), max: constant("5s") };
    Ok(Churn {
        // A subscriber is back for a second before it leaves again.
        share_per_minute: keys.share("share_per_minute", 0.0..=60.0, 0.0)?,
        reset_share: keys.share("reset_share", 0.0..=1.0, 0.5)?,
        away_us: keys.times("away", "0s"..="24h", away)?,
    })
}

fn members(root: &Keys<'_>) -> Result<Members, ProfileError> {
    let keys = root.table("members", &["churn_per_minute", "away"])?;
    let away = Range { min: constant("1s"), max: constant("5s") };
    Ok(Members {
        churn_per_minute: keys.share("churn_per_minute", 0.0..=60.0, 0.0)?,
        away_us: keys.times("away", "0s"..="24h", away)?,
    })
}

fn heartbeat(root: &Keys<'_>) -> Result<Heartbeat, ProfileError> {
    let keys = root.table("heartbeat", &["interval", "timeout"])?;
    Ok(Heartbeat {
        interval_us: keys.time("interval", "0s"..="1h", Some("10s"))?,
        timeout_us: keys.time("timeout", "1ms"..="1h", Some("5s"))?,
    })
}

fn catch_up(root: &Keys<'_>) -> Result<CatchUp, ProfileError> {
    let keys = root.table("catch_up", &["page_size", "max_pages", "timeout", "cursor"])?;
    let cursors = [("read", CatchUpCursor::Read), ("seen", CatchUpCursor::Seen)];
    Ok(CatchUp {
        page_size: keys.whole("page_size", 1..=999, Some(200))?,
        max_pages: keys.whole("max_pages", 1..=1_000_000, Some(1_000))?,
        timeout_us: keys.time("timeout", "1ms"..="1h", Some("10s"))?,
        cursor: keys.word("cursor", &cursors, Some(CatchUpCursor::Read))?,
    })
}

fn drain(root: &Keys<'_>) -> Result<Drain, ProfileError> {
    let keys = root.table("drain", &["quiet", "deadline", "page_sizes"])?;
    let [first_page_size, second_page_size] = keys.value("page_sizes", Some([200, 131]), page_sizes)?;
    Ok(Drain {
        quiet_us: keys.time("quiet", "0s"..="1h", Some("1s"))?,
        deadline_us: keys.time("deadline", "1s"..="24h", Some("2m"))?,
        first_page_size,
        second_page_size,
    })
}

fn page_sizes(node: &Node) -> Result<[u32; 2], String> {
    let Value::Array(items) = &node.value else {
        return Err(format!("must be two page sizes such as [200, 131], not {}", node.kind()));
    };
    let sizes: Vec<i64> =
        items.iter().filter_map(|item| if let Value::Whole(size) = item.value { Some(size) } else { None }).collect();
    match sizes.as_slice() {
        [first, second] if items.len() == 2 => {
            if !(1..=999).contains(first) || !(1..=999).contains(second) {
                Err(format!("must be from 1 to 999, not [{first}, {second}]"))
            } else if first == second {
                Err(format!(
                    "must differ, because a paging bug hides different messages at different sizes; both are {first}"
                ))
            } else {
                Ok([*first as u32, *second as u32])
            }
        }
        _ => Err("must be two page sizes such as [200, 131]".to_owned()),
    }
}

fn measurement(root: &Keys<'_>) -> Result<Measurement, ProfileError> {
    let known = &[
        "lag_p99",
        "canary_late",
        "canary_late_share",
        "achieved_share",
        "worker_cpu_share",
        "receive_wait_p99",
        "self_check",
    ];
    let keys = root.table("measurement", known)?;
    Ok(Measurement {
        lag_p99_us: keys.time("lag_p99", "1us"..="1h", Some("1ms"))?,
        canary_late_us: keys.time("canary_late", "1us"..="1h", Some("10ms"))?,
        canary_late_share: keys.share("canary_late_share", 0.0..=1.0, 0.001)?,
        achieved_share: keys.share("achieved_share", 0.0..=1.0, 0.99)?,
        worker_cpu_share: keys.share("worker_cpu_share", 0.0..=1.0, 0.85)?,
        receive_wait_p99_us: keys.time("receive_wait_p99", "1us"..="1h", Some("5ms"))?,
        self_check: keys.value("self_check", Some(true), |node| match node.value {
            Value::Truth(truth) => Ok(truth),
            _ => Err(format!("must be true or false, not {}", node.kind())),
        })?,
    })
}

fn stop(root: &Keys<'_>) -> Result<StopRule, ProfileError> {
    let keys = root.table("stop", &["failed_share", "failed_for"])?;
    Ok(StopRule {
        failed_share: keys.share("failed_share", 0.0..=1.0, 0.5)?,
        failed_for_us: keys.time("failed_for", "0s"..="24h", Some("10s"))?,
    })
}

fn observe(root: &Keys<'_>) -> Result<Option<Observe>, ProfileError> {
    let keys = root.table("observe", &Observe::KEYS)?;
    let given: Vec<&str> = Observe::KEYS.into_iter().filter(|key| keys.node(key).is_some()).collect();
    Ok(match given.as_slice() {
        [] => None,
        ["pid"] => Some(Observe::Pid(keys.whole("pid", 1..=i32::MAX as u32, None)?)),
        ["cgroup"] => Some(Observe::Cgroup(keys.text("cgroup", None)?)),
        ["prometheus"] => Some(Observe::Prometheus(keys.text("prometheus", None)?)),
        [_, second, ..] => return Err(keys.refuse(second, "one of pid, cgroup and prometheus is enough")),
        [_] => None,
    })
}

fn trace(root: &Keys<'_>) -> Result<Trace, ProfileError> {
    let keys = root.table("trace", &["sample", "url"])?;
    let sample = match keys.node("sample").map(|node| &node.value) {
        None => None,
        Some(Value::Text(word)) if word == "slow" => Some(keys.word("sample", &[("slow", TraceSample::Slow)], None)?),
        Some(_) => Some(TraceSample::Share(keys.share("sample", 0.0..=1.0, 0.0)?)),
    };
    let url = keys.node("url").map(|_| keys.text("url", None)).transpose()?;
    if let Some(why) = url.as_deref().and_then(|url| Trace::check_url(url).err()) {
        return Err(keys.refuse("url", &why));
    }
    if url.is_some() && sample.is_none() {
        return Err(keys.refuse("url", "leads nowhere as long as no message is traced; set trace.sample, or --trace"));
    }
    Ok(Trace { sample, url })
}

fn thresholds(reading: &Reading<'_>, root: &Keys<'_>) -> Result<Vec<String>, ProfileError> {
    let items: &[Node] = match root.node("thresholds") {
        None => &[],
        Some(Node { value: Value::Array(items), .. }) => items,
        Some(node) => {
            let message = format!("thresholds must be an array of strings, not {}", node.kind());
            return Err(reading.source.error(node.place, message));
        }
    };
    let origin = match root.node("thresholds") {
        Some(node) if !items.is_empty() => reading.origin_of(node),
        _ => Origin::Default,
    };
    reading.note("thresholds".to_owned(), origin);
    if items.is_empty() {
        return Ok(vec![DEFAULT_THRESHOLD.to_owned()]);
    }
    let parse = |node: &Node| {
        let Value::Text(text) = &node.value else {
            return Err(reading.source.error(node.place, format!("a threshold must be a string, not {}", node.kind())));
        };
        let threshold = Threshold::parse(text).map_err(|why| reading.source.error(node.place, why))?;
        Ok(threshold.expr)
    };
    items.iter().map(parse).collect()
}
