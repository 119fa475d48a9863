//! The way to the target: straight, or through the fault proxy. The engine
//! tells the proxy whose each connection is; which of them a fault touches
//! follows from the plan.

use super::clock::RunClock;
use crate::faults::{self, CutAt, DropAnswer, Effect, FaultProxy, Scope};
use crate::ledger::FaultRecord;
use crate::model::UserId;
use crate::plan::{Connections, Direction, Ending, FaultKind, RunPlan, touches_user};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_rustls::rustls::pki_types::ServerName;

/// How long a socket that loses its answer goes on after the frame was
/// written: the target gets it, and nobody hears of it.
const UNHEARD: Duration = Duration::from_millis(50);

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Events come over it.
    Socket,
    /// Posts leave over it.
    Posts,
}

/// Where a connection leads.
#[derive(Clone, Debug)]
pub struct Destination {
    /// An address.
    pub address: SocketAddr,
    /// The name of its certificate, where it is spoken to over TLS.
    pub name: Option<ServerName<'static>>,
}

/// The way to the target.
#[derive(Clone)]
pub struct Path {
    /// The target's own addresses.
    resolved: Vec<SocketAddr>,
    /// The name of its certificate, where it is spoken to over TLS.
    name: Option<ServerName<'static>>,
    proxy: Option<Arc<FaultProxy>>,
    /// Which of them is the first of the next client that takes them in order.
    turn: Arc<AtomicUsize>,
}

impl Path {
    /// A way to these addresses, over TLS where there is a name.
    pub fn new(resolved: Vec<SocketAddr>, name: Option<ServerName<'static>>, proxy: Option<Arc<FaultProxy>>) -> Self {
        Self { resolved, name, proxy, turn: Arc::default() }
    }

    /// The target's own addresses.
    pub fn resolved(&self) -> &[SocketAddr] {
        &self.resolved
    }

    /// The target's own addresses, another one in front each time.
    pub fn in_turn(&self) -> Vec<SocketAddr> {
        let mut addresses = self.resolved.clone();
        addresses.rotate_left(self.turn.fetch_add(1, Ordering::Relaxed) % self.resolved.len());
        addresses
    }

    /// The target for a user: its addresses are used in turn.
    pub fn target_of(&self, user: UserId) -> Destination {
        Destination { address: self.resolved[user.0 as usize % self.resolved.len()], name: self.name.clone() }
    }

    /// Where to connect to reach an address: another address than the target's
    /// own is not behind the proxy.
    pub fn towards(&self, address: SocketAddr) -> SocketAddr {
        match &self.proxy {
            Some(proxy) if self.resolved.contains(&address) => proxy.address(),
            _ => address,
        }
    }

    /// Says whose a connection is, before the first byte.
    pub fn label(&self, local: SocketAddr, user: UserId, purpose: Purpose) {
        if let Some(proxy) = &self.proxy {
            proxy.label(local, label(user, purpose));
        }
    }

    /// Loses the answer to the request that is about to be written on a
    /// connection.
    pub fn drop_answer(&self, fault: usize, local: SocketAddr, purpose: Purpose, give_up: Duration) {
        if let Some(proxy) = &self.proxy {
            let at = match purpose {
                Purpose::Socket => CutAt::AfterWritten(UNHEARD),
                Purpose::Posts => CutAt::FirstByte,
            };
            proxy.drop_answer(fault, local, DropAnswer { at, give_up });
        }
    }

    /// The request whose answer is to be lost was written.
    pub fn written(&self, local: SocketAddr) {
        if let Some(proxy) = &self.proxy {
            proxy.written(local);
        }
    }
}

fn label(user: UserId, purpose: Purpose) -> u64 {
    (u64::from(user.0) << 1) | u64::from(purpose == Purpose::Posts)
}

fn of_label(label: u64) -> (UserId, Purpose) {
    let purpose = if label & 1 == 1 { Purpose::Posts } else { Purpose::Socket };
    (UserId((label >> 1) as u32), purpose)
}

/// What the proxy does for a fault of the plan, and to which connections.
pub fn effect(plan: &Arc<RunPlan>, rank: usize) -> (Effect, Scope) {
    let fault = &plan.faults[rank];
    let settings = &fault.settings;
    let effect = match fault.kind {
        FaultKind::IdleEvict => Effect::IdleEvict { after: Duration::from_micros(settings.idle_us) },
        FaultKind::Herd => Effect::Disconnect { reset: settings.ending == Ending::Reset },
        FaultKind::Latency => Effect::Latency {
            delay: Duration::from_micros(settings.delay_us),
            jitter: Duration::from_micros(settings.jitter_us),
            seed: plan.seed.wrapping_add(rank as u64),
            direction: direction(settings.direction),
        },
        FaultKind::Bandwidth => Effect::Bandwidth { bytes_per_s: settings.bytes_per_s },
        FaultKind::Slice => Effect::Slice { bytes: settings.slice_bytes as usize, pause: Duration::ZERO },
        _ => Effect::Blackhole {
            direction: direction(settings.direction),
            new_flows_too: false,
            lost: false,
            end: ending(settings.ending),
        },
    };
    let (plan, wanted) = (plan.clone(), settings.connections);
    let sockets_alone = fault.kind == FaultKind::Herd;
    let holds = move |label: u64| {
        let (user, purpose) = of_label(label);
        let covered = match wanted {
            Connections::All => !sockets_alone || purpose == Purpose::Socket,
            Connections::Sockets => purpose == Purpose::Socket,
            Connections::Posts => purpose == Purpose::Posts,
        };
        covered && touches_user(&plan, rank, user)
    };
    (effect, Scope::Labels(Arc::new(holds)))
}

fn direction(direction: Direction) -> faults::Direction {
    match direction {
        Direction::Both => faults::Direction::Both,
        Direction::ToTarget => faults::Direction::ToTarget,
        Direction::FromTarget => faults::Direction::FromTarget,
    }
}

fn ending(ending: Ending) -> faults::Ending {
    match ending {
        Ending::Reset => faults::Ending::Reset,
        Ending::Close => faults::Ending::Close,
        Ending::Heal => faults::Ending::Heal,
    }
}

/// What the proxy did for a fault of the plan.
pub fn record(proxy: &FaultProxy, rank: usize, clock: RunClock) -> FaultRecord {
    let touched = proxy.touched(rank);
    FaultRecord {
        fired_us: touched.first.map(|first| clock.us_at(first)),
        healed_us: touched.last.map(|last| clock.us_at(last)),
        touched: touched.connections,
    }
}
