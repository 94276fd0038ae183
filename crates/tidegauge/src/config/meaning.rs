//! What each word of a setting means to the crate that follows it, both ways, in one table: a setting
//! goes from the file to that crate as a value of a type, and back into the file that is printed.

use tidegauge_core::{Capture, Propagate, Trust, UsagePolicy};
use tidegauge_export::Protocol;
use tidegauge_otel::{CacheWriteName, CallDetail, Histograms, Names, SpanTree};

use super::file::{
    CacheWriteWord, CallSpanWord, CaptureWord, HistogramsWord, NamesWord, PropagateWord,
    ProtocolWord, SpanUsageWord, SpansWord, TrustWord, UsageWord,
};

/// A line makes a word and what it means stand for each other.
macro_rules! means {
    ($($word:ident is $meaning:ident { $($from:ident => $to:ident),+ $(,)? })+) => {$(
        impl From<$word> for $meaning {
            fn from(word: $word) -> Self {
                match word { $($word::$from => Self::$to,)+ }
            }
        }

        impl From<$meaning> for $word {
            fn from(meaning: $meaning) -> Self {
                match meaning { $($meaning::$to => Self::$from,)+ }
            }
        }
    )+};
}

means! {
    CaptureWord is Capture { Off => Off, Redacted => Redacted, Full => Full }
    UsageWord is UsagePolicy { Inject => Inject, Passthrough => Passthrough }
    PropagateWord is Propagate { None => None, Passthrough => Passthrough, Inject => Inject }
    TrustWord is Trust { Continue => Continue, Link => Link, Ignore => Ignore }
    ProtocolWord is Protocol { Grpc => Grpc, Http => HttpProtobuf }
    HistogramsWord is Histograms { Exponential => Exponential, Explicit => Explicit }
    NamesWord is Names { Current => Current, Next => Next, Both => Both }
    CacheWriteWord is CacheWriteName { New => New, Old => Old, Both => Both }
    CallSpanWord is CallDetail { Full => Full, LinkOnly => LinkOnly }
    SpanUsageWord is CallDetail { Own => Full, LinkOnly => LinkOnly }
    SpansWord is SpanTree { All => All, Calls => Calls }
}
