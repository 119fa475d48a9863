//! The failures of the matrix, as faults of a workload. Their times are shares
//! of the load, so that a longer workload is disturbed as much.

use crate::judge::Design;

/// One failure mode: a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failure {
    /// The name of the column.
    pub name: &'static str,
    /// The `faults` of the workload as a TOML value; empty for none.
    pub faults: String,
    /// Further values of the workload.
    pub values: &'static [&'static str],
    needs: Needs,
}

/// What a failure needs so that there is something to disturb.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Needs {
    #[default]
    Nothing,
    /// A process or a store that posthaste started.
    OwnServer,
    /// A socket that the design holds.
    Socket,
    /// An app that acknowledges events.
    App,
}

impl Failure {
    /// Why there can be no run of a design under it, if there can be none.
    pub fn rules_out(&self, design: Design, built_in: bool) -> Option<&'static str> {
        match (self.needs, design) {
            (Needs::OwnServer, _) if !built_in => Some("needs a server that posthaste started"),
            (Needs::Socket, Design::Receive(design)) if !design.holds_socket() => Some("the design holds no socket"),
            (Needs::App, Design::Receive(design)) if !design.is_app() => {
                Some("the design acknowledges nothing that it received")
            }
            _ => None,
        }
    }

    /// What it does, as the workload says it.
    pub fn in_words(&self) -> String {
        let values = self.values.iter().map(|value| (*value).to_owned());
        let faults = (!self.faults.is_empty()).then(|| self.faults.clone());
        faults.into_iter().chain(values).collect::<Vec<_>>().join(", ")
    }
}

/// Instants and lengths as shares of a load of so many µs.
struct Load(u64);

impl Load {
    fn at(&self, share: f64) -> String {
        format!("{}us", (self.0 as f64 * share) as u64)
    }

    fn thrice(&self, rest: &str) -> String {
        let one = |share| format!("{{kind={rest},at=\"{}\"}}", self.at(share));
        format!("[{},{},{}]", one(0.25), one(0.5), one(0.75))
    }

    /// From a quarter of the load on.
    fn once(&self, rest: &str, length: &str) -> String {
        format!("[{{kind={rest},at=\"{}\",for=\"{length}\"}}]", self.at(0.25))
    }
}

fn failure(name: &'static str, faults: String, needs: Needs) -> Failure {
    Failure { name, faults, values: &[], needs }
}

/// The columns of the send table, for a load of so many µs.
pub fn send_failures(load_us: u64) -> Vec<Failure> {
    let load = Load(load_us);
    let store_fails = format!("[{{kind=\"store-fail\",at=\"{}\",for=\"{}\"}}]", load.at(0.35), load.at(0.15));
    vec![
        failure("clean", String::new(), Needs::Nothing),
        // It stands still for a moment before it dies, as a process does that
        // runs out of memory: what was received meanwhile is not stored.
        failure("crash", load.thrice(r#""crash",for="150ms",stall="20ms""#), Needs::OwnServer),
        failure("ack lost", r#"[{kind="drop-ack",share=0.05,at="0s"}]"#.to_owned(), Needs::Nothing),
        failure("half-open", load.once(r#""blackhole",share=0.3"#, &load.at(0.65)), Needs::Nothing),
        failure("store fails", store_fails, Needs::OwnServer),
        failure("deploy", load.thrice(r#""deploy""#), Needs::OwnServer),
    ]
}

/// The columns of the receive table.
pub fn receive_failures(load_us: u64) -> Vec<Failure> {
    let load = Load(load_us);
    vec![
        failure("clean", String::new(), Needs::Nothing),
        failure("disconnect", load.once(r#""disconnect""#, "300ms"), Needs::Socket),
        // Longer than what is replayed to a bot that comes back.
        failure("long disconnect", load.once(r#""disconnect""#, &load.at(0.55)), Needs::Socket),
        failure(
            "half-open",
            load.once(r#""blackhole",share=0.3,connections="sockets""#, &load.at(0.65)),
            Needs::Socket,
        ),
        failure("slow consumer", load.once(r#""slow-reader",share=0.3"#, &load.at(0.5)), Needs::Socket),
        Failure { name: "app crash", values: &["receive.crash_share=0.02"], needs: Needs::App, ..Failure::default() },
        failure("deploy", load.thrice(r#""deploy""#), Needs::OwnServer),
    ]
}
