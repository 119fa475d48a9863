//! What a Ctrl-C or a SIGTERM does: a command ends in two steps.

use anyhow::Context;

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
