//! What a Ctrl-C or a SIGTERM does: a command ends in two steps.

use super::complain;
use crate::exit_code;
use crate::study::Children;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Which signal it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// The first: to end in good order.
    Once,
    /// The second: to leave at once.
    Twice,
}

/// Has a thread tell of the first two signals.
pub fn on_signals(mut tell: impl FnMut(Asked) + Send + 'static) -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let watching = std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            for asked in [Asked::Once, Asked::Twice] {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                tell(asked);
            }
        });
    });
    watching.map(|_| ()).context("cannot start a thread for signals")
}

/// What a command that makes several runs is stopped by: once the flag is set,
/// no further run begins, and the runs that are under way were told. `words` is
/// what the person is told at the first signal.
pub fn stop_of_study(words: String) -> anyhow::Result<(Arc<AtomicBool>, Arc<Children>)> {
    let (stop, children) = (Arc::new(AtomicBool::new(false)), Arc::new(Children::default()));
    let (on_signal, of_signal) = (stop.clone(), children.clone());
    on_signals(move |asked| {
        on_signal.store(true, Ordering::Relaxed);
        of_signal.interrupt();
        match asked {
            Asked::Once => complain(&words),
            Asked::Twice => {
                of_signal.kill_servers();
                std::process::exit(exit_code::INTERRUPTED.into())
            }
        }
    })?;
    Ok((stop, children))
}
