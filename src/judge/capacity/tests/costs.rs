//! What a target spends, from probes whose cost is known.

use crate::judge::capacity::cost;
use crate::judge::capacity::least_squares::{are_independent, non_negative};
use crate::judge::capacity::summary::{Egress, TargetUse};
use crate::judge::capacity::{CapacityProbe, Outcome, Purpose};

/// A probe that used so many seconds of CPU for so many posts, and nothing else.
fn used(number: u32, purpose: Purpose, load: f64, posts: u64, cpu_s: f64) -> CapacityProbe {
    let target = Some(TargetUse { cpu_s, seconds: 10.0, posts, ..TargetUse::default() });
    CapacityProbe { number, purpose, load, outcome: Outcome::Held, target, ..CapacityProbe::default() }
}

#[test]
fn only_probes_that_say_something_near_the_capacity_are_fitted() {
    let idle = used(5, Purpose::CostOfSockets, 1.0, 10, 0.01);
    let probes = [
        used(1, Purpose::Coarse, 49.9, 500, 90.0),
        used(2, Purpose::Coarse, 50.0, 1_000, 1.0),
        used(3, Purpose::Hold, 100.0, 2_000, 2.0),
        CapacityProbe { outcome: Outcome::Interrupted, ..used(4, Purpose::Hold, 100.0, 2_000, 90.0) },
        idle,
        CapacityProbe { outcome: Outcome::NoRun, ..used(6, Purpose::CostOfPosts, 100.0, 2_000, 90.0) },
        used(7, Purpose::Hold, 100.0, 2_000, 0.0),
    ];
    let cost = cost::fit(&probes, 100.0, "process 7").unwrap();
    assert_eq!((cost.probes, cost.source.as_str()), (vec![2, 3, 5], "process 7"));
    assert!(cost.cpu_s_per_1000_posts.is_some_and(|cpu_s| (cpu_s - 1.0).abs() < 1e-9), "a second for a thousand");
    assert_eq!(
        (cost.cpu_s_per_10000_deliveries, cost.cpu_s_per_minute_of_1000_sockets),
        (None, None),
        "there were none"
    );
    assert_eq!((cost.rss_max_bytes, cost.rss_bytes_per_1000_sockets), (None, None), "nobody knows");
    assert!(cost.error < 1e-9, "{}", cost.error);
}

#[test]
fn the_error_is_of_one_probe() {
    let probes = |times: u32| -> Vec<CapacityProbe> {
        let once = |round: u32| {
            [
                used(1 + 3 * round, Purpose::Hold, 100.0, 1_000, 1.0),
                used(2 + 3 * round, Purpose::Hold, 100.0, 1_000, 2.0),
                used(3 + 3 * round, Purpose::CostOfSockets, 1.0, 10, 0.01),
            ]
        };
        (0..times).flat_map(once).collect()
    };
    let error = |times| cost::fit(&probes(times), 100.0, "").unwrap().error;
    assert!(error(1) > 0.1 && (error(1) - error(4)).abs() < 1e-9, "{} {}", error(1), error(4));
}

#[test]
fn memory_is_the_median_of_what_sockets_added() {
    let with = |sockets: u64, added: Option<u64>, most: u64| {
        let mut probe = used(1, Purpose::Hold, 100.0, 1_000, 1.0);
        let target = probe.target.as_mut().unwrap();
        (target.sockets, target.rss_of_sockets_bytes, target.rss_max_bytes) = (sockets, added, Some(most));
        probe
    };
    let probes = [
        with(100, Some(900), 7),
        with(100, Some(200), 9),
        with(50, Some(150), 8),
        with(100, Some(100), 1),
        with(100, Some(800), 1),
        with(0, Some(99), 1),
        with(9, None, 1),
    ];
    let cost = cost::fit(&probes, 100.0, "").unwrap();
    assert_eq!((cost.rss_bytes_per_1000_sockets, cost.rss_max_bytes), (Some(3_000), Some(9)));
}

#[test]
fn nothing_is_divided_by_nothing() {
    let sent = |posts, answer_bytes, deliveries, frame_bytes| {
        let egress = Some(Egress { posts, answer_bytes, deliveries, frame_bytes });
        cost::egress(&[CapacityProbe { egress, ..CapacityProbe::default() }])
    };
    assert_eq!(sent(0, 500, 0, 500), None, "bytes for nothing");
    assert_eq!(sent(10, 0, 10, 0), None, "nothing was counted");
    let cost = sent(10, 500, 0, 0).unwrap();
    assert_eq!((cost.bytes_per_1000_posts, cost.bytes_per_10000_deliveries), (Some(50_000.0), None));
}

#[test]
fn columns_are_told_apart_whatever_their_size() {
    for size in [1e-6, 1.0, 1e6] {
        let apart: Vec<([f64; 2], f64)> =
            [[1.0, 0.2], [0.1, 1.0], [1.0, 1.0]].map(|row| (row.map(|x| x * size), 1.0)).into();
        assert!(are_independent(&apart, &[0, 1]), "{size}");
        let alike: Vec<([f64; 2], f64)> =
            [[1.0, 2.0], [2.0, 4.0], [3.0, 6.01]].map(|row| (row.map(|x| x * size), 1.0)).into();
        assert!(!are_independent(&alike, &[0, 1]), "{size}: one is nearly twice the other");
    }
    let rows = [([1.0, 0.0], 2.0), ([0.0, 1.0], -3.0)];
    assert_eq!(non_negative(&rows), Some([2.0, 0.0]), "what would be negative is nothing");
    assert_eq!(non_negative(&[([0.0, 0.0], 1.0)]), None);
}
