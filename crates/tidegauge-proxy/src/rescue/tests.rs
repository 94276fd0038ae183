//! The reference page tells every answer of our own.

use http::StatusCode;
use tidegauge_core::{Domain, Failure, Rejected};

use super::{refused, told};
use crate::check::Refusal;

const PAGE: &str = include_str!("../../../../docs/forwarding.md");

#[test]
fn every_failure_has_its_row() {
    for failure in Failure::ALL {
        // Nobody answers for a process that was killed, and rules say themselves what they answer.
        let rule = failure.category().domain() == Some(Domain::Policy);
        if matches!(failure, Failure::Killed | Failure::MaybeKilled) || rule {
            continue;
        }
        let (status, error, _) = told(failure);
        let kind = failure.error_type();
        let row = format!("\n| {} | `{error}` | `{}` |", status.as_u16(), kind.as_str());
        assert!(PAGE.contains(&row), "{row}");
    }
}

#[test]
fn every_refusal_has_its_row() {
    for reason in Rejected::ALL.iter().copied() {
        // Told by other means, or not at all.
        if matches!(
            reason,
            Rejected::HeadTimeout | Rejected::Route | Rejected::Connections | Rejected::Stream
        ) {
            continue;
        }
        let response = refused(Refusal { status: StatusCode::BAD_REQUEST, reason, message: "m" });
        let proxy_status = response.headers()["proxy-status"].to_str().unwrap();
        let error = proxy_status.split("error=").nth(1).unwrap();
        let row = format!(" | `{error}` | `request_{}` |", reason.name());
        assert!(PAGE.contains(&row), "{row}");
    }
}
