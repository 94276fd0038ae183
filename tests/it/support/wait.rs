//! Waiting for something to become true, never for time to pass.

use std::future::Future;
use std::time::{Duration, Instant};

/// How long anything may take on a loaded machine before a test gives up on it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer. Panics with `what` when patience ends.
pub(crate) async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "gave up waiting for {what}");
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

/// As [`until`], for a question that is itself asked over the network.
pub(crate) async fn until_async<T, F>(what: &str, ask: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    until_async_for(PATIENCE, what, ask).await
}

/// As [`until_async`], with patience of one's own.
pub(crate) async fn until_async_for<T, F>(
    patience: Duration,
    what: &str,
    mut ask: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Option<T>>,
{
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "gave up waiting for {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Lets a future run for as long as patience lasts. Panics with `what` when it ends.
pub(crate) async fn within<T>(what: &str, work: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, work).await {
        Ok(value) => value,
        Err(_) => panic!("gave up waiting for {what}"),
    }
}
