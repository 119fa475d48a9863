//! What can be done to connections: plain descriptions, no state.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// What is done to the connections in scope while a fault lasts.
///
/// Effects add up: delays are added, the lowest rate and the smallest slice
/// win, and a blackhole stops what the others would still let through. All but
/// [`Effect::Disconnect`] last until [`end`](super::FaultProxy::end).
#[derive(Clone, Debug)]
pub enum Effect {
    /// Nothing is forwarded, and nobody is told: no FIN, no RST, and the
    /// kernel goes on acknowledging what peers send.
    Blackhole {
        /// Which way.
        direction: Direction,
        /// Whether connections that are opened or labelled later come under it.
        new_flows_too: bool,
        /// False: bytes stay unread, so that the sender's buffers fill, and
        /// [`Ending::Heal`] delivers them. True: they are read and thrown
        /// away, and what follows a heal has a hole before it.
        lost: bool,
        /// How it ends.
        end: Ending,
    },
    /// A connection without a byte either way for longer than `after`, counted
    /// from the begin of the fault at the earliest, is forgotten for good:
    /// whatever is sent on it is thrown away, and the end of the fault resets
    /// it. This is what a load balancer or NAT table does to a silent flow.
    IdleEvict {
        /// How long a connection may be silent.
        after: Duration,
    },
    /// Every connection in scope ends at once; it has no end of its own.
    Disconnect {
        /// RST to both sides instead of FIN.
        reset: bool,
    },
    /// Every chunk is forwarded later, in order: `delay`, and between nothing
    /// and `jitter` on top. At most 256 KiB a connection and direction are
    /// under way, which bounds the rate of a long delay. Timers are of 1 ms
    /// and never early.
    Latency {
        /// The fixed part.
        delay: Duration,
        /// The most that is added to it, uniformly.
        jitter: Duration,
        /// Draws the jitter, for each connection by its label.
        seed: u64,
        /// Which way.
        direction: Direction,
    },
    /// At most so many bytes a second, each way, for each connection; 20 ms
    /// worth at once after a silence. 0 is taken as 1.
    Bandwidth {
        /// Bytes a second.
        bytes_per_s: u64,
    },
    /// Nothing is written in pieces larger than this, and each piece is sent
    /// as a segment of its own, both ways.
    Slice {
        /// Bytes of a piece; 0 is taken as 1.
        bytes: usize,
        /// Time between two pieces; zero is none, and anything else takes at
        /// least 1 ms.
        pause: Duration,
    },
}

/// Which way, seen from the load generator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both.
    Both,
    /// What the load generator sends.
    ToTarget,
    /// What the target answers and pushes.
    FromTarget,
}

impl Direction {
    pub(super) fn covers(self, way: Way) -> bool {
        match self {
            Self::Both => true,
            Self::ToTarget => way == Way::Up,
            Self::FromTarget => way == Way::Down,
        }
    }
}

/// One of the two directions of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the target.
    Up,
    /// From the target.
    Down,
}

/// How a blackhole ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// What waited flows on, and everything after it.
    Heal,
    /// Both sides get a FIN.
    Close,
    /// Both sides get an RST.
    Reset,
}

/// Which connections a fault acts on.
#[derive(Clone)]
pub enum Scope {
    /// All, those without a label too.
    All,
    /// Those with a label for which this holds. It is called with the
    /// registry locked: it must be quick, and must not call the proxy.
    Labels(Arc<dyn Fn(u64) -> bool + Send + Sync>),
}

impl Scope {
    pub(super) fn holds(&self, label: Option<u64>) -> bool {
        match self {
            Self::All => true,
            Self::Labels(holds) => label.is_some_and(|label| holds(label)),
        }
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::All => "All",
            Self::Labels(_) => "Labels",
        })
    }
}

/// How one answer is lost: it is thrown away, then the client gets an RST and
/// the target a FIN, which leaves it the whole request. The cut waits until
/// what the client has written is with the target and, unless the client has
/// said [`written`](super::FaultProxy::written), has paused for 5 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropAnswer {
    /// When the connection is cut.
    pub at: CutAt,
    /// Counted from [`drop_answer`](super::FaultProxy::drop_answer): after
    /// this the connection is cut in any case.
    pub give_up: Duration,
}

/// When a [`DropAnswer`] cuts the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CutAt {
    /// At the first byte that comes back after a byte of the request was
    /// forwarded. What comes before that is thrown away too, and does not
    /// count as an answer. Where a layer answers on its own account (TLS
    /// tickets, HTTP/2 settings), [`CutAt::AfterWritten`] is the right one.
    FirstByte,
    /// So many bytes are forwarded, and the next one is thrown away and cuts.
    /// A shorter answer arrives whole, and is not counted.
    After(u64),
    /// So long after [`written`](super::FaultProxy::written), whatever comes
    /// back meanwhile being thrown away.
    AfterWritten(Duration),
}
