//! A server process that posthaste starts, and that can be killed, stopped and
//! started again on the same port with the same data.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A server process that several threads may act on.
pub type SharedProcess = Arc<Mutex<ServerProcess>>;

/// How long a server may take to say goodbye.
const PATIENCE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(5);

/// How a server is started.
#[derive(Clone)]
pub struct ProcessCommand {
    /// The program.
    pub program: PathBuf,
    /// Its arguments, without the port.
    pub args: Vec<String>,
    /// Where its standard error goes, appended to; without it, to that of
    /// posthaste.
    pub log: Option<PathBuf>,
    /// Variables of its environment, and their values, which are shown to nobody:
    /// arguments stand in the list of processes.
    pub secrets: Vec<(String, String)>,
}

impl fmt::Debug for ProcessCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { program, args, log, secrets: _ } = self;
        f.debug_struct("ProcessCommand")
            .field("program", program)
            .field("args", args)
            .field("log", log)
            .finish_non_exhaustive()
    }
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct ServerProcess {
    command: ProcessCommand,
    child: Child,
    url: String,
}

impl ServerProcess {
    /// Starts the program with `--port 0`, and reads `listening on URL` from
    /// its first line.
    ///
    /// # Errors
    /// What the system or the program says.
    pub fn start(command: ProcessCommand) -> io::Result<Self> {
        let (child, url) = spawn(&command, 0)?;
        Ok(Self { command, child, url })
    }

    /// The number of its process; another after each restart.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it listens; the same after each restart.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The address in [`ServerProcess::url`].
    ///
    /// # Errors
    /// `Other` where it is none.
    pub fn address(&self) -> io::Result<SocketAddr> {
        let address = self.url.split_once("://").map_or("", |(_, address)| address).parse();
        address.map_err(|_| io::Error::other(format!("no address in {}", self.url)))
    }

    /// Kills it (SIGKILL), and returns when it is gone.
    ///
    /// # Errors
    /// What the system says.
    pub fn kill(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait().map(|_| ())
    }

    /// Asks it to end (SIGTERM), and returns when it has, or kills it after
    /// ten seconds.
    ///
    /// # Errors
    /// What the system says.
    pub fn end(&mut self) -> io::Result<()> {
        self.signal(Signal::SIGTERM)?;
        self.wait_or_kill()
    }

    /// Stops it (SIGSTOP): it answers nothing, and its sockets stay open.
    ///
    /// # Errors
    /// What the system says.
    pub fn pause(&self) -> io::Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets it go on (SIGCONT).
    ///
    /// # Errors
    /// What the system says.
    pub fn resume(&self) -> io::Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Starts it again on the same port, after [`ServerProcess::kill`] or
    /// [`ServerProcess::end`]; returns when it listens.
    ///
    /// # Errors
    /// What the system or the program says.
    pub fn restart(&mut self) -> io::Result<()> {
        let (child, _) = spawn(&self.command, self.address()?.port())?;
        self.child = child;
        Ok(())
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Closes its standard input, which tells it to end.
    pub fn dismiss(&mut self) {
        drop(self.child.stdin.take());
    }

    /// Tells it to end, and waits for it.
    pub fn stop(&mut self) {
        self.dismiss();
        let _ = self.wait_or_kill();
    }

    fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill(Pid::from_raw(self.child.id() as i32), signal)?)
    }

    fn wait_or_kill(&mut self) -> io::Result<()> {
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        self.kill()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(command: &ProcessCommand, port: u16) -> io::Result<(Child, String)> {
    let errors = match &command.log {
        Some(path) => OpenOptions::new().append(true).create(true).mode(0o600).open(path)?.into(),
        None => Stdio::inherit(),
    };
    let mut child = Command::new(&command.program)
        .args(&command.args)
        .args(["--port", &port.to_string()])
        .envs(command.secrets.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(errors)
        // A Ctrl-C in the terminal reaches the whole group; the server must
        // outlive it until the drain is over.
        .process_group(0)
        .spawn()?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    match line.trim().strip_prefix("listening on ") {
        Some(url) => Ok((child, url.to_owned())),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            let said = command.log.as_ref().and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
            Err(io::Error::other(said.trim().lines().last().unwrap_or("it says nothing").to_owned()))
        }
    }
}
