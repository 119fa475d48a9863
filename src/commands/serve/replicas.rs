//! `posthaste serve --replicas`: several servers over one store, each a process
//! of its own, and the balancer before them.

use crate::cli::ServeArgs;
use crate::commands::{complain, store};
use crate::faults::{ProcessCommand, Replicas};
use crate::server::Certificate;
use anyhow::Context;
use std::ffi::OsString;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Options that are of the whole, and not of each process.
const OF_THE_WHOLE: [&str; 7] = ["--replicas", "--host", "--port", "--db", "--store", "--tls-cert", "--tls-key"];
/// Those of them that have no value.
const PLAIN: [&str; 3] = ["--shared", "--exit-with-stdin", "--tls"];
/// How often a look is taken at whether all processes live.
const LOOK: Duration = Duration::from_millis(250);

/// Serves until SIGINT or SIGTERM, or the end of standard input where asked.
/// SIGHUP replaces one process after another.
pub(super) fn serve(args: &ServeArgs, db: &Path, certificate: Option<&Certificate>) -> anyhow::Result<()> {
    let command = command(args, db, certificate)?;
    let at = address(args)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    runtime.block_on(async {
        // From here on a signal ends what was started.
        let mut ends = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
        let [terminate, interrupt] = &mut ends;
        let mut hang_up = signal(SignalKind::hangup())?;
        let stdin_ended = super::stdin_end(args.exit_with_stdin)?;
        let mut stdin_ended = pin!(async {
            if stdin_ended.await.is_err() {
                std::future::pending().await
            }
        });
        let count = args.replicas.into();
        let started = tokio::task::spawn_blocking(move || Replicas::start(&command, count, Some(at))).await?;
        let replicas = started.with_context(|| format!("cannot serve on {at} (--host, --port)"))?;
        let replicas = Arc::new(replicas);
        for url in replicas.urls() {
            complain(&format!("a server of {count} on {url}"));
        }
        super::announce(&replicas.url())?;
        let mut looks = tokio::time::interval(LOOK);
        let mut deploying = None;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                () = &mut stdin_ended => break,
                _ = hang_up.recv() => deploying = Some(tokio::task::spawn_blocking(deployment(&replicas))),
                _ = looks.tick() => revive(&replicas).await,
            }
        }
        let ending = replicas.clone();
        tokio::task::spawn_blocking(move || ending.stop()).await?;
        if let Some(deploying) = deploying {
            deploying.await?;
        }
        Ok(())
    })
}

/// How each process is started.
fn command(args: &ServeArgs, db: &Path, certificate: Option<&Certificate>) -> anyhow::Result<ProcessCommand> {
    let mut of_each = without(std::env::args_os().skip(1), &OF_THE_WHOLE, &PLAIN);
    of_each.extend(["--shared".into(), "--exit-with-stdin".into()]);
    let mut secrets = Vec::new();
    match &args.store {
        Some(store) => {
            secrets.push((store::HANDED_ON.to_owned(), store::url(store)?));
            of_each.extend(["--store".into(), format!("env:{}", store::HANDED_ON).into()]);
        }
        None => of_each.extend(["--db".into(), db.as_os_str().to_owned()]),
    }
    if let Some(Certificate { chain, key }) = certificate {
        // All show the same one.
        of_each.extend(["--tls-cert".into(), chain.into(), "--tls-key".into(), key.into()]);
    }
    let words: Result<Vec<String>, _> = of_each.into_iter().map(|word| word.into_string()).collect();
    let words = words.map_err(|word| anyhow::anyhow!("an option is no text: {}", word.display()))?;
    let program = std::env::current_exe().context("cannot find posthaste's own program")?;
    Ok(ProcessCommand { program, args: words, log: None, secrets })
}

fn deployment(replicas: &Arc<Replicas>) -> impl FnOnce() + Send + 'static {
    let replicas = replicas.clone();
    move || match replicas.deploy(Duration::ZERO) {
        Ok(()) => complain("every server was replaced"),
        Err(error) => complain(&format!("a server could not be replaced: {error}")),
    }
}

async fn revive(replicas: &Arc<Replicas>) {
    let replicas = replicas.clone();
    match tokio::task::spawn_blocking(move || replicas.revive()).await {
        Ok(Ok(0)) | Err(_) => {}
        Ok(Ok(revived)) => complain(&format!("{revived} of the servers had ended and run again")),
        Ok(Err(error)) => complain(&format!("a server has ended and does not start again: {error}")),
    }
}

fn address(args: &ServeArgs) -> anyhow::Result<SocketAddr> {
    let cannot = || format!("cannot listen on {}:{} (--host, --port)", args.host, args.port);
    let mut found = (args.host.as_str(), args.port).to_socket_addrs().with_context(cannot)?;
    found.next().with_context(cannot)
}

/// Words of a command line without these options: those with a value, as the
/// next word or behind "=", and those without one.
fn without(words: impl Iterator<Item = OsString>, valued: &[&str], plain: &[&str]) -> Vec<OsString> {
    let mut words = words;
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let name = text.split('=').next().unwrap_or_default();
        if valued.contains(&name) {
            if !text.contains('=') {
                words.next();
            }
        } else if !plain.contains(&name) {
            kept.push(word);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_of_the_whole_is_not_handed_on() {
        let line = "serve --replicas 3 --max-rate=5 --port=0 --db x.db --shared --tls --store postgres://me:pw@h/d \
            --synchronous off --exit-with-stdin";
        let kept = without(line.split(' ').map(OsString::from), &OF_THE_WHOLE, &PLAIN);
        assert_eq!(kept, ["serve", "--max-rate=5", "--synchronous", "off"]);
    }
}
