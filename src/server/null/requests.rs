//! Requests of HTTP/1.1 as they stand in a buffer.

use std::io;

/// Headers of a request at most.
const HEADERS: usize = 48;

/// One request, whole.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Request<'a> {
    /// Path and query.
    pub(super) path: &'a str,
    /// The bearer token; empty without one.
    pub(super) token: &'a str,
    /// `Host`.
    pub(super) host: &'a str,
    /// `Sec-WebSocket-Key`, where an upgrade is asked for.
    pub(super) socket_key: Option<&'a str>,
    /// The body.
    pub(super) body: &'a [u8],
    /// All of its bytes.
    pub(super) length: usize,
}

impl<'a> Request<'a> {
    /// The first request of a buffer; `None` while it is not whole.
    ///
    /// # Errors
    /// It is no request, or its body comes in chunks.
    pub(super) fn parse(input: &'a [u8]) -> io::Result<Option<Self>> {
        if input.is_empty() {
            return Ok(None);
        }
        let mut headers = [httparse::EMPTY_HEADER; HEADERS];
        let mut parsed = httparse::Request::new(&mut headers);
        let head = match parsed.parse(input).map_err(io::Error::other)? {
            httparse::Status::Complete(head) => head,
            httparse::Status::Partial => return Ok(None),
        };
        let mut request = Self { path: parsed.path.unwrap_or_default(), ..Self::default() };
        let mut body_bytes = 0;
        for header in parsed.headers.iter() {
            let value = std::str::from_utf8(header.value).unwrap_or_default().trim();
            match header.name.len() {
                13 if header.name.eq_ignore_ascii_case("authorization") => {
                    request.token = value.strip_prefix("Bearer ").unwrap_or_default();
                }
                14 if header.name.eq_ignore_ascii_case("content-length") => {
                    body_bytes = value.parse().map_err(io::Error::other)?;
                }
                4 if header.name.eq_ignore_ascii_case("host") => request.host = value,
                17 if header.name.eq_ignore_ascii_case("sec-websocket-key") => request.socket_key = Some(value),
                17 if header.name.eq_ignore_ascii_case("transfer-encoding") => {
                    return Err(io::Error::other("a body in chunks: send Content-Length"));
                }
                _ => {}
            }
        }
        let Some(body) = input.get(head..head.saturating_add(body_bytes)) else { return Ok(None) };
        (request.body, request.length) = (body, head + body_bytes);
        Ok(Some(request))
    }
}

/// An answer with a JSON body.
pub(super) fn answer(body: &str) -> Vec<u8> {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\ncontent-length: ";
    format!("{head}{}\r\n\r\n{body}", body.len()).into_bytes()
}

/// The answer to an upgrade.
pub(super) fn upgraded(key: &str) -> Vec<u8> {
    let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
    let head =
        "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: ";
    format!("{head}{accept}\r\n\r\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_when_it_is_whole() {
        let text =
            b"POST /api/a?b=c HTTP/1.1\r\nHost: h:1\r\nAUTHORIZATION: Bearer t\r\nContent-Length: 3\r\n\r\nxyzGET";
        for end in 0..text.len() - 3 {
            assert_eq!(Request::parse(&text[..end]).unwrap(), None, "{end} bytes");
        }
        let request = Request::parse(text).unwrap().unwrap();
        let whole = Request {
            path: "/api/a?b=c",
            token: "t",
            host: "h:1",
            socket_key: None,
            body: b"xyz",
            length: text.len() - 3,
        };
        assert_eq!(request, whole);
        for wrong in ["nonsense\r\n\r\n", "POST / HTTP/1.1\r\ncontent-length: -1\r\n\r\n"] {
            assert!(Request::parse(wrong.as_bytes()).is_err(), "{wrong:?}");
        }
        let chunked = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(Request::parse(chunked).unwrap_err().to_string().contains("Content-Length"));
    }
}
