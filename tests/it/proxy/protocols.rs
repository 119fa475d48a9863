//! What is spoken through it: TLS, HTTP/2, WebSockets.

use super::harness::{Bench, bytes, within};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_tungstenite::tungstenite::Message;

fn with_certificate() -> (TlsConnector, TlsAcceptor) {
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let certificate = own.cert.der().clone();
    let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(crypto::ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let server = server.unwrap().with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let client = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = client.unwrap().with_root_certificates(roots).with_no_client_auth();
    (TlsConnector::from(Arc::new(client)), TlsAcceptor::from(Arc::new(server)))
}

#[tokio::test]
async fn tls_with_its_close() {
    let bench = Bench::new().await;
    let (client, server) = bench.pair(1).await;
    let (connector, acceptor) = with_certificate();
    let name = ServerName::try_from("localhost").unwrap();
    let (client, server) =
        within(async { tokio::join!(connector.connect(name, client), acceptor.accept(server)) }).await;
    let (mut client, mut server) = (client.unwrap(), server.unwrap());
    let sent = bytes(1, 2_000_000);
    let writes = async {
        client.write_all(&sent).await.unwrap();
        client.shutdown().await.unwrap();
        client.read_to_end(&mut Vec::new()).await.unwrap()
    };
    let reads = async {
        let mut read = Vec::new();
        server.read_to_end(&mut read).await.unwrap();
        server.shutdown().await.unwrap();
        read
    };
    let (_, read) = within(async { tokio::join!(writes, reads) }).await;
    assert!(read == sent, "{} bytes, or others", read.len());
    drop((client, server));
    bench.until_none_is_open().await;
}

/// Answers with the body it was sent.
async fn echo(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(Response::new(Full::new(request.into_body().collect().await.unwrap().to_bytes())))
}

#[tokio::test]
async fn http2_with_many_streams() {
    let bench = Bench::new().await;
    let (client, server) = bench.pair(1).await;
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(server), service_fn(echo));
    let serving = tokio::spawn(serving);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(client));
    let (sender, connection) = within(handshake).await.unwrap();
    let connection = tokio::spawn(connection);
    let requests = (0..50u64).map(|number| {
        let mut sender = sender.clone();
        async move {
            let body = Bytes::from(bytes(number, 1 + number as usize * 2_000));
            let request = Request::post("http://localhost/").body(Full::new(body.clone())).unwrap();
            let answer = sender.send_request(request).await.unwrap();
            assert!(answer.into_body().collect().await.unwrap().to_bytes() == body, "another body");
        }
    });
    within(futures_util::future::join_all(requests)).await;
    drop(sender);
    within(connection).await.unwrap().unwrap();
    within(serving).await.unwrap().unwrap();
    bench.until_none_is_open().await;
}

#[tokio::test]
async fn a_websocket_with_its_upgrade() {
    let bench = Bench::new().await;
    let (client, server) = bench.pair(1).await;
    let upgrade = async {
        tokio::join!(
            tokio_tungstenite::client_async("ws://localhost/", client),
            tokio_tungstenite::accept_async(server)
        )
    };
    let (client, server) = within(upgrade).await;
    let (mut client, mut server) = (client.unwrap().0, server.unwrap());
    for (number, size) in [1, 125, 126, 70_000, 1_000_000].into_iter().enumerate() {
        let message = Message::binary(bytes(number as u64, size));
        let (sent, received) = within(async { tokio::join!(client.send(message.clone()), server.next()) }).await;
        sent.unwrap();
        assert!(received.unwrap().unwrap() == message, "{size}");
        let (sent, received) = within(async { tokio::join!(server.send(message.clone()), client.next()) }).await;
        sent.unwrap();
        assert!(received.unwrap().unwrap() == message, "{size}");
    }
    within(client.close(None)).await.unwrap();
    assert!(matches!(within(server.next()).await, Some(Ok(Message::Close(_)))));
    assert!(within(server.next()).await.is_none());
    drop((client, server));
    bench.until_none_is_open().await;
}
