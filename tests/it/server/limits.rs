//! Limits that are known: they must be what they say.

use super::harness::{Running, ServerProcess};
use posthaste::server::{Limits, Options};
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn a_store_takes_so_many_posts_a_second_and_refuses_none() {
    let limits = Limits { posts_per_s: NonZeroU32::new(100), ..Limits::default() };
    let server = Running::of(Options { limits, ..Options::default() }).await;
    let channel = server.client.channel("alice", "general").await;
    let started = Instant::now();
    let posts: Vec<_> = (0..150)
        .map(|index| {
            let (client, channel) = (server.client.clone(), channel.clone());
            tokio::spawn(async move {
                let answer = client.post("alice", &channel, "text", &format!("key-{index}")).await;
                assert_eq!(answer["ok"], true, "{answer}");
                started.elapsed()
            })
        })
        .collect();
    let mut answered = Vec::new();
    for post in posts {
        answered.push(post.await.unwrap());
    }
    answered.sort();
    assert!(answered[149] >= Duration::from_millis(1_450), "150 posts take a second and a half: {answered:?}");
    assert!(answered[149] < Duration::from_secs(6), "{answered:?}");
    assert!(answered[75] < answered[149].mul_f64(0.75), "they are not answered all at once: {answered:?}");
    let stored = server.client.history("alice", &channel, &[("limit", "999")]).await;
    assert_eq!(stored.len(), 150);
    server.stop().await;
}

/// CPU time of ten posts that one socket listens to, in a process of its own.
#[cfg(target_os = "linux")]
async fn cpu_of_ten_posts(flags: &[&str]) -> Duration {
    let folder = tempfile::tempdir().unwrap();
    let server = ServerProcess::start(&folder.path().join("test.db"), flags);
    let pid = nix::unistd::Pid::from_raw(server.child.id() as i32);
    let clock = nix::time::ClockId::pid_cpu_clock_id(pid).unwrap();
    let channel = server.client.channel("alice", "general").await;
    let mut listener = server.client.socket("alice").await;
    let before = Duration::from(clock.now().unwrap());
    for index in 0..10 {
        server.client.post("alice", &channel, "text", &format!("key-{index}")).await;
    }
    assert_eq!(listener.drain().await.len(), 10);
    Duration::from(clock.now().unwrap()) - before
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn what_is_burnt_is_cpu_time_of_posts_and_of_events() {
    let plain = cpu_of_ten_posts(&[]).await;
    for (flags, burnt_ms) in [
        (&["--burn-post", "30000"][..], 300),
        (&["--burn-delivery", "20000"], 200),
        (&["--burn-post", "10000", "--burn-delivery", "10000"], 200),
    ] {
        let with = cpu_of_ten_posts(flags).await;
        let burnt = Duration::from_millis(burnt_ms);
        assert!(with >= burnt && with < burnt + plain + Duration::from_millis(80), "{flags:?}: {plain:?}, {with:?}");
    }
}
