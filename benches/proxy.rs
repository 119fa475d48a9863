//! What the fault proxy costs while no fault is in force.
//!
//! ```text
//! cargo bench --bench proxy                      memory of 2,000 idle connections
//! cargo bench --bench proxy -- idle 8000         of so many
//! cargo bench --bench proxy -- proxy ADDRESS..   a proxy before these upstreams
//! cargo bench --bench proxy -- answer            an upstream for it
//! ```
//!
//! The last two print their address, and run until their standard input ends:
//! `scripts/proxy-against-nginx` uses them. The upstream speaks just enough
//! HTTP/1.1 for a load generator: `GET /100` is answered with 100 bytes.
//!
//! Idle connections are held by another process than the proxy's, so that the
//! growth of its resident memory is the proxy's own; what the kernel needs for
//! their sockets is not in it.
#![allow(clippy::print_stdout, clippy::expect_used, missing_docs)]

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use posthaste::faults::FaultProxy;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn main() -> io::Result<()> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        Some("proxy") => {
            let upstreams = arguments[1..].iter().map(|address| address.parse().expect("an address and a port"));
            let proxy = FaultProxy::start(upstreams.collect())?;
            println!("listening on {}", proxy.address());
            wait_for_end()
        }
        Some("answer") => answer(),
        _ => idle(arguments.last().and_then(|count| count.parse().ok()).unwrap_or(2_000)),
    }
}

fn wait_for_end() -> io::Result<()> {
    io::copy(&mut io::stdin(), &mut io::sink()).map(|_| ())
}

/// Holds idle connections through a proxy in another process.
fn idle(count: usize) -> io::Result<()> {
    let upstream = TcpListener::bind("127.0.0.1:0")?;
    let (mut child, address) = start_proxy(upstream.local_addr()?)?;
    let mut held = Vec::new();
    // The first ones pay for what all share.
    hold(100, address, &upstream, &mut held)?;
    let before = resident_bytes(&child)?;
    hold(count, address, &upstream, &mut held)?;
    let grown = resident_bytes(&child)? - before;
    println!("{count} idle connections, each of which has carried 64 KiB both ways:");
    println!("{} bytes of the proxy's resident memory each", grown / count as u64);
    let open = descriptors(&child)?;
    held.clear();
    while descriptors(&child)? > open - 2 * count {
        std::thread::yield_now();
    }
    drop(child.stdin.take());
    child.wait().map(|_| ())
}

fn hold(
    count: usize,
    address: SocketAddr,
    upstream: &TcpListener,
    held: &mut Vec<(TcpStream, TcpStream)>,
) -> io::Result<()> {
    let mut bytes = vec![7; 64 * 1024];
    for _ in 0..count {
        let mut client = TcpStream::connect(address)?;
        let (mut server, _) = upstream.accept()?;
        for _ in 0..2 {
            client.write_all(&bytes)?;
            server.read_exact(&mut bytes)?;
            std::mem::swap(&mut client, &mut server);
        }
        held.push((client, server));
    }
    Ok(())
}

fn start_proxy(upstream: SocketAddr) -> io::Result<(Child, SocketAddr)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["proxy", &upstream.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
    let address = line.trim().trim_start_matches("listening on ").parse();
    Ok((child, address.map_err(io::Error::other)?))
}

fn resident_bytes(child: &Child) -> io::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().map_err(io::Error::other)?;
    Ok(kib * 1024)
}

fn descriptors(child: &Child) -> io::Result<usize> {
    Ok(std::fs::read_dir(format!("/proc/{}/fd", child.id()))?.count())
}

fn answer() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    println!("listening on {}", listener.local_addr()?);
    std::thread::spawn(|| wait_for_end().map(|()| std::process::exit(0)));
    runtime.block_on(async {
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(answer_one(stream));
        }
    })
}

async fn answer_one(mut stream: tokio::net::TcpStream) -> io::Result<()> {
    let mut read = Vec::with_capacity(4096);
    let mut answer = Vec::new();
    while stream.read_buf(&mut read).await? > 0 {
        if !read.ends_with(b"\r\n\r\n") {
            continue;
        }
        let request = String::from_utf8_lossy(&read).to_ascii_lowercase();
        let size = request.split([' ', '/']).nth(2).and_then(|size| size.parse().ok()).unwrap_or(100);
        let closes = request.contains("connection: close");
        if answer.is_empty() {
            let connection = if closes { "close" } else { "keep-alive" };
            write!(answer, "HTTP/1.1 200 OK\r\nConnection: {connection}\r\nContent-Length: {size}\r\n\r\n")?;
            answer.resize(answer.len() + size, b'x');
        }
        stream.write_all(&answer).await?;
        if closes {
            break;
        }
        read.clear();
    }
    Ok(())
}
