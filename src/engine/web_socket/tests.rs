//! Whatever comes, in whatever pieces: what the library alone would make of it.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

const MOST: usize = 70_000;

fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(64)
        .write_buffer_size(0)
        .max_message_size(Some(MOST))
        .max_frame_size(Some(MOST))
}

/// Gives its chunks one by one, with nothing between them; keeps what is written.
#[derive(Default)]
struct Chunks {
    chunks: VecDeque<Vec<u8>>,
    waits: bool,
    written: Vec<u8>,
    /// How often a write finds no room.
    full: u32,
}

impl AsyncRead for Chunks {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.waits) {
            return Poll::Pending;
        }
        let Some(mut chunk) = self.chunks.pop_front() else { return Poll::Ready(Ok(())) };
        let rest = chunk.split_off(chunk.len().min(buffer.remaining()));
        buffer.put_slice(&chunk);
        match rest.is_empty() {
            true => self.waits = true,
            false => self.chunks.push_front(rest),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Chunks {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.full > 0 {
            self.full -= 1;
            return Poll::Pending;
        }
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn frame(first: u8, masked: bool, payload: &[u8]) -> Vec<u8> {
    let mask = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(mask | length as u8),
        length @ 126..65_536 => {
            bytes.push(mask | 126);
            bytes.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            bytes.push(mask | 127);
            bytes.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if masked {
        bytes.extend_from_slice(&[0; 4]);
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// Frames of a server, most of them right.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![6 => 0usize..300, 1 => 15_000usize..20_000, 1 => 65_500usize..66_000];
    let text = || length.clone().prop_map(|length| frame(0x81, false, "é~".repeat(length / 3).as_bytes()));
    let control = prop_oneof![
        (0usize..126).prop_map(|length| frame(0x89, false, &vec![7; length])),
        Just(frame(0x8a, false, b"pong")),
    ];
    let pieces = (length.clone(), control.clone(), 0usize..40).prop_map(|(length, control, cut)| {
        let payload = vec![b'p'; length];
        let (first, last) = payload.split_at(cut.min(length));
        [frame(0x01, false, first), control, frame(0x00, false, b""), frame(0x80, false, last)].concat()
    });
    let wrong = prop_oneof![
        Just(frame(0x81, false, b"\xff\xfe")),
        Just(frame(0x81, true, b"masked")),
        Just(frame(0xc1, false, b"reserved bit")),
        Just(frame(0x83, false, b"reserved opcode")),
        Just(frame(0x80, false, b"continues nothing")),
        Just(frame(0x09, false, b"a ping in pieces")),
        Just(frame(0x89, false, &[0; 126])),
        Just(frame(0x81, false, &[b'x'; MOST + 1])),
        Just([frame(0x01, false, b"a piece"), frame(0x81, false, b"another message")].concat()),
        Just([frame(0x01, false, b"a piece"), frame(0x89, false, b""), frame(0x81, false, b"a message")].concat()),
        Just([frame(0x88, false, b""), frame(0x81, false, b"behind a goodbye")].concat()),
        Just(frame(0x88, false, &[3])),
    ];
    let close = prop_oneof![Just(frame(0x88, false, b"")), Just(frame(0x88, false, b"\x03\xe8bye"))];
    prop_oneof![
        20 => text(),
        3 => control,
        2 => length.prop_map(|length| frame(0x82, false, &vec![0xfe; length])),
        3 => pieces,
        1 => close,
        1 => wrong,
    ]
}

fn told(received: &Received<'_>) -> String {
    match received {
        Received::Text(text) => format!("text {text}"),
        Received::Message(Message::Text(text)) => format!("text {text}"),
        Received::Message(message) => format!("{message:?}"),
        Received::End(error) => format!("end {error:?}"),
    }
}

/// What the library makes of it, and how much it writes.
fn by_library(bytes: &[u8]) -> (Vec<String>, usize) {
    let mut library = WebSocketContext::new(Role::Client, Some(config()));
    let mut chunks = Chunks::default();
    let mut task = Context::from_waker(std::task::Waker::noop());
    let mut seen = Vec::new();
    let mut bridge = Bridge { stream: &mut chunks, task: &mut task, given: bytes, ended: true };
    loop {
        match library.read(&mut bridge) {
            Ok(message) => seen.push(told(&Received::Message(message))),
            Err(Error::ConnectionClosed) => break seen.push(told(&Received::End(None))),
            Err(error) => break seen.push(told(&Received::End(Some(error)))),
        }
    }
    (seen, chunks.written.len())
}

/// What a socket gives, one by one or all that is there; some writes find no room.
fn by_socket(chunks: VecDeque<Vec<u8>>, ahead: Vec<u8>, one_by_one: bool, full: u32) -> (Vec<String>, usize) {
    let mut socket = WebSocket::new(Chunks { chunks, full, ..Chunks::default() }, ahead, config());
    let mut task = Context::from_waker(std::task::Waker::noop());
    let mut seen = Vec::new();
    for _ in 0..1_000_000 {
        let polled = socket.poll_each(&mut task, &mut |received| {
            seen.push(told(&received));
            let ends = matches!(received, Received::End(_));
            if ends || one_by_one { ControlFlow::Break(ends) } else { ControlFlow::Continue(()) }
        });
        if polled == Poll::Ready(true) {
            assert!(socket.ahead.capacity() <= 2 * (MOST + READ_BYTES), "{}", socket.ahead.capacity());
            return (seen, socket.stream.written.len());
        }
    }
    panic!("no end: {seen:?}");
}

proptest! {
    #[test]
    fn a_socket_gives_what_the_library_gives(
        frames in prop::collection::vec(frames(), 0..12),
        sizes in prop::collection::vec(prop_oneof![1usize..12, 1usize..2_000, 10_000usize..40_000], 1..20),
        cut_off in 0usize..400,
        behind_handshake in 0usize..400,
        one_by_one: bool,
        full in 0u32..3,
    ) {
        let mut bytes = frames.concat();
        bytes.truncate(bytes.len().saturating_sub(cut_off.saturating_sub(200)));
        let expected = by_library(&bytes);
        let (ahead, mut rest) = bytes.split_at(behind_handshake.min(bytes.len()));
        let mut chunks = VecDeque::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (chunk, behind) = rest.split_at((*size).min(rest.len()));
            chunks.push_back(chunk.to_vec());
            rest = behind;
        }
        let found = by_socket(chunks, ahead.to_vec(), one_by_one, full);
        let brief = |(seen, written): &(Vec<String>, usize)| {
            let seen: Vec<String> = seen.iter().map(|text| text.chars().take(40).collect()).collect();
            format!("{seen:?}, {written} written")
        };
        // What finds no room before the end is not written any more.
        let same = found.0 == expected.0 && (found.1 == expected.1 || full > 0 && found.1 < expected.1);
        prop_assert!(same, "{}\n{}", brief(&found), brief(&expected));
    }
}

#[test]
fn a_ping_is_answered_at_once() {
    let chunks = VecDeque::from([frame(0x89, false, b"here?")]);
    for full in [0, 1] {
        let mut socket =
            WebSocket::new(Chunks { chunks: chunks.clone(), full, ..Chunks::default() }, Vec::new(), config());
        let mut task = Context::from_waker(std::task::Waker::noop());
        let mut poll = || {
            let polled = socket.poll_each(&mut task, &mut |received| ControlFlow::Break(told(&received)));
            (polled, socket.stream.written.len())
        };
        let (received, written) = poll();
        assert!(matches!(received, Poll::Ready(ping) if ping.starts_with("Ping")));
        assert_eq!(written, if full == 0 { 11 } else { 0 }, "a head of two, a mask of four, and what it said");
        // There is room again, and nothing to read.
        assert_eq!(poll(), (Poll::Pending, 11));
    }
}

#[tokio::test]
async fn what_is_sent_waits_for_room_and_a_goodbye_ends_it() {
    use tokio::io::AsyncReadExt;
    let (client, mut server) = tokio::io::duplex(64);
    let mut socket = WebSocket::new(client, Vec::new(), config());
    let reading = tokio::spawn(async move {
        let mut head = [0; 4];
        server.read_exact(&mut head).await.unwrap();
        assert_eq!(head, [0x81, 0x80 | 126, 1, 0], "a text of 256 bytes, masked");
        let mut rest = vec![0; 4 + 256];
        server.read_exact(&mut rest).await.unwrap();
        let mut goodbye = [0; 6];
        server.read_exact(&mut goodbye).await.unwrap();
        assert_eq!(goodbye[..2], [0x88, 0x80]);
        tokio::io::AsyncWriteExt::write_all(&mut server, &[0x81, 1, b'a', 0x88, 0]).await.unwrap();
        server
    });
    socket.send(Message::text("x".repeat(256))).await.unwrap();
    socket.close().await.unwrap();
    socket.close().await.unwrap();
    let mut seen = Vec::new();
    let ended = std::future::poll_fn(|task| {
        socket.poll_each(task, &mut |received| {
            seen.push(told(&received));
            if matches!(received, Received::End(_)) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
    });
    drop(reading.await.unwrap());
    ended.await;
    assert_eq!(seen, ["text a", "Close(None)", "end None"]);
    assert!(socket.send(Message::text("late")).await.is_err());
}
