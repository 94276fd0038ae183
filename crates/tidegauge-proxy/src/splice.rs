//! Asks for usage in a request body, and recognises an upstream that does not know what it is asked.

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use tidegauge_core::{Dialect, Failure, Splice, UsagePolicy};

use crate::attempt::Answer;
use crate::call::Call;
use crate::headers;
use crate::hold::joined;
use crate::tap::Front;
use crate::upstream::Client;

/// Bytes of an answer to a spliced request that are read before it is passed on, if it is an error.
const REFUSAL: usize = 64 * 1024;
/// And for how long.
const REFUSAL_WAIT: Duration = Duration::from_secs(5);

/// Whether usage may have to be asked for in this request, so that its body has to be known.
pub(crate) fn may_splice(call: &Call<'_>, client: &Client) -> bool {
    call.upstream.usage == UsagePolicy::Inject
        && !client.refuses_splice.load(Relaxed)
        && headers::is_plain(&call.parts.headers)
        && call.upstream.dialect.may_splice(call.operation, call.head())
}

/// The body with what is added to it; `None`: nothing is.
pub(crate) fn spliced(dialect: &dyn Dialect, body: &Bytes) -> Option<VecDeque<Bytes>> {
    let Splice { at, insert } = dialect.splice(body)?;
    (at <= body.len()).then(|| VecDeque::from([body.slice(..at), insert, body.slice(at..)]))
}

/// Whether an answer to a spliced request says that the splice is not understood (`Break`). If not,
/// the answer and what was read of it.
pub(crate) async fn refused(
    dialect: &dyn Dialect,
    Answer { mut response, stream }: Answer,
) -> ControlFlow<(), (Answer, Front)> {
    let status = response.status();
    let mut front = Front::new();
    if !status.is_client_error() || !headers::is_plain(response.headers()) {
        return ControlFlow::Continue((Answer { response, stream }, front));
    }
    let mut bytes = 0;
    let mut whole = false;
    let reading = async {
        while bytes <= REFUSAL {
            match response.body_mut().frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        bytes += data.len();
                        front.push_back(Ok(data));
                    }
                }
                Some(Err(_)) => return front.push_back(Err(Failure::StreamCut)),
                None => {
                    whole = true;
                    return;
                }
            }
        }
    };
    let _in_time = tokio::time::timeout(REFUSAL_WAIT, reading).await;
    let body = joined(front.iter().flatten().cloned().collect());
    if whole && dialect.refuses_splice(status, &body) {
        return ControlFlow::Break(());
    }
    ControlFlow::Continue((Answer { response, stream }, front))
}
