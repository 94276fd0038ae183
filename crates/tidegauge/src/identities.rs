//! Whether the books balance: the identities of the accounting, as far as a running process can check
//! them on itself.
//!
//! In: our own counters. Out: for each identity whether it holds and the numbers that say so. Numbers
//! are read one after the other while they change, so a process that works may look unbalanced for a
//! moment; at rest it must not.

use serde_json::{Value, json};
use tidegauge_core::{Dropped, Health, Ledger};

/// One identity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Identity {
    /// Its number, and whose it is if there are several.
    pub(crate) name: String,
    /// Whether it holds; `None`: it does not apply, or cannot be checked from inside.
    pub(crate) holds: Option<bool>,
    /// The numbers.
    pub(crate) says: String,
}

/// All of them, in order.
pub(crate) fn identities(health: &Health) -> Vec<Identity> {
    let mut all = vec![requests(health)];
    all.extend(health.exporters().iter().map(|books| spans(books)));
    let outside = [
        ("I3", "what was acknowledged is with the receiver: only the receiver can say"),
        ("I4", "tokens and cost are those of the providers: only they can say"),
        ("I5", "bytes out are bytes in: each record has both"),
    ];
    all.extend(outside.map(|(name, says)| Identity {
        name: name.to_owned(),
        holds: None,
        says: says.to_owned(),
    }));
    all.push(journal(health));
    all
}

/// As a part of a page.
pub(crate) fn page(health: &Health) -> Value {
    let shown = |one: Identity| json!({ "name": one.name, "holds": one.holds, "says": one.says });
    identities(health).into_iter().map(shown).collect()
}

fn requests(health: &Health) -> Identity {
    let active = health.active();
    let (records, lost) = (health.records(), sum(|why| health.records_lost(why)));
    let accepted = health.accepted();
    let open = i128::from(accepted) - i128::from(records) - i128::from(lost);
    Identity {
        name: "I1".to_owned(),
        holds: Some(open == 0 || (open > 0 && active > 0)),
        says: format!("accepted {accepted} = records {records} + lost {lost} + open {open}"),
    }
}

fn spans(books: &Ledger) -> Identity {
    let dropped = sum(|why| books.spans_dropped(why));
    Identity {
        name: format!("I2 {}", books.exporter()),
        holds: Some(books.missing() == 0),
        says: format!(
            "created {} + recovered {} = acked {} + dropped {dropped} + queued {} + queued on disk {}",
            books.spans(),
            books.spans_recovered(),
            books.spans_acked(),
            books.spans_queued(),
            books.spans_queued_disk(),
        ),
    }
}

fn journal(health: &Health) -> Identity {
    let (opened, closed) = (health.journal_opened(), health.journal_closed());
    let (killed, lost) = (health.killed(), sum(|why| health.journal_lost(why)));
    let (active, accepted) = (health.active(), health.accepted());
    let name = "I6".to_owned();
    if opened + closed + killed + lost == 0 {
        return Identity { name, holds: None, says: "the journal is off, or empty".to_owned() };
    }
    let unnoted = i128::from(accepted) - i128::from(opened);
    let open = i128::from(opened) + i128::from(killed) - i128::from(closed);
    let lost_too = i128::from(lost);
    let holds = unnoted <= lost_too && open >= 0 && (active > 0 || open <= lost_too);
    Identity {
        name,
        holds: Some(holds),
        says: format!(
            "accepted {accepted} = opened {opened} + not noted {unnoted}; opened + found {killed} = \
             closed {closed} + open {open}; lines lost {lost}"
        ),
    }
}

fn sum(count: impl Fn(Dropped) -> u64) -> u64 {
    Dropped::ALL.iter().map(|why| count(*why)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unbalanced(health: &Health) -> Vec<String> {
        let wrong = identities(health).into_iter().filter(|one| one.holds == Some(false));
        wrong.map(|one| one.name).collect()
    }

    #[test]
    fn each_identity_finds_what_is_missing() {
        let health = Health::default();
        let books = health.ledger("one");
        health.ledger("two");
        assert_eq!(unbalanced(&health), [] as [&str; 0]);
        health.request_accepted();
        assert_eq!(unbalanced(&health), ["I1"]);
        health.active_changed(1);
        health.journal_open();
        books.spans_made(3);
        assert_eq!(unbalanced(&health), ["I2 one"]);
        books.spans_queued_changed(3);
        assert_eq!(unbalanced(&health), [] as [&str; 0]);
        health.active_changed(-1);
        health.record_lost(Dropped::Panic, 1);
        assert_eq!(unbalanced(&health), ["I6"]);
        health.journal_close();
        assert_eq!(unbalanced(&health), [] as [&str; 0]);
        health.exchange_killed();
        assert_eq!(unbalanced(&health), ["I6"]);
        health.journal_line_lost(Dropped::QueueFull, 1);
        assert_eq!(unbalanced(&health), [] as [&str; 0]);
    }
}
