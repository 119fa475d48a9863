//! The failures of the matrix, as faults of a workload. Their times are shares
//! of the load, so that a longer workload is disturbed as much.

/// One failure mode: a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The name of the column.
    pub name: &'static str,
    /// The `faults` of the workload as a TOML value; empty for none.
    pub faults: String,
    /// Whether it touches a process or a store that posthaste started.
    pub needs_own_server: bool,
}

/// The columns of the send table, for a load of so many µs.
pub fn send_failures(load_us: u64) -> Vec<Failure> {
    let at = |share: f64| format!("{}us", (load_us as f64 * share) as u64);
    let thrice = |rest: &str| {
        let one = |share| format!("{{kind={rest},at=\"{}\"}}", at(share));
        format!("[{},{},{}]", one(0.25), one(0.5), one(0.75))
    };
    let failure = |name, faults: String, needs_own_server| Failure { name, faults, needs_own_server };
    vec![
        failure("clean", String::new(), false),
        // It stands still for a moment before it dies, as a process does that
        // runs out of memory: what was received meanwhile is not stored.
        failure("crash", thrice(r#""crash",for="150ms",stall="20ms""#), true),
        failure("ack lost", r#"[{kind="drop-ack",share=0.05,at="0s"}]"#.to_owned(), false),
        failure(
            "half-open",
            format!("[{{kind=\"blackhole\",share=0.3,at=\"{}\",for=\"{}\"}}]", at(0.25), at(0.65)),
            false,
        ),
        failure("store fails", format!("[{{kind=\"store-fail\",at=\"{}\",for=\"{}\"}}]", at(0.35), at(0.15)), true),
        failure("deploy", thrice(r#""deploy""#), true),
    ]
}
