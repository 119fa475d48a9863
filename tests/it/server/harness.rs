//! A server in this process or in its own, and clients for both.

use futures_util::{SinkExt, StreamExt};
use posthaste::server::{DefectSpec, Options, PostgresAddress, Server};
use serde_json::Value;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// Long enough for a busy machine; only a failing test waits for it.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Where it names a database of PostgreSQL, the tests' servers have their stores
/// there: `server::postgres` runs tests that were written over SQLite so.
pub const STORE: &str = "POSTHASTE_TEST_STORE";

/// The store that stands there in place of a file: the same for the same file.
fn store_in_place_of(db: &Path) -> Option<PostgresAddress> {
    let url = std::env::var(STORE).ok()?;
    Some(PostgresAddress::parse(&url, &schema_of(db), None).unwrap())
}

fn schema_of(db: &Path) -> String {
    let mut hasher = DefaultHasher::new();
    db.hash(&mut hasher);
    format!("test_{:016x}", hasher.finish())
}

/// What tells `posthaste serve` of a store.
pub fn store_flags(db: &Path) -> Vec<String> {
    match std::env::var(STORE) {
        Ok(_) => ["--store", &format!("env:{STORE}"), "--schema", &schema_of(db)].map(str::to_owned).into(),
        Err(_) => ["--db", db.to_str().unwrap()].map(str::to_owned).into(),
    }
}

/// Calls a server with form parameters.
#[derive(Clone)]
pub struct Client {
    pub base: String,
    pub http: reqwest::Client,
}

impl Client {
    pub fn new(base: String) -> Self {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(posthaste::engine::Trust::default().client_config())
            .no_proxy()
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self { base, http }
    }

    /// The answer's body, or the error of a call without an answer.
    pub async fn try_call(&self, token: &str, method: &str, params: &[(&str, &str)]) -> reqwest::Result<Value> {
        let form: String = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        let request = self.http.post(format!("{}/api/{method}", self.base)).bearer_auth(token);
        let request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        request.send().await?.json().await
    }

    pub async fn call(&self, token: &str, method: &str, params: &[(&str, &str)]) -> Value {
        self.try_call(token, method, params).await.unwrap()
    }

    /// A call that must succeed.
    pub async fn ok(&self, token: &str, method: &str, params: &[(&str, &str)]) -> Value {
        let answer = self.call(token, method, params).await;
        assert_eq!(answer["ok"], true, "{method}: {answer}");
        answer
    }

    /// A new channel; its id.
    pub async fn channel(&self, token: &str, name: &str) -> String {
        let created = self.ok(token, "conversations.create", &[("name", name)]).await;
        created["channel"]["id"].as_str().unwrap().to_owned()
    }

    pub async fn user_id(&self, token: &str) -> String {
        self.ok(token, "auth.test", &[]).await["user_id"].as_str().unwrap().to_owned()
    }

    /// Posts with a key; the answer.
    pub async fn post(&self, token: &str, channel: &str, text: &str, key: &str) -> Value {
        let params = [("channel", channel), ("text", text), ("client_msg_id", key)];
        self.call(token, "chat.postMessage", &params).await
    }

    /// Posts, and again while no answer comes, as a client does; the answer.
    pub async fn post_with_retries(&self, token: &str, channel: &str, text: &str, key: &str) -> Value {
        let params = [("channel", channel), ("text", text), ("client_msg_id", key)];
        for _ in 0..10 {
            if let Ok(answer) = self.try_call(token, "chat.postMessage", &params).await {
                return answer;
            }
        }
        panic!("ten posts of {key} without an answer");
    }

    /// All rows of a read, page by page as they come. `bounds` may hold the
    /// cursor to begin with.
    pub async fn history(&self, token: &str, channel: &str, bounds: &[(&str, &str)]) -> Vec<Value> {
        let (mut rows, mut cursor) = (Vec::new(), String::new());
        loop {
            let mut params = vec![("channel", channel)];
            params.extend(bounds.iter().filter(|(name, _)| cursor.is_empty() || *name != "cursor"));
            if !cursor.is_empty() {
                params.push(("cursor", &cursor));
            }
            let page = self.ok(token, "conversations.history", &params).await;
            rows.extend(page["messages"].as_array().unwrap().iter().cloned());
            let next = page["response_metadata"]["next_cursor"].as_str().unwrap().to_owned();
            assert_eq!(page["has_more"], !next.is_empty());
            assert_ne!(Some(next.as_str()), Some(cursor.as_str()).filter(|cursor| !cursor.is_empty()));
            if next.is_empty() {
                return rows;
            }
            cursor = next;
        }
    }

    /// The address of a new socket.
    pub async fn socket_url(&self, token: &str) -> String {
        self.ok(token, "rtm.connect", &[]).await["url"].as_str().unwrap().to_owned()
    }

    /// A connection of an app in Socket Mode, and its hello.
    pub async fn link(&self, app_token: &str) -> (Socket, Value) {
        let opened = self.ok(app_token, "apps.connections.open", &[]).await;
        let mut socket = Socket::open(opened["url"].as_str().unwrap()).await;
        let hello = socket.next().await;
        assert_eq!(hello["type"], "hello", "{hello}");
        (socket, hello)
    }

