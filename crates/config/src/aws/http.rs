//! The HTTP client beneath the AWS clients: HTTP/1.1, connections kept and shared, TLS made ready
//! when first needed.
//!
//! Not the one of the SDK: that reads the system's root certificates three times when three clients
//! are made, and brings HTTP/2 and proxies, which cost a function a tenth of its size and are of no
//! use to it: AWS's endpoints speak HTTP/1.1.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_ssm::config::RuntimeComponents;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use hyper_util::client::legacy;
use rustls::RootCertStore;

/// For a function: an endpoint in the same region answers in milliseconds; a connection that takes
/// longer than this is better tried again.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

type Client = mayfly_http::Client<SdkBody>;

/// The client, shared by all clients of a function. An attempt's time is limited by the SDK, not
/// here.
#[derive(Clone, Debug)]
pub(super) struct Http(Arc<Clients>);

impl Default for Http {
    fn default() -> Self {
        Self::within(CONNECT_TIMEOUT)
    }
}

impl Http {
    /// A client whose connections may take as long as this.
    pub(super) fn within(connect: Duration) -> Self {
        Self(Arc::new(Clients {
            connect,
            trusting: OnceLock::new(),
            plain: OnceLock::new(),
        }))
    }
}

#[derive(Debug)]
struct Clients {
    /// How long a connection may take.
    connect: Duration,
    /// For `https`: with the system's root certificates.
    trusting: OnceLock<Client>,
    /// For `http`, which only a stack on this machine speaks: trusts no one, and so has nothing to
    /// read.
    plain: OnceLock<Client>,
}

impl Http {
    /// Reads the system's root certificates now, not with the first request: a third of what a cold
    /// start over TLS costs. That request reports what goes wrong.
    pub(super) fn prepare(&self) {
        let _made_again = self.0.trusting();
    }
}

