//! From an error of the HTTP client to the word for it. Nothing of the error's text is used: it may
//! hold what the peer sent.

use std::error::Error;

use hyper_util::client::legacy;
use tidegauge_core::Failure;

use crate::connect::NotConnected;
use crate::link::NotTaken;
use crate::upload::UploadError;

/// Why a request has no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Unanswered {
    /// Nothing of it was taken: it may be sent again.
    NotTaken,
    /// For good.
    Failed(Failure),
}

/// What an error says, found by walking to its cause.
pub(crate) fn classify(error: &legacy::Error) -> Unanswered {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    let mut word = Failure::Protocol;
    while let Some(error) = cause {
        if let Some(NotConnected(failure)) = error.downcast_ref() {
            return Unanswered::Failed(*failure);
        }
        if let Some(error) = error.downcast_ref::<UploadError>() {
            return Unanswered::Failed(match error {
                UploadError::Stalled => Failure::RequestStalled,
                UploadError::Aborted | UploadError::Stopped => Failure::RequestAborted,
            });
        }
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return numbered(error);
        }
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            if error.get_ref().is_some_and(|inner| inner.is::<NotTaken>()) {
                return Unanswered::NotTaken;
            }
            word = Failure::ClosedEarly;
        }
        if let Some(error) = error.downcast_ref::<hyper::Error>()
            && (error.is_incomplete_message() || error.is_closed() || error.is_canceled())
        {
            word = Failure::ClosedEarly;
        }
        cause = error.source();
    }
    Unanswered::Failed(word)
}

/// HTTP/2 says by number what was not taken (RFC 9113 8.7).
fn numbered(error: &h2::Error) -> Unanswered {
    // Of a connection that the upstream gives up, those above the last it took end so.
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM) || error.is_go_away();
    if error.is_remote() && refused {
        Unanswered::NotTaken
    } else if error.is_io() {
        Unanswered::Failed(Failure::ClosedEarly)
    } else if error.is_remote() {
        Unanswered::Failed(match error.reason() {
            Some(h2::Reason::PROTOCOL_ERROR | h2::Reason::COMPRESSION_ERROR) => Failure::Protocol,
            _ => Failure::ClosedEarly,
        })
    } else {
        Unanswered::Failed(Failure::Protocol)
    }
}
