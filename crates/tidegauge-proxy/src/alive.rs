//! Finds out that a peer is gone without having said so: its machine, or the network on the way.

use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// A silent connection is asked after so long, so often, before it counts as dead: within a minute.
const ASK_AFTER: Duration = Duration::from_secs(30);
const ASK_EVERY: Duration = Duration::from_secs(10);
const ASK_TIMES: u32 = 3;
/// How long bytes may be on their way to an upstream, or wait for it to read.
const UPSTREAM: Duration = Duration::from_secs(60);
/// The same for a client, who may be paused for a while.
const CLIENT: Duration = Duration::from_secs(300);

/// Watches the connections that this makes.
pub(crate) fn watch_upstreams<R>(connector: &mut HttpConnector<R>) {
    connector.set_keepalive(Some(ASK_AFTER));
    connector.set_keepalive_interval(Some(ASK_EVERY));
    connector.set_keepalive_retries(Some(ASK_TIMES));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    connector.set_tcp_user_timeout(Some(UPSTREAM));
}

/// Watches a client's connection. A socket that refuses serves all the same.
pub(crate) fn watch_client(tcp: &TcpStream) {
    let socket = SockRef::from(tcp);
    let asking = TcpKeepalive::new().with_time(ASK_AFTER).with_interval(ASK_EVERY);
    #[cfg(not(windows))]
    let asking = asking.with_retries(ASK_TIMES);
    _ = socket.set_tcp_keepalive(&asking);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    {
        _ = socket.set_tcp_user_timeout(Some(CLIENT));
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use tokio::net::TcpListener;
    use tower_service::Service;

    use super::*;

    #[tokio::test]
    async fn dead_peers_are_found_within_a_minute() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let mut connector = HttpConnector::new();
        watch_upstreams(&mut connector);
        let upstream = connector.call(to).await.unwrap().into_inner();
        let (client, _) = listener.accept().await.unwrap();
        watch_client(&client);
        for (tcp, unacknowledged) in [(&upstream, UPSTREAM), (&client, CLIENT)] {
            let socket = SockRef::from(tcp);
            assert!(socket.keepalive().unwrap());
            let silent = socket.tcp_keepalive_time().unwrap()
                + socket.tcp_keepalive_interval().unwrap()
                    * socket.tcp_keepalive_retries().unwrap();
            assert_eq!(silent, Duration::from_secs(60));
            assert_eq!(socket.tcp_user_timeout().unwrap(), Some(unacknowledged));
        }
    }
}
