//! Server processes over one store, behind a balancer where there are several.

use super::process::{ProcessCommand, ServerProcess, SharedProcess};
use super::proxy::FaultProxy;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// One server process, or several behind a balancer. Dropping it kills them.
///
/// The balancer is a [`FaultProxy`] that does nothing but pass on: it gives
/// each connection to the next process that accepts, and knows no other sign of
/// health.
#[derive(Debug)]
pub struct Replicas {
    processes: Vec<SharedProcess>,
    balancer: Option<FaultProxy>,
    ended: AtomicBool,
}

impl Replicas {
    /// Starts so many processes, one after another: the first may have to make
    /// what the others find. The balancer listens on a free port of loopback,
    /// or where it is told to.
    ///
    /// # Errors
    /// What the system or the program says.
    pub fn start(command: &ProcessCommand, count: usize, at: Option<SocketAddr>) -> io::Result<Self> {
        let started: io::Result<Vec<_>> = (0..count).map(|_| ServerProcess::start(command.clone())).collect();
        let started = started?;
        let balancer = match (started.len(), at) {
            (0 | 1, None) => None,
            (_, at) => {
                let at = at.unwrap_or_else(|| (Ipv4Addr::LOCALHOST, 0).into());
                let upstreams: io::Result<Vec<SocketAddr>> = started.iter().map(ServerProcess::address).collect();
                Some(FaultProxy::start_at(at, upstreams?)?)
            }
        };
        let processes = started.into_iter().map(|process| Arc::new(Mutex::new(process))).collect();
        Ok(Self { processes, balancer, ended: AtomicBool::new(false) })
    }

    /// Where clients are to connect.
    pub fn url(&self) -> String {
        let url = self.processes.first().map_or_else(String::new, |process| lock(process).url().to_owned());
        match (&self.balancer, url.split_once("://")) {
            // It passes TLS on as it passes everything on.
            (Some(balancer), Some((scheme, _))) => format!("{scheme}://{}", balancer.address()),
            _ => url,
        }
    }

    /// Where each process listens.
    pub fn urls(&self) -> Vec<String> {
        self.processes.iter().map(|process| lock(process).url().to_owned()).collect()
    }

    /// The processes.
    pub fn processes(&self) -> &[SharedProcess] {
        &self.processes
    }

    /// Replaces one process after another: each ends in order (SIGTERM), stays
    /// away for so long and is there again before the next ends.
    ///
    /// # Errors
    /// What the system or the program says; the later ones are not touched.
    pub fn deploy(&self, away: Duration) -> io::Result<()> {
        for process in &self.processes {
            let mut process = lock(process);
            if self.ended.load(Ordering::SeqCst) {
                return Ok(());
            }
            process.end()?;
            std::thread::sleep(away);
            process.restart()?;
        }
        Ok(())
    }

    /// Starts those again that ended by themselves, and gives their number.
    ///
    /// # Errors
    /// What the system or the program says.
    pub fn revive(&self) -> io::Result<usize> {
        let mut revived = 0;
        for process in &self.processes {
            // One that somebody acts on is looked at the next time.
            let Ok(mut process) = process.try_lock() else { continue };
            if !self.ended.load(Ordering::SeqCst) && process.has_ended() {
                process.restart()?;
                revived += 1;
            }
        }
        Ok(revived)
    }

    /// Tells all to end, and waits for them.
    pub fn stop(&self) {
        self.ended.store(true, Ordering::SeqCst);
        self.processes.iter().for_each(|process| lock(process).dismiss());
        self.processes.iter().for_each(|process| lock(process).stop());
    }
}

fn lock(process: &SharedProcess) -> MutexGuard<'_, ServerProcess> {
    process.lock().unwrap_or_else(PoisonError::into_inner)
}
