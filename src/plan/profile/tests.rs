use super::*;
use crate::plan::tests::capabilities;
use crate::plan::{ArrivalProcess, PhaseKind, Range, ReceiveDesign, UserChoice, disconnects, expected_messages};
use proptest::prelude::*;

/// The least that a profile must say.
const LEAST: &str = "[population]\nusers = 100\n[arrival]\nrate = 50\nduration = \"10s\"\n";
const PHASES: &str = r#"
population.users = 100
[[arrival.phases]]
kind = "warm-up"
duration = "2s"
rate = 10
[[arrival.phases]]
kind = "ramp"
duration = "4s"
from = 10
to = 50
[[arrival.phases]]
kind = "steady"
duration = "6s"
rate = 20
[[arrival.phases]]
kind = "spike"
duration = "10s"
rate = 100
"#;

fn with(text: &str, overrides: &[Override]) -> Result<Resolved, ProfileError> {
    load(text, "folder/w.toml", overrides, capabilities(), "reference")
}

fn set(assignments: &[&str]) -> Vec<Override> {
    assignments.iter().map(|one| Override::set(one).unwrap()).collect()
}

#[test]
fn the_least_profile_gets_all_defaults() {
    let resolved = with(LEAST, &[]).unwrap();
    let plan = &resolved.plan;
    assert_eq!((plan.workload.as_str(), plan.target.as_str(), plan.seed), ("w", "reference", 1));
    assert_eq!((plan.population.channels, plan.population.members), (10, Range { min: 20, max: 20 }));
    assert_eq!((plan.population.senders, plan.population.subscribers), (100, 100));
    assert_eq!(plan.population.choice, UserChoice::Uniform);
    assert_eq!(plan.arrival.process, ArrivalProcess::Poisson);
    assert_eq!((plan.arrival.phases.len(), plan.arrival.duration_us()), (1, 10_000_000));
    assert_eq!((plan.send.attempts, plan.send.timeout_us, plan.send.backoff.max_us), (4, 5_000_000, 2_000_000));
    assert_eq!(plan.thresholds, ["errors.share < 1%"]);
    assert_eq!(plan.key_layout.channel_bits, 20);
    assert_eq!(resolved.origins["send.timeout"], Origin::Default);
    assert_eq!(resolved.origins["population.users"], Origin::Profile);
    assert_eq!(with(&format!("thresholds = []\n{LEAST}"), &[]).unwrap().plan.thresholds, ["errors.share < 1%"]);
}

#[test]
fn values_have_several_spellings() {
    for (first, second, reason) in [
        ("population.members=7", "population.members={min=7,max=7}", "a number is a range of one"),
        ("churn.reset_share=0.25", "churn.reset_share='25%'", "per cent"),
        ("churn.reset_share=1", "churn.reset_share=1.0", "a whole number is a share"),
        ("send.timeout=1500ms", "send.timeout='1.5s'", "durations, and strings without quotes"),
        ("arrival.rate=1e2", "arrival.rate=100", "floats and whole numbers"),
        ("connect.backoff={base='1s'}", "connect.backoff.base=1s", "a table, or one key of it"),
    ] {
        let plan = |assignment: &str| with(LEAST, &set(&["population.senders=10", assignment])).unwrap().plan;
        assert_eq!(plan(first), plan(second), "{reason}");
        assert_ne!(plan(first), with(LEAST, &set(&["population.senders=10"])).unwrap().plan, "{reason}");
    }
}

