//! `posthaste serve`: the reference server in a process of its own.

mod replicas;

use crate::cli::{CommitArg, ServeArgs, SynchronousArg};
use crate::commands::{complain, log, store};
use crate::engine::raise_descriptor_limit;
use crate::exit_code;
use crate::server::{
    AppOptions, Certificate, Commit, Defect, DefectSpec, Limits, NullOptions, Options, PostgresAddress, ReplayWindow,
    Server, ServerError, Synchronous, self_signed, serve_nothing,
};
use anyhow::Context;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tracing_subscriber::filter::LevelFilter;

/// Serves until SIGINT or SIGTERM, or the end of standard input where asked.
pub fn run(args: ServeArgs) -> ExitCode {
    if args.defect.iter().any(|name| name == "list") {
        return list_defects();
    }
    let defects: Result<Vec<DefectSpec>, _> = args.defect.iter().map(|text| text.parse()).collect();
    let defects = match defects {
        Ok(defects) => defects,
        Err(error) => {
            complain(&format!("--defect: {error}"));
            return ExitCode::from(exit_code::USAGE);
        }
    };
    if let Some(problem) = of_one_process_alone(&args) {
        complain(&problem);
        return ExitCode::from(exit_code::USAGE);
    }
    let postgres = args.store.as_deref().map(|store| store::address(store, &args.schema)).transpose();
    let served = postgres.map_err(Wrong::Usage).and_then(|postgres| serve(args, postgres, defects).map_err(Wrong::of));
    match served {
        Ok(()) => ExitCode::from(exit_code::PASS),
        Err(Wrong::Usage(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::from(exit_code::USAGE)
        }
        Err(Wrong::Internal(error)) => {
            complain(&format!("{error:#}"));
            ExitCode::from(exit_code::INTERNAL)
        }
    }
}

/// Why nothing is served, or no more.
enum Wrong {
    /// The user's to mend.
    Usage(anyhow::Error),
    Internal(anyhow::Error),
}

impl Wrong {
    fn of(error: anyhow::Error) -> Self {
        match error.downcast_ref::<ServerError>() {
            Some(ServerError::Store { .. }) => Self::Usage(error),
            _ => Self::Internal(error),
        }
    }
}

/// Prints each defect with how often it shows by default and what it does.
#[allow(clippy::print_stdout, reason = "the list was asked for")]
fn list_defects() -> ExitCode {
    for defect in Defect::ALL {
        let name = format!("{}={}", defect.name(), defect.default_every());
        println!("{name:<26} {}", defect.summary());
    }
    ExitCode::from(exit_code::PASS)
}

/// What cannot be had where several processes serve one store.
fn of_one_process_alone(args: &ServeArgs) -> Option<String> {
    let several = match (args.replicas, args.shared) {
        (2.., _) => "--replicas",
        (_, true) => "--shared",
        _ => return None,
    };
    let alone = [("--defect", !args.defect.is_empty()), ("--fanout-first", args.fanout_first)];
    let (flag, _) = alone.into_iter().find(|(_, is_asked)| *is_asked)?;
    Some(format!("{flag} is of one process alone: remove it, or {several}"))
}

fn serve(args: ServeArgs, postgres: Option<PostgresAddress>, defects: Vec<DefectSpec>) -> anyhow::Result<()> {
    log::log_to(std::io::stderr, std::io::stderr().is_terminal(), LevelFilter::WARN);
    raise_descriptor_limit();
    if args.null {
        return serve_null(&args);
    }
    let (db, _temporary) = database(&args)?;
    postgres.as_ref().map(store::reach).transpose()?;
    let certificate = certificate(&args, &db)?;
    if args.replicas > 1 {
        return replicas::serve(&args, &db, certificate.as_ref());
    }
    let scheme = if certificate.is_some() { "https" } else { "http" };
    let options = Options {
        db,
        postgres,
        certificate,
        synchronous: match args.synchronous {
            SynchronousArg::Full => Synchronous::Full,
            SynchronousArg::Off => Synchronous::Off,
        },
        commit: match args.commit {
            CommitArg::Group => Commit::Group,
            CommitArg::Each => Commit::Each,
        },
        defects,
        shared: args.shared,
        lose_ack: args.lose_ack,
        defect_log: args.defect_log,
        store_fail_while: args.store_fail_while,
        fanout_first: args.fanout_first,
        apps: AppOptions {
            answer_within: args.app_timeout,
            socket_refresh: args.socket_refresh,
            retry_scale: args.retry_scale,
            signing_secret: args.signing_secret,
        },
        replay: ReplayWindow { events: args.replay_window, age: args.replay_age },
        limits: Limits {
            posts_per_s: args.max_rate,
            burn_post: Duration::from_micros(args.burn_post),
            burn_delivery: Duration::from_micros(args.burn_delivery),
        },
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = listen(&args.host, args.port).await?;
        let server = Server::open(&options)?;
        let shutdown = shutdown(args.exit_with_stdin)?;
        announce(&format!("{scheme}://{}", listener.local_addr()?))?;
        server.run(listener, shutdown).await?;
        Ok(())
    })
}