    /// A socket that has said hello.
    pub async fn socket(&self, token: &str) -> Socket {
        let mut socket = Socket::open(&self.socket_url(token).await).await;
        assert_eq!(socket.next().await["type"], "hello");
        socket
    }
}

/// A client's socket.
pub struct Socket {
    pub stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Socket {
    pub async fn open(url: &str) -> Self {
        let (stream, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        Self { stream }
    }

    /// The next frame, as JSON; a close frame as its code.
    pub async fn next(&mut self) -> Value {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.stream.next()).await.expect("no frame came");
            match frame {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(close))) => {
                    return serde_json::json!({ "close": close.map(|close| u16::from(close.code)) });
                }
                Some(Ok(_)) => {}
                other => return serde_json::json!({ "ended": format!("{other:?}") }),
            }
        }
    }

    pub async fn send(&mut self, frame: &Value) {
        self.stream.send(Message::text(frame.to_string())).await.unwrap();
    }

    /// Acknowledges an envelope.
    pub async fn acknowledge(&mut self, envelope: &Value) {
        self.send(&serde_json::json!({ "envelope_id": envelope["envelope_id"] })).await;
    }

    /// Everything up to the answer to a ping that is sent soon: what came
    /// before it was pushed before. A post is answered before it is pushed, so
    /// the ping gives the server a moment.
    pub async fn drain(&mut self) -> Vec<Value> {
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.send(&serde_json::json!({ "type": "ping", "id": "drain" })).await;
        let mut frames = Vec::new();
        loop {
            let frame = self.next().await;
            if frame["type"] == "pong" {
                return frames;
            }
            frames.push(frame);
        }
    }
}

/// A server in this process.
pub struct Running {
    pub client: Client,
    pub folder: TempDir,
    stop: oneshot::Sender<()>,
    task: tokio::task::JoinHandle<()>,
}

impl Running {
    pub async fn start() -> Self {
        Self::with(&[], None).await
    }

    /// With planted defects, which are noted in a file.
    pub async fn with(defects: &[&str], lose_ack: Option<u64>) -> Self {
        let defects: Vec<DefectSpec> = defects.iter().map(|text| text.parse().unwrap()).collect();
        let lose_ack = lose_ack.map(|every| every.try_into().unwrap());
        Self::of(Options { defects, lose_ack, ..Options::default() }).await
    }

    /// With options; the files are its own, but for a database that is named.
    pub async fn of(options: Options) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = Some(options.db.clone()).filter(|db| !db.as_os_str().is_empty());
        let db = db.unwrap_or_else(|| folder.path().join("test.db"));
        let options = Options {
            postgres: options.postgres.or_else(|| store_in_place_of(&db)),
            db,
            defect_log: Some(folder.path().join("defects.ndjson")),
            ..options
        };
        let server = Server::open(&options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(format!("http://{}", listener.local_addr().unwrap()));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let shutdown = async move { drop(stopped.await) };
            server.run(listener, shutdown).await.unwrap();
        });
        Self { client, folder, stop, task }
    }

    pub fn db(&self) -> PathBuf {
        self.folder.path().join("test.db")
    }

    /// The instances of one defect that the server noted.
    pub fn noted(&self, defect: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.folder.path().join("defects.ndjson")).unwrap();
        let instances = text.lines().map(|line| serde_json::from_str(line).unwrap());
        instances.filter(|instance: &Value| instance["defect"] == defect).collect()
    }

    /// Ends the server, as SIGTERM does; its folder stays until it is dropped.
    pub async fn stop(self) -> TempDir {
        self.stop.send(()).unwrap();
        tokio::time::timeout(PATIENCE, self.task).await.expect("the server did not end").unwrap();
        self.folder
    }
}

/// A server in a process of its own, killed when dropped.
pub struct ServerProcess {
    pub child: Child,
    pub client: Client,
}

impl ServerProcess {
    pub fn start(db: &Path, flags: &[&str]) -> Self {
        let store = store_flags(db);
        Self::over(&[&store.iter().map(String::as_str).collect::<Vec<_>>(), flags].concat())
    }

    /// With the store that the flags name.
    pub fn over(flags: &[&str]) -> Self {
        Self::with(flags, &[])
    }

    /// The same with variables of its environment.
    pub fn with(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_posthaste"))
            .args(["serve", "--port", "0"])
            .args(flags)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let base = line.trim_end().strip_prefix("listening on ").expect("the first line names the address");
        Self { child, client: Client::new(base.to_owned()) }
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// The exit code, once it has ended.
    pub async fn exit_code(mut self) -> Option<i32> {
        let started = std::time::Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the server did not end");
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The values of one field.
pub fn field(rows: &[Value], name: &str) -> Vec<String> {
    rows.iter().map(|row| row[name].as_str().unwrap_or_else(|| panic!("no {name} in {row}")).to_owned()).collect()
}