impl HttpClient for Http {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Http {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        let client = if request.uri().scheme_str() == Some("http") {
            self.0.plain()
        } else {
            self.0.trusting()
        };
        let response = match client {
            Ok(client) => client.request(request),
            Err(error) => {
                return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into())));
            }
        };
        HttpConnectorFuture::new(async move {
            let response = response.await.map_err(failed)?;
            HttpResponse::try_from(response.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

impl Clients {
    fn plain(&self) -> Result<&Client, rustls::Error> {
        made(&self.plain, self.connect, || RootCertStore::empty().into())
    }

    fn trusting(&self) -> Result<&Client, rustls::Error> {
        made(&self.trusting, self.connect, || {
            mayfly_http::system_certificates().unwrap_or_else(|none| {
                tracing::error!(error = %none, "AWS cannot be reached");
                RootCertStore::empty().into()
            })
        })
    }
}

/// The client in `cell`, made now if it is not there yet.
fn made(
    cell: &OnceLock<Client>,
    connect: Duration,
    trusted: impl FnOnce() -> Arc<RootCertStore>,
) -> Result<&Client, rustls::Error> {
    if let Some(client) = cell.get() {
        return Ok(client);
    }
    let client = mayfly_http::client(connect, trusted())?;
    Ok(cell.get_or_init(|| client))
}

/// A request that cannot be sent as it is stays so; whatever else happens on a connection may be
/// tried again.
fn failed(error: legacy::Error) -> ConnectorError {
    let cause =
        std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<hyper::Error>());
    match cause {
        Some(cause) if cause.is_user() => ConnectorError::user(error.into()),
        Some(cause) if cause.is_timeout() => ConnectorError::timeout(error.into()),
        _ => ConnectorError::io(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_ssm::Client as Ssm;
    use aws_sdk_ssm::config::retry::RetryConfig;
    use aws_sdk_ssm::config::{BehaviorVersion, Credentials, Region};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::sync::Mutex;

    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.1\r\ncontent-length: 17\r\n\r\n{\"Parameters\":[]}";

    /// A server that answers `each` requests on a connection and then closes it; counts its
    /// connections. Lives as long as the test's process.
    fn server(each: usize) -> (String, Arc<Mutex<usize>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = listener.local_addr().unwrap().to_string();
        let connections = Arc::new(Mutex::new(0));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                *count.lock().unwrap() += 1;
                for _ in 0..each {
                    let (mut request, mut byte) = (Vec::new(), [0]);
                    // The body is so small that it may stay unread: the next request is found by
                    // its own end.
                    while !request.ends_with(b"\r\n\r\n")
                        && stream.read(&mut byte).unwrap_or(0) == 1
                    {
                        request.push(byte[0]);
                    }
                    let _ = stream.write_all(ANSWER);
                }
            }
        });
        (url, connections)
    }

    fn client(url: &str) -> Ssm {
        Ssm::from_conf(
            aws_sdk_ssm::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::new("eu-west-1"))
                .credentials_provider(Credentials::new("key", "secret", None, None, "test"))
                .retry_config(RetryConfig::disabled())
                .endpoint_url(url)
                .http_client(Http::default())
                .build(),
        )
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_the_next_call() {
        let (address, connections) = server(10);
        let client = client(&format!("http://{address}"));
        for _ in 0..3 {
            client.get_parameters().names("x").send().await.unwrap();
        }
        assert_eq!(*connections.lock().unwrap(), 1);
    }

    #[tokio::test]
    async fn a_closed_connection_is_replaced() {
        let (address, connections) = server(1);
        let client = client(&format!("http://{address}"));
        // Whether the first connection's end is seen before the second request leaves is a race: a
        // lost one is the SDK's to repeat.
        let client = Ssm::from_conf(
            client
                .config()
                .to_builder()
                .retry_config(RetryConfig::standard())
                .build(),
        );
        for _ in 0..3 {
            client.get_parameters().names("x").send().await.unwrap();
        }
        assert!(*connections.lock().unwrap() >= 3);
    }

    #[tokio::test]
    async fn an_endpoint_that_is_not_there_is_a_failure_that_may_pass() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = client(&format!("http://{address}"))
            .get_parameters()
            .names("x")
            .send()
            .await
            .unwrap_err();
        assert!(error.failed_on_the_way(), "{error:?}");
    }

    /// A server whose queue of connections is full: what else wants to connect hears nothing. The
    /// connection that fills it comes with it.
    fn full_server() -> (String, tokio::net::TcpListener, std::net::TcpStream) {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let first = std::net::TcpStream::connect(address).unwrap();
        (format!("http://{address}"), listener, first)
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_that_nobody_takes_is_given_up_after_a_second() {
        let (url, _listener, _first) = full_server();
        let began = tokio::time::Instant::now();
        let error = client(&url)
            .get_parameters()
            .names("x")
            .send()
            .await
            .unwrap_err();
        assert!(error.failed_on_the_way() || error.timed_out(), "{error:?}");
        assert_eq!(began.elapsed().as_secs(), CONNECT_TIMEOUT.as_secs());
    }

    #[tokio::test]
    async fn https_is_never_spoken_in_the_clear() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let first = std::thread::spawn(move || {
            let mut byte = [0];
            listener.accept().unwrap().0.read_exact(&mut byte).unwrap();
            byte[0]
        });
        let error = client(&url)
            .get_parameters()
            .names("x")
            .send()
            .await
            .unwrap_err();
        assert!(error.failed_on_the_way(), "{error:?}");
        // 22: a TLS record of the type handshake.
        assert_eq!(first.join().unwrap(), 22);
    }

    trait Failed {
        fn failed_on_the_way(&self) -> bool;
        fn timed_out(&self) -> bool;
    }

    impl<E, R> Failed for aws_sdk_ssm::error::SdkError<E, R> {
        fn failed_on_the_way(&self) -> bool {
            matches!(self, Self::DispatchFailure(failure) if failure.is_io())
        }

        fn timed_out(&self) -> bool {
            matches!(self, Self::DispatchFailure(failure) if failure.is_timeout())
        }
    }
}
