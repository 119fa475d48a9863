//! A TCP proxy on loopback that stands between the load generator and the
//! target, and can do to their connections what networks and load balancers do.
//!
//! It must not know what is said on a connection: bytes, ends and resets are
//! carried over each way as they come, so that TLS, HTTP/2 and WebSockets pass.
//! It runs on one thread of its own. What a connection holds in memory is
//! bounded, and next to nothing while no byte is under way; a peer that does
//! not read holds the other up, as it would without a proxy.
//!
//! The kernel of a user-space proxy acknowledges TCP even where the proxy is
//! silent: it models a load balancer that hangs, not a cable that is cut.

mod armed;
mod effect;
mod flow;
mod pipe;
mod registry;
mod serve;
mod side;
mod tally;

pub use effect::{CutAt, Direction, DropAnswer, Effect, Ending, Scope};
pub use tally::{ProxyCounters, Touched};

use registry::Registry;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use tokio::net::TcpListener;
use tokio::runtime::{self, Runtime};
use tokio::sync::oneshot;

/// A running proxy. Dropping it closes every connection and joins its thread.
///
/// All methods can be called from any thread and return within microseconds;
/// those that go through all connections, within some milliseconds where there
/// are ten thousand. Faults are told apart by a number of the caller's choice.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    registry: Arc<Registry>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Listens on a free port of 127.0.0.1. Connections go to the upstreams in
    /// turn; one that refuses, or is silent for as long as the kernel tries
    /// (two minutes as a rule), is passed over for the next. Where all refuse,
    /// the client's connection is reset.
    ///
    /// # Errors
    /// `InvalidInput` without an upstream; what the system says.
    pub fn start(upstreams: Vec<SocketAddr>) -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), upstreams)
    }

    /// The same at an address of the caller's choice.
    ///
    /// # Errors
    /// As [`FaultProxy::start`].
    pub fn start_at(at: SocketAddr, upstreams: Vec<SocketAddr>) -> io::Result<Self> {
        if upstreams.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a proxy needs an upstream"));
        }
        let registry = Arc::new(Registry::default());
        let (stop, stopped) = oneshot::channel();
        let (said, says) = mpsc::channel();
        let own = Arc::clone(&registry);
        let thread = thread::Builder::new().name("fault-proxy".to_owned()).spawn(move || match prepare(at) {
            Ok((runtime, listener, address)) => {
                let _ = said.send(Ok(address));
                runtime.block_on(serve::serve(listener, upstreams.into(), own, stopped));
            }
            Err(error) => {
                let _ = said.send(Err(error));
            }
        })?;
        let address = says.recv().map_err(io::Error::other)??;
        Ok(Self { address, registry, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Says whose connection it is, by the client's local address. To be
    /// called after `connect` and before the first byte: the faults in force
    /// then act from that byte on. A second label replaces the first. It is
    /// forgotten when the connection ends.
    pub fn label(&self, client: SocketAddr, label: u64) {
        self.registry.label(client, label);
    }

    /// Begins a fault. It acts on every byte that the proxy reads after this
    /// returns. A fault of that number that is in force ends before.
    pub fn begin(&self, fault: usize, effect: Effect, scope: Scope) {
        self.registry.begin(fault, effect, scope);
    }

    /// Ends a fault, as its effect says; answers that were to be lost under
    /// this number, and of which nothing is lost yet, will arrive. Nothing
    /// where it is not in force.
    pub fn end(&self, fault: usize) {
        self.registry.end(fault);
    }

    /// Loses what comes back on a client's connection from now on. To be
    /// called before the request is written. It replaces what was called for
    /// that connection before.
    pub fn drop_answer(&self, fault: usize, client: SocketAddr, how: DropAnswer) {
        self.registry.drop_answer(fault, client, how);
    }

    /// Says that the client has written its request: [`CutAt::AfterWritten`]
    /// counts from here, and the others need not guess. Nothing where no
    /// answer is to be lost.
    pub fn written(&self, client: SocketAddr) {
        self.registry.written(client);
    }

    /// What a fault has done so far, over all times that it was begun; all
    /// zero where it never was.
    pub fn touched(&self, fault: usize) -> Touched {
        self.registry.touched(fault)
    }

    /// Counters of the whole.
    pub fn counters(&self) -> ProxyCounters {
        self.registry.counters.read()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn prepare(at: SocketAddr) -> io::Result<(Runtime, TcpListener, SocketAddr)> {
    let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let listener = {
        let _within = runtime.enter();
        serve::listen(at)?
    };
    let address = listener.local_addr()?;
    Ok((runtime, listener, address))
}