#[test]
fn wrong_profiles_say_where_and_what() {
    let least = |line: &str| format!("{line}\n{LEAST}");
    let mut wrong = Vec::new();
    for (text, error) in [
        (LEAST.replace("rate", "rat"), "4:1: unknown key \"rat\" in [arrival]; did you mean \"rate\"?"),
        (least("[sned]\nattempts = 1"), "1:2: unknown key \"sned\"; did you mean \"send\"?"),
        (
            least("[send]\nbackoff = { bse = \"1s\" }"),
            "2:13: unknown key \"bse\" in [send.backoff]; did you mean \"base\"?",
        ),
        (
            least("[send]\nthink = 1"),
            "2:1: unknown key \"think\" in [send]; keys are design, http, attempts, timeout, backoff, idle_timeout, taps",
        ),
        (PHASES.replace("from", "form"), "10:1: unknown key \"form\" in [[arrival.phases]]; did you mean \"from\"?"),
        (least("seed = \"é\" # é\nséed = 1"), "2:2: invalid unquoted key, expected letters, numbers, `-`, `_`"),
        (least("name = \"é\"; x = 1"), "1:11: unexpected key or value, expected newline, `#`"),
        (least("seed = 1\nseed = 2"), "2:1: duplicate key"),
        (least("seed = 1.5"), "1:8: seed must be a whole number, not 1.5"),
        (least("seed = -1"), "1:8: seed must be from 0 to 9223372036854775807, not -1"),
        (least("name = 7"), "1:8: name must be a string, not 7"),
        (least("send = 7"), "1:8: send must be a table, not 7"),
        (least("send.timeout = 5"), "1:16: send.timeout must be a duration such as \"10s\" or \"250ms\", not 5"),
        (
            least("send.timeout = \"5 secs\""),
            "1:16: send.timeout must be a duration: \"5 secs\" has the unknown unit \"secs\"; units are h, m, s, ms and us",
        ),
        (least("send.timeout = \"0s\""), "1:16: send.timeout must be from 1ms to 1h, not 0s"),
        (least("[send]\n  attempts = 0"), "2:14: send.attempts must be from 1 to 1000, not 0"),
        (least("churn.reset_share = 1.01"), "1:21: churn.reset_share must be from 0 to 1, not 1.01"),
        (least("churn.reset_share = \"101%\""), "1:21: churn.reset_share must be from 0 to 1, not 1.01"),
        (
            least("churn.reset_share = \"half\""),
            "1:21: churn.reset_share must be a share such as 0.1 or \"10%\", not \"half\"",
        ),
        (least("churn.away = { min = \"1s\" }"), "1:14: missing key \"max\" in [churn.away]"),
        (least("churn.away = { min = \"2s\", max = \"1s\" }"), "1:14: churn.away has a min above its max"),
        (least("message.size = 64"), "1:16: message.size must be from 65 to 40000, not 64"),
        (
            least("message.size = { min = 65, max = 40_001 }"),
            "1:34: message.size.max must be from 65 to 40000, not 40001",
        ),
        (least("catch_up.page_size = 1000"), "1:22: catch_up.page_size must be from 1 to 999, not 1000"),
        (
            least("catch_up.cursor = \"sene\""),
            "1:19: catch_up.cursor must be \"read\" or \"seen\", not \"sene\"; did you mean \"seen\"?",
        ),
        (least("drain.page_sizes = [200, 1000]"), "1:20: drain.page_sizes must be from 1 to 999, not [200, 1000]"),
        (
            least("drain.page_sizes = [200, 200]"),
            "1:20: drain.page_sizes must differ, because a paging bug hides different messages at different sizes; \
             both are 200",
        ),
        (least("drain.page_sizes = [200]"), "1:20: drain.page_sizes must be two page sizes such as [200, 131]"),
        (least("send.backoff = { base = \"3s\" }"), "1:25: send.backoff.base is above send.backoff.max"),
        (
            least("thresholds = [\n  \"errors.share < 1%\",\n  \"ack.p98 < 1ms\",\n]"),
            "3:3: unknown metric \"ack.p98\"; did you mean ack.p90, ack.p95, ack.p99?",
        ),
        (
            least("thresholds = [\"ack.p99 < 250\"]"),
            "1:15: threshold \"ack.p99 < 250\": ack.p99 is a time: give its unit, such as 250ms",
        ),
        (least("thresholds = [5]"), "1:15: a threshold must be a string, not 5"),
        (least("thresholds = \"x\""), "1:14: thresholds must be an array of strings, not \"x\""),
        (least("trace.sample = \"slwo\""), "1:16: trace.sample must be a share such as 0.1 or \"10%\", not \"slwo\""),
        (least("trace.sample = 2"), "1:16: trace.sample must be from 0 to 1, not 2"),
        (
            least("trace.url = \"http://a/{trace_id}\""),
            "1:13: trace.url leads nowhere as long as no message is traced; set trace.sample, or --trace",
        ),
        (
            least("trace = { sample = 1, url = \"http://a/\" }"),
            "1:29: trace.url has no {trace_id}, in whose place the id of a trace stands",
        ),
        (
            least("trace = { sample = 1, url = \"javascript:{trace_id}\" }"),
            "1:29: trace.url must begin with http:// or https://, not javascript:",
        ),
        (String::new(), "1:1: missing key \"users\" in [population]"),
        (LEAST.replace("users = 100", "channels = 2"), "1:1: missing key \"users\" in [population]"),
        (LEAST.replace("users = 100", "users = 0"), "2:9: population.users must be from 1 to 10000000, not 0"),
        (
            LEAST.replace("[arrival]", "channels = 0\n[arrival]"),
            "3:12: population.channels must be from 1 to 10000000, not 0",
        ),
        (
            LEAST.replace("[arrival]", "choice = { zip = 1 }\n[arrival]"),
            "3:10: population.choice must be \"uniform\" or { zipf = EXPONENT }",
        ),
        (
            LEAST.replace("[arrival]", "choice = \"zipf\"\n[arrival]"),
            "3:10: population.choice must be \"uniform\" or { zipf = EXPONENT }, not \"zipf\"",
        ),
        (
            LEAST.replace("[arrival]", "choice = { zipf = -1 }\n[arrival]"),
            "3:10: population.choice has an exponent of -1, which is not from 0 to 5",
        ),
        (
            LEAST.replace("[arrival]", "members = 101\n[arrival]"),
            "3:11: population.members: 101 members are more than the 100 of population.users",
        ),
        (
            LEAST.replace("[arrival]", "members = { min = 5, max = 9 }\nsenders = 51\n[arrival]"),
            "4:11: population.senders: 10 channels of at least 5 members have room for 50 senders, not for 51; raise \
             population.channels or population.members, or lower population.senders",
        ),
        (
            LEAST.replace("[arrival]", "subscribers = 40\n[send]\ndesign = \"ws\"\n[arrival]"),
            "5:10: send.design: ws sends over the socket that its user holds, and only 40 of 100 users hold one; set \
             population.subscribers to all of them",
        ),
        (
            LEAST.replace(
                "[arrival]",
                "[send]\ndesign = \"ws-ack\"\n[[faults]]\nkind = \"hedge\"\nat = \"1s\"\n[arrival]",
            ),
            "6:8: the fault hedge posts twice over HTTP, and send.design = \"ws-ack\" posts nothing",
        ),
        (
            LEAST.to_owned() + "[send]\ndesign = \"ws\"\n[receive]\ndesign = \"poll\"\n",
            "9:10: receive.design: poll holds no socket to send over, and send.design = \"ws\" sends over one; set \
             send.design to \"http\"",
        ),
        (
            LEAST.to_owned() + "[receive]\ndesign = \"poll\"\n[churn]\nshare_per_minute = 1\n",
            "9:20: churn.share_per_minute: subscribers lose their sockets, and receive.design = \"poll\" holds none; set it to 0",
        ),
        (
            LEAST.to_owned() + "[receive]\ndesign = \"poll\"\n[[faults]]\nkind = \"herd\"\nat = \"1s\"\n",
            "9:8: the fault herd is one of sockets, and receive.design = \"poll\" holds none",
        ),
        (LEAST.to_owned() + "[receive]\nack = \"before\"\n", "7:7: receive.ack: ws acknowledges nothing"),
        (LEAST.to_owned() + "[receive]\ncrash_share = 0.1\n", "7:15: receive.crash_share: ws is no app"),
        (
            LEAST.to_owned() + "[receive]\ndesign = \"socket-mode\"\nfail_share = 0.6\ndelay_share = 0.6\n",
            "8:14: receive.fail_share: socket-mode has fail_share, delay_share and crash_share that are above 1 together",
        ),
        (
            LEAST.replace("users = 100", "users = 10_000\nchannels = 100_000\nmembers = 10_000"),
            "3:12: population.channels: 100000 channels of up to 10000 members are 1000000000 memberships, more than \
             500000000",
        ),
        (
            "[population]\nusers = 10\n[arrival]\n".to_owned(),
            "3:1: missing key \"rate\" in [arrival]; give rate and duration, or phases",
        ),
        (LEAST.replace("duration = \"10s\"\n", ""), "3:1: missing key \"duration\" in [arrival]"),
        (LEAST.replace("50", "-50"), "4:8: arrival.rate must be from 0 to 10000000, not -50"),
        (LEAST.replace("50", "inf"), "4:8: arrival.rate must be from 0 to 10000000, not inf"),
        (LEAST.replace("50", "nan"), "4:8: arrival.rate must be from 0 to 10000000, not NaN"),
        (LEAST.replace("50", "\"50\""), "4:8: arrival.rate must be a number, not \"50\""),
        (
            LEAST.replace("rate", "process = \"poison\"\nrate"),
            "4:11: arrival.process must be \"poisson\" or \"constant\" or \"closed\", not \"poison\"; did you mean \"poisson\"?",
        ),
        (
            LEAST
                .replace("[arrival]", "channels = 2\nmembers = 100\n[arrival]")
                .replace("50", "1e7")
                .replace("10s", "720h"),
            "5:1: 2 channels with up to 12960028800016 messages each do not fit the 46 bits that a message key has for \
             them; lower the rate or duration of [arrival], or population.channels",
        ),
        (
            PHASES.replace(
                "[[arrival.phases]]\nkind = \"warm-up\"",
                "arrival.rate = 5\n[[arrival.phases]]\nkind = \"warm-up\"",
            ),
            "3:16: arrival.rate does not go with arrival.phases; give each phase its own values",
        ),
        (
            PHASES.replace("\"spike\"", "\"warm-up\""),
            "17:8: a warm-up comes only at the start, before every other phase",
        ),
        (
            "population.users = 9\n[[arrival.phases]]\nkind = \"warm-up\"\nduration = \"2s\"\nrate = 10\n".to_owned(),
            "2:1: arrival.phases needs a phase that is not a warm-up",
        ),
        (
            "population.users = 9\narrival.phases = []\n".to_owned(),
            "2:18: arrival.phases needs a phase that is not a warm-up",
        ),
        (
            PHASES.replace("\"spike\"", "\"peak\""),
            "17:8: arrival.phases.3.kind must be \"warm-up\" or \"steady\" or \"ramp\" or \"spike\", not \"peak\"",
        ),
        (
            PHASES.replace("from = 10", "rate = 10"),
            "10:8: arrival.phases.1.rate does not go with a ramp, which goes from one rate to another: give from and to",
        ),
        (
            PHASES.replace("rate = 20", "from = 20"),
            "15:8: arrival.phases.2.from does not go with a steady phase, which has one rate: give rate, or kind = \
             \"ramp\"",
        ),
        (
            PHASES.replace("rate = 100", "rate = 100\nfrom = 1"),
            "19:8: arrival.phases.3.rate does not go with from and to: give one or the other",
        ),
        (PHASES.replace("to = 50\n", ""), "7:1: missing key \"to\" in [[arrival.phases]]"),
        (PHASES.replace("\"4s\"", "\"0s\""), "9:12: arrival.phases.1.duration must be from 1us to 720h, not 0s"),
    ] {
        let found = with(&text, &[]).expect_err(&text).to_string();
        let error = format!("folder/w.toml:{error}");
        if found != error {
            wrong.push(format!("{found}\n{error}\n{text}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn wrong_flags_name_themselves() {
    let flag = |origin: &str, path: &str, value: &str| Override::flag(origin, path, value);
    for (text, one, error) in [
        (
            LEAST,
            flag("--users", "population.users", "0"),
            "--users 0: population.users must be from 1 to 10000000, not 0",
        ),
        (
            LEAST,
            flag("--duration", "arrival.duration", "5"),
            "--duration 5: arrival.duration must be a duration such as \"10s\" or \"250ms\", not 5",
        ),
        (LEAST, flag("--rate", "arrival.rate", "fast"), "--rate fast: arrival.rate must be a number, not \"fast\""),
        (
            LEAST,
            flag("--seed", "seed", "18446744073709551615"),
            "--seed 18446744073709551615: seed must be a whole number, not \"18446744073709551615\"",
        ),
        (
            LEAST,
            flag("--set", "arrival.rat", "5"),
            "--set arrival.rat=5: unknown key \"rat\" in [arrival]; did you mean \"rate\"?",
        ),
        (
            LEAST,
            flag("--set", "arival.rate", "5"),
            "--set arival.rate=5: unknown key \"arival\"; did you mean \"arrival\"?",
        ),
        (LEAST, flag("--set", "arrival.rate.x", "5"), "--set arrival.rate.x=5: arrival.rate is not a table, but 50"),
        (
            LEAST,
            flag("--set", "arrival.warm_up", "-1s"),
            "--set arrival.warm_up=-1s: arrival.warm_up must be a duration: \"-1s\" has the unknown unit \"-\"; units are h, m, s, ms and us",
        ),
        (
            PHASES,
            flag("--set", "arrival.warm_up", "1s"),
            "--set arrival.warm_up=1s: arrival.warm_up does not go with arrival.phases; give each phase its own values",
        ),
        (
            PHASES,
            flag("--set", "arrival.phases.4.rate", "1"),
            "--set arrival.phases.4.rate=1: arrival.phases is an array of 4, which has no \"4\"; ranks count from 0",
        ),
        (PHASES, flag("--duration", "arrival.duration", "2us"), "--duration 2us: leaves no time for phase 2"),
        (PHASES, flag("--rate", "arrival.rate", "9e6"), "--rate 9e6: scales phase 2 above 10000000 messages a second"),
        (
            LEAST,
            flag("--set", "thresholds", "['ack.p99 < 1']"),
            "--set thresholds=['ack.p99 < 1']: threshold \"ack.p99 < 1\": ack.p99 is a time: give its unit, such as 1ms",
        ),
    ] {
        let found = with(text, std::slice::from_ref(&one)).expect_err(error).to_string();
        assert_eq!(found, error);
    }
    for assignment in ["", "x", "=5", "a..b=5", ".a=5"] {
        let found = Override::set(assignment).unwrap_err().to_string();
        assert_eq!(found, format!("--set {assignment}: write KEY=VALUE, such as arrival.rate=500"));
    }
    let text = LEAST.replace("[arrival]", "members = 50\n[arrival]");
    let found = with(&text, &[flag("--users", "population.users", "20")]).unwrap_err().to_string();
    assert_eq!(found, "folder/w.toml:3:11: population.members: 50 members are more than the 20 users of --users");
}

#[test]
fn what_is_not_pinned_follows_the_users() {
    for (pinned, users, expected, reason) in [
        ("", "1000", (1_000, 100, 20, 1_000, 1_000), "all follow"),
        ("", "3", (3, 1, 3, 3, 3), "few users share one channel"),
        ("channels = 5\n", "1000", (1_000, 5, 200, 1_000, 1_000), "few channels are large"),
        ("members = 10\nchannels = 5\n", "1000", (1_000, 5, 10, 50, 1_000), "only so many senders have a place"),
        ("senders = 7\nsubscribers = 9\n", "1000", (1_000, 100, 20, 7, 9), "pinned numbers stay"),
    ] {
        let text = LEAST.replace("[arrival]", &format!("{pinned}[arrival]"));
        let population = with(&text, &[Override::flag("--users", "population.users", users)]).unwrap().plan.population;
        let found =
            (population.users, population.channels, population.members.min, population.senders, population.subscribers);
        assert_eq!(found, expected, "{reason}");
    }
}

#[test]
fn rate_and_duration_scale_phases() {
    let shape = |overrides: &[Override]| {
        let phases = with(PHASES, overrides).unwrap().plan.arrival.phases;
        phases.iter().map(|phase| (phase.duration_us, phase.rate_from, phase.rate_to)).collect::<Vec<_>>()
    };
    let rate = Override::flag("--rate", "arrival.rate", 40);
    let duration = Override::flag("--duration", "arrival.duration", "10s");
    let s = 1_000_000;
    assert_eq!(
        shape(std::slice::from_ref(&rate)),
        [(2 * s, 20.0, 20.0), (4 * s, 20.0, 100.0), (6 * s, 40.0, 40.0), (10 * s, 200.0, 200.0)],
        "the steady 20 becomes 40, and all else doubles"
    );
    assert_eq!(
        shape(std::slice::from_ref(&duration)),
        [(2 * s, 10.0, 10.0), (2 * s, 10.0, 50.0), (3 * s, 20.0, 20.0), (5 * s, 100.0, 100.0)],
        "20 seconds become 10, and the warm-up stays"
    );
    let odd = Override::flag("--duration", "arrival.duration", "1s1us");
    assert_eq!(shape(&[odd]).iter().skip(1).map(|phase| phase.0).sum::<u64>(), s + 1, "rounding loses nothing");
    let both = with(PHASES, &[rate, duration]).unwrap();
    assert_eq!(both.origins["arrival.phases.1.from"], Origin::Flag("--rate".to_owned()));
    assert_eq!(both.origins["arrival.phases.1.duration"], Origin::Flag("--duration".to_owned()));
    assert_eq!(both.origins["arrival.phases.0.duration"], Origin::Profile, "the warm-up is not scaled");
    let spikes = PHASES.replace("\"steady\"", "\"spike\"");
    let found = with(&spikes, &[Override::flag("--rate", "arrival.rate", 50)]).unwrap().plan.arrival.phases;
    assert_eq!(found[3].rate_from, 50.0, "without a steady phase, the highest counts");
    let one = with(PHASES, &set(&["arrival.phases.2.rate=25"])).unwrap();
    assert_eq!((one.plan.arrival.phases[2].rate_from, one.plan.arrival.phases[3].rate_from), (25.0, 100.0));
    assert_eq!(one.origins["arrival.phases.2.rate"], Origin::Flag("--set".to_owned()));
    let thresholds = format!("thresholds = ['ack.p99 < 1s', 'ack.p50 < 1s']\n{PHASES}");
    let one = with(&thresholds, &set(&["thresholds.1=ack.p90 < 1s"])).unwrap();
    assert_eq!(one.plan.thresholds, ["ack.p99 < 1s", "ack.p90 < 1s"]);
    assert_eq!(one.origins["thresholds"], Origin::Flag("--set".to_owned()), "in part");
    let phases = "arrival.phases=[{kind='steady',duration='1s',rate=3}]";
    let replaced = with(LEAST, &set(&[phases])).unwrap().plan.arrival.phases;
    assert_eq!((replaced.len(), replaced[0].rate_from), (1, 3.0), "phases from a flag replace one rate");
}

#[test]
fn the_effective_plan_shows_every_value_and_its_origin() {
    let overrides = [Override::flag("--users", "population.users", 60), Override::set("send.backoff.base=1s").unwrap()];
    let resolved = with(LEAST, &overrides).unwrap();
    let text = to_toml(&resolved);
    for line in [
        "users = 60 # --users",
        "base = \"1s\" # --set",
        "rate = 50 # profile",
        "timeout = \"5s\" # default",
        "away = { min = \"1s\", max = \"5s\" } # default",
        "thresholds = [ # default",
        "[resolved]",
        "target = \"reference\"",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n{text}");
    }
    // Every value that is written has an origin, and every origin its value.
    let written = text.split("[resolved]").next().unwrap().matches(" # ").count();
    assert_eq!(written, resolved.origins.len(), "{text}\n{:#?}", resolved.origins);
    let wrong = text.replace("dedup", "deduplication");
    let error = load_effective(&wrong, "plan.toml").unwrap_err().to_string();
    assert!(error.starts_with("plan.toml:") && error.contains("unknown field `deduplication`"), "{error}");
    let error = load_effective(LEAST, "plan.toml").unwrap_err().to_string();
    assert_eq!(error, "plan.toml:1:1: not the plan of a run: missing field `resolved`");
}

#[test]
fn a_closed_loop_has_a_time_to_think_and_no_rate() {
    let closed = LEAST.replace("rate = 50", "process = \"closed\"\nthink = \"1s\"");
    let plan = with(&closed, &[]).unwrap().plan;
    assert_eq!(plan.arrival.process, ArrivalProcess::Closed { think_us: Range { min: 1_000_000, max: 1_000_000 } });
    assert!((990.0..1_000.0).contains(&expected_messages(&plan)), "100 users for 10 s, a message each second");
    let asked = "arrival.process=closed arrival.think={min='0s',max='2s'} arrival.duration=5s arrival.warm_up=1s";
    for (text, assignments, reason) in
        [(LEAST, asked, "for its rate"), (PHASES, asked, "for its phases"), (&closed, asked, "for another")]
    {
        let assignments: Vec<&str> = assignments.split(' ').collect();
        let resolved = with(text, &set(&assignments)).unwrap();
        let arrival = &resolved.plan.arrival;
        assert_eq!(arrival.process, ArrivalProcess::Closed { think_us: Range { min: 0, max: 2_000_000 } }, "{reason}");
        assert_eq!((arrival.duration_us(), arrival.warm_up_us()), (6_000_000, 1_000_000), "{reason}");
        assert_eq!(load_effective(&to_toml(&resolved), "plan.toml").unwrap(), resolved.plan, "{reason}");
    }
    let no_rate = "does not go with a closed loop, where the answers of the target make the rate: give think and \
                   population.senders";
    for (text, assignments, message) in [
        (closed.replace("think", "rate = 5\nthink"), "", format!("5:8: arrival.rate {no_rate}")),
        (closed.clone(), "arrival.rate=5", format!("arrival.rate {no_rate}")),
        (
            PHASES.replace("[[arrival.phases]]", "arrival.process = \"closed\"\n[[arrival.phases]]"),
            "",
            "phases".to_owned(),
        ),
        (
            closed.replace("think = \"1s\"\n", ""),
            "",
            "missing key \"think\" in [arrival], the time between an answer and the next message".to_owned(),
        ),
        (closed.replace("duration = \"10s\"\n", ""), "", "missing key \"duration\"".to_owned()),
        (
            closed.replace("\"1s\"", "{ min = \"2s\", max = \"1s\" }"),
            "",
            "arrival.think has a min above its max".to_owned(),
        ),
        (LEAST.replace("rate", "think = \"1s\"\nrate"), "", "arrival.think goes with process = \"closed\"".to_owned()),
        (closed.clone(), "population.choice={zipf=1.0}", "in a closed loop nobody chooses who sends".to_owned()),
    ] {
        let assignments: Vec<&str> = assignments.split_whitespace().collect();
        let error = with(&text, &set(&assignments)).unwrap_err().to_string();
        assert!(error.contains(&message), "{error}\n{message}");
    }
}

#[test]
fn built_ins_are_valid_and_described() {
    for one in built_ins() {
        let resolved = load(one.text, &one.file(), &[], capabilities(), "reference").unwrap();
        assert_eq!(resolved.plan.workload, one.name);
        assert_eq!(resolved.description, one.description());
        assert!(!resolved.description.is_empty() && resolved.description.len() < 90);
        assert_eq!(built_in(one.name), Some(one.text));
        let larger = Override::flag("--users", "population.users", 3_000);
        load(one.text, &one.file(), &[larger], capabilities(), "reference").unwrap();
    }
    assert_eq!(find_built_in("quikstart").unwrap_err(), "unknown workload \"quikstart\"; did you mean \"quickstart\"?");
    assert_eq!(
        find_built_in("zzz").unwrap_err(),
        "unknown workload \"zzz\"; built in are quickstart, steady, spike, churn, matrix, pair, gate, closed, capacity, probe; a file is a path"
    );
}

#[test]
fn the_quickstart_is_short_and_disconnects_enough_users() {
    let plan = load(built_in("quickstart").unwrap(), "q", &[], capabilities(), "reference").unwrap().plan;
    let seconds = |time_us: u64| time_us as f64 / 1e6;
    let connecting = f64::from(plan.population.subscribers) / plan.connect.rate_per_s;
    let load = seconds(plan.arrival.duration_us());
    let ending = seconds(plan.settle_us().max(plan.drain.quiet_us)).max(seconds(plan.drain.deadline_us));
    assert!(connecting + load + ending < 30.0, "{connecting} + {load} + {ending}");
    assert!((2_000.0..2_500.0).contains(&expected_messages(&plan)));
    assert_eq!((plan.population.channels, plan.population.subscribers), (20, 200));
    for seed in [plan.seed, 1, 2, 3] {
        let plan = RunPlan { seed, ..plan.clone() };
        let all: Vec<_> = (0..200).flat_map(|user| disconnects(&plan, crate::model::UserId(user))).collect();
        let resets = all.iter().filter(|one| one.reset).count();
        assert!(all.len() >= 30 && resets >= 10 && all.len() - resets >= 10, "{resets} of {}", all.len());
    }
    assert_eq!(plan.arrival.phases[0].kind, PhaseKind::WarmUp);
}

#[test]
fn many_channels_get_the_bits_that_they_need() {
    let text = LEAST.replace("users = 100", "users = 10_000\nchannels = 1_100_000\nmembers = 2");
    assert_eq!(with(&text, &[]).unwrap().plan.key_layout.channel_bits, 21);
    // 100 million messages do not fit one channel's 25 bits, and no channel
    // gets anything like it.
    let long = text.replace("rate = 50", "rate = 10_000").replace("10s", "10_000s".replace('_', "").as_str());
    assert_eq!(with(&long, &[]).unwrap().plan.key_layout.channel_bits, 21);
}

/// Changes that a user may make to any built-in.
fn changes() -> impl Strategy<Value = Vec<Override>> {
    let one = prop_oneof![
        (100u32..5_000).prop_map(|users| Override::flag("--users", "population.users", users)),
        (1u64..1 << 62).prop_map(|seed| Override::flag("--seed", "seed", seed)),
        (0.1f64..1e5).prop_map(|rate| Override::flag("--rate", "arrival.rate", rate)),
        prop_oneof![1u64..10_000, 1u64..1 << 40].prop_map(|time| Override::flag(
            "--duration",
            "arrival.duration",
            format!("{time}us")
        )),
        (0u64..3_600_000_000).prop_map(|time| Override::flag("--set", "arrival.think", format!("{time}us"))),
        (0u64..3_600_000_000).prop_map(|time| Override::flag("--set", "drain.quiet", format!("{time}us"))),
        (0.0f64..5.0).prop_map(|zipf| Override::flag("--set", "population.choice", format!("{{zipf={zipf:?}}}"))),
        (0.0f64..1.0).prop_map(|share| Override::flag("--set", "churn.reset_share", format!("{share:?}"))),
        (0.0f64..1.0).prop_map(|share| Override::flag("--set", "population.private_share", format!("{share:?}"))),
        "[a-z\"#\\\\\n é]{0,9}".prop_map(|name| Override::flag("--set", "name", toml_edit::Value::from(name))),
        Just(Override::flag("--set", "arrival.process", "constant")),
        Just(Override::flag("--set", "arrival.process", "closed")),
        (0..ReceiveDesign::ALL.len()).prop_map(|rank| Override::flag(
            "--set",
            "receive.design",
            ReceiveDesign::ALL[rank].name()
        )),
        Just(Override::flag("--set", "thresholds", "['ack.p99 < 5s', 'ledger.retries < 9']")),
        Just(Override::flag("--set", "message.size", "{min=65,max=66}")),
        (0.0f64..1.0).prop_map(|share| Override::flag("--set", "changes.share", format!("{share:?}"))),
        (0.0f64..9.0).prop_map(|weight| Override::flag("--set", "changes.react", format!("{weight:?}"))),
        (1u32..=8).prop_map(|most| Override::flag("--set", "changes.per_message", format!("{{min=1,max={most}}}"))),
        (0.0f64..1.0).prop_map(|share| {
            Override::flag("--set", "trace", format!("{{sample={share:?},url='https://a.example/#{{trace_id}}'}}"))
        }),
        Just(Override::flag("--trace", "trace.sample", "slow")),
        (0.0f64..60.0).prop_map(|rate| Override::flag("--set", "hints.typing_per_user_per_minute", rate)),
        (0.0f64..60.0).prop_map(|rate| Override::flag("--set", "actions.clicks_per_user_per_minute", rate)),
    ];
    proptest::collection::vec(one, 0..5)
}

proptest! {
    #[test]
    fn an_effective_plan_loads_back_to_itself(rank in 0..built_ins().len(), overrides in changes(), lag_us: u32) {
        let capabilities = Capabilities { dedup: rank == 0, lag_us: lag_us.into(), ..capabilities() };
        let built_in = built_ins()[rank];
        let loaded = load(built_in.text, &built_in.file(), &overrides, capabilities.clone(), "other \"target\"");
        // A combination that is refused, such as too many messages, is not the question here.
        prop_assume!(loaded.is_ok());
        let resolved = loaded.unwrap();
        let text = to_toml(&resolved);
        prop_assert_eq!(&load_effective(&text, "plan.toml").unwrap(), &resolved.plan, "{}", text);
        let again = load(&text, "plan.toml", &[], capabilities, "other \"target\"").unwrap();
        prop_assert_eq!(&again.plan, &resolved.plan);
        prop_assert_eq!(again.description, resolved.description);
        prop_assert_eq!(again.origins.keys().collect::<Vec<_>>(), resolved.origins.keys().collect::<Vec<_>>());
    }
}
