//! What the pure parts cost that stand on the path of a message: its place in the
//! schedule, its key, its text, the request that carries it, the histogram. The
//! ledger and the reading of frames (the trie of paths is most of that) have
//! benches of their own.
//!
//! ```text
//! cargo bench --bench parts           21 rounds of 10,000
//! cargo bench --bench parts -- 200    so many rounds
//! ```
//!
//! Medians of CPU time of the one thread.
#![allow(clippy::print_stdout, missing_docs)]

use nix::time::{ClockId, clock_gettime};
use posthaste::ledger::Latencies;
use posthaste::model::{
    ChannelId, KeyCodec, KeyFormat, KeyLayout, LatencyKind, MessageKey, MessageRef, RunId, SizeRange, TextCodec,
};
use posthaste::plan::profile::{BuiltIn, find_built_in, load};
use posthaste::plan::{ArrivalSchedule, Capabilities, Roster};
use posthaste::target::{Address, ChannelScope, MessageScope, Scope, Slack, TargetProfile, built_in_targets};
use std::hint::black_box;
use std::sync::Arc;

const COUNT: u32 = 10_000;

fn main() {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(21);
    let keys = KeyCodec::new(RunId(7), KeyLayout { channel_bits: 20 }).in_format(KeyFormat::Uuid8);
    let texts = TextCodec::new(keys, SizeRange { min: 225, max: 225 });
    let message = |index| MessageRef { channel: ChannelId(index % 64), index };
    let made: Vec<MessageKey> =
        (0..COUNT).map(|index| texts.keys().encode(message(index), u64::from(index) * 1_000)).collect();
    let told: Vec<String> = made.iter().map(|key| KeyFormat::Uuid8.write(*key)).collect();
    let said: Vec<String> = made.iter().map(|key| texts.render(*key)).collect();
    println!("{:<44} {:>9}", "", "ns each");
    schedule(rounds);
    each("key: encode", rounds, |rank| texts.keys().encode(message(rank), 5));
    each("key: decode", rounds, |rank| texts.keys().decode(made[rank as usize]));
    each("key: write as UUID", rounds, |rank| KeyFormat::Uuid8.write(made[rank as usize]));
    each("key: read a UUID", rounds, |rank| KeyFormat::Uuid8.read(&told[rank as usize]));
    each("text of 225 bytes: render", rounds, |rank| texts.render(made[rank as usize]));
    each("text of 225 bytes: read and compare", rounds, |rank| texts.read(&said[rank as usize]));
    requests(rounds, &told, &said);
    histogram(rounds);
}

fn schedule(rounds: usize) {
    let BuiltIn { text, .. } = find_built_in("steady").expect("it is built in");
    let plan = load(text, "steady.toml", &[], Capabilities::ALL, "none").expect("it is valid").plan;
    let (roster, plan) = (Arc::new(Roster::new(&plan)), Arc::new(plan));
    let mut figures: Vec<f64> = (0..rounds)
        .map(|_| {
            let schedule = ArrivalSchedule::new(plan.clone(), roster.clone());
            let began = cpu_ns();
            black_box(schedule.take(COUNT as usize).map(|intended| intended.intended_us).sum::<u64>());
            (cpu_ns() - began) as f64 / f64::from(COUNT)
        })
        .collect();
    show("schedule: next message, by Zipf", &mut figures);
}

fn requests(rounds: usize, keys: &[String], texts: &[String]) {
    let slack = Slack::new(&Address::parse("http://127.0.0.1:1").expect("it is an address"));
    each("request, native: render", rounds, |rank| {
        slack.post_message("C0000000012", Some(&keys[rank as usize]), &texts[rank as usize])
    });
    let (name, text) = built_in_targets().iter().find(|(name, _)| *name == "nchan").expect("it is built in");
    let target = TargetProfile::parse(text, name).expect("it is valid");
    let request = target.described.as_ref().and_then(|described| described.send.request.as_ref());
    let (request, values) = (request.expect("it sends over HTTP"), vec![Some("C0000000012".into()); 4]);
    let render = |rank: u32| {
        let (key, text) = (&keys[rank as usize], &texts[rank as usize]);
        let scope = Scope {
            channel: Some(ChannelScope { index: 0, values: &values }),
            message: Some(MessageScope { key, text, reference: rank.into() }),
            ..Scope::default()
        };
        request.render(&scope, "")
    };
    render(0).expect("every variable has a value");
    each("request, by a profile: render", rounds, render);
}

fn histogram(rounds: usize) {
    let mut latencies = Latencies::default();
    each("histogram: record", rounds, |rank| latencies.record(LatencyKind::Delivery, u64::from(rank * 97) % 2_000_000));
    let mut whole = Latencies::default();
    let mut figures: Vec<f64> = (0..rounds)
        .map(|_| {
            let began = cpu_ns();
            whole.merge(black_box(&latencies));
            (cpu_ns() - began) as f64
        })
        .collect();
    show("histogram: merge the six of a second", &mut figures);
}

fn each<T>(name: &str, rounds: usize, mut work: impl FnMut(u32) -> T) {
    let mut figures: Vec<f64> = (0..rounds)
        .map(|_| {
            let began = cpu_ns();
            (0..COUNT).for_each(|rank| _ = black_box(work(rank)));
            (cpu_ns() - began) as f64 / f64::from(COUNT)
        })
        .collect();
    show(name, &mut figures);
}

fn show(name: &str, figures: &mut [f64]) {
    figures.sort_by(f64::total_cmp);
    println!("{name:<44} {:>9.1}", figures[figures.len() / 2]);
}

fn cpu_ns() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every Linux has the clock");
    time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64
}
