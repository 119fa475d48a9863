//! TLS to the target: whose certificates are believed, and a stream of bytes
//! that is encrypted or not.
//!
//! The roots are those of the machine: a target inside a company has a
//! certificate of the company's own authority, which its machines know. `--ca`
//! adds more. They are read at the first handshake, so that a run without TLS
//! reads nothing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{self, CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    self, AlertDescription, ClientConfig, DigitallySignedStruct, ProtocolVersion, SignatureScheme,
};

/// What every reader of a run is told whose target may have been anybody.
pub const INSECURE: &str = "certificates were not verified (--insecure): whoever stood between could read and change \
                            everything, tokens included";

/// Sessions that a worker keeps for resumption: of a few hosts, eight each.
const KEPT_SESSIONS: usize = 32;
/// HTTP/2 as TLS calls it.
const HTTP2: &[u8] = b"h2";
/// How long is waited for tickets.
const SETTLED_BY: Duration = Duration::from_secs(1);

/// Whose certificates are believed. Clones share what was read.
#[derive(Clone, Debug)]
pub struct Trust {
    verifier: Arc<Verifier>,
}

impl Default for Trust {
    fn default() -> Self {
        Self::new(Vec::new(), false)
    }
}

impl Trust {
    /// The machine's authorities and these. `insecure` believes everybody.
    pub fn new(authorities: Vec<CertificateDer<'static>>, insecure: bool) -> Self {
        let provider = Arc::new(crypto::ring::default_provider());
        Self { verifier: Arc::new(Verifier { provider, authorities, insecure, checked_by: OnceLock::new() }) }
    }

    /// Whether certificates are not verified.
    pub fn is_insecure(&self) -> bool {
        self.verifier.insecure
    }

    /// What a client of HTTP/1.1 is configured with: its sessions are its own.
    pub fn client_config(&self) -> ClientConfig {
        let versions = ClientConfig::builder_with_provider(self.verifier.provider.clone())
            .with_safe_default_protocol_versions()
            .expect("the provider knows the versions of TLS");
        let verified = versions.dangerous().with_custom_certificate_verifier(self.verifier.clone());
        let mut config = verified.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(KEPT_SESSIONS);
        config
    }
}

/// Loads the roots when it is first asked.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    authorities: Vec<CertificateDer<'static>>,
    insecure: bool,
    checked_by: OnceLock<Result<rustls_platform_verifier::Verifier, rustls::Error>>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.insecure {
            return Ok(ServerCertVerified::assertion());
        }
        let made = self.checked_by.get_or_init(|| {
            let (authorities, provider) = (self.authorities.iter().cloned(), self.provider.clone());
            rustls_platform_verifier::Verifier::new_with_extra_roots(authorities, provider)
        });
        let verifier = made.as_ref().map_err(Clone::clone)?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The TLS clients of one worker, which resume each other's sessions.
#[derive(Clone)]
pub struct Tls {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Tls {
    /// Clients that have no session yet.
    pub fn new(trust: &Trust) -> Self {
        let mut http2 = trust.client_config();
        http2.alpn_protocols = vec![HTTP2.to_vec()];
        Self { http1: Arc::new(trust.client_config()), http2: Arc::new(http2) }
    }

    /// A stream over a connection: as it is, or, towards a name, encrypted.
    pub async fn wrap<S>(&self, stream: S, name: Option<ServerName<'static>>) -> io::Result<ByteStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        wrap(&self.http1, stream, name).await
    }

    /// The same for HTTP/2, which a target over TLS must choose.
    pub async fn wrap_http2<S>(&self, stream: S, name: Option<ServerName<'static>>) -> io::Result<ByteStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let stream = wrap(&self.http2, stream, name).await?;
        match &stream {
            ByteStream::Tls(tls) if tls.get_ref().1.alpn_protocol() != Some(HTTP2) => {
                Err(io::Error::other("the target does not offer HTTP/2; choose another send.http than h2"))
            }
            _ => Ok(stream),
        }
    }
}

async fn wrap<S>(config: &Arc<ClientConfig>, stream: S, name: Option<ServerName<'static>>) -> io::Result<ByteStream<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let Some(name) = name else { return Ok(ByteStream::Plain(stream)) };
    let connecting = TlsConnector::from(config.clone()).connect(name, stream);
    Ok(ByteStream::Tls(Box::new(connecting.await.map_err(with_hint)?)))
}

/// The name that a host's certificate must have.
pub fn server_name(host: &str) -> io::Result<ServerName<'static>> {
    let name = ServerName::try_from(host.to_owned());
    name.map_err(|_| io::Error::other(format!("{host} is no name that a certificate can have")))
}

/// A certificate that is not believed: what to do about it.
fn with_hint(error: io::Error) -> io::Error {
    match hint(&error) {
        Some(hint) => io::Error::new(error.kind(), format!("{error}{hint}")),
        None => error,
    }
}