/// The null server, on this thread.
fn serve_null(args: &ServeArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stamps = tokio::task::LocalSet::new().block_on(&runtime, async {
        let listener = listen(&args.host, args.port).await?;
        let shutdown = shutdown(args.exit_with_stdin)?;
        announce(&format!("http://{}", listener.local_addr()?))?;
        let options =
            NullOptions { ack_delay: args.ack_delay, push_delay: args.push_delay, behind_tls: args.behind_tls };
        serve_nothing(listener, options, shutdown).await.context("cannot start a thread for a delay")
    })?;
    if let Some(path) = &args.stamps {
        let text = serde_json::to_string(&stamps)? + "\n";
        std::fs::write(path, text).with_context(|| format!("cannot write {} (--stamps)", path.display()))?;
    }
    Ok(())
}

async fn listen(host: &str, port: u16) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind((host, port)).await;
    listener.with_context(|| format!("cannot listen on {host}:{port} (--host, --port)"))
}

/// Ready at SIGINT or SIGTERM, or at the end of standard input where that
/// matters.
fn shutdown(with_stdin: bool) -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stdin_ended = stdin_end(with_stdin)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            Ok(()) = stdin_ended => {}
        }
    })
}

/// The database file to use, beside which a certificate stands; a temporary one
/// lives as long as the folder that comes with it.
fn database(args: &ServeArgs) -> anyhow::Result<(PathBuf, Option<TempDir>)> {
    if let Some(path) = &args.db {
        return Ok((path.clone(), None));
    }
    if args.store.is_some() && !args.tls {
        return Ok((PathBuf::new(), None));
    }
    let folder = tempfile::Builder::new().prefix("posthaste-serve-").tempdir();
    let folder = folder.context("cannot make a folder for a temporary database (name one with --db)")?;
    let path = folder.path().join("posthaste.db");
    if args.store.is_none() {
        complain(&format!("no --db: the data lives in {} and is deleted at the end", path.display()));
    }
    Ok((path, Some(folder)))
}

/// What the server shows of itself over TLS, if it is to speak that.
fn certificate(args: &ServeArgs, db: &Path) -> anyhow::Result<Option<Certificate>> {
    if let Some((chain, key)) = args.tls_cert.clone().zip(args.tls_key.clone()) {
        return Ok(Some(Certificate { chain, key }));
    }
    if !args.tls {
        return Ok(None);
    }
    let certificate = self_signed(db, &args.host)?;
    complain(&format!(
        "the certificate is in {}: give it to clients, such as posthaste run --ca",
        certificate.chain.display()
    ));
    Ok(Some(certificate))
}

/// Ready when standard input ends; never, where that does not matter.
fn stdin_end(matters: bool) -> anyhow::Result<oneshot::Receiver<()>> {
    let (ended, end) = oneshot::channel();
    if matters {
        std::thread::Builder::new().name("stdin".to_owned()).spawn(move || {
            // A stream that cannot be read has ended too, and a server that
            // ends already needs no reason to end.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            let _ = ended.send(());
        })?;
    }
    Ok(end)
}

#[allow(clippy::print_stdout, reason = "whoever started the server reads the port from here")]
fn announce(url: &str) -> anyhow::Result<()> {
    println!("listening on {url}");
    std::io::stdout().flush()?;
    Ok(())
}
