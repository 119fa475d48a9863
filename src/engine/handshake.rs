//! The handshake of a WebSocket, without what it leaves behind.
//!
//! The library reads the answer into 4 KiB and goes on with that buffer for the
//! life of the socket: 3 KiB a subscriber more than the frames need. So the
//! handshake is shown the head of the answer only, and the socket is made anew
//! behind it.

use super::web_socket::WebSocket;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{client_async_with_config, tungstenite};

/// Makes a stream a WebSocket, as a client.
pub async fn shake<S>(
    request: impl IntoClientRequest + Unpin,
    stream: S,
    config: WebSocketConfig,
) -> Result<WebSocket<S>, tungstenite::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let head = HeadOnly { stream, line_is_empty: false, ended: false, behind: Vec::new() };
    let (socket, _) = client_async_with_config(request, head, Some(config)).await?;
    let HeadOnly { stream, mut behind, .. } = socket.into_inner();
    behind.shrink_to_fit();
    Ok(WebSocket::new(stream, behind, config))
}

/// A stream that ends a read with the head of an HTTP answer, and keeps what was
/// read behind it.
struct HeadOnly<S> {
    stream: S,
    /// Whether the line that has begun has nothing in it; some servers end lines
    /// without a carriage return.
    line_is_empty: bool,
    /// Whether the empty line has been seen.
    ended: bool,
    behind: Vec<u8>,
}

impl<S> HeadOnly<S> {
    /// Where the head ends, if it does within these bytes.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.line_is_empty => {
                    self.ended = true;
                    return Some(at + 1);
                }
                b'\n' => self.line_is_empty = true,
                b'\r' => {}
                _ => self.line_is_empty = false,
            }
        }
        None
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for HeadOnly<S> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.stream).poll_read(task, buffer))?;
        if !this.ended
            && let Some(end) = this.end(&buffer.filled()[before..])
        {
            this.behind.extend_from_slice(&buffer.filled()[before + end..]);
            buffer.set_filled(before + end);
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for HeadOnly<S> {
    fn poll_write(mut self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::web_socket::Received;
    use std::ops::ControlFlow;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

    /// However the answer is cut, and whatever comes behind it in one read.
    #[tokio::test]
    async fn frames_that_come_with_the_answer_are_not_lost() {
        for (cut, line_end) in [(0, "\r\n"), (1, "\r\n"), (2, "\r\n"), (3, "\r\n"), (60, "\r\n"), (0, "\n"), (1, "\n")]
        {
            let (client, mut server) = tokio::io::duplex(4_096);
            let serving = tokio::spawn(async move {
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(server.read_u8().await.unwrap());
                }
                let request = String::from_utf8(request).unwrap();
                let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
                let accept = derive_accept_key(key.as_bytes());
                let mut answer = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
                )
                .replace("\r\n", line_end)
                .into_bytes();
                let first = answer.len() - cut;
                answer.extend_from_slice(b"\x81\x05hello\x81\x03two");
                let parts = if cut == 0 { [answer.as_slice(), b""] } else { answer.split_at(first).into() };
                for part in parts {
                    server.write_all(part).await.unwrap();
                    tokio::task::yield_now().await;
                }
                server
            });
            let config = WebSocketConfig::default().read_buffer_size(64);
            let mut socket = shake("ws://127.0.0.1/", client, config).await.unwrap();
            for expected in ["hello", "two"] {
                let text = std::future::poll_fn(|task| {
                    socket.poll_each(task, &mut |received| match received {
                        Received::Text(text) => ControlFlow::Break(text.to_owned()),
                        other => panic!("{other:?}"),
                    })
                });
                assert_eq!(text.await, expected, "{cut}");
            }
            drop(serving.await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_refusal_is_told() {
        let (client, mut server) = tokio::io::duplex(4_096);
        server.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        let refused = shake("ws://127.0.0.1/", client, WebSocketConfig::default()).await;
        assert!(refused.err().unwrap().to_string().contains("401"));
    }
}
