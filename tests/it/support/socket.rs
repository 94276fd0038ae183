//! Both ends of a websocket through the program, byte by byte: what one end writes, the other must
//! read, unchanged. A frame writer of its own, so that nothing of the program judges itself.

use flate2::{Compress, Compression, FlushCompress};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::program::Program;
use super::wait::within;

/// Which encoding the two ends agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Coding {
    Plain,
    /// Deflated, with the memory of earlier messages.
    Deflate,
    /// Deflated, each message by itself.
    Fresh,
}

impl Coding {
    fn agreed(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Deflate => "sec-websocket-extensions: permessage-deflate\r\n",
            Self::Fresh => {
                "sec-websocket-extensions: permessage-deflate; client_no_context_takeover; server_no_context_takeover\r\n"
            }
        }
    }
}

/// One end.
pub(crate) struct End {
    stream: TcpStream,
    masks: bool,
    coding: Coding,
    memory: Compress,
    number: u8,
}

/// A socket with the program in the middle.
pub(crate) struct Pair {
    pub(crate) client: End,
    pub(crate) server: End,
    /// The head of the request as the server got it.
    pub(crate) asked: String,
}

impl Pair {
    /// Asks for a socket at `target` and agrees to it.
    pub(crate) async fn open(
        program: &Program,
        upstream: &TcpListener,
        target: &str,
        coding: Coding,
        fields: &str,
    ) -> Self {
        let mut client = within("a connection", TcpStream::connect(program.listen)).await.unwrap();
        client.set_nodelay(true).unwrap();
        let ask = format!(
            "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n{fields}\
             sec-websocket-extensions: permessage-deflate\r\n\r\n"
        );
        client.write_all(ask.as_bytes()).await.unwrap();
        let (mut server, _) = within("the upstream's connection", upstream.accept()).await.unwrap();
        server.set_nodelay(true).unwrap();
        let asked = head(&mut server).await;
        let agree = format!(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n{}\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            coding.agreed()
        );
        server.write_all(agree.as_bytes()).await.unwrap();
        let agreed = head(&mut client).await;
        assert!(agreed.starts_with("HTTP/1.1 101 "), "{agreed}");
        let end = |stream, masks| End {
            stream,
            masks,
            coding,
            memory: Compress::new(Compression::default(), false),
            number: 0,
        };
        Self { client: end(client, true), server: end(server, false), asked }
    }

    /// The client says something, and the server hears it byte by byte.
    pub(crate) async fn up(&mut self, message: &Value) {
        let bytes = self.client.message(message.to_string().as_bytes());
        self.raw_up(&bytes).await;
    }

    /// The server says something, and the client hears it byte by byte.
    pub(crate) async fn down(&mut self, message: &Value) {
        let bytes = self.server.message(message.to_string().as_bytes());
        self.raw_down(&bytes).await;
    }

    pub(crate) async fn raw_up(&mut self, bytes: &[u8]) {
        carry(&mut self.client.stream, &mut self.server.stream, bytes).await;
    }

    pub(crate) async fn raw_down(&mut self, bytes: &[u8]) {
        carry(&mut self.server.stream, &mut self.client.stream, bytes).await;
    }

    /// The client closes in the ordinary way, and the server agrees and ends the connection.
    pub(crate) async fn close(mut self) {
        let bytes = self.client.frame(0x88, &1000_u16.to_be_bytes());
        self.raw_up(&bytes).await;
        let bytes = self.server.frame(0x88, &1000_u16.to_be_bytes());
        self.raw_down(&bytes).await;
        drop(self.server);
        let mut rest = Vec::new();
        within("the end", self.client.stream.read_to_end(&mut rest)).await.unwrap();
        assert!(rest.is_empty(), "nothing behind the close: {rest:?}");
    }
}

async fn carry(from: &mut TcpStream, to: &mut TcpStream, bytes: &[u8]) {
    let mut heard = vec![0; bytes.len()];
    let (written, read) = tokio::join!(
        within("bytes to be written", from.write_all(bytes)),
        within("bytes to be read", to.read_exact(&mut heard))
    );
    written.unwrap();
    read.unwrap();
    assert!(heard == bytes, "what passes is not changed");
}

impl End {
    /// A message as this end writes it, every third one in two frames with a ping between them.
    pub(crate) fn message(&mut self, data: &[u8]) -> Vec<u8> {
        let deflated = match self.coding {
            Coding::Plain => None,
            Coding::Deflate | Coding::Fresh => Some(self.deflated(data)),
        };
        let first = if deflated.is_some() { 0x41 } else { 0x01 };
        let body = deflated.unwrap_or_else(|| data.to_vec());
        self.number = self.number.wrapping_add(1);
        if !self.number.is_multiple_of(3) {
            return self.frame(0x80 | first, &body);
        }
        let (one, two) = body.split_at(body.len() / 2);
        [self.frame(first, one), self.frame(0x89, b"there?"), self.frame(0x80, two)].concat()
    }

    fn deflated(&mut self, data: &[u8]) -> Vec<u8> {
        if self.coding == Coding::Fresh {
            self.memory.reset();
        }
        let before = self.memory.total_in();
        let mut out = Vec::with_capacity(data.len() + 1024);
        self.memory.compress_vec(data, &mut out, FlushCompress::Sync).unwrap();
        assert_eq!(self.memory.total_in() - before, data.len() as u64, "the room suffices");
        out.truncate(out.len() - 4);
        out
    }

    /// A frame that begins with this byte.
    pub(crate) fn frame(&self, first: u8, payload: &[u8]) -> Vec<u8> {
        let mask_bit = if self.masks { 0x80 } else { 0 };
        let mut out = vec![first];
        match payload.len() {
            small @ 0..=125 => out.push(mask_bit | small as u8),
            medium @ 126..=0xffff => {
                out.push(mask_bit | 126);
                out.extend((medium as u16).to_be_bytes());
            }
            large => {
                out.push(mask_bit | 127);
                out.extend((large as u64).to_be_bytes());
            }
        }
        if self.masks {
            let key = [0x12, self.number, 0x9a, 0xfe];
            out.extend(key);
            out.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
        } else {
            out.extend(payload);
        }
        out
    }

    /// Waits until the other end has ended, and ends too.
    pub(crate) async fn ended(mut self) {
        let mut rest = Vec::new();
        let _ = within("the end", self.stream.read_to_end(&mut rest)).await;
    }

    /// Ends the connection without a word: a reset.
    pub(crate) fn reset(self) {
        self.stream.set_zero_linger().unwrap();
    }
}

/// Reads up to the end of a head and not a byte further.
async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = within("a head", stream.read_u8()).await.unwrap();
        head.push(byte);
    }
    String::from_utf8(head).unwrap()
}