/// What to do about an error, to be put behind its words, where it is one of TLS.
pub fn hint(error: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    // Libraries wrap it more than once.
    if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        return hint(inner);
    }
    match error.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) | rustls::Error::General(_) => {
            Some("; believe its authority with --ca FILE, or anybody with --insecure")
        }
        rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol) => {
            Some("; the target does not offer HTTP/2: choose another send.http than h2")
        }
        rustls::Error::InvalidMessage(_) => Some("; is that a port for https?"),
        _ => None,
    }
}

/// A connection to the target: bytes as they are, or over TLS.
pub enum ByteStream<S = TcpStream> {
    /// As they are.
    Plain(S),
    /// Over TLS.
    Tls(Box<TlsStream<S>>),
}

impl<S> ByteStream<S> {
    /// Waits, for a while, until the tickets have come that a server of TLS 1.3
    /// sends of itself behind the handshake: for whoever loses the next bytes
    /// that come, and means those of an answer.
    pub async fn settle(&mut self)
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let Self::Tls(stream) = self else { return };
        let settled = std::future::poll_fn(|task| {
            let read = Pin::new(&mut **stream).poll_read(task, &mut ReadBuf::new(&mut []));
            let session = stream.get_ref().1;
            let has_tickets = session.protocol_version() != Some(ProtocolVersion::TLSv1_3);
            let has_tickets = has_tickets || session.tls13_tickets_received() > 0;
            if has_tickets || read.is_ready() { Poll::Ready(()) } else { Poll::Pending }
        });
        // A server may have none to send.
        let _ = tokio::time::timeout(SETTLED_BY, settled).await;
    }

    /// What carries it.
    pub fn carrier(&self) -> &S {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_ref().0,
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for ByteStream<S> {
    fn poll_read(self: Pin<&mut Self>, task: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(task, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(task, buffer),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for ByteStream<S> {
    fn poll_write(self: Pin<&mut Self>, task: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(task, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(task, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(task),
            Self::Tls(stream) => Pin::new(stream).poll_flush(task),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(task),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(task),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        task: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(task, parts),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(task, parts),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{HandshakeKind, ServerConfig};

    /// A server's certificate for localhost, and what accepts with it.
    fn served(alpn: &[u8]) -> (CertificateDer<'static>, TlsAcceptor) {
        let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = own.cert.der().clone();
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth();
        let mut config = config.with_single_cert(vec![certificate.clone()], key).unwrap();
        config.alpn_protocols = vec![alpn.to_vec()];
        (certificate, TlsAcceptor::from(Arc::new(config)))
    }

    /// The other end of a connection that is accepted, and closed when ours is.
    fn accepted(acceptor: &TlsAcceptor) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            if let Ok(mut stream) = acceptor.accept(theirs).await {
                let _ = stream.write_all(b"hello").await;
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        });
        ours
    }

    fn session<S>(stream: &ByteStream<S>) -> Option<HandshakeKind> {
        match stream {
            ByteStream::Plain(_) => None,
            ByteStream::Tls(stream) => stream.get_ref().1.handshake_kind(),
        }
    }

    #[tokio::test]
    async fn a_session_is_resumed_within_a_worker_and_not_by_another() {
        let (certificate, acceptor) = served(b"http/1.1");
        let trust = Trust::new(vec![certificate], false);
        let (tls, other) = (Tls::new(&trust), Tls::new(&trust));
        let name = server_name("localhost").unwrap();
        let mut first = tls.wrap(accepted(&acceptor), Some(name.clone())).await.unwrap();
        assert_eq!(session(&first), Some(HandshakeKind::Full));
        first.settle().await;
        let mut said = [0; 5];
        first.read_exact(&mut said).await.unwrap();
        assert_eq!(&said, b"hello", "what came behind the tickets is not lost");
        for (tls, kind) in [(&tls, HandshakeKind::Resumed), (&other, HandshakeKind::Full)] {
            let stream = tls.wrap(accepted(&acceptor), Some(name.clone())).await.unwrap();
            assert_eq!(session(&stream), Some(kind));
        }
    }

    #[tokio::test]
    async fn who_is_not_believed_is_refused_with_what_to_do() {
        let (certificate, acceptor) = served(b"http/1.1");
        let believed = Trust::new(vec![certificate], false);
        for (trust, host, http2, said) in [
            (&believed, "localhost", false, ""),
            (&believed, "example.test", false, "--ca FILE"),
            (&Trust::default(), "localhost", false, "--insecure"),
            (&Trust::new(Vec::new(), true), "example.test", false, ""),
            (&believed, "localhost", true, "send.http"),
        ] {
            let (tls, name) = (Tls::new(trust), Some(server_name(host).unwrap()));
            let opened = match http2 {
                false => tls.wrap(accepted(&acceptor), name).await.map(|_| ()),
                true => tls.wrap_http2(accepted(&acceptor), name).await.map(|_| ()),
            };
            let error = opened.map_or_else(|error| error.to_string(), |()| String::new());
            assert!(error.is_empty() == said.is_empty() && error.contains(said), "{host}: {error:?}");
        }
        assert!(server_name("not a name").is_err());
    }
}
