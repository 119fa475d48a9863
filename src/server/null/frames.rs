//! WebSocket frames: those of a client are read, and text is written.

use bytes::{Buf, Bytes, BytesMut};
use std::io;

/// A text frame of a client is continued by no other.
const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// No frame of a client is larger.
const FRAME_BYTES: usize = 64 * 1024;

/// What a client sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Text(Vec<u8>),
    Ping(Vec<u8>),
    Close,
    Other,
}

/// Takes the first frame out of a buffer; `None` while it is not whole.
///
/// # Errors
/// It is too large, or not masked.
pub(super) fn take(input: &mut BytesMut) -> io::Result<Option<Frame>> {
    let &[first, second, ..] = &input[..] else { return Ok(None) };
    let (mut head, mut length) = (2, usize::from(second & 0x7f));
    if length == 126 {
        let Some(bytes) = input.get(2..4) else { return Ok(None) };
        (head, length) = (4, usize::from(u16::from_be_bytes([bytes[0], bytes[1]])));
    }
    if second & 0x80 == 0 || length > FRAME_BYTES || second & 0x7f == 127 {
        return Err(io::Error::other("a frame that is not masked, or too large"));
    }
    if input.len() < head + 4 + length {
        return Ok(None);
    }
    let mask = [input[head], input[head + 1], input[head + 2], input[head + 3]];
    input.advance(head + 4);
    let mut payload = input.split_to(length).to_vec();
    payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
    Ok(Some(match first & 0x0f {
        TEXT => Frame::Text(payload),
        PING => Frame::Ping(payload),
        CLOSE => Frame::Close,
        _ => Frame::Other,
    }))
}

/// A text frame.
pub(super) fn text(text: &str) -> Bytes {
    framed(TEXT, text.as_bytes())
}

/// The answer to a ping.
pub(super) fn pong(payload: &[u8]) -> Bytes {
    framed(PONG, payload)
}

/// A close frame without a reason.
pub(super) fn close() -> Bytes {
    framed(CLOSE, b"")
}

fn framed(opcode: u8, payload: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(payload.len() + 10);
    frame.push(0x80 | opcode);
    match payload.len() {
        short @ 0..126 => frame.push(short as u8),
        middle @ 126..0x1_0000 => {
            frame.push(126);
            frame.extend((middle as u16).to_be_bytes());
        }
        long => {
            frame.push(127);
            frame.extend((long as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As a client sends it.
    fn masked(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = framed(opcode, payload).to_vec();
        let head = frame.len() - payload.len();
        frame[1] |= 0x80;
        frame.splice(head..head, [1, 2, 3, 4]);
        frame[head + 4..].iter_mut().zip([1, 2, 3, 4].iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        frame
    }

    #[test]
    fn frames_are_read_when_they_are_whole() {
        let long = vec![7; 300];
        let sent = [masked(TEXT, b"hello"), masked(PING, &long), masked(CLOSE, b""), masked(2, b"x")].concat();
        let mut input = BytesMut::new();
        let mut read = Vec::new();
        for byte in sent {
            input.extend([byte]);
            read.extend(take(&mut input).unwrap());
        }
        assert_eq!(read, [Frame::Text(b"hello".to_vec()), Frame::Ping(long), Frame::Close, Frame::Other]);
        assert!(input.is_empty());
        for wrong in [framed(TEXT, b"not masked"), Bytes::from(masked(TEXT, &vec![0; FRAME_BYTES + 1]))] {
            assert!(take(&mut BytesMut::from(&wrong[..])).is_err());
        }
    }
}
